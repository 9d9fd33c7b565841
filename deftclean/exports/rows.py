"""Which rows of a score table an export holds, and under which label. No torch, no pictures."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.core.arrow import bool_array, bool_values, codes, whole
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
        table: columns of the score table, n rows in its order.
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
    keep = bool_values(table["keep"])
    scored = bool_values(pc.is_valid(table["clean_prob"]))
    kinds, names = _kinds(table["status"], keep, scored)
    wanted = {"kept": keep, "flagged": scored & ~keep, "all": np.ones(len(table), bool)}[choice]
    if target.pictures:
        wanted = wanted & bool_values(pc.is_in(table["status"], value_set=pa.array(_WITH_PICTURE)))
    labelled = bool_values(pc.is_valid(labels))
    if target.labels:
        kinds[wanted & ~labelled] = len(names) - 1
        wanted = wanted & labelled
    places, mask = np.flatnonzero(wanted), bool_array(wanted)
    return ChosenRows(
        table if wanted.all() else table.filter(mask),
        whole(labels if wanted.all() else labels.filter(mask)),
        places,
        reviewed,
        _counts(kinds[~wanted], names),
        None if corrections is None else corrections.changed[places],
    )


def _kinds(
    status: pa.ChunkedArray, keep: NDArray[np.bool_], scored: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """(N,) what a row is, as a place among words; the last word is for rows without a label."""
    places, distinct = codes(status)
    names = (*map(str, distinct.to_pylist()), "no status", "flagged", "kept", WITHOUT_LABEL)
    kinds = np.where(places < 0, len(names) - 4, places).astype(np.int32)
    kinds[scored], kinds[keep] = len(names) - 3, len(names) - 2
    return kinds, names


def _counts(kinds: NDArray[np.int32], names: tuple[str, ...]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for name, count in zip(names, np.bincount(kinds, minlength=len(names)).tolist(), strict=True):
        found[name] += count
    return {name: found[name] for name in sorted(found) if found[name]}
