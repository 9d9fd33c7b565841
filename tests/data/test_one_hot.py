"""Columns of zeros and ones: which tables have them, and what each row says."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from deftclean.core.errors import InputError
from deftclean.data.one_hot import OneHot, one_hot

TABLE = Path("x.csv")
KINDS = {
    "text": (["1", "0"], pa.string()),
    "spaced": ([" 1", "0 "], pa.string()),
    "dotted": (["1.0", "0."], pa.string()),
    "short": (["1.", "0.0"], pa.string()),
    "words": (["true", "false"], pa.string()),
    "Words": (["True", "False"], pa.string()),
    "integers": ([1, 0], pa.int64()),
    "floats": ([1.0, 0.0], pa.float64()),
    "booleans": ([True, False], pa.bool_()),
}


def table(kind: str, *rows: str) -> pa.Table:
    """Columns ` a `, `b`, ... of the signs of each row."""
    (one, zero), dtype = KINDS[kind]
    columns = zip(*rows, strict=True)
    names = [" a ", "b", "c", "d"][: len(rows[0])]
    cells = ([one if sign == "1" else zero for sign in column] for column in columns)
    return pa.table(
        {name: pa.array(column, dtype) for name, column in zip(names, cells, strict=True)}
    )


def found(made: pa.Table) -> OneHot | None:
    return one_hot(made, made.column_names)


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_class_of_each_row(kind: str) -> None:
    seen = found(table(kind, "100", "001", "000", "010"))
    assert seen is not None
    assert seen.columns == (" a ", "b", "c")
    assert seen.labels(TABLE).to_pylist() == ["a", "c", None, "b"]
    assert seen.note == "labels are 3 columns of 0 and 1: a, b, c"


def test_two_columns_are_enough_and_one_is_not() -> None:
    assert found(table("text", "10", "01")) is not None
    assert found(table("text", "1", "0")) is None


def test_more_than_half_of_the_rows_have_one_label() -> None:
    assert found(table("text", "10", "00")) is None
    assert found(table("text", "10", "01", "00")) is not None
    assert found(table("text", "11", "11", "10")) is None


def test_only_columns_that_are_asked_about_and_hold_nothing_else() -> None:
    made = table("text", "100", "010", "001")
    others = {
        "e": ["1", "0", "2"],
        "f": ["1", None, "0"],
        "g": ["", "1", "0"],
        "h": [["1"], ["0"], ["1"]],
        "i": [b"1", b"0", b"1"],
        "j": [0.5, 1.0, 0.0],
        "k": [-1, 1, 0],
    }
    for name, column in others.items():
        made = made.append_column(name, pa.array(column))
    seen = found(made)
    assert seen is not None
    assert seen.columns == (" a ", "b", "c")
    fewer = one_hot(made, [" a ", "b", "e"])
    assert fewer is not None
    assert fewer.columns == (" a ", "b")
    assert fewer.labels(TABLE).to_pylist() == ["a", "b", None]
    assert one_hot(made, ["e", "f", "g", "h", "i", "j", "k", "b"]) is None


def test_every_way_of_writing_them_may_stand_in_one_column() -> None:
    every = ["1", "1.0", "1.", "true", "True", "0", "0.0", "0.", "false", "False"]
    made = pa.table({"a": every, "b": [*every[5:], *every[:5]]})
    seen = found(made)
    assert seen is not None
    assert seen.labels(TABLE).to_pylist() == ["a"] * 5 + ["b"] * 5


def test_rows_of_several_labels_are_refused() -> None:
    ones = np.array([[1, 0, 0], [1, 0, 1], [0, 0, 0], [1, 1, 1]], dtype=bool)
    with pytest.raises(InputError) as caught:
        OneHot(("a ", "b", "c"), ones).labels(TABLE)
    assert caught.value.message == (
        "x.csv: 2 of 4 rows have several labels in its 3 columns of 0 and 1, as row 1: a, c."
    )
    assert caught.value.hint == (
        "One class per picture is needed: leave these rows out, or name a column of labels: "
        "--label-column NAME"
    )
