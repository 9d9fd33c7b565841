"""Public data sets: tiny copies in the exact layout, what is read from them, what is refused."""

import csv
import importlib.resources
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip import IMAGENET_CLASSNAMES
from PIL import Image

from deftclean.core.errors import InputError, UsageError
from deftclean.data.manifest import read_manifest
from deftclean.data.options import ManifestOptions
from deftclean.datasets.cifar import read_human_labels
from deftclean.datasets.dataset import dataset, load_dataset
from deftclean.datasets.options import DatasetOptions
from deftclean.datasets.public_sets import first_lemmas
from deftclean.datasets.web_sets import CLIP_NAMES
from tests.support import public_layouts as layouts
from tests.support.commands import run_cli


def rows(found):
    return list(zip(found.file_names.to_pylist(), found.given.to_pylist(), strict=True))


def load(name, root, **options):
    return load_dataset(name, root, DatasetOptions(**options))


def refusal(name, root, **options):
    with pytest.raises(UsageError) as caught:
        load(name, root, **options)
    assert caught.value.exit_code == 2
    return f"{caught.value.message} {caught.value.hint}"


# ---------------------------------------------------------------- CIFAR


@pytest.mark.parametrize("inner", ["", "cifar-10-batches-bin"])
def test_cifar10(tmp_path, inner):
    labels = layouts.cifar10(tmp_path / inner)
    found = load("cifar10", tmp_path)
    assert found.given.to_pylist() == [layouts.CIFAR10[label] for label in labels]
    assert found.true.equals(found.given)
    assert found.file_names.to_pylist() == [f"{n}.png" for n in range(10)]
    assert [part.shape for part in found.pixels] == [(2, 3, 32, 32)] * 5
    assert load("cifar10", tmp_path, split="test").given.to_pylist() == ["truck", "airplane"]
    assert "has no --split val" in refusal("cifar10", tmp_path, split="val")


def test_cifar100_takes_the_fine_label(tmp_path):
    layouts.cifar100(tmp_path / "cifar-100-binary")
    found = load("cifar100", tmp_path)
    assert found.given.to_pylist() == ["apple", "c 99", "c 5"]
    assert found.class_names[1] == "aquarium fish"
    assert found.pixels[0].shape == (3, 3, 32, 32)
    assert len(load("cifar100", tmp_path, split="test")) == 1


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("cifar10", "cifar-10-batches-py/data_batch_1"),
        ("cifar10n", "data_batch_1"),
        ("cifar100", "cifar-100-python/train"),
    ],
)
def test_the_pickled_version_is_refused(tmp_path, name, file):
    layouts.text(tmp_path / file, "pickle")
    said = refusal(name, tmp_path)
    assert "pickled" in said
    assert "University of Toronto, as the binary version" in said


def test_damaged_and_missing_files_say_what_belongs_where(tmp_path):
    said = refusal("cifar10", tmp_path)
    assert "lacks data_batch_1.bin" in said
    assert "Needed: data_batch_1.bin to data_batch_5.bin" in said
    layouts.cifar10(tmp_path)
    (tmp_path / "data_batch_2.bin").write_bytes(b"x" * 3000)
    assert "has 3,000 bytes" in refusal("cifar10", tmp_path)
    layouts.records(tmp_path / "data_batch_2.bin", [[10]], 32)
    assert "1 labels are none of the 10 classes" in refusal("cifar10", tmp_path)
    layouts.text(tmp_path / "batches.meta.txt", "cat")
    assert "names 1 classes, not 10" in refusal("cifar10", tmp_path)


