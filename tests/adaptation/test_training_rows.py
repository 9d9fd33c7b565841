"""Which rows are learned from, with which labels and weights."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deftclean.adaptation.training_rows import LabelChoice, training_rows
from deftclean.core.errors import DeftcleanError, InputError, UsageError
from tests.support.scored import NAMES, score_table

GIVEN = LabelChoice("given", 0.0, weighted=False, everything=False)
TABLE = Path("clean.parquet")


def row(given: str | None, keep: bool, **more: Any) -> dict[str, Any]:
    return {
        "given_label": given, "keep": keep, "clean_prob": 0.75 if keep else 0.25,
        "predicted_label": "ocean", "predicted_prob": 0.5, **more,
    }  # fmt: skip


ROWS = [
    row("apple", True),
    row("leaf", True),
    row("apple", False, predicted_prob=0.9),
    row("apple", False, predicted_prob=0.4),
    row(None, False, status="unlabeled", clean_prob=None),
    row("leaf", False, status="unreadable", clean_prob=None, predicted_label=None),
    row("ocean", True, clean_prob=1.0),
]


def labels_of(rows):
    return {int(r): rows.class_names[rows.labels[r]] for r in rows.chosen}


def test_kept_rows_with_their_given_labels():
    found = training_rows(score_table(ROWS), TABLE, GIVEN)
    assert labels_of(found) == {0: "apple", 1: "leaf", 6: "ocean"}
    assert found.source == "given"
    assert found.weights.tolist() == [1.0] * 7
    assert found.counts == {
        "rows": 7, "kept": 3, "flagged": 2, "relabelled": 0, "without_label": 0, "unusable": 2,
        "used": 3,
    }  # fmt: skip
    assert set(found.class_names) == set(labels_of(found).values())


def test_all_rows():
    found = training_rows(score_table(ROWS), TABLE, LabelChoice("given", 0, False, True))
    assert labels_of(found) == {0: "apple", 1: "leaf", 2: "apple", 3: "apple", 6: "ocean"}


def test_suggested_labels_where_they_are_certain_enough():
    choice = LabelChoice("suggested", 0.4, weighted=True, everything=False)
    found = training_rows(score_table(ROWS), TABLE, choice)
    # At 0.4 the fourth row is not above it: float32 0.4 against 0.4 is settled in float64.
    assert labels_of(found)[2] == "ocean"
    assert found.counts["relabelled"] == len(found.chosen) - 3
    assert found.weights[2] == np.float32(0.9)
    assert found.weights[0] == np.float32(0.75)
    with pytest.raises(UsageError, match="exclude each other"):
        training_rows(score_table(ROWS), TABLE, LabelChoice("suggested", 0.4, False, True))


def test_final_labels_are_the_default_where_there_are_any():
    finals = ["leaf", "leaf", "pear", None, None, None, None]
    rows = [{**each, "final_label": final} for each, final in zip(ROWS, finals, strict=True)]
    rows[2]["keep"] = True
    found = training_rows(score_table(rows), TABLE, LabelChoice(None, 0, True, False))
    assert found.source == "final"
    assert found.class_names == (*NAMES, "pear")
    assert labels_of(found) == {0: "leaf", 1: "leaf", 2: "pear"}
    assert found.counts["without_label"] == 1
    # Changed by a person: 1; as given: the clean probability.
    assert found.weights[[0, 1, 2]].tolist() == [1.0, 0.75, 1.0]
    assert set(found.class_names) - set(labels_of(found).values()) == {"apple", "ocean"}
    with pytest.raises(InputError, match="final_label"):
        training_rows(score_table(ROWS), TABLE, LabelChoice("final", 0, False, False))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row("apple", False), row("leaf", False)], "no row is left"),
        ([row("apple", True), row("leaf", False)], "have the label 'apple'"),
    ],
)
def test_too_little_to_learn_from(rows, message):
    with pytest.raises(InputError, match=message):
        training_rows(score_table(rows), TABLE, GIVEN)


drawn = st.fixed_dictionaries(
    {
        "given_label": st.none() | st.sampled_from(NAMES),
        "keep": st.booleans(),
        "clean_prob": st.none() | st.sampled_from([0.25, 0.75]),
        "predicted_label": st.sampled_from(NAMES),
        "predicted_prob": st.sampled_from([0.125, 0.5, 0.875]),
        "status": st.sampled_from(["ok", "ok", "missing", "unknown_label"]),
        "final_label": st.none() | st.sampled_from([*NAMES, "pear", "plum"]),
    }
)
choices = st.builds(
    LabelChoice,
    st.sampled_from([None, "given", "final", "suggested"]),
    st.sampled_from([0.0, 0.5]),
    st.booleans(),
    st.booleans(),
)


def plain(rows: list[dict[str, Any]], choice: LabelChoice) -> dict[int, tuple[str, float]]:
    """Row by row: label and weight."""
    found = {}
    for index, r in enumerate(rows):
        if r["status"] != "ok":
            continue
        label = r["final_label"] if choice.labels in (None, "final") else r["given_label"]
        weight = 1.0 if r["clean_prob"] is None else r["clean_prob"]
        if label is not None and r["given_label"] is not None and label != r["given_label"]:
            weight = 1.0
        used = r["keep"] or choice.everything
        flagged = r["clean_prob"] is not None and not r["keep"]
        if choice.labels == "suggested" and flagged and r["predicted_prob"] > choice.relabel_above:
            used, label, weight = True, r["predicted_label"], r["predicted_prob"]
        if used and label is not None:
            found[index] = label, weight if choice.weighted else 1.0
    return found


@settings(max_examples=300, deadline=None)
@given(rows=st.lists(drawn, min_size=1, max_size=12), choice=choices)
def test_all_rows_at_once_as_one_by_one(rows, choice):
    try:
        found = training_rows(score_table(rows), TABLE, choice)
    except DeftcleanError:
        contradiction = choice.labels == "suggested" and choice.everything
        assert contradiction or len({label for label, _ in plain(rows, choice).values()}) < 2
        return
    expected = plain(rows, choice)
    assert labels_of(found) == {index: label for index, (label, _) in expected.items()}
    weights = {int(r): float(found.weights[r]) for r in found.chosen}
    assert weights == {index: weight for index, (_, weight) in expected.items()}
