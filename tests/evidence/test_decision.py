import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deftclean.evidence.decision import keep_threshold


def test_by_hand():
    assert keep_threshold(np.array([0.0, 0.0, 1.0, 1.0]), informed=1.0) == 0.5


def test_nothing_is_flagged_that_is_three_times_as_likely_right():
    """At 1,000 rows each wrong with probability 0.02 no flag is worth much."""
    assert keep_threshold(np.full(1000, 0.98), informed=1.0) == pytest.approx(0.75)


def test_nothing_is_as_good_as_certain_where_nobody_knows():
    assert keep_threshold(np.full(100, 0.5), informed=0.1) == 0.25
    assert keep_threshold(np.array([0.0, 0.0, 1.0, 1.0]), informed=0.5) == 0.5


def test_a_data_set_that_is_surely_right_has_the_usual_threshold():
    assert keep_threshold(np.ones(5), informed=1.0) == 0.5
    assert keep_threshold(np.array([]), informed=1.0) == 0.5


@given(clean=st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_the_threshold_reaches_the_highest_expected_f1(clean):
    """Against every threshold there is, where the limits do not bind."""
    wrong = 1 - np.array(clean)
    threshold = keep_threshold(np.array(clean), informed=1.0)

    def reached(flagged):
        both = flagged.sum() + wrong.sum()
        return 2 * wrong[flagged].sum() / both if both else 0.0

    best = max(reached(wrong >= at) for at in wrong)
    if 0.25 < best / 2 < 0.5:
        assert reached(wrong >= 1 - threshold) == pytest.approx(best, abs=1e-9)
