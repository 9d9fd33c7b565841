"""A whole score table in figures, as a report shows them. No torch.

Counts, shares with their intervals, a histogram and a confusion matrix of a few classes; nothing of
how they look.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.core.arrow import bool_values, codes
from deftclean.reports.calibration import Calibration, calibration
from deftclean.table.audit import Audited, audited
from deftclean.table.copies import Conflict, conflicts_of
from deftclean.table.reviewed import ReviewCounts, review_counts
from deftclean.table.scores import ScoreTable
from deftclean.table.summary import Summary, summarise

BINS = 20

_Z = 1.959964  # of a two-sided interval of 95 %
_MOST_CLASSES = 30
_MOST_CONFUSED = 12
_MOST_CONFLICTS = 20
_MOST_UNSCORED = 500


@dataclass(frozen=True)
class Share:
    """A part of some rows, with the Wilson score interval of 95 %.

    The interval is what chance alone does to a share of so few rows, taken as a sample of many. It
    does not cover that rows may be flagged in error, or wrong ones not flagged.

    Attributes:
        part, of: rows.
        low, high: ends of the interval, in [0, 1].
    """

    part: int
    of: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """Part ÷ of, in [0, 1]."""
        return self.part / self.of


@dataclass(frozen=True)
class ClassShare:
    """How many of one class's scored rows are flagged."""

    name: str
    flagged: Share


@dataclass(frozen=True)
class Bin:
    """Rows whose `clean_prob` lies in one part of [0, 1]."""

    low: float
    high: float
    kept: int
    flagged: int


@dataclass(frozen=True)
class Confusions:
    """Flagged rows by given and suggested label, among a few classes.

    Attributes:
        names: the classes that are confused most, in the order of their names.
        counts: (C, C) rows by given label, then suggested label.
        inside: rows in `counts` off its diagonal.
        total: flagged rows whose suggestion differs, of all classes.
    """

    names: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    inside: int
    total: int


@dataclass(frozen=True)
class Unscored:
    """A row without a `clean_prob`: its status, and the reason in words, which may be empty."""

    row: int
    file_name: str
    status: str
    error: str


@dataclass(frozen=True)
class Overview:
    """A score table in figures.

    Attributes:
        summary: the table in short.
        noise: flagged ÷ scored; None where no row was scored.
        bins: the histogram of `clean_prob`.
        classes: those with the largest share of flagged rows, judged by the lower end of the
            interval, so that a class of three rows does not lead by chance.
        class_count: classes with a scored row.
        confusions: who is taken for whom.
        reviewed: what people have decided already.
        audited: what they prove of all rows, if a random sample is among them.
        calibration: `clean_prob` beside what witnesses and people say.
        conflicts: rows of the same picture with different labels, the first of them.
        unscored: rows that were not scored, the first of them.
    """

    summary: Summary
    noise: Share | None
    bins: tuple[Bin, ...]
    classes: tuple[ClassShare, ...]
    class_count: int
    confusions: Confusions
    reviewed: ReviewCounts
    audited: Audited | None
    calibration: Calibration
    conflicts: tuple[Conflict, ...]
    unscored: tuple[Unscored, ...]


def overview(scores: ScoreTable) -> Overview:
    """Count what a table holds; the lists are short whatever the number of classes."""
    summary = summarise(scores)
    scored = scores.table.select(["given_label", "suggested_label", "clean_prob", "keep"]).filter(
        pc.invert(pc.is_null(scores.table["clean_prob"], nan_is_null=True))
    )
    flagged = pc.invert(scored["keep"])
    classes = _shares(scored["given_label"], flagged)
    return Overview(
        summary=summary,
        noise=share(summary.flagged, summary.scored) if summary.scored else None,
        bins=_histogram(scored["clean_prob"], scored["keep"]),
        classes=tuple(classes[:_MOST_CLASSES]),
        class_count=len(classes),
        confusions=_confusions(scored.filter(flagged)),
        reviewed=review_counts(scores),
        audited=audited(scores),
        calibration=calibration(scores),
        conflicts=conflicts_of(scores, _MOST_CONFLICTS),
        unscored=_unscored(scores),
    )


