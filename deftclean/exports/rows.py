"""Which rows of a score table an export holds, and under which label. No torch, no pictures."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.exports.corrected import Corrected
from deftclean.exports.formats import Format, RowChoice
from deftclean.table.reviewed import FINAL
from deftclean.table.scores import ScoreTable

WITHOUT_LABEL = "without label"

_WITH_PICTURE = ("ok", "unlabeled", "unknown_label")
"""Statuses of rows whose picture could be read."""


@dataclass(frozen=True)
class ChosenRows:
    """The n rows of an export.

    Attributes:
        table: all columns of the score table, n rows in its order.
        labels: (n,) strings, null where there is none: what a person has decided, where the table
            was reviewed, else the given label; of a changed row the suggested one.
        places: (n,) int64, where the rows stand in the score table.
        reviewed: labels come from the column `final_label`.
        left_out: the other rows, by what they are: `kept`, `flagged`, `without label` or a status.
        changed: (n,) bool, the label is a suggestion; None where none are applied.
    """

    table: pa.Table
    labels: pa.Array
    places: NDArray[np.int64]
    reviewed: bool
    left_out: dict[str, int]
    changed: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.places)


@dataclass(frozen=True)
class Written:
    """What of the chosen rows got into an export.

    Attributes:
        left_out: rows that were left out because of their pictures, by what is wrong with them.
        corrected: rows with a suggested label.
    """

    left_out: Mapping[str, int]
    corrected: int = 0


def choose_rows(
    scores: ScoreTable, choice: RowChoice, target: Format, corrections: Corrected | None = None
) -> ChosenRows:
    """The rows that are asked for and that the format can hold.

    Args:
        scores: N rows.
        choice: `kept`; `flagged`, that is scored and not kept; `all`.
        target: what the format needs of a row.
        corrections: of these rows; a changed row is kept.
    """
    table = (scores if corrections is None else corrections.scores).table
    reviewed = FINAL in table.column_names
    if corrections is None:
        labels = (table[FINAL] if reviewed else table["given_label"]).cast(pa.string())
    else:
        labels = corrections.labels
    keep = _flags(table["keep"])
    scored = _flags(pc.is_valid(table["clean_prob"]))
    kinds = _kinds(table["status"], keep, scored)
    wanted = {"kept": keep, "flagged": scored & ~keep, "all": np.ones(len(table), bool)}[choice]
    if target.pictures:
        wanted = wanted & _flags(pc.is_in(table["status"], value_set=pa.array(_WITH_PICTURE)))
    labelled = _flags(pc.is_valid(labels))
    if target.labels:
        kinds[wanted & ~labelled] = WITHOUT_LABEL
        wanted = wanted & labelled
    places = np.flatnonzero(wanted)
    chosen = labels.filter(pa.array(wanted))
    return ChosenRows(
        table.filter(pa.array(wanted)),
        chosen.combine_chunks() if isinstance(chosen, pa.ChunkedArray) else chosen,
        places,
        reviewed,
        _counts(kinds[~wanted]),
        None if corrections is None else corrections.changed[places],
    )


def _kinds(
    status: pa.ChunkedArray, keep: NDArray[np.bool_], scored: NDArray[np.bool_]
) -> NDArray[np.object_]:
    """(N,) what a row is, in one word."""
    kinds: NDArray[np.object_] = status.to_numpy().astype(object)
    kinds[scored] = "flagged"
    kinds[keep] = "kept"
    return kinds


def _counts(kinds: NDArray[np.object_]) -> dict[str, int]:
    found: list[dict[Literal["values", "counts"], Any]] = pc.value_counts(
        pa.array(kinds, pa.string())
    ).to_pylist()
    return {entry["values"]: entry["counts"] for entry in sorted(found, key=_by_name)}


def _by_name(entry: dict[Literal["values", "counts"], Any]) -> str:
    return str(entry["values"])


def _flags(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """(N,) bool, false where null."""
    flags: NDArray[np.bool_] = pc.fill_null(column, False).to_numpy(zero_copy_only=False)
    return flags
