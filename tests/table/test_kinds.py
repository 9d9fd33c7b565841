"""The kind of each row, and what is counted of kinds."""

from typing import Any

import pyarrow as pa
import pytest

from deftclean.table.kinds import KINDS, count_of, kind_counts, with_kinds
from deftclean.table.reviewed import Decisions, apply_decisions
from deftclean.table.scores import NEAR, OFF_TOPIC, QUALITY, ScoreTable
from tests.support.scored import score_table

EVIDENCE = {"evidence": {"witnesses": {}, "informed": 1.0}}


def row(given: str, clean: float | None, suggested: str, likely: float, **more: Any) -> Any:
    usual = {"keep": clean is not None and clean > 0.5, "suggested_label": suggested}
    return {"given_label": given, "clean_prob": clean, "suggested_prob": likely, **usual, **more}


def table_of(rows: list[Any], **facts: Any) -> ScoreTable:
    scores = score_table(rows)
    looked = {QUALITY: {"usual": []}, OFF_TOPIC: {"far": 2.0}, NEAR: {"least": 0.1}, **EVIDENCE}
    return ScoreTable(scores.table, {**scores.metadata, **looked, **facts})


def kinds(rows: list[Any], **facts: Any) -> list[str | None]:
    found: list[str | None] = with_kinds(table_of(rows, **facts)).table["kind"].to_pylist()
    return found


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        (row("leaf", 0.9, "leaf", 0.9), None),
        (row("leaf", 0.1, "apple", 0.9), "wrong_label"),
        (row("leaf", 0.44, "apple", 0.9), "wrong_label"),
        (row("leaf", 0.45, "apple", 0.9), "ambiguous"),
        (row("leaf", 0.1, "apple", 0.49), "ambiguous"),
        (row("leaf", 0.49, "leaf", 0.49), "ambiguous"),
        (row("leaf", 0.55, "leaf", 0.55, keep=False), "wrong_label"),
        (row("leaf", 0.9, "leaf", 0.9, quality="dark"), "bad_picture"),
        (row("leaf", 0.1, "apple", 0.9, quality="dark"), "bad_picture"),
        (row("leaf", 0.1, "apple", 0.9, kind="off_topic"), "off_topic"),
        (row("leaf", 0.9, "leaf", 0.9, kind="off_topic"), "off_topic"),
        (row("leaf", 0.9, "leaf", 0.9, kind="wrong_label"), None),
        (row("leaf", None, "leaf", 0.9, status="unlabeled"), None),
    ],
)
def test_the_kind_of_one_row(made: Any, kind: str | None) -> None:
    assert kinds([made]) == [kind]


def test_the_first_kind_counts() -> None:
    copies = {"content_sha256": "a"}
    rows = [
        row("leaf", 0.1, "apple", 0.9, kind="off_topic", **copies),
        row("apple", 0.3, "leaf", 0.4, quality="dark", **copies),
        row("apple", 0.3, "leaf", 0.4, quality="dark"),
        row("apple", 0.3, "leaf", 0.4),
        row("apple", 0.1, "leaf", 0.8),
    ]
    assert kinds(rows) == list(KINDS)


def test_copies_with_other_labels_are_of_one_kind_whatever_is_believed() -> None:
    rows = [
        row("leaf", 0.9, "leaf", 0.9, content_sha256="a"),
        row("apple", 0.1, "leaf", 0.9, content_sha256="a"),
        row("leaf", 0.9, "leaf", 0.9, near_duplicate_group=0),
        row("apple", 0.1, "leaf", 0.9, near_duplicate_group=0),
        row("leaf", 0.9, "leaf", 0.9, near_duplicate_group=1),
        row("leaf", 0.9, "leaf", 0.9, near_duplicate_group=1),
    ]
    assert kinds(rows) == ["duplicate_conflict"] * 4 + [None] * 2


def test_what_people_decided_has_no_kind_and_settles_its_copies() -> None:
    rows = [
        row("leaf", 0.9, "leaf", 0.9, content_sha256="a"),
        row("apple", 0.1, "leaf", 0.9, content_sha256="a"),
        row("leaf", 0.1, "apple", 0.9, kind="off_topic"),
        row("leaf", 0.9, "leaf", 0.9, quality="dark"),
        row("leaf", 0.1, "apple", 0.9),
    ]
    before = with_kinds(table_of(rows))
    assert count_of(before, "bad_pictures", None) == (1, "")
    made = Decisions(
        pa.array([1, 2, 3]).to_numpy(),
        pa.array(["relabel", "drop", "keep"]),
        pa.array(["leaf", None, None], pa.string()),
        *(pa.nulls(3, pa.string()) for _ in range(3)),
    )
    after = with_kinds(apply_decisions(before, made))
    assert after.table["kind"].to_pylist() == [None, None, None, None, "wrong_label"]
    assert count_of(after, "bad_pictures", None) == (0, "")
    assert kind_counts(after).kinds == {"wrong_label": 1}


def test_without_evidence_nothing_is_ambiguous() -> None:
    """Probabilities of other recipes answer different questions."""
    scores = table_of([row("leaf", 0.45, "apple", 0.9)])
    plain = {name: value for name, value in scores.metadata.items() if name != "evidence"}
    made = with_kinds(ScoreTable(scores.table, plain))
    assert made.table["kind"].to_pylist() == ["wrong_label"]
    assert count_of(made, "ambiguous", None)[0] is None


def test_a_table_that_nobody_looked_at_stays_as_it_is() -> None:
    scores = table_of([row("leaf", 0.1, "apple", 0.9)], **{QUALITY: None})
    assert with_kinds(scores) is scores
    assert kind_counts(scores).lines == []
    for metric in ("off_topic", "bad_pictures", "ambiguous"):
        value, reason = count_of(scores, metric, None)
        assert value is None
        assert "older deftclean" in reason


def test_counts_in_words() -> None:
    rows = [
        row("leaf", 0.1, "apple", 0.9),
        row("leaf", 0.9, "leaf", 0.9, quality="dark, blurred"),
        row("leaf", 0.9, "leaf", 0.9, quality="blurred"),
        row("leaf", 0.9, "leaf", 0.9, quality="[red]x[/red], odd"),  # a table may come from anybody
    ]
    found = kind_counts(with_kinds(table_of(rows)))
    assert found.lines == [
        "kinds          3 bad picture, 1 wrong label",
        "bad pictures   2 blurred, 1 dark",
    ]
