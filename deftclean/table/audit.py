"""The audit: a random sample of flagged and kept rows, and what people's decisions about it prove.

A review of the most suspicious rows says nothing about the others. A random sample does: of how
many labels are wrong, how many flags are right and how much was missed, whatever any model thinks.

Each scored row has a random number that depends on the seed and its place alone. The sample of a
stratum is its rows with the lowest numbers, so that a larger sample holds a smaller one. Rows that
the scan was told about are no part of it: they are known. Which sample a row was drawn in is
written beside the decision, as `flagged 50/731`: one of 50 of the 731 flagged rows.

pyarrow and NumPy only.
"""

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.core.arrow import bool_values, valid
from deftclean.core.errors import InputError
from deftclean.table.intervals import of_finite
from deftclean.table.reviewed import AUDIT, DECISION, KNOWN, is_reviewed, review_of
from deftclean.table.scores import ScoreTable, keep_flags

LEVEL = 0.95
"""Of the intervals."""

FLAGGED, KEPT = "flagged", "kept"
_MARK = re.compile(r"(flagged|kept) (\d{1,12})/(\d{1,12})")
_STREAM = 0x617564697400  # of random numbers; any other constant would do as well


@dataclass(frozen=True)
class Stratum:
    """Rows that a sample was drawn from.

    Attributes:
        name: `flagged` or `kept`, by the rule.
        drawn: n, rows of the sample.
        of: N, rows of the stratum.
    """

    name: str
    drawn: int
    of: int

    @property
    def mark(self) -> str:
        """As it is written beside a decision."""
        return f"{self.name} {self.drawn}/{self.of}"


@dataclass(frozen=True)
class Sample:
    """A random sample of a table.

    Attributes:
        strata: of flagged and of kept rows; those that have any.
        places: (n,) rows of the sample, in random order.
        marks: (n,) the stratum of each.
    """

    strata: tuple[Stratum, ...]
    places: NDArray[np.int64]
    marks: tuple[str, ...]


@dataclass(frozen=True)
class Proportion:
    """A share, and an interval that holds it with probability `LEVEL` at least.

    Attributes:
        estimate: in [0, 1]; None where nobody has decided about a row.
        low, high: ends of the interval.
    """

    estimate: float | None
    low: float
    high: float

    @property
    def text(self) -> str:
        """For people."""
        known = "-" if self.estimate is None else f"{self.estimate:.1%}"
        return f"{known} ({LEVEL:.0%}: {self.low:.1%} to {self.high:.1%})"


@dataclass(frozen=True)
class Audited:
    """What the decisions about a sample prove of the rows that it was drawn from.

    A row that was relabelled or dropped counts as wrong. Rows of the sample that nobody has decided
    about may be either: the intervals allow for both.

    Attributes:
        drawn, decided: rows of the sample.
        noise: share of wrong labels among all scored rows.
        precision: share of flagged rows whose label is wrong; None where none was flagged.
        missed: share of kept rows whose label is wrong; None where none was kept.
    """

    drawn: int
    decided: int
    noise: Proportion
    precision: Proportion | None
    missed: Proportion | None


