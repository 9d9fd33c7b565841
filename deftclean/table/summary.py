"""What a score table says at a glance. pyarrow only; no torch, and no pandas, slow to import."""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.core.arrow import bool_values, codes, float_values
from deftclean.table.copies import COLUMNS as OF_COPIES
from deftclean.table.copies import CopyCounts, copies_of
from deftclean.table.emptied import FILLED
from deftclean.table.estimate import NoiseEstimate, noise_estimate
from deftclean.table.kinds import KindCounts, kind_counts
from deftclean.table.scores import ScoreTable
from deftclean.table.splits import are_splits, counted_splits, split_column, split_names

_TOP = 10
_OF_SUSPECTS = ["row", "file_name", "given_label", "suggested_label", "clean_prob"]


@dataclass(frozen=True)
class ClassNoise:
    """One class: how many of its scored rows are suspected."""

    name: str
    flagged: int
    scored: int


@dataclass(frozen=True)
class SplitNoise:
    """One split: how many of its rows are kept, and how many suspected."""

    name: str
    rows: int
    kept: int
    flagged: int


@dataclass(frozen=True)
class Confusion:
    """How often one label is suspected to be another."""

    given: str
    suggested: str
    count: int


@dataclass(frozen=True)
class Suspect:
    """One suspected row."""

    row: int
    file_name: str
    given: str
    suggested: str
    clean_prob: float


@dataclass(frozen=True)
class Summary:
    """A score table in short.

    Attributes:
        rows: N.
        scored: rows with a `clean_prob`.
        kept: rows kept.
        flagged: rows scored and not kept.
        noise_rate: flagged ÷ scored, in [0, 1]; None where no row was scored.
        estimate: how much is wrong, flagged or not; None where it was not estimated.
        not_scored: rows by status other than `ok`.
        classes: the classes with most flagged rows, most first.
        confusions: flagged rows whose suggested label differs, most frequent first.
        suspects: the flagged rows with the lowest `clean_prob`, lowest first.
        copies: rows that show a picture of another row.
        kinds: rows of each kind, and reasons why pictures are bad.
        splits: in order of appearance; none where the table has no splits, or one alone.
        filled: by class, rows that are kept so that it has some; see `select --fill-classes`.
    """

    rows: int
    scored: int
    kept: int
    flagged: int
    noise_rate: float | None
    estimate: NoiseEstimate | None
    not_scored: dict[str, int]
    classes: tuple[ClassNoise, ...]
    confusions: tuple[Confusion, ...]
    suspects: tuple[Suspect, ...]
    copies: CopyCounts
    kinds: KindCounts
    splits: tuple[SplitNoise, ...] = ()
    filled: Mapping[str, int] = field(default_factory=dict)


def summed_columns(names: Sequence[str]) -> tuple[str, ...]:
    """The columns that `summarise` looks at in every row, where a table has columns of such names.

    Args:
        names: of all columns of the table.
    """
    ours = ("clean_prob", "keep", "suggested_label", "quality", "kind")
    return tuple(dict.fromkeys((*OF_COPIES, *ours, *split_names(names))))


def summarise(scores: ScoreTable) -> Summary:
    """Count what a table holds; at most ten entries in each list.

    Args:
        scores: the table, or a slim one with the `summed_columns`.
    """
    table = scores.table
    scored = pc.invert(pc.is_null(table["clean_prob"], nan_is_null=True))
    flagged = pc.and_(scored, pc.invert(table["keep"]))
    suspects = np.flatnonzero(bool_values(flagged))
    total = _count(scored)
    return Summary(
        rows=len(table),
        scored=total,
        kept=_count(table["keep"]),
        flagged=len(suspects),
        noise_rate=len(suspects) / total if total else None,
        estimate=noise_estimate(scores.metadata),
        not_scored=_not_scored(table["status"]),
        classes=_most_suspected(table["given_label"], scored, flagged),
        confusions=_most_frequent(table, flagged),
        suspects=_most_suspicious(scores, suspects),
        copies=copies_of(scores).counts,
        kinds=kind_counts(scores),
        splits=_of_splits(table, flagged),
        filled=scores.metadata.get(FILLED) or {},
    )


def _count(flags: pa.ChunkedArray) -> int:
    return pc.sum(flags).as_py() or 0


def _not_scored(status: pa.ChunkedArray) -> dict[str, int]:
    counts = {entry["values"]: entry["counts"] for entry in pc.value_counts(status).to_pylist()}
    return {name: counts[name] for name in sorted(counts.keys() - {"ok", None})}


def _of_splits(table: pa.Table, flagged: pa.ChunkedArray) -> tuple[SplitNoise, ...]:
    name = split_column(table)
    if name is None:
        return ()
    splits = table[name].cast(pa.string())
    rows = counted_splits(splits)
    if len(rows) < 2 or not are_splits(rows):
        return ()
    kept, suspected = (counted_splits(splits.filter(each)) for each in (table["keep"], flagged))
    return tuple(
        SplitNoise(split, count, kept.get(split, 0), suspected.get(split, 0))
        for split, count in rows.items()
    )


def _most_suspected(
    given: pa.ChunkedArray, scored: pa.ChunkedArray, flagged: pa.ChunkedArray
) -> tuple[ClassNoise, ...]:
    totals, suspected = _counts(given.filter(scored)), _counts(given.filter(flagged))
    # Names break ties, so that the order is always the same.
    top = heapq.nsmallest(_TOP, suspected, key=lambda name: (-suspected[name], name))
    return tuple(ClassNoise(name, suspected[name], totals[name]) for name in top)


def _counts(labels: pa.ChunkedArray) -> dict[str, int]:
    found = pc.value_counts(labels.drop_null()).to_pylist()
    return {entry["values"]: entry["counts"] for entry in found}


def _most_frequent(table: pa.Table, flagged: pa.ChunkedArray) -> tuple[Confusion, ...]:
    names = ["given_label", "suggested_label"]
    suspects = table.select(names).filter(flagged)
    # Where one of the two is null, so is the comparison, and the filter leaves the row out.
    differing = suspects.filter(pc.not_equal(*(suspects[name] for name in names)))
    (given, labels), (suggested, others) = (codes(differing[name]) for name in names)
    width = max(1, len(others))
    pairs, counts = np.unique(given * width + suggested, return_counts=True)
    floor = np.sort(counts)[-_TOP:].min(initial=1)
    often = counts >= floor
    found = [
        Confusion(labels[pair // width].as_py(), others[pair % width].as_py(), count)
        for pair, count in zip(pairs[often].tolist(), counts[often].tolist(), strict=True)
    ]
    order = heapq.nsmallest(_TOP, found, key=lambda c: (-c.count, c.given, c.suggested))
    return tuple(order)


def _most_suspicious(scores: ScoreTable, suspects: NDArray[np.int64]) -> tuple[Suspect, ...]:
    """Of (n,) ascending places the rows with the lowest `clean_prob`; of equal ones the first."""
    order = np.argsort(float_values(scores.table["clean_prob"])[suspects], kind="stable")[:_TOP]
    worst = scores.rows(_OF_SUSPECTS, suspects[order]).to_pylist()
    return tuple(
        Suspect(
            entry["row"],
            entry["file_name"],
            str(entry["given_label"]),
            str(entry["suggested_label"]),
            entry["clean_prob"],
        )
        for entry in worst
    )
