"""Which rows of a score table a classifier learns from, with which labels and weights. No torch."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.core.errors import InputError, UsageError
from deftclean.settings.detector import Labels
from deftclean.table.reviewed import DECISION, FINAL
from deftclean.table.scores import ScoreTable


@dataclass(frozen=True)
class LabelChoice:
    """What the user asked for.

    Attributes:
        labels: `given`, `final` or `suggested`; None for `final` where the table has such a column.
        relabel_above: suggested_prob above which a flagged row takes the suggested label, in
            [0, 1]; of use with `suggested` only.
        weighted: weight the loss by clean_prob.
        everything: ignore the cleaning.
    """

    labels: Labels | None
    relabel_above: float
    weighted: bool
    everything: bool


@dataclass(frozen=True)
class TrainingRows:
    """Rows to learn from.

    Attributes:
        source: where labels come from.
        labels: (N,) int64 class; 0 where the row is not used.
        weights: (N,) float32 of the loss: `clean_prob`, or for a suggested label its
            `suggested_prob`; 1 for a label that a person has changed or confirmed, for a row
            without `clean_prob`, and where no weights are asked for.
        chosen: (n,) rows, ascending.
        class_names: the K classes, in order.
        counts: of rows, by what they are.
    """

    source: Labels
    labels: NDArray[np.int64]
    weights: NDArray[np.float32]
    chosen: NDArray[np.int64]
    class_names: tuple[str, ...]
    counts: dict[str, int]


def training_rows(scores: ScoreTable, table: Path, choice: LabelChoice) -> TrainingRows:
    """Choose rows.

    Without `everything`: rows that are kept, and with `suggested` also flagged ones whose
    suggestion is certain enough. With it: every row that has a picture and a label.

    Args:
        scores: the table.
        table: its file, for messages.
        choice: of the user.

    Raises:
        UsageError: `everything` and `suggested` contradict each other.
        InputError: there is no column `final_label`, or too little to learn from.
    """
    source = choice.labels or ("final" if FINAL in scores.table.column_names else "given")
    if source == "suggested" and choice.everything:
        raise UsageError(
            "--all and --labels suggested exclude each other: one ignores the cleaning, the other "
            "goes by it."
        )
    columns = scores.table
    usable = _flags(pc.equal(columns["status"], "ok"))
    kept = usable & _flags(columns["keep"])
    scored = usable & _flags(pc.is_valid(columns["clean_prob"]))
    flagged = scored & ~kept
    relabelled = np.zeros(len(columns), dtype=bool)
    written = _final(columns, table) if source == "final" else columns["given_label"]
    if source == "suggested":
        relabelled = flagged & _flags(pc.greater(columns["suggested_prob"], choice.relabel_above))
        written = pc.if_else(pa.array(relabelled), columns["suggested_label"], written)
    labelled = _flags(pc.is_valid(written))
    candidates = usable if choice.everything else kept | relabelled
    used = candidates & labelled
    class_names, labels = _classes(scores, written, used)
    chosen = np.flatnonzero(used)
    _refuse_hopeless(table, labels[chosen], class_names)
    counts = {
        "rows": len(columns),
        "kept": int(kept.sum()),
        "flagged": int(flagged.sum()),
        "relabelled": int((relabelled & used).sum()),
        "without_label": int((candidates & ~labelled).sum()),
        "unusable": int((~usable).sum()),
        "used": len(chosen),
    }
    weights = _ones(len(columns))
    if choice.weighted:
        weights = _weights(columns, written, relabelled)
        weights[_decided(columns, source)] = 1
    return TrainingRows(source, labels, weights, chosen, class_names, counts)


def _final(columns: pa.Table, table: Path) -> pa.ChunkedArray:
    if FINAL not in columns.column_names:
        raise InputError(
            f"{table} has no column {FINAL}.", "Leave --labels out to train on the given labels."
        )
    return columns[FINAL].cast(pa.string())


def _classes(
    scores: ScoreTable, written: pa.ChunkedArray, used: NDArray[np.bool_]
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """K names, those of the scan first, and the class of every used row."""
    known = pa.array(scores.metadata.get("class_names", []), pa.string())
    present = pc.unique(pc.filter(written, pa.array(used)))
    more = pc.filter(present, pc.invert(pc.is_in(present, value_set=known)))
    names = pa.concat_arrays([known, *_chunks(more)])
    places = pc.fill_null(pc.index_in(written, value_set=names), 0)
    labels = places.to_numpy().astype(np.int64)
    labels[~used] = 0
    return tuple(names.to_pylist()), labels


def _weights(
    columns: pa.Table, written: pa.ChunkedArray, relabelled: NDArray[np.bool_]
) -> NDArray[np.float32]:
    weights: NDArray[np.float32] = pc.fill_null(columns["clean_prob"], 1).to_numpy().copy()
    changed = _flags(pc.not_equal(written, columns["given_label"]))
    suggested = pc.fill_null(columns["suggested_prob"], 1).to_numpy()
    weights[changed] = 1
    weights[relabelled] = suggested[relabelled]
    return weights


def _decided(columns: pa.Table, source: Labels) -> NDArray[np.bool_]:
    """(N,) bool, a person has decided on the label that is used."""
    if source != "final" or DECISION not in columns.column_names:
        return np.zeros(len(columns), dtype=bool)
    return _flags(pc.is_valid(columns[DECISION]))


def _refuse_hopeless(table: Path, labels: NDArray[np.int64], class_names: tuple[str, ...]) -> None:
    present = np.unique(labels)
    if len(present) >= 2:
        return
    if not len(present):
        raise InputError(
            f"{table}: no row is left to learn from.",
            "Keep more with deftclean select, or give --all to ignore the cleaning.",
        )
    raise InputError(
        f"{table}: all rows to learn from have the label {class_names[int(present[0])]!r}.",
        "A classifier needs two or more classes.",
    )


def _flags(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """(N,) bool, false where null."""
    flags: NDArray[np.bool_] = pc.fill_null(column, False).to_numpy(zero_copy_only=False)
    return flags


def _ones(count: int) -> NDArray[np.float32]:
    return np.ones(count, dtype=np.float32)


def _chunks(array: pa.Array | pa.ChunkedArray) -> list[pa.Array]:
    return array.chunks if isinstance(array, pa.ChunkedArray) else [array]
