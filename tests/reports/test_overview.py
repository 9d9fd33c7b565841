"""The figures of a report, against values worked out by hand."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deftclean.reports.overview import BINS, overview, share
from tests.support.scored import score_table


@pytest.mark.parametrize(
    ("part", "of", "low", "high"),
    [
        (0, 10, 0.0, 0.27753),  # z² / (n + z²)
        (10, 10, 0.72247, 1.0),
        (1, 2, 0.09453, 0.90547),
        (870, 1200, 0.69905, 0.74952),
    ],
)
def test_wilson_interval(part: int, of: int, low: float, high: float) -> None:
    found = share(part, of)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-5)
    assert found.value == part / of


@settings(deadline=None)
@given(st.integers(1, 10**9).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_an_interval_holds_its_share(pair: tuple[int, int]) -> None:
    found = share(*pair)
    assert 0 <= found.low <= found.value + 1e-12
    assert found.value - 1e-12 <= found.high <= 1


def row(given: str, suggested: str | None, prob: float | None, keep: bool) -> dict[str, Any]:
    return {
        "given_label": given, "predicted_label": suggested, "clean_prob": prob, "keep": keep,
        "status": "ok" if prob is not None else "missing",
    }  # fmt: skip


ROWS = [
    row("cat", "dog", 0.0, False),
    row("cat", "dog", 0.04, False),
    row("cat", "cat", 0.3, False),
    row("cat", "cat", 1.0, True),
    row("dog", "cat", 0.51, True),
    row("dog", None, 0.1, False),
    row("cow", None, None, False),
]


def test_counts_by_hand() -> None:
    found = overview(score_table(ROWS))
    assert (found.summary.rows, found.summary.kept, found.summary.flagged) == (7, 2, 4)
    assert found.summary.not_scored == {"missing": 1}
    assert found.noise == share(4, 6)
    assert len(found.bins) == BINS
    assert (found.bins[0].kept, found.bins[0].flagged) == (0, 2)
    assert (found.bins[-1].kept, found.bins[-1].flagged) == (1, 0)
    assert (found.bins[10].low, found.bins[10].kept) == (0.5, 1)
    assert sum(b.kept for b in found.bins) == 2
    assert [(c.name, c.flagged.part, c.flagged.of) for c in found.classes] == [
        ("cat", 3, 4), ("dog", 1, 2),
    ]  # fmt: skip
    assert found.class_count == 2
    assert found.confusions.names == ("cat", "dog")
    assert found.confusions.counts == ((0, 2), (0, 0))
    assert (found.confusions.inside, found.confusions.total) == (2, 2)
    assert found.reviewed.rows == 0


def test_a_class_of_three_rows_does_not_lead() -> None:
    rows = [row("rare", "cat", 0.1, False)] * 2 + [row("often", "cat", 0.1, False)] * 30
    rows += [row("often", "often", 0.9, True)] * 10
    assert [c.name for c in overview(score_table(rows)).classes] == ["often", "rare"]


def test_of_many_classes_those_that_matter() -> None:
    rng = np.random.default_rng(0)
    rows = [
        row(f"c{a}", f"c{b}", 0.1, False) for a, b in rng.integers(0, 100, (400, 2)).tolist()
    ] + [row("c98", "c99", 0.1, False)] * 50
    found = overview(score_table(rows))
    assert len(found.classes) == 30
    assert found.class_count == len({entry["given_label"] for entry in rows})
    assert len(found.confusions.names) == 12
    place = {name: k for k, name in enumerate(found.confusions.names)}
    assert found.confusions.counts[place["c98"]][place["c99"]] >= 50
    assert 50 <= found.confusions.inside < found.confusions.total


def test_nothing_scored_at_all() -> None:
    found = overview(score_table([row("cat", None, None, False)]))
    assert found.noise is None
    assert found.classes == ()
    assert found.confusions.names == ()
