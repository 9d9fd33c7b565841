"""Folders become classes and splits by name and shape; what could be both is refused."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deftclean.core.errors import InputError, UsageError
from deftclean.data.layouts import folder_rows
from deftclean.data.manifest import Manifest, read_manifest
from deftclean.data.options import ManifestOptions
from deftclean.table.splits import split_kind


def make(root: Path, *folders: str, each: int = 2) -> Path:
    """Files of no content; no image is opened here."""
    for folder in folders:
        (root / folder).mkdir(parents=True, exist_ok=True)
        for at in range(each):
            (root / folder / f"{at}.jpg").touch()
    return root


def read(root: Path, **options: Any) -> Manifest:
    return read_manifest(root, None, ManifestOptions(**options))


def found(manifest: Manifest) -> tuple[set[str], set[str | None]]:
    """The classes and the splits."""
    splits = manifest.columns["split"].to_pylist() if manifest.columns.num_columns else [None]
    return set(manifest.class_names), set(splits)


@pytest.mark.parametrize(
    ("folders", "splits"),
    [
        (["train/cat", "train/dog", "val/cat", "val/dog"], {"train", "val"}),
        (["Training/cat", "Training/dog", "Testing/cat", "Testing/dog"], {"train", "test"}),
        (["train_set/cat", "train_set/dog", "test_set/cat"], {"train", "test"}),
        (["trainset/cat", "testset/dog"], {"train", "test"}),
        (["train2017/cat", "val2017/dog"], {"train", "val"}),
        (["cars_train/cat", "cars_test/cat", "cars_test/dog"], {"train", "test"}),
        (["seg_train/seg_train/cat", "seg_train/seg_train/dog", "seg_test/seg_test/cat"],
         {"train", "test"}),
        (["images/train/cat", "images/train/dog", "images/val/cat"], {"train", "val"}),
        (["train/images/cat", "train/images/dog", "test/images/cat"], {"train", "test"}),
        (["dataset/train/cat", "dataset/train/dog"], {"train"}),
        (["train/cat", "train/dog"], {"train"}),
        (["train/cat", "train/dog", "train_extra/cat"], {"train", "train_extra"}),
        (["train/cat", "train/dog", "extra/cat", "extra/dog"], {"train", "extra"}),
        (["fold1/cat", "fold1/dog", "fold2/cat"], {"fold1", "fold2"}),
        (["train/cat/indoor", "train/dog", "valid/cat/outdoor"], {"train", "val"}),
        (["dataset/cat", "dataset/dog"], {None}),
        (["a/b/cat", "a/b/dog/deep"], {None}),
        (["cat", "dog"], {None}),
    ],
)  # fmt: skip
def test_classes_below_splits_and_wrappers(
    tmp_path: Path, folders: list[str], splits: set[str | None]
) -> None:
    manifest = read(make(tmp_path / "data", *folders))
    assert found(manifest) == ({"cat", "dog"}, splits)
    assert len(manifest) == 2 * len(folders)
    wrapped = splits != {None} or folders[0].count("/")
    assert len(manifest.notes) == bool(wrapped)
    for name, label in zip(
        manifest.file_names.to_pylist(), manifest.given_labels.to_pylist(), strict=True
    ):
        assert label in name.split("/")


def test_a_doubt_is_said_where_every_class_holds_the_same_folders(tmp_path: Path) -> None:
    root = make(tmp_path / "data", "site_a/cat", "site_a/dog", "site_b/cat", "site_b/dog")
    manifest = read(root)
    assert found(manifest) == ({"site_a", "site_b"}, {None})
    (note,) = manifest.notes
    assert note == (
        "the classes are site_a, site_b, and each of them holds cat, dog; "
        f"if these are the classes: deftclean scan {root} --folders splits"
    )
    assert found(read(root, folders="splits")) == ({"cat", "dog"}, {"site_a", "site_b"})
    assert read(root, folders="classes").notes == ()
    below = make(tmp_path / "below", "cat/train", "cat/test", "dog/train", "dog/test")
    (note,) = read(below).notes
    assert note.endswith("each of them holds test, train: these are not read as splits")


@pytest.mark.parametrize(
    ("folders", "classes"),
    [
        (["car", "train", "bus"], {"car", "train", "bus"}),
        (["test tube", "dev board"], {"test tube", "dev board"}),
        (["dev board/front", "dev board/back", "test tube/front", "test tube/back", "mouse/back"],
         {"dev board", "test tube", "mouse"}),
        (["training shoe/red", "training shoe/blue", "boot/red"], {"training shoe", "boot"}),
        (["car/red", "car/blue", "train", "bus"], {"car", "train", "bus"}),
    ],
)  # fmt: skip
def test_classes_that_are_called_like_splits(
    tmp_path: Path, folders: list[str], classes: set[str]
) -> None:
    manifest = read(make(tmp_path / "data", *folders))
    assert found(manifest) == (classes, {None})
    assert manifest.notes == ()


def test_one_line_says_what_was_recognised(tmp_path: Path) -> None:
    root = make(tmp_path / "data", "train/cat", "train/dog", "val/cat", each=3)
    (note,) = read(root).notes
    assert note == (
        "split folders train, val; 2 classes below them (images: train 6, val 3); "
        "--split train reads it alone"
    )
    (note,) = read(make(tmp_path / "other", "dataset/cat", "dataset/dog")).notes
    assert note == "folder dataset holds everything: the 2 folders in it are the classes"


def test_what_lies_beside_the_splits_is_left_out_and_said(tmp_path: Path) -> None:
    root = make(tmp_path / "data", "seg_train/seg_train/cat", "seg_test/seg_test/cat")
    make(root, "seg_pred/seg_pred", "samples", each=3)
    (root / "cover.png").touch()
    manifest = read(root)
    assert found(manifest) == ({"cat"}, {"train", "test"})
    assert len(manifest) == 4
    assert manifest.notes[1] == (
        "no split, and left out: samples/ (3 images), seg_pred/ (3 images), 1 images beside them"
    )


def test_a_split_without_class_folders_has_no_labels(tmp_path: Path) -> None:
    root = make(tmp_path / "data", "train/cat", "train/dog", "val/images")
    (root / "train" / "loose.png").touch()
    manifest = read(root)
    assert found(manifest) == ({"cat", "dog"}, {"train", "val"})
    assert manifest.given_labels.null_count == 3
    assert manifest.notes[1] == "no class folders lie in val: these images have no label"


@pytest.mark.parametrize(
    "folders",
    [["train/cat", "train/dog", "mice"], ["train/old", "train/new", "bus", "car"],
     ["train/a", "train/b", "test/c", "test/d", "more"]],
)  # fmt: skip
def test_what_may_be_a_split_or_a_class_is_refused(tmp_path: Path, folders: list[str]) -> None:
    root = make(tmp_path / "data", *folders)
    with pytest.raises(InputError, match="may be a split") as caught:
        read(root)
    inside, whole = re.findall(r"deftclean scan .+?(?= if)", caught.value.hint)
    one = Path(inside.split()[2])
    assert len(read(one).class_names) == 2
    assert whole == f"deftclean scan {root} --folders classes"
    assert set(read(root, folders="classes").class_names) == {f.split("/")[0] for f in folders}
    assert "split" in read(root, folders="splits").columns.column_names


def test_splits_of_pictures_side_by_side_are_refused(tmp_path: Path) -> None:
    root = make(tmp_path / "data", "train", "test")
    with pytest.raises(InputError, match=r"splits, not classes: test, train; and no class") as no:
        read(root)
    assert no.value.hint == "Give a label table: deftclean scan data/ labels.csv"
    (root / "train.csv").touch()
    with pytest.raises(InputError) as caught:
        read(root)
    assert caught.value.hint == f"Give a label table: deftclean scan {root} {root / 'train.csv'}"
    with pytest.raises(InputError, match="no class folders"):
        read(make(tmp_path / "more", "one", "two"), folders="splits")
    known = {"cat": "cat"}
    assert found(read(root, known_labels=known)) == ({"cat"}, {"train", "test"})


def test_known_classes_wrap_nothing_and_are_no_splits(tmp_path: Path) -> None:
    known = {"cat": "cat", "train": "train"}
    root = make(tmp_path / "data", "cat/indoor", "cat/outdoor")
    assert read(root, known_labels=known).given_labels.to_pylist() == ["cat"] * 4
    root = make(tmp_path / "more", "train/old", "train/new")
    assert read(root, known_labels=known).given_labels.to_pylist() == ["train"] * 4


@pytest.mark.parametrize("wanted", ["val", "VAL", "validation", "valid"])
def test_one_split_is_chosen(tmp_path: Path, wanted: str) -> None:
    root = make(tmp_path / "data", "train/cat", "train/dog", "val/cat", "val/dog", "test/dog")
    manifest = read(root, split=(wanted,))
    assert found(manifest) == ({"cat", "dog"}, {"val"})
    assert manifest.notes[-1] == f"4 images are of --split {wanted}"
    assert found(read(root, split=("test", "train")))[1] == {"train", "test"}
    with pytest.raises(UsageError, match=r"--split nix, no: .* has no such split") as caught:
        read(root, split=("nix", "train", "no"))
    assert caught.value.hint == "It has the splits test, train, val."
    with pytest.raises(UsageError) as caught:
        read(make(tmp_path / "plain", "cat", "dog"), split=("train",))
    assert caught.value.hint == "It has no splits."


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((name, "train") for name in ("train", "TRAIN", "Training", "train-set", "train_256")),
        *((name, "val") for name in ("valid", "Validation set", "dev", "val_images")),
        *((name, "fold_1") for name in ("fold_1", "Fold_1")),
        *((name, "test") for name in ("test", "testset", "images-test", "Test Data")),
        *((name, None) for name in ("trainer", "latest", "train test", "steam train", "", "set")),
    ],
)
def test_names_that_mean_a_split(name: str, kind: str | None) -> None:
    assert split_kind(name) == kind


parts = st.sampled_from(["train", "test", "cat", "dog", "images", "x_train", "val2"])


@given(st.lists(st.lists(parts, min_size=0, max_size=4), min_size=1, max_size=8))
def test_every_image_is_a_row_once_or_said_to_be_left_out(folders: list[list[str]]) -> None:
    names = sorted({"/".join([*folder, f"{at}.png"]) for at, folder in enumerate(folders)})
    for asked in (None, "classes"):
        try:
            rows = folder_rows(Path("data"), names, asked, {"x": "x"})
        except InputError:
            continue
        assert set(rows.names) <= set(names)
        assert max(Counter(rows.names).values(), default=0) <= 1
        assert len(rows.names) == len(rows.labels)
        assert rows.splits is None or len(rows.splits) == len(rows.names)
        left = len(names) - len(rows.names)
        assert bool(left) == any("left out" in note for note in rows.notes)
        for name, label in zip(rows.names, rows.labels, strict=True):
            assert label is None or f"{label}/" in name
