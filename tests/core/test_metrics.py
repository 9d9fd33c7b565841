"""Figures of a selection against numbers worked by hand, scikit-learn, and all orders of ties."""

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, precision_recall_fscore_support, roc_auc_score

from deftclean.core.metrics import (
    auroc,
    beyond_chance,
    by_parts,
    missed_at_budget,
    selection_metrics,
)

# Ten rows: six labels are right, five rows are kept, four of those are right.
RIGHT = [True, True, True, True, True, True, False, False, False, False]
KEEP = [True, True, True, True, False, False, True, False, False, False]
PROB = [0.9, 0.8, 0.7, 0.6, 0.4, 0.3, 0.65, 0.4, 0.2, 0.1]


def test_ten_rows_by_hand() -> None:
    found = selection_metrics(RIGHT, KEEP, PROB)
    assert found.precision == pytest.approx(4 / 5)
    assert found.recall == pytest.approx(4 / 6)
    assert found.f1 == pytest.approx(2 * 4 / (5 + 6))
    assert found.wrong_f1 == pytest.approx(2 * 3 / (5 + 4))  # 5 flagged, 4 wrong, 3 both
    # Of 24 pairs right above wrong: 4 + 4 + 4 + 3 + 2.5 (a tie) + 2.
    assert found.auroc == pytest.approx(19.5 / 24)


def test_auroc_by_hand() -> None:
    assert auroc([True, False], [0.9, 0.1]) == 1.0
    assert auroc([True, False], [0.1, 0.9]) == 0.0
    assert auroc([True, False], [0.5, 0.5]) == 0.5
    assert auroc([True, True, False], [0.9, 0.1, 0.5]) == 0.5


@pytest.mark.parametrize("right", [[True, True], [False, False], []])
def test_auroc_of_one_class_is_not_a_number(right: list[bool]) -> None:
    assert math.isnan(auroc(right, [0.1, 0.2][: len(right)]))


def test_nothing_kept() -> None:
    found = selection_metrics([True, False], [False, False], [0.4, 0.1])
    assert (found.precision, found.recall, found.f1) == (0.0, 0.0, 0.0)
    assert found.wrong_f1 == pytest.approx(2 / 3)
    assert found.auroc == 1.0


def test_everything_kept_is_no_success_at_finding_wrong_labels() -> None:
    found = selection_metrics([True, True, True, False], [True] * 4, [0.9] * 4)
    assert (found.precision, found.recall, found.f1) == (0.75, 1.0, pytest.approx(6 / 7))
    assert (found.wrong_f1, found.auroc) == (0.0, 0.5)


def test_perfect() -> None:
    found = selection_metrics([1, 1, 0], [1, 1, 0], [0.9, 0.8, 0.1])
    assert (found.precision, found.recall, found.f1) == (1.0, 1.0, 1.0)
    assert (found.wrong_f1, found.auroc) == (1.0, 1.0)


def test_five_rows_by_hand():
    """The numbers of the docstring of `selection_metrics`."""
    found = selection_metrics(
        [True, True, True, False, False],
        [True, True, False, True, False],
        [0.9, 0.8, 0.3, 0.6, 0.1],
    )
    assert found.as_dict() == pytest.approx(
        {
            "judged": 5, "precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "wrong_precision": 1 / 2,
            "wrong_recall": 1 / 2, "wrong_f1": 1 / 2, "auroc": 5 / 6, "missed_at_budget": 1 / 2,
            "noise_rate": 2 / 5, "estimated_noise_rate": 2 / 5,
        }
    )  # fmt: skip


def test_missed_with_ties_by_hand():
    """Three of five are wrong, so three are reviewed. Scores 0.1 (wrong), 0.5 (wrong, right,
    right), 0.9 (wrong): the first is found, the tied wrong one in 2 of 3 places, so 4/9."""
    found = missed_at_budget([False, False, True, True, False], [0.1, 0.5, 0.5, 0.5, 0.9])
    assert found == pytest.approx(4 / 9)
    assert missed_at_budget([False, False, True, True], [0.5] * 4) == pytest.approx(0.5)


def test_nothing_wrong_and_nothing_kept():
    clean = selection_metrics([True, True], [False, False], [0.1, 0.2])
    assert (clean.precision, clean.recall, clean.f1) == (0, 0, 0)
    assert (clean.auroc, clean.missed_at_budget) == (None, None)
    assert (clean.wrong_precision, clean.wrong_recall, clean.wrong_f1) == (0, None, None)
    assert selection_metrics([False], [True], [0.5]).auroc is None


def test_where_no_label_is_right_none_can_be_found():
    wrong = selection_metrics([False, False], [True, False], [0.1, 0.2])
    assert (wrong.precision, wrong.recall, wrong.f1) == (0, None, None)
    assert (wrong.wrong_precision, wrong.wrong_recall) == (1, 0.5)


rows = st.lists(
    st.tuples(st.booleans(), st.booleans(), st.sampled_from([0.0, 0.25, 0.5, 1.0])),
    min_size=1,
    max_size=30,
)


@given(rows)
def test_as_scikit_learn_has_it(drawn):
    right, keep, score = (np.array(column) for column in zip(*drawn, strict=True))
    found = selection_metrics(right, keep, score)
    own = (found.precision, found.recall, found.f1)
    wrong = (found.wrong_precision, found.wrong_recall, found.wrong_f1)
    for label, ours in ((True, own), (False, wrong)):
        theirs = precision_recall_fscore_support(
            right, keep, labels=[label], average="macro", zero_division=0
        )
        if (right == label).any():
            assert ours == pytest.approx(theirs[:3])
        else:
            assert ours == (0, None, None)
    if found.auroc is not None:
        assert found.auroc == pytest.approx(roc_auc_score(right, score))


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.5, 1.0])), min_size=1, max_size=5))
def test_missed_is_the_mean_over_all_orders_of_ties(drawn):
    budget = sum(not right for right, _ in drawn)
    found = missed_at_budget(*zip(*drawn, strict=True))
    if not budget:
        assert found is None
        return
    missed = [
        sum(not right for right, _ in sorted(order, key=lambda row: row[1])[budget:]) / budget
        for order in permutations(drawn)
    ]
    assert found == pytest.approx(np.mean(missed))


def test_rows_by_their_probability():
    """The example of its docstring, by hand."""
    found = by_parts([0.1, 0.3, 1.0], [False, True, True], parts=2)
    assert found.rows.tolist() == [2, 1]
    assert found.mean.tolist() == pytest.approx([0.2, 1.0])
    assert found.total.tolist() == [1.0, 1.0]
    assert by_parts([], [], parts=2).rows.tolist() == []


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1))
def test_agreement_beyond_chance(pairs: list[tuple[int, int]]) -> None:
    """Of 100 rows, 70 the same, where chance gives 50: 20 of the other 50."""
    assert beyond_chance(70, 100, 50 * 60 + 50 * 40) == pytest.approx(0.4)
    first, second = zip(*pairs, strict=True)
    agreed = sum(a == b for a, b in pairs)
    both = sum(first.count(k) * second.count(k) for k in range(4))
    found = beyond_chance(agreed, len(pairs), both)
    if both < len(pairs) ** 2:
        assert found == pytest.approx(cohen_kappa_score(first, second))
    else:
        assert found == 0
    assert math.isnan(beyond_chance(0, 0, 0))
