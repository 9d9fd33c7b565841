"""Cells with several labels are refused by evidence; names of classes with a comma are not."""

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deftclean.core.errors import InputError
from deftclean.data.several_labels import out_of_lists, refuse_several

TABLE = Path("labels.csv")


def read(values: list | pa.Array) -> list:
    column = pa.array(values) if type(values) is list else values
    found, _ = out_of_lists(TABLE, "label", column)
    refuse_several(TABLE, "label", found)
    return found.to_pylist()


@pytest.mark.parametrize("between", ["|", ";", ",", ", ", "/", " + ", " & "])
def test_labels_of_other_rows_side_by_side(between: str) -> None:
    both = f"cat{between}dog"
    with pytest.raises(InputError) as caught:
        read(["cat", "dog", both, both, None, "bird", f"dog{between}bird"])
    error = caught.value
    assert error.message == (
        f"labels.csv: 3 rows have several labels in column 'label': {both!r} (2 rows), "
        f"'dog{between}bird' (1 rows)."
    )
    assert "--class-names names.txt" in error.hint


@pytest.mark.parametrize("between", ["|", ",", "; "])
def test_labels_that_stand_in_many_cells_and_never_alone(between: str) -> None:
    with pytest.raises(InputError, match="4 rows have several labels"):
        read([between.join(pair) for pair in ("ab", "bc", "ac", "cb")])


@pytest.mark.parametrize(
    "labels",
    [
        ["crane, bird", "crane", "tench, Tinca tinca", "goldfish, Carassius auratus"],
        ["hognose snake, puff adder, sand viper", "horned viper, cerastes, sand viper", "boa"],
        ["missile", "projectile, missile", "maillot", "maillot, tank suit"],
        ["animal/cat", "animal/dog", "plant/oak", "plant/elm"],
        ["salt & pepper", "salt", "R&B", "rock"],
        ["+", "-", "/", ",", "|", "a|", "a"],
        ["[cat]", "dog"],
        ["[1, 2", "[3, 4]x"],
        [None, "", "  "],
        [1, 2, None],
    ],
)  # fmt: skip
def test_class_names_stay(labels: list) -> None:
    assert read(labels) == labels


def test_lists_of_one_are_labels() -> None:
    texts = ['["cat"]', "['dog']", "[]", "[3]", None, ""]
    assert read(texts) == ["cat", "dog", None, "3", None, None]
    for kind in (pa.list_(pa.string()), pa.large_list(pa.string())):
        column = pa.chunked_array([pa.array([["cat"], [], None], kind), pa.array([["x"]], kind)])
        assert read(column) == ["cat", None, None, "x"]
    assert read(pa.array([[1], [2]])) == [1, 2]


def test_lists_of_several_are_refused() -> None:
    for values in (['["cat", "dog"]', '["cat"]'], [["cat", "dog"], ["cat"], None]):
        with pytest.raises(InputError, match=r"1 rows have several labels .*cat.*dog"):
            read(values)


@given(st.lists(st.text(max_size=6), max_size=6))
def test_what_is_not_refused_is_as_it_was_or_a_list(texts: list[str]) -> None:
    try:
        found = read(pa.array(texts, pa.string()))
    except InputError:
        assert len(set(texts)) > 1 or "[" in texts[0]
        return
    assert found == texts or all(not t.strip() or t.strip()[0] == "[" for t in texts)