def draw(scores: ScoreTable, count: int) -> Sample:
    """A sample of so many rows, half of them flagged, as far as there are so many.

    Args:
        scores: the table.
        count: 2 or more.

    Raises:
        InputError: the table has a sample already that was drawn when other rows were flagged.
    """
    order = _order(scores)
    flagged, kept = len(order[FLAGGED]), len(order[KEPT])
    of_flagged = min(flagged, max(count // 2, count - kept))
    wanted = {FLAGGED: of_flagged, KEPT: min(kept, count - of_flagged)}
    strata = {
        name: Stratum(name, wanted[name], len(order[name])) for name in wanted if wanted[name]
    }
    for name, old in _earlier(scores).items():
        if old.of != len(order[name]):
            raise InputError(
                f"The table holds an audit of {old.of:,} {name} rows, and now "
                f"{len(order[name]):,} rows are {name}: it was decided anew since.",
                "Decide as before (deftclean select), or audit the table from before the audit.",
            )
    places = np.concatenate([order[name][: wanted[name]] for name in wanted])
    marks = np.repeat([strata[n].mark if n in strata else "" for n in wanted], [*wanted.values()])
    mixed = np.argsort(_numbers(scores)[places], kind="stable")
    return Sample(tuple(strata.values()), places[mixed], tuple(marks[mixed].tolist()))


def wrong_marks(
    scores: ScoreTable, places: NDArray[np.int64], marks: pa.Array
) -> NDArray[np.bool_]:
    """(n,) whether a row cannot have been drawn as its mark says; false where it has none.

    Args:
        scores: the table.
        places: (n,) rows.
        marks: (n,) strings or null.
    """
    order = _order(scores)
    wrong = np.zeros(len(places), dtype=bool)
    for mark in pc.unique(marks.drop_null()).to_pylist():
        of_mark = np.flatnonzero(bool_values(pc.equal(marks, mark)))
        stratum = parsed(mark)
        if stratum is None or stratum.of != len(order[stratum.name]):
            wrong[of_mark] = True
        else:
            drawn = order[stratum.name][: stratum.drawn]
            wrong[of_mark] = ~np.isin(places[of_mark], drawn)
    return wrong


def parsed(mark: str) -> Stratum | None:
    """The stratum that a mark tells of; None where it is no mark."""
    found = _MARK.fullmatch(mark)
    if found is None:
        return None
    stratum = Stratum(found[1], int(found[2]), int(found[3]))
    return stratum if 1 <= stratum.drawn <= stratum.of else None


def audited(scores: ScoreTable) -> Audited | None:
    """What people's decisions about a sample prove; None where there is no sample."""
    strata = _earlier(scores) if is_reviewed(scores) else {}
    if not strata:
        return None
    review = review_of(scores)
    scored = valid(scores.table["clean_prob"])
    right = bool_values(pc.equal(review[DECISION], "keep"))
    known = bool_values(review[KNOWN]) & scored
    found = {name: _found(review, stratum, right) for name, stratum in strata.items()}
    open_ones = [s for s in strata.values() if s.drawn < s.of]
    level = 1 - (1 - LEVEL) / max(len(open_ones), 1)  # Bonferroni: all hold at once
    each = [(_proportion(s, *found[n], level), s.of) for n, s in strata.items()]
    alone = {n: _proportion(s, *found[n], LEVEL) for n, s in strata.items()}
    return Audited(
        sum(s.drawn for s in strata.values()),
        sum(decided for decided, _ in found.values()),
        _whole(each, int((known & ~right).sum()), int(known.sum()), int(scored.sum())),
        alone.get(FLAGGED),
        alone.get(KEPT),
    )


def _whole(shares: list[tuple[Proportion, int]], wrong: int, known: int, scored: int) -> Proportion:
    """Of all scored rows: the ends of the strata and of what was known add up.

    Args:
        shares: of each stratum, and its rows.
        wrong, known: rows that the scan was told about; how many of them are wrong.
        scored: all rows.
    """
    unseen = scored - known - sum(of for _, of in shares)  # a stratum without any decision
    low = wrong + sum(share.low * of for share, of in shares)
    high = wrong + sum(share.high * of for share, of in shares) + unseen
    estimates = [share.estimate * of for share, of in shares if share.estimate is not None]
    whole = not unseen and len(estimates) == len(shares)
    estimate = (wrong + sum(estimates)) / scored if whole else None
    return Proportion(estimate, low / scored, high / scored)


def _proportion(stratum: Stratum, decided: int, wrong: int, level: float) -> Proportion:
    """Of one stratum; rows that nobody has decided about count as right, then as wrong."""
    low, _ = of_finite(wrong, stratum.drawn, stratum.of, level)
    doubtful = wrong + stratum.drawn - decided
    _, high = of_finite(doubtful, stratum.drawn, stratum.of, level)
    return Proportion(wrong / decided if decided else None, low / stratum.of, high / stratum.of)


def _found(review: pa.Table, stratum: Stratum, right: NDArray[np.bool_]) -> tuple[int, int]:
    """Rows of a stratum's sample that were decided about, and how many of them are wrong."""
    pattern = rf"^{stratum.name} \d+/{stratum.of}$"
    member = bool_values(pc.match_substring_regex(review[AUDIT], pattern))
    member &= valid(review[DECISION])
    return int(member.sum()), int((member & ~right).sum())


def _earlier(scores: ScoreTable) -> dict[str, Stratum]:
    """The samples that a table holds: the largest of each stratum."""
    marks = pc.unique(review_of(scores)[AUDIT].drop_null()).to_pylist()
    strata = [stratum for mark in marks if (stratum := parsed(mark)) is not None]
    return {stratum.name: stratum for stratum in sorted(strata, key=lambda s: s.drawn)}


def _order(scores: ScoreTable) -> dict[str, NDArray[np.int64]]:
    """Rows of each stratum, in the order in which they are drawn."""
    table, metadata = scores.table, scores.metadata
    scored = valid(table["clean_prob"]) & ~bool_values(review_of(scores)[KNOWN])
    kept = bool_values(keep_flags(table, metadata["rule"], float(metadata["threshold"])))
    numbers = _numbers(scores)
    places = {FLAGGED: np.flatnonzero(scored & ~kept), KEPT: np.flatnonzero(scored & kept)}
    return {n: p[np.argsort(numbers[p], kind="stable")] for n, p in places.items()}


def _numbers(scores: ScoreTable) -> NDArray[np.float64]:
    """(N,) a random number of each row, by the seed and its place alone."""
    seed = int(scores.metadata.get("seed") or 0)
    return np.random.default_rng([seed, _STREAM]).random(len(scores))