def make_cifar10n(root, dtype=np.int64):
    true = layouts.cifar10(root)
    worse = [(label + n % 2) % 10 for n, label in enumerate(true)]
    sets = {"clean_label": true, "worse_label": worse, "random_label1": true}
    layouts.human_labels(
        root / "CIFAR-10_human.pt", {key: np.array(v, dtype) for key, v in sets.items()}
    )
    return true, worse


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8])
def test_cifar10n(tmp_path, dtype):
    true, worse = make_cifar10n(tmp_path, dtype)
    found = load("cifar10n", tmp_path)
    assert found.given.to_pylist() == [layouts.CIFAR10[label] for label in worse]
    assert found.true.to_pylist() == [layouts.CIFAR10[label] for label in true]
    assert found.wrong.to_pylist() == [n % 2 == 1 for n in range(10)]
    assert not any(load("cifar10n", tmp_path, labels="random1").wrong.to_pylist())
    assert "has no 'aggre_label'" in refusal("cifar10n", tmp_path, labels="aggregate")


def test_cifar100n_and_arrays_of_numpy_2(tmp_path):
    true = layouts.cifar100(tmp_path)
    (tmp_path / "data").mkdir()
    torch.save(
        {"clean_label": np.array(true), "noisy_label": np.array([0, 98, 5])},
        tmp_path / "data" / "CIFAR-100_human.pt",
    )
    found = load("cifar100n", tmp_path)
    assert found.given.to_pylist() == ["apple", "c 98", "c 5"]
    assert found.wrong.to_pylist() == [False, True, False]


def test_human_labels_of_other_images_are_refused(tmp_path):
    make_cifar10n(tmp_path)
    path = tmp_path / "CIFAR-10_human.pt"
    sets = {"clean_label": np.arange(10) % 10, "worse_label": np.arange(10)}
    layouts.human_labels(path, sets)
    assert "true labels differ" in refusal("cifar10n", tmp_path)
    layouts.human_labels(path, {key: labels[:4] for key, labels in sets.items()})
    assert "4 labels for 10 images" in refusal("cifar10n", tmp_path)
    layouts.human_labels(path, {key: labels * 0.5 for key, labels in sets.items()})
    assert "read safely" in refusal("cifar10n", tmp_path)
    path.unlink()
    assert "lacks CIFAR-10_human.pt" in refusal("cifar10n", tmp_path)


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("wrap", [lambda evil: evil, lambda evil: np.array([evil], dtype=object)])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_malicious_file_runs_no_code(tmp_path, wrap, zipped):
    path, mark = tmp_path / "evil.pt", tmp_path / "hacked"
    sets = {"clean_label": wrap(Evil(mark)), "worse_label": np.arange(3)}
    torch.save(sets, path, _use_new_zipfile_serialization=zipped)
    torch.load(path, weights_only=False)
    assert mark.exists()  # it would, if anybody let it
    mark.unlink()
    with pytest.raises(InputError, match="cannot be read safely"):
        read_human_labels(path)
    assert not mark.exists()


