"""Tiny-ImageNet, Stanford-Cars and CUB-200-2011: pictures as files, labels taken to be true."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deftclean.datasets.options import Split
from deftclean.datasets.public_sets import PublicSet, Source, clean_set, first_lemmas, plain

TINY_IMAGENET = Source(
    "Tiny-ImageNet",
    'the page of Stanford\'s course CS231n, "Tiny ImageNet Visual Recognition Challenge"',
    "wnids.txt, words.txt, train/<id>/images/ and val/ with val_annotations.txt, in the folder "
    "itself or in tiny-imagenet-200/",
)
CARS = Source(
    "Stanford-Cars",
    'the page "Cars Dataset" of the Stanford AI Lab (Jonathan Krause)',
    "cars_annos.mat and car_ims/; or devkit/cars_meta.mat and devkit/cars_train_annos.mat with "
    "cars_train/ (for the test images cars_test_annos_withlabels.mat and cars_test/)",
)
CUB = Source(
    "CUB-200-2011",
    'the page "Caltech-UCSD Birds-200-2011" of the Caltech Vision Lab',
    "images.txt, image_class_labels.txt, classes.txt, train_test_split.txt and images/, in the "
    "folder itself or in CUB_200_2011/",
)


def load_tiny_imagenet(root: Path, split: Split) -> PublicSet:
    """Tiny-ImageNet-200; the labels of its test set are not public.

    Raises:
        InputError: files are missing or damaged.
    """
    source = TINY_IMAGENET
    source.check_split(split, ("train", "val"))
    folder = source.folder(root, ["wnids.txt", "words.txt", "train", "val"], ["tiny-imagenet-200"])
    ids = source.lines(folder / "wnids.txt")
    words = dict(line.split("\t", 1) for line in source.lines(folder / "words.txt") if "\t" in line)
    if unknown := [key for key in ids if key not in words]:
        raise source.refusal(
            f"words.txt has no names for {len(unknown)} ids, the first {unknown[0]}"
        )
    names = first_lemmas({key: words[key] for key in ids})
    if split == "train":
        files, keys = _tiny_train(source, folder, ids)
    else:
        types = {"file": pa.string(), "id": pa.string()} | dict.fromkeys("xywh", pa.int64())
        listed = source.columns(folder / "val" / "val_annotations.txt", types, "\t")
        files = pc.binary_join_element_wise("val/images/", listed["file"].combine_chunks(), "")
        keys = listed["id"].combine_chunks()
    classes = pc.fill_null(pc.index_in(keys, value_set=pa.array(ids, pa.string())), -1)
    class_names = [names[key] for key in ids]
    return clean_set(folder, files, source.named(classes, class_names, folder), class_names)


def _tiny_train(source: Source, folder: Path, ids: list[str]) -> tuple[pa.Array, pa.Array]:
    files: list[str] = []
    keys: list[str] = []
    for key in ids:
        try:
            pictures = (folder / "train" / key / "images").iterdir()
            found = sorted(path.name for path in pictures)
        except OSError as error:
            raise source.refusal(f"{error.filename} cannot be listed: {error.strerror}") from error
        files += [f"train/{key}/images/{name}" for name in found]
        keys += [key] * len(found)
    return pa.array(files, pa.string()), pa.array(keys, pa.string())


def load_cars(root: Path, split: Split) -> PublicSet:
    """Stanford-Cars, of which two layouts were published: one list of all images, and a devkit.

    Raises:
        InputError: files are missing or damaged.
    """
    CARS.check_split(split, ("train", "test"))
    if (root / "cars_annos.mat").is_file():
        CARS.folder(root, ["car_ims"])
        found = _matlab(root / "cars_annos.mat")
        wanted = ("relative_im_path", "class", "test")
        notes = _field(found, "annotations", root / "cars_annos.mat", wanted)
        meant = np.atleast_1d(notes["test"]).astype(np.int64) == (split == "test")
        files = [str(name) for name in np.atleast_1d(notes["relative_im_path"])[meant]]
        classes = np.atleast_1d(notes["class"])[meant]
        names = _field(found, "class_names", root / "cars_annos.mat")
        return _cars(root, files, classes, names)
    folder = CARS.folder(root, ["devkit/cars_meta.mat", f"cars_{split}"], ["stanford_cars"])
    list_file = folder / "devkit" / "cars_train_annos.mat"
    if split == "test":
        name = "cars_test_annos_withlabels.mat"
        list_file = folder / name if (folder / name).is_file() else folder / "devkit" / name
    notes = _field(_matlab(list_file), "annotations", list_file, ("fname", "class"))
    names = _field(_matlab(folder / "devkit" / "cars_meta.mat"), "class_names", folder)
    files = [f"cars_{split}/{name}" for name in np.atleast_1d(notes["fname"])]
    return _cars(folder, files, np.atleast_1d(notes["class"]), names)


def _cars(root: Path, files: list[str], classes: Any, names: Any) -> PublicSet:
    class_names = [plain(str(name)) for name in np.atleast_1d(names)]
    numbers = pa.array(np.array([int(number) - 1 for number in classes], np.int64))
    given = CARS.named(numbers, class_names, root)
    return clean_set(root, pa.array(files, pa.string()), given, class_names)


def _matlab(path: Path) -> dict[str, Any]:
    from scipy.io import loadmat

    wanted = ["annotations", "class_names"]
    try:
        found: dict[str, Any] = loadmat(path, squeeze_me=True, variable_names=wanted)
    # SciPy raises nearly anything over a damaged file.
    except Exception as error:
        raise CARS.refusal(f"{path} cannot be read: {error}") from error
    return found


def _field(found: dict[str, Any], name: str, path: Path, columns: Sequence[str] = ()) -> Any:
    if name not in found:
        raise CARS.refusal(f"{path} has no {name}")
    missing = [each for each in columns if each not in (found[name].dtype.names or ())]
    if missing:
        raise CARS.refusal(f"{name} in {path} lack {', '.join(missing)}")
    return found[name]


def load_cub(root: Path, split: Split) -> PublicSet:
    """CUB-200-2011.

    Raises:
        InputError: files are missing or damaged.
    """
    CUB.check_split(split, ("train", "test"))
    lists = ("images.txt", "image_class_labels.txt", "classes.txt", "train_test_split.txt")
    folder = CUB.folder(root, [*lists, "images"], ["CUB_200_2011"])
    images = CUB.columns(folder / lists[0], {"id": pa.int64(), "file": pa.string()}, " ")
    labels = CUB.columns(folder / lists[1], {"id": pa.int64(), "class": pa.int64()}, " ")
    splits = CUB.columns(folder / lists[3], {"id": pa.int64(), "train": pa.int64()}, " ")
    if not (images["id"].equals(labels["id"]) and images["id"].equals(splits["id"])):
        raise CUB.refusal(f"the lists in {folder} are not about the same images")
    # "1 001.Black_footed_Albatross"
    names = [plain(line.split(".", 1)[-1]) for line in CUB.lines(folder / "classes.txt")]
    chosen = pc.equal(splits["train"], int(split == "train"))
    files = images["file"].filter(chosen).combine_chunks()
    classes = pc.subtract(labels["class"].filter(chosen).combine_chunks(), 1)
    return clean_set(
        folder,
        pc.binary_join_element_wise("images", files, "/"),
        CUB.named(classes, names, folder),
        names,
    )
