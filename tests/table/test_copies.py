"""Rows of the same picture, against a plain loop over all pairs."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deftclean.table.copies import (
    COPIES,
    conflicts_of,
    copies_of,
    disagreeing,
    first_rows,
    picture_groups,
)
from deftclean.table.scores import NEAR, ScoreTable
from tests.support.scored import score_table

ROW = st.fixed_dictionaries(
    {
        "content_sha256": st.sampled_from(["a", "b", "c", None]),
        "given_label": st.sampled_from(["cat", "dog", None]),
        "status": st.sampled_from(["ok", "ok", "unlabeled", "unreadable"]),
        "near_duplicate_group": st.sampled_from([0, 1, None]),
        "split": st.sampled_from(["train", "test", "", " ", None]),
    }
)
Row = dict[str, Any]


def told_apart(rows: list[Row], key: str, value: str) -> list[bool]:
    """Of every row whether another one has the same `key` and another `value`, by comparing all."""

    def has(row: Row) -> bool:
        readable = key != "content_sha256" or row["status"] != "unreadable"
        return row[key] is not None and bool((row[value] or "").strip()) and readable

    return [
        has(row) and any(has(o) and o[key] == row[key] and o[value] != row[value] for o in rows)
        for row in rows
    ]


def table_of(rows: list[Row], searched: bool = True) -> ScoreTable:
    scores = score_table(rows)
    metadata = {**scores.metadata, NEAR: {"floor": 0.9} if searched else None}
    return ScoreTable(scores.table, metadata)


@given(st.lists(ROW, min_size=1, max_size=12))
def test_all_pairs_say_the_same(rows: list[Row]) -> None:
    found = copies_of(table_of(rows))
    exact = told_apart(rows, "content_sha256", "given_label")
    near = told_apart(rows, "near_duplicate_group", "given_label")
    leaks = [
        a or b
        for a, b in zip(
            told_apart(rows, "content_sha256", "split"),
            told_apart(rows, "near_duplicate_group", "split"),
            strict=True,
        )
    ]
    if any(row["content_sha256"] for row in rows):
        assert list(found.flags["conflicting_duplicates"]) == exact
    else:
        assert found.count("conflicting_duplicates") is None
    assert list(found.flags["conflicting_near_duplicates"]) == near
    assert list(found.flags["leaked"]) == leaks


@given(st.lists(ROW, min_size=1, max_size=12))
def test_every_group_in_conflict_gives_one_pair(rows: list[Row]) -> None:
    found = conflicts_of(table_of(rows), 100)
    for key, identical in (("content_sha256", True), ("near_duplicate_group", False)):
        wrong = told_apart(rows, key, "given_label")
        first = {row[key]: at for at, row in reversed(list(enumerate(rows))) if wrong[at]}
        pairs = []
        for at in sorted(first.values()):
            more = [
                other
                for other, row in enumerate(rows)
                if wrong[other]
                and row[key] == rows[at][key]
                and row["given_label"] != rows[at]["given_label"]
            ]
            pairs.append((at, more[0]))
        if not identical:  # those that are identical have been told already
            pairs = [
                (i, j)
                for i, j in pairs
                if rows[i]["content_sha256"] != rows[j]["content_sha256"]
                or rows[i]["content_sha256"] is None
                or "unreadable" in (rows[i]["status"], rows[j]["status"])
            ]
        assert [c.rows for c in found if c.identical is identical] == pairs
    assert all(c.labels[0] != c.labels[1] for c in found)
    assert conflicts_of(table_of(rows), 1) == found[:1]


@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(-1, 2)), max_size=15))
def test_disagreeing_is_what_a_loop_finds(pairs: list[tuple[int, int]]) -> None:
    groups, values = (np.array([p[i] for p in pairs], dtype=np.int64) for i in (0, 1))
    plain = [
        g >= 0 and v >= 0 and any(h == g and w >= 0 and w != v for h, w in pairs) for g, v in pairs
    ]
    assert disagreeing(groups, values).tolist() == plain


def test_the_first_row_of_each_picture_that_can_be_read() -> None:
    rows = [
        {"content_sha256": "b", "status": "unreadable"},
        {"content_sha256": None},
        {"content_sha256": "b"},
        {"content_sha256": "a"},
        {"content_sha256": "b"},
    ]
    assert first_rows(picture_groups(table_of(rows).table)).tolist() == [2, 3]


def test_splits_and_another_table_are_both_looked_at() -> None:
    rows = [
        {"content_sha256": "a", "split": "train"},
        {"content_sha256": "a", "split": "test"},
        {"content_sha256": "b", "split": "train"},
        {"content_sha256": "c", "split": "train"},
    ]
    assert copies_of(table_of(rows), np.array([False, False, True, False])).counts.leaked == 3
    assert copies_of(table_of(rows)).counts.leaked == 2


def test_people_settle_a_conflict() -> None:
    rows: list[Row] = [
        {"content_sha256": "a", "given_label": "cat"},
        {"content_sha256": "a", "given_label": "dog"},
        {"content_sha256": "b", "given_label": "cat"},
        {"content_sha256": "b", "given_label": "dog"},
        {"content_sha256": "c", "given_label": "cat"},
        {"content_sha256": "c", "given_label": "dog"},
    ]
    scores = table_of(rows)
    assert scores.table.num_rows == copies_of(scores).counts.conflicting_duplicates == 6
    table = scores.table.append_column(
        "review_decision", pa.array([None, "relabel", "drop", "keep", None, "keep"])
    ).append_column("final_label", pa.array(["cat", "cat", None, "dog", "cat", "dog"]))
    assert list(copies_of(ScoreTable(table, scores.metadata)).flags["conflicting_duplicates"]) == [
        *[False] * 4,
        *[True] * 2,
    ]


@pytest.mark.parametrize(
    ("row", "unknown"),
    [
        ({"content_sha256": None}, set(COPIES)),
        ({"content_sha256": "a"}, set(COPIES[2:])),
        ({"content_sha256": "a", "split": "train"}, set(COPIES[2:4])),
    ],
)
def test_what_is_not_known_is_no_zero(row: Row, unknown: set[str]) -> None:
    found = copies_of(table_of([row], searched=False))
    assert {name for name in COPIES if found.count(name) is None} == unknown
    assert {name for name in COPIES if found.reason(name)} == unknown


def test_a_table_without_rows_has_no_copies() -> None:
    assert (
        copies_of(ScoreTable(table_of([{"content_sha256": "a"}]).table[:0], {})).counts.lines == []
    )
