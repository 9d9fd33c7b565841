"""The histogram: its numbers are round, and its bars are as high as there are rows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deftclean.reports.histogram import histogram, ticks
from deftclean.reports.overview import Bin


@pytest.mark.parametrize(
    ("most", "expected"),
    [(0, [0, 1]), (1, [0, 1]), (4, [0, 1, 2, 3, 4]), (7, [0, 2, 4, 6]), (1000, [0, 500, 1000])],
)
def test_ticks_by_hand(most, expected):
    assert ticks(most) == expected


@given(most=st.integers(0, 10**12))
def test_ticks_are_few_round_and_reach_most(most):
    found = ticks(most)
    step = found[1] - found[0]
    assert found == [step * number for number in range(len(found))]
    assert str(step).rstrip("0") in ("1", "2", "5")
    assert 2 <= len(found) <= 5
    assert most - step < found[-1] <= max(most, 1)


@given(counts=st.lists(st.tuples(st.integers(0, 999), st.integers(0, 999)), min_size=1, max_size=9))
def test_bars_are_as_high_as_there_are_rows(counts):
    size = len(counts)
    bins = [Bin(i / size, (i + 1) / size, kept, wrong) for i, (kept, wrong) in enumerate(counts)]
    chart = histogram(bins, 0.25, "wide", 425)
    most = max(kept + wrong for kept, wrong in counts)
    unit = (chart.bottom - chart.top) / max(most, 1)
    for kind, rows in (("kept", [c[0] for c in counts]), ("flagged", [c[1] for c in counts])):
        heights = [bar.height for bar in chart.bars if bar.kind == kind]
        assert heights == pytest.approx([unit * n for n in rows if n], abs=0.01)
    for bar in chart.bars:
        assert chart.left <= bar.x <= bar.x + bar.width <= chart.right
        assert chart.top - 0.02 <= bar.y <= bar.y + bar.height <= chart.bottom + 0.02
    assert chart.threshold == pytest.approx(chart.left + (chart.right - chart.left) / 4, abs=0.01)


def test_flagged_rows_stand_below_kept_ones():
    flagged, kept = histogram([Bin(0, 1, 30, 10)], 0.5, "narrow", 252).bars
    assert (flagged.kind, kept.kind) == ("flagged", "kept")
    assert kept.y + kept.height == pytest.approx(flagged.y)