@settings(max_examples=50, deadline=None)
@given(data=st.binary(max_size=300))
def test_no_bytes_at_all_break_the_reader(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "x.pt"
    path.write_bytes(data)
    with pytest.raises(InputError):
        read_human_labels(path)


# ---------------------------------------------------------------- pictures as files


@pytest.mark.parametrize("inner", ["", "tiny-imagenet-200"])
def test_tiny_imagenet(tmp_path, inner):
    layouts.tiny_imagenet(tmp_path / inner)
    found = load("tiny-imagenet", tmp_path)
    assert found.class_names == ("Egyptian cat", "reel")
    assert rows(found)[0] == ("train/n02124075/images/n02124075_0.JPEG", "Egyptian cat")
    assert len(found) == 6
    assert all((found.root / name).is_file() for name in found.file_names.to_pylist())
    val = load("tiny-imagenet", tmp_path, split="val")
    assert rows(val) == [("val/images/val_0.JPEG", "reel")]
    assert "has no --split test" in refusal("tiny-imagenet", tmp_path, split="test")
    layouts.text(tmp_path / inner / "wnids.txt", "n1")
    assert "no names for 1 ids" in refusal("tiny-imagenet", tmp_path)


def test_stanford_cars_in_one_list(tmp_path):
    names = ["car_ims/000001.jpg", "car_ims/000002.jpg", "car_ims/000003.jpg"]
    layouts.cars_annotations(
        tmp_path / "cars_annos.mat", names, [1, 2, 2], test=[0, 0, 1],
        class_names=layouts.cars_names(),
    )  # fmt: skip
    assert "lacks car_ims" in refusal("stanford-cars", tmp_path)
    layouts.cars_annotations(tmp_path / "bad" / "cars_annos.mat", names, [1, 2, 2])
    (tmp_path / "bad" / "car_ims").mkdir()
    assert "lack relative_im_path, test" in refusal("stanford-cars", tmp_path / "bad")
    layouts.picture(tmp_path / names[0])
    found = load("stanford-cars", tmp_path)
    assert rows(found) == list(zip(names[:2], layouts.CARS, strict=True))
    assert rows(load("stanford-cars", tmp_path, split="test")) == [(names[2], layouts.CARS[1])]


def test_stanford_cars_with_a_devkit(tmp_path):
    from scipy.io import savemat

    devkit = tmp_path / "devkit"
    layouts.cars_annotations(devkit / "cars_train_annos.mat", ["00001.jpg", "00002.jpg"], [2, 1])
    savemat(devkit / "cars_meta.mat", {"class_names": layouts.cars_names()})
    (tmp_path / "cars_train").mkdir()
    (tmp_path / "cars_test").mkdir()
    expected = [
        ("cars_train/00001.jpg", layouts.CARS[1]),
        ("cars_train/00002.jpg", layouts.CARS[0]),
    ]
    assert rows(load("stanford-cars", tmp_path)) == expected
    assert "cars_test_annos_withlabels.mat cannot be read" in refusal(
        "stanford-cars", tmp_path, split="test"
    )
    layouts.cars_annotations(tmp_path / "cars_test_annos_withlabels.mat", ["00001.jpg"], [1])
    test = load("stanford-cars", tmp_path, split="test")
    assert rows(test) == [("cars_test/00001.jpg", layouts.CARS[0])]
    (devkit / "cars_train_annos.mat").write_bytes(b"no matlab file")
    assert "cannot be read" in refusal("stanford-cars", tmp_path)


@pytest.mark.parametrize("inner", ["", "CUB_200_2011"])
def test_cub(tmp_path, inner):
    layouts.cub(tmp_path / inner)
    found = load("cub-200-2011", tmp_path)
    assert rows(found) == [
        ("images/001.Black_footed_Albatross/B_01.jpg", "Black footed Albatross"),
        ("images/002.Laysan_Albatross/L_2.jpg", "Laysan Albatross"),
    ]
    assert len(load("cub-200-2011", tmp_path, split="test")) == 1
    layouts.text(tmp_path / inner / "train_test_split.txt", "1 1", "2 0", "4 1")
    assert "not about the same images" in refusal("cub-200-2011", tmp_path)


# ---------------------------------------------------------------- labels from the web


@pytest.mark.parametrize("inner", ["", "annotations"])
def test_clothing1m(tmp_path, inner):
    noisy = [n % 3 for n in range(12)]
    keys = layouts.clothing1m(tmp_path / inner, noisy)
    if inner:
        (tmp_path / inner / "images").rename(tmp_path / "images")
    found = load("clothing1m", tmp_path)
    assert rows(found) == [(key, layouts.CLOTHES[n]) for key, n in zip(keys, noisy, strict=True)]
    assert found.true.to_pylist() == ["T-Shirt", "Knitwear"] + [None] * 10
    assert found.wrong.to_pylist() == [False, True] + [None] * 10
    for split, key in (("clean-train", keys[0]), ("val", "images/9/99/v.jpg"), ("test", keys[1])):
        one = load("clothing1m", tmp_path, split=split)
        assert one.file_names.to_pylist() == [key]
        assert one.wrong.to_pylist() == [False]
    for folder in (tmp_path / "images").iterdir():
        folder.rename(tmp_path / folder.name)
    (tmp_path / "images").rmdir()
    assert load("clothing1m", tmp_path).file_names[0].as_py() == keys[0].removeprefix("images/")
    layouts.text(tmp_path / inner / "noisy_label_kv.txt", f"{keys[0]} 0")
    assert "no label for 11" in refusal("clothing1m", tmp_path)


def test_lists_without_pictures_are_refused(tmp_path):
    layouts.clothing1m(tmp_path / "clothing", [0, 1, 2])
    shutil.rmtree(tmp_path / "clothing" / "images")
    said = refusal("clothing1m", tmp_path / "clothing")
    assert "lacks the pictures: images/, or 0/ to 9/" in said
    layouts.food101n(tmp_path / "food")
    shutil.rmtree(tmp_path / "food" / "images")
    assert "lacks images" in refusal("food-101n", tmp_path / "food")


def test_webvision(tmp_path):
    layouts.webvision(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    found = load("webvision", tmp_path, classes=2)
    assert found.class_names == ("tench", "goldfish")
    assert rows(found) == [
        ("google/q0001/a.jpg", "tench"),
        ("google/q0002/b.jpg", "goldfish"),
        ("google/q0001/d.jpg", "tench"),
    ]
    assert found.wrong.to_pylist() == [None] * 3
    every = load("webvision", tmp_path, classes=6, split="val")
    assert every.class_names[2:] == (
        "crane bird",
        "construction crane",
        "maillot",
        "maillot tank suit",
    )
    assert every.file_names.to_pylist()[0] == "val_images_256/val000001.jpg"
    assert "names 6 classes, not 50" in refusal("webvision", tmp_path)
    for split, pictures in (("train", "google"), ("val", "val_images_256")):
        (tmp_path / pictures).rename(tmp_path / "elsewhere" / pictures)
        assert f"lacks {pictures}" in refusal("webvision", tmp_path, split=split)


def test_webvision_has_the_names_that_clip_was_prompted_with(tmp_path):
    """WordNet's first names are old ones. Its ids are in the order of ImageNet's classes."""
    layouts.webvision(tmp_path)
    lines = ["n01440764 tench", "n01514668 cock", "n01601694 water ouzel, dipper"]
    layouts.text(tmp_path / "info" / "synsets.txt", *lines)
    found = load("webvision", tmp_path, classes=3)
    assert found.class_names == ("tench", "rooster", "American dipper")
    folder = importlib.resources.files("timm") / "data" / "_info"
    ids = (folder / "imagenet_synsets.txt").read_text(encoding="utf-8").split()
    assert list(CLIP_NAMES.items()) == list(zip(ids[:50], IMAGENET_CLASSNAMES[:50], strict=True))


def test_names_that_two_ids_share_are_told_apart():
    found = first_lemmas({"a": "crane, bird", "b": "crane, machine", "c": "sea_snake, x"})
    assert found == {"a": "crane bird", "b": "crane machine", "c": "sea snake"}


def test_food101n(tmp_path):
    layouts.food101n(tmp_path / "Food-101N_release")
    found = load("food-101n", tmp_path)
    assert rows(found)[2] == ("images/baby_back_ribs/c.jpg", "baby back ribs")
    assert found.true.to_pylist() == ["apple pie", None, None, "baby back ribs"]
    assert found.wrong.to_pylist() == [False, True, None, False]


def test_animal10n(tmp_path):
    layouts.animal10n_files(tmp_path / "raw")
    found = load("animal-10n", tmp_path / "raw")
    assert rows(found) == [
        ("training/0_1.jpg", "cat"),
        ("training/5_10.jpg", "jaguar"),
        ("training/9_2.jpg", "guinea pig"),
    ]
    assert found.wrong.null_count == 3
    assert rows(load("animal-10n", tmp_path / "raw", split="test")) == [
        ("testing/3_1.jpg", "coyote")
    ]
    layouts.picture(tmp_path / "raw" / "training" / "x.jpg")
    assert "does not begin with a label" in refusal("animal-10n", tmp_path / "raw")

    layouts.animal10n_binary(tmp_path / "bin")
    binary = load("animal-10n", tmp_path / "bin")
    assert binary.given.to_pylist() == ["cheetah", "guinea pig", "lynx"]
    assert [part.shape for part in binary.pixels] == [(2, 3, 64, 64), (1, 3, 64, 64)]
    assert "lacks data_batch_1.bin" in refusal("animal-10n", tmp_path)


# ---------------------------------------------------------------- the command


def test_the_command_writes_what_scan_reads(tmp_path):
    true, worse = make_cifar10n(tmp_path / "cifar")
    done = run_cli("dataset", "cifar10n", "cifar", "--labels", "worse", "-o", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "deftclean scan out/images out/labels.csv" in done.stdout
    assert "5  (50.0% of 10 rows" in done.stdout
    manifest = read_manifest(
        tmp_path / "out/images", tmp_path / "out/labels.csv", ManifestOptions()
    )
    assert manifest.given_labels.to_pylist() == [layouts.CIFAR10[label] for label in worse]
    with (tmp_path / "out/truth.csv").open(newline="") as file:
        truth = list(csv.DictReader(file))
    assert [row["true_label"] for row in truth] == [layouts.CIFAR10[label] for label in true]
    assert [row["wrong"] for row in truth] == ["false", "true"] * 5
    pixels = np.asarray(Image.open(tmp_path / "out/images/3.png"))
    assert pixels.shape == (32, 32, 3)
    assert pixels[1, 2].tolist() == [34, 1, 0]  # red counts the pixels, green the rows of a part

    again = run_cli("dataset", "cifar10n", "cifar", "-o", "out", cwd=tmp_path)
    assert again.returncode == 2
    assert "exists already" in again.stderr
    again = run_cli("dataset", "cifar10n", "cifar", "-o", "out", "--overwrite", "-q", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    again = run_cli("dataset", "cifar10n", "cifar", "-o", "cifar", "--overwrite", cwd=tmp_path)
    assert again.returncode == 2
    assert (tmp_path / "cifar" / "CIFAR-10_human.pt").is_file()


def test_pictures_that_are_files_stay_where_they_are(tmp_path):
    layouts.cub(tmp_path / "cub")
    made = dataset("cub-200-2011", tmp_path / "cub", output=tmp_path / "out")
    assert sorted(path.name for path in made.output.iterdir()) == ["labels.csv", "truth.csv"]
    manifest = read_manifest(made.root, made.labels, ManifestOptions())
    assert all((manifest.root / name).is_file() for name in manifest.file_names.to_pylist())
    assert (made.rows, made.classes, made.judged, made.wrong) == (2, 2, 2, 0)


def test_a_foreign_folder_is_not_replaced(tmp_path):
    layouts.cub(tmp_path / "cub")
    layouts.text(tmp_path / "mine" / "notes.txt", "dear")
    with pytest.raises(UsageError, match="no output of this command"):
        dataset("cub-200-2011", tmp_path / "cub", output=tmp_path / "mine", overwrite=True)
    assert (tmp_path / "mine" / "notes.txt").is_file()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("cifar10", {"labels": "worse"}, "--labels is for cifar10n"),
        ("cifar10n", {"labels": "best"}, "--labels is one of worse"),
        ("cifar10n", {"split": "test"}, "split train only"),
        ("cifar10", {"classes": 5}, "--classes is for webvision"),
        ("webvision", {"classes": 1}, "from 2 to 1000"),
        ("clothing1m", {"balanced": True, "split": "val"}, "--balanced is for"),
        ("mnist", {}, "There is no data set 'mnist'"),
    ],
)
def test_options_that_a_data_set_does_not_know(tmp_path, name, options, message):
    assert message in refusal(name, tmp_path, **options)


def test_tables_are_arrow_strings(tmp_path):
    layouts.webvision(tmp_path)
    found = load("webvision", tmp_path, classes=3)
    assert found.file_names.type == found.given.type == found.true.type == pa.string()
