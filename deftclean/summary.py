"""What a score table says at a glance. pyarrow only; no torch, and no pandas, slow to import."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from deftclean.scores import ScoreTable

_TOP = 10
_OF_SUSPECTS = ["row", "file_name", "given_label", "predicted_label", "clean_prob"]


@dataclass(frozen=True)
class ClassNoise:
    """One class: how many of its scored rows are suspected."""

    name: str
    flagged: int
    scored: int


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
        not_scored: rows by status other than `ok`.
        classes: the classes with most flagged rows, most first.
        confusions: flagged rows whose suggested label differs, most frequent first.
        suspects: the flagged rows with the lowest `clean_prob`, lowest first.
    """

    rows: int
    scored: int
    kept: int
    flagged: int
    noise_rate: float | None
    not_scored: dict[str, int]
    classes: tuple[ClassNoise, ...]
    confusions: tuple[Confusion, ...]
    suspects: tuple[Suspect, ...]


def summarise(scores: ScoreTable) -> Summary:
    """Count what a table holds; at most ten entries in each list."""
    table = scores.table
    scored = pc.invert(pc.is_null(table["clean_prob"], nan_is_null=True))
    flagged = pc.and_(scored, pc.invert(table["keep"]))
    suspects = table.select(_OF_SUSPECTS).filter(flagged)
    total = _count(scored)
    return Summary(
        rows=len(table),
        scored=total,
        kept=_count(table["keep"]),
        flagged=len(suspects),
        noise_rate=len(suspects) / total if total else None,
        not_scored=_not_scored(table["status"]),
        classes=_most_suspected(table["given_label"], scored, flagged),
        confusions=_most_frequent(suspects),
        suspects=_most_suspicious(suspects),
    )


def _count(flags: pa.ChunkedArray) -> int:
    return pc.sum(flags).as_py() or 0


def _not_scored(status: pa.ChunkedArray) -> dict[str, int]:
    counts = {entry["values"]: entry["counts"] for entry in pc.value_counts(status).to_pylist()}
    return {name: counts[name] for name in sorted(counts.keys() - {"ok", None})}


def _most_suspected(
    given: pa.ChunkedArray, scored: pa.ChunkedArray, flagged: pa.ChunkedArray
) -> tuple[ClassNoise, ...]:
    columns = pa.Table.from_arrays([given, flagged, scored], ["name", "flagged", "scored"])
    counts = columns.group_by("name").aggregate([("flagged", "sum"), ("scored", "sum")])
    counts = counts.filter(pc.and_(pc.is_valid(counts["name"]), pc.greater(counts[1], 0)))
    # Names break ties, so that the order is always the same.
    top = counts.sort_by([("flagged_sum", "descending"), ("name", "ascending")]).slice(0, _TOP)
    return tuple(
        ClassNoise(entry["name"], entry["flagged_sum"], entry["scored_sum"])
        for entry in top.to_pylist()
    )


def _most_frequent(suspects: pa.Table) -> tuple[Confusion, ...]:
    pair = ["given_label", "predicted_label"]
    # Where one of the two is null, so is the comparison, and the filter leaves the row out.
    differing = suspects.filter(pc.not_equal(*(suspects[name] for name in pair))).select(pair)
    counts = differing.group_by(pair).aggregate([([], "count_all")])
    order = [("count_all", "descending"), *((name, "ascending") for name in pair)]
    return tuple(
        Confusion(entry["given_label"], entry["predicted_label"], entry["count_all"])
        for entry in counts.sort_by(order).slice(0, _TOP).to_pylist()
    )


def _most_suspicious(suspects: pa.Table) -> tuple[Suspect, ...]:
    keys = suspects.select(["clean_prob", "row"])
    order = [(name, "ascending") for name in keys.column_names]
    worst = suspects.take(pc.select_k_unstable(keys, _TOP, order))
    return tuple(
        Suspect(
            entry["row"],
            entry["file_name"],
            str(entry["given_label"]),
            str(entry["predicted_label"]),
            entry["clean_prob"],
        )
        for entry in worst.to_pylist()
    )