def _unscored(scores: ScoreTable) -> tuple[Unscored, ...]:
    not_scored = pc.fill_null(pc.not_equal(scores.table["status"], "ok"), True)
    first = np.flatnonzero(bool_values(not_scored))[:_MOST_UNSCORED]
    listed = scores.rows(["row", "file_name", "status", "error"], first)
    return tuple(
        Unscored(each["row"], str(each["file_name"]), str(each["status"]), each["error"] or "")
        for each in listed.to_pylist()
    )


def share(part: int, of: int) -> Share:
    """A share with its interval.

    Wilson (1927): ``(p + z²/2n ± z √(p(1 - p)/n + z²/4n²)) / (1 + z²/n)``.

    Args:
        part: in [0, `of`].
        of: n, 1 or more.
    """
    low, high = _wilson(np.array([part]), np.array([of]))
    return Share(part, of, float(low[0]), float(high[0]))


def _wilson(
    part: NDArray[np.int64], of: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    p, z2 = part / of, _Z**2 / of
    middle = p + z2 / 2
    # Rounding may leave something just below 0 where p is 0 or 1.
    half = np.sqrt(np.maximum(p * (1 - p) * z2 + z2**2 / 4, 0))
    low, high = (middle - half) / (1 + z2), (middle + half) / (1 + z2)
    return low.clip(0, 1), high.clip(0, 1)


def _histogram(clean_prob: pa.ChunkedArray, keep: pa.ChunkedArray) -> tuple[Bin, ...]:
    values, kept = clean_prob.to_numpy(), keep.to_numpy()
    edges = np.linspace(0, 1, BINS + 1)
    of_kept, _ = np.histogram(values[kept], edges)
    of_flagged, _ = np.histogram(values[~kept], edges)
    return tuple(
        Bin(*entry)
        for entry in zip(
            edges[:-1].tolist(),
            edges[1:].tolist(),
            of_kept.tolist(),
            of_flagged.tolist(),
            strict=True,
        )
    )


def _shares(given: pa.ChunkedArray, flagged: pa.ChunkedArray) -> list[ClassShare]:
    """All classes, the most suspected first."""
    names, places = _coded(given)
    of = np.bincount(places, minlength=len(names))
    part = np.bincount(places[flagged.to_numpy()], minlength=len(names))
    low, high = _wilson(part, of)
    # Names break ties, so that the order is always the same.
    order = sorted(range(len(names)), key=lambda k: (-low[k], names[k]))
    return [
        ClassShare(names[k], Share(int(part[k]), int(of[k]), float(low[k]), float(high[k])))
        for k in order
    ]


def _coded(labels: pa.ChunkedArray) -> tuple[list[str], NDArray[np.int64]]:
    """Distinct labels by name, and (n,) the place of each label among them."""
    numbers, distinct = codes(labels)
    texts = distinct.to_pylist()
    there = sorted(np.unique(numbers).tolist(), key=lambda number: texts[number])
    place = np.zeros(len(texts), dtype=np.int64)
    place[there] = np.arange(len(there))
    return [texts[number] for number in there], place[numbers]


def _confusions(flagged: pa.Table) -> Confusions:
    given, suggested = flagged["given_label"], flagged["suggested_label"]
    differing = flagged.filter(pc.fill_null(pc.not_equal(given, suggested), False))
    labels = (differing[name].cast(pa.string()) for name in ("given_label", "suggested_label"))
    names, places = _coded(
        pa.chunked_array([c for each in labels for c in each.chunks], pa.string())
    )
    rows, columns = places[: len(differing)], places[len(differing) :]
    often = np.bincount(places, minlength=len(names))
    chosen = np.sort(np.argsort(-often, kind="stable")[:_MOST_CONFUSED])
    place = np.full(len(names), -1)
    place[chosen] = np.arange(len(chosen))
    inside = (place[rows] >= 0) & (place[columns] >= 0)
    counts = np.zeros((len(chosen), len(chosen)), dtype=np.int64)
    np.add.at(counts, (place[rows][inside], place[columns][inside]), 1)
    return Confusions(
        tuple(names[k] for k in chosen),
        tuple(map(tuple, counts.tolist())),
        int(inside.sum()),
        len(differing),
    )
