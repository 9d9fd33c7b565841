"""How far `clean_prob` can be believed: three things to hold beside it.

Two need no truth. Before the given label of a row is heard, the evidence foretells which it will
be; that it comes as often as foretold can be counted. And each witness has judged a picture without
its own label: where its belief in the labels does not rise with `clean_prob`, it sees no difference
between what is called clean and what is not. The third is what people decided, of rows whose
decision the scan did not know: where it did, `clean_prob` follows from it. People choose rows by
`clean_prob`; the share of right labels within a narrow part of [0, 1] is right anyhow.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.core.arrow import bool_values, float_values, valid
from deftclean.core.metrics import by_parts
from deftclean.table.estimate import WITNESS_COLUMNS, foretold_labels, heard
from deftclean.table.intervals import of_endless
from deftclean.table.reviewed import DECISION, KNOWN, review_of
from deftclean.table.scores import ScoreTable

LEVEL = 0.95


@dataclass(frozen=True)
class Point:
    """Rows whose `clean_prob` lies in one part of [0, 1].

    Attributes:
        clean_prob: their mean, or the mean of what was foretold of them.
        share: of belief that a witness gives their labels, or of labels that people found right.
        low, high: interval of the share at `LEVEL`; the share itself for a witness.
        rows: how many.
    """

    clean_prob: float
    share: float
    low: float
    high: float
    rows: int


@dataclass(frozen=True)
class Curve:
    """What one witness says.

    Attributes:
        name: its column.
        heard: whether `clean_prob` follows from it; one that is not heard is independent of it.
        points: by ascending `clean_prob`; parts without a row are left out.
    """

    name: str
    heard: bool
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Calibration:
    """Curves of witnesses, and points of people.

    Attributes:
        curves: of every witness that said something.
        people: of rows that people decided about and the scan did not know of.
        foretold: of all rows, how likely the expected label was said to be, and how often it came.
    """

    curves: tuple[Curve, ...]
    people: tuple[Point, ...]
    foretold: tuple[Point, ...]


def calibration(scores: ScoreTable) -> Calibration:
    """Compare `clean_prob` with what others say of the same labels."""
    table, review = scores.table, review_of(scores)
    believed = float_values(table["clean_prob"])
    fresh = ~np.isnan(believed) & ~bool_values(review[KNOWN])
    listened, curves = heard(scores.metadata), []
    for name in WITNESS_COLUMNS.values():
        said = float_values(table[name])
        both = fresh & ~np.isnan(said)
        if both.any():
            points = _points(believed[both], said[both].astype(float))
            curves.append(Curve(name, name in listened, points))
    decided = fresh & valid(review[DECISION])
    right = bool_values(pc.equal(review[DECISION], "keep"))
    people = _points(believed[decided], right[decided].astype(float))
    foretold = [
        Point(each.probability, each.given / each.rows, 0.0, 0.0, each.rows)
        for each in foretold_labels(scores.metadata)
    ]
    return Calibration(
        tuple(curves), tuple(map(_with_interval, people)), tuple(map(_with_interval, foretold))
    )


def _points(believed: NDArray[np.float32], shares: NDArray[np.float64]) -> tuple[Point, ...]:
    found = by_parts(believed, shares)
    share = found.total / found.rows
    columns = (found.mean, share, share, share, found.rows)
    return tuple(Point(*row) for row in zip(*(c.tolist() for c in columns), strict=True))


def _with_interval(point: Point) -> Point:
    low, high = of_endless(round(point.share * point.rows), point.rows, LEVEL)
    return Point(point.clean_prob, point.share, low, high, point.rows)
