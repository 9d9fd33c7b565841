"""Tiny copies of public data sets in their exact on-disk layouts."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy.io import savemat

CIFAR10 = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def text(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def picture(path: Path, shade: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (shade % 256, 0, 0)).save(path)


def records(path: Path, heads: list[list[int]], side: int) -> None:
    """A head of bytes, then three planes; the red one counts up, the green one is the row."""
    body = np.zeros((len(heads), 3, side * side), np.uint8)
    body[:, 0] = np.arange(side * side) % 256
    body[:, 1] = np.arange(len(heads))[:, None]
    whole = np.concatenate([np.array(heads, np.uint8), body.reshape(len(heads), -1)], axis=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(whole.tobytes())


def cifar10(root: Path, per_part: int = 2) -> list[int]:
    """Labels of the training images, in order."""
    labels = [(3 * n) % 10 for n in range(5 * per_part)]
    for part in range(5):
        own = labels[part * per_part : (part + 1) * per_part]
        records(root / f"data_batch_{part + 1}.bin", [[label] for label in own], 32)
    records(root / "test_batch.bin", [[9], [0]], 32)
    text(root / "batches.meta.txt", *CIFAR10, "")
    return labels


def cifar100(root: Path) -> list[int]:
    labels = [0, 99, 5]
    records(root / "train.bin", [[label // 5, label] for label in labels], 32)
    records(root / "test.bin", [[0, 1]], 32)
    text(
        root / "fine_label_names.txt", "apple", "aquarium_fish", *(f"c_{n}" for n in range(2, 100))
    )
    text(root / "coarse_label_names.txt", *(f"k{n}" for n in range(20)))
    return labels


def human_labels(path: Path, sets: dict[str, Any]) -> None:
    """As `torch.save` wrote them with NumPy 1, which called its modules otherwise."""
    torch.save(sets, path)
    with zipfile.ZipFile(path) as archive:
        parts = {entry: archive.read(entry) for entry in archive.namelist()}
    assert any(b"numpy._core.multiarray" in part for part in parts.values())
    with zipfile.ZipFile(path, "w") as archive:
        for entry, data in parts.items():
            archive.writestr(
                entry, data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
            )


def tiny_imagenet(root: Path) -> None:
    ids = ["n02124075", "n04067472"]
    text(root / "wnids.txt", *ids)
    text(
        root / "words.txt",
        "n00001740\tentity",
        "n02124075\tEgyptian cat",
        "n04067472\treel, fishing_reel",
    )
    for key in ids:
        for n in (0, 1, 10):
            picture(root / "train" / key / "images" / f"{key}_{n}.JPEG")
        text(root / "train" / key / f"{key}_boxes.txt", f"{key}_0.JPEG\t0\t0\t62\t62")
    picture(root / "val" / "images" / "val_0.JPEG")
    text(root / "val" / "val_annotations.txt", "val_0.JPEG\tn04067472\t0\t32\t44\t62")


def cars_annotations(path: Path, names: list[str], classes: list[int], **more: Any) -> None:
    """MATLAB's struct array of one row, a field for each fact."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = "relative_im_path" if more else "fname"
    kinds = [(file, object), ("bbox_x1", object), ("class", object)]
    kinds += [(key, object) for key in more if key == "test"]
    notes = np.zeros((1, len(names)), dtype=kinds)
    notes[file][0] = names
    notes["bbox_x1"][0] = [30] * len(names)
    notes["class"][0] = classes
    if "test" in more:
        notes["test"][0] = more.pop("test")
    savemat(path, {"annotations": notes, **more})


CARS = ["AM General Hummer SUV 2000", "Ram C/V Cargo Van Minivan 2012"]


def cars_names() -> np.ndarray:
    return np.array(CARS, dtype=object)[None]


def cub(root: Path) -> None:
    text(root / "classes.txt", "1 001.Black_footed_Albatross", "2 002.Laysan_Albatross")
    names = ["001.Black_footed_Albatross/B_01.jpg", "002.Laysan_Albatross/L_1.jpg"]
    names.append("002.Laysan_Albatross/L_2.jpg")
    text(root / "images.txt", *(f"{n + 1} {name}" for n, name in enumerate(names)))
    text(root / "image_class_labels.txt", "1 1", "2 2", "3 2")
    text(root / "train_test_split.txt", "1 1", "2 0", "3 1")
    for name in names:
        picture(root / "images" / name)


CLOTHES = ["T-Shirt", "Shirt", "Knitwear"]


def clothing1m(root: Path, noisy: list[int]) -> list[str]:
    keys = [f"images/{n % 10}/0{n % 10}/{n},{n + 7}.jpg" for n in range(len(noisy))]
    text(root / "category_names_eng.txt", *CLOTHES)
    pairs = zip(keys, noisy, strict=True)
    text(root / "noisy_label_kv.txt", *(f"{key} {label}" for key, label in pairs))
    # Clean labels of two of the noisy images, and of others.
    clean = {keys[0]: noisy[0], keys[1]: (noisy[1] + 1) % 3, "images/9/99/v.jpg": 2}
    text(root / "clean_label_kv.txt", *(f"{key} {label}" for key, label in clean.items()))
    text(root / "noisy_train_key_list.txt", *keys)
    text(root / "clean_train_key_list.txt", keys[0])
    text(root / "clean_val_key_list.txt", "images/9/99/v.jpg")
    text(root / "clean_test_key_list.txt", keys[1])
    for key in keys[:3]:
        picture(root / key)
    return keys


def webvision(root: Path) -> None:
    text(
        root / "info" / "synsets.txt",
        "n01440764 tench, Tinca tinca",
        "n01443537 goldfish, Carassius auratus",
        "n02012849 crane",
        "n03126707 crane",
        "n03710637 maillot",
        "n03710721 maillot, tank suit",
    )
    text(
        root / "info" / "train_filelist_google.txt",
        "google/q0001/a.jpg 0",
        "google/q0002/b.jpg 1",
        "google/q0003/c.jpg 2",
        "google/q0001/d.jpg 0",
    )
    text(root / "info" / "val_filelist.txt", "val000001.jpg 1", "val000002.jpg 5")
    for name in ("google/q0001/a.jpg", "google/q0002/b.jpg", "val_images_256/val000001.jpg"):
        picture(root / name)


def food101n(root: Path) -> None:
    text(root / "meta" / "classes.txt", "class_name", "apple_pie", "baby_back_ribs")
    keys = ["apple_pie/a.jpg", "apple_pie/b.jpg", "baby_back_ribs/c.jpg", "baby_back_ribs/d.jpg"]
    text(root / "meta" / "imagelist.tsv", "class_name/key", *keys)
    head = "class_name/key\tverification_label"
    text(root / "meta" / "verified_train.tsv", head, f"{keys[0]}\t1", f"{keys[1]}\t0", "x/y.jpg\t1")
    text(root / "meta" / "verified_val.tsv", head, f"{keys[3]}\t1")
    for key in keys:
        picture(root / "images" / key)


def animal10n_files(root: Path) -> None:
    for name in ("0_1.jpg", "9_2.jpg", "5_10.jpg"):
        picture(root / "training" / name)
    picture(root / "testing" / "3_1.jpg")


def animal10n_binary(root: Path) -> None:
    records(
        root / "data_batch_1.bin",
        [[0, 0, 0, n, 0, 0, 0, label] for n, label in ((0, 4), (1, 9))],
        64,
    )
    records(root / "data_batch_2.bin", [[0, 0, 0, 2, 0, 0, 0, 1]], 64)
    records(root / "test_batch.bin", [[0, 0, 0, 0, 0, 0, 0, 7]], 64)
