"""Which words mean a split, and which rows are of the splits that are asked for."""

import pyarrow as pa
import pytest

from deftclean.core.errors import UsageError
from deftclean.table.splits import (
    are_splits,
    counted_splits,
    in_splits,
    split_column,
    split_kind,
    split_words,
)


@pytest.mark.parametrize(
    ("name", "kind", "others"),
    [
        ("train", "train", ()),
        ("Training", "train", ()),
        ("TRN", "train", ()),
        ("train_set", "train", ()),
        ("trainset", "train", ()),
        ("traindata", "train", ()),
        ("train-images", "train", ()),
        ("trainimages", "train", ()),
        ("seg_train", "train", ()),
        ("val2017", "val", ()),
        ("valid", "val", ()),
        ("dev", "val", ()),
        ("Validation Split", "val", ()),
        ("testing", "test", ()),
        ("tst", "test", ()),
        ("cars_train", "train", ("cars",)),
        ("steam train red", "train", ("steam", "red")),
        ("train_and_test", None, ("and",)),
        ("traintest", None, ("traintest",)),
        ("dataset", None, ()),
        ("sunset", None, ("sunset",)),
        ("cat", None, ("cat",)),
        ("", None, ()),
    ],
)  # fmt: skip
def test_words_of_a_name(name, kind, others):
    assert split_words(name) == (kind, others)
    assert split_kind(name) == (None if others else kind)


def test_the_column_of_splits():
    texts = pa.array(["train"])
    for kind in (texts, texts.cast(pa.large_string()), texts.dictionary_encode()):
        assert split_column(pa.table({"x": [1], " Subset ": kind})) == " Subset "
    assert split_column(pa.table({"split": [1]})) is None
    assert split_column(pa.table({"split": pa.array([1]).dictionary_encode()})) is None
    assert split_column(pa.table({"split": texts, "subset": texts})) is None
    assert split_column(pa.table({"x": texts})) is None


def test_counted_and_recognised():
    values = pa.array(["b", "val", None, "b", " ", ""])
    assert counted_splits(values) == {"b": 2, "val": 1}
    assert counted_splits(values.dictionary_encode()) == {"b": 2, "val": 1}
    assert are_splits(["b", "val"])
    assert not are_splits(["b", "c"])
    assert not are_splits([])


@pytest.mark.parametrize(
    ("wanted", "rows"),
    [
        (["train"], [0, 1]),
        (["Train"], [2]),  # as it is written, before any case of letters
        (["TRAIN"], [0, 1, 2]),
        (["training"], [0, 1, 2]),  # the same kind
        (["validation"], [3]),
        (["extra", "val"], [3, 4]),
        (["EXTRA"], [4]),
    ],
)
@pytest.mark.parametrize("coded", [False, True])
def test_rows_of_splits(wanted, rows, coded):
    values = pa.array(["train", "train", "Train", "val ", "extra", None, ""])
    found = in_splits(values.dictionary_encode() if coded else values, wanted, "x.csv")
    assert [row for row in range(7) if found[row]] == rows


def test_splits_that_are_not_there():
    with pytest.raises(UsageError) as caught:
        in_splits(pa.array(["train", "b"]), ["test", "train", "c"], "x.csv")
    assert caught.value.message == "--split test, c: x.csv has no such split."
    assert caught.value.hint == "It has the splits train, b."
    with pytest.raises(UsageError) as caught:
        in_splits(pa.array([None, " "], pa.string()), ["b"], "x.csv")
    assert caught.value.hint == "It has no splits."
