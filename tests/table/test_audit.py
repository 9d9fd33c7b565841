"""Random samples of a table: how they are drawn, and what decisions about them prove."""

import numpy as np
import pyarrow as pa
import pytest

from deftclean.core.errors import InputError
from deftclean.table.audit import Audited, Sample, audited, draw, parsed, wrong_marks
from deftclean.table.reviewed import (
    Decisions,
    apply_decisions,
    decide_unreviewed,
    review_of,
    with_review,
)
from deftclean.table.scores import ScoreTable, decide
from tests.support.scored import score_table

ROWS = 200
FLAGGED = 40


def scored(seed: int = 7) -> tuple[ScoreTable, np.ndarray]:
    """200 rows, 40 flagged; wrong are 30 of the flagged and 16 of the kept ones."""
    wrong = np.zeros(ROWS, dtype=bool)
    wrong[:30] = wrong[40:56] = True
    made = score_table(
        [
            {
                "given_label": "apple",
                "clean_top_label": "apple",
                "clean_prob": 0.1 if row < FLAGGED else 0.9,
                "suggested_label": "leaf",
            }
            for row in range(ROWS)
        ]
    )
    with_seed = ScoreTable(made.table, {**made.metadata, "seed": seed})
    return decide(with_seed, "threshold", 0.5), wrong


def decided(
    scores: ScoreTable, sample: Sample, wrong: np.ndarray, keep: int | None = None
) -> ScoreTable:
    """What a person who knows the truth says of a sample, or of its first rows."""
    places = sample.places[:keep]
    marks = np.array(sample.marks, dtype=object)[:keep]
    order = np.argsort(places)
    places, marks = places[order], marks[order]
    nobody = pa.nulls(len(places), pa.string())
    said = pa.array(["drop" if wrong[place] else "keep" for place in places], pa.string())
    return apply_decisions(
        scores, Decisions(places, said, nobody, nobody, nobody, pa.array(marks, pa.string()))
    )


def of(scores: ScoreTable) -> Audited:
    found = audited(scores)
    assert found is not None
    return found


def test_half_of_a_sample_is_flagged_and_a_larger_one_holds_a_smaller_one():
    scores, _ = scored()
    small, large = draw(scores, 20), draw(scores, 60)
    assert [s.mark for s in small.strata] == ["flagged 10/40", "kept 10/160"]
    assert set(small.places) < set(large.places)
    assert (small.places < FLAGGED).sum() == 10
    assert not np.array_equal(small.places, np.sort(small.places))  # mixed
    for place, mark in zip(small.places, small.marks, strict=True):
        assert mark == ("flagged 10/40" if place < FLAGGED else "kept 10/160")
    # Where there are not so many flagged rows, kept ones take their places, and the reverse.
    assert [s.drawn for s in draw(scores, 100).strata] == [40, 60]
    assert [s.drawn for s in draw(scores, 199).strata] == [40, 159]
    assert [s.drawn for s in draw(scores, 500).strata] == [40, 160]


def test_another_seed_draws_others_and_the_same_the_same():
    first, again, other = (draw(scored(seed)[0], 40).places for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert set(first) != set(other)


def test_a_table_without_flagged_rows_is_audited_too():
    scores, _ = scored()
    only_kept = decide(scores, "threshold", 0.0)
    assert [(s.name, s.drawn, s.of) for s in draw(only_kept, 30).strata] == [("kept", 30, 200)]


def test_the_whole_table_decided_is_the_truth():
    scores, wrong = scored()
    found = of(decided(scores, draw(scores, ROWS), wrong))
    assert (found.drawn, found.decided) == (200, 200)
    assert found.noise.estimate == pytest.approx(46 / 200)
    assert (found.noise.low, found.noise.high) == pytest.approx((46 / 200, 46 / 200))
    assert found.precision is not None
    assert found.precision.estimate == found.precision.low == found.precision.high == 30 / 40
    assert found.missed is not None
    assert found.missed.estimate == pytest.approx(16 / 160)


def test_strata_are_weighed_by_their_size():
    """By hand: of 10 flagged rows f are wrong, of 10 kept ones k: (40 f/10 + 160 k/10) / 200."""
    scores, wrong = scored()
    sample = draw(scores, 20)
    found = of(decided(scores, sample, wrong))
    f = wrong[sample.places[sample.places < FLAGGED]].sum()
    k = wrong[sample.places[sample.places >= FLAGGED]].sum()
    assert found.noise.estimate == pytest.approx((4 * f + 16 * k) / 200)
    assert found.noise.low < 46 / 200 < found.noise.high


def test_intervals_hold_the_truth():
    """Over 300 tables with random numbers of their own: the three truths, each at least 95 %."""
    inside = np.zeros(3)
    for seed in range(300):
        scores, wrong = scored(seed)
        found = of(decided(scores, draw(scores, 40), wrong))
        shares = (found.noise, found.precision, found.missed)
        for at, (share, truth) in enumerate(zip(shares, (46 / 200, 30 / 40, 0.1), strict=True)):
            assert share is not None
            inside[at] += share.low - 1e-12 <= truth <= share.high + 1e-12
    assert (inside / 300 >= 0.95).all()


def test_rows_that_nobody_has_decided_about_may_be_either():
    scores, wrong = scored()
    sample = draw(scores, 60)
    whole, part = of(decided(scores, sample, wrong)), of(decided(scores, sample, wrong, 50))
    assert (part.drawn, part.decided) == (60, 50)
    assert part.noise.low < whole.noise.low
    assert part.noise.high > whole.noise.high
    assert part.precision is not None
    assert part.precision.estimate is not None


def test_a_stratum_that_nobody_has_looked_at_is_unknown():
    scores, wrong = scored()
    sample = draw(scores, 40)
    flagged = sample.places < FLAGGED
    half = Sample(sample.strata, sample.places[flagged], tuple(np.array(sample.marks)[flagged]))
    found = of(decided(scores, half, wrong))
    assert found.noise.estimate is None
    assert found.noise.high >= 160 / 200
    assert found.missed is None
    assert found.noise.text.startswith("- (95%: ")


def test_a_sample_grows():
    scores, wrong = scored()
    once = decided(scores, draw(scores, 20), wrong)
    twice = decided(once, draw(once, 60), wrong)
    assert of(twice) == of(decided(scores, draw(scores, 60), wrong))


def test_what_was_not_drawn_so_is_no_sample():
    scores, _ = scored()
    sample = draw(scores, 20)
    others = np.setdiff1d(np.arange(ROWS), sample.places)[:1]
    places = np.concatenate([sample.places[:2], others, others, sample.places[:2]])
    marks = [*sample.marks[:2], "kept 10/160", "flagged 10/41", "kept 11/159", None]
    wrong = wrong_marks(scores, places, pa.array(marks, pa.string()))
    assert wrong.tolist() == [False, False, True, True, True, False]


@pytest.mark.parametrize("text", ["", "kept", "kept 5/4", "kept 0/4", "all 1/2", "kept 1/2 "])
def test_what_is_no_mark(text):
    assert parsed(text) is None


def test_a_table_that_was_decided_anew_keeps_its_audit_and_takes_no_second():
    scores, wrong = scored()
    before = decided(scores, draw(scores, 40), wrong)
    after = decide_unreviewed(before, "threshold", 0.95)
    assert of(after).noise == of(before).noise
    with pytest.raises(InputError, match="holds an audit of 40 flagged rows, and now 200 rows"):
        draw(after, 60)


def test_what_the_scan_was_told_is_no_part_of_a_sample():
    scores, wrong = scored()
    before = decided(scores, draw(scores, 40), wrong)
    again = with_review(decide(scores, "threshold", 0.5), review_of(before), known=True)
    assert audited(again) is None  # another scan, other flags
    sample = draw(again, 200)
    assert not set(sample.places) & set(draw(scores, 40).places)
    found = of(decided(again, sample, wrong))
    assert found.noise.estimate == pytest.approx(46 / 200)  # what was known counts
    assert found.noise.low == found.noise.high == pytest.approx(46 / 200)
