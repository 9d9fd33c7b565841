"""Corrected labels without a review: flagged rows take a suggestion that is certain enough.

What a person has decided stays, whatever is suggested. No torch, no pictures.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.core.arrow import bool_values, float_values
from deftclean.core.errors import InputError
from deftclean.table.reviewed import FINAL, unreviewed
from deftclean.table.scores import ScoreTable


@dataclass(frozen=True)
class Corrected:
    """A score table in which flagged rows have taken their suggestion.

    Attributes:
        scores: N rows; of the changed ones `keep` is true, as after a review.
        labels: (N,) strings, the label of every row; null where there is none.
        changed: (N,) bool, the label is a suggestion.
    """

    scores: ScoreTable
    labels: pa.Array
    changed: NDArray[np.bool_]


def corrected(scores: ScoreTable, table: Path, above: float) -> Corrected:
    """Apply the suggestions of flagged rows that nobody has decided about.

    A row whose suggestion is its given label stays as the rule has it: there is nothing to correct.

    Args:
        scores: N rows.
        table: their file, for messages.
        above: the `suggested_prob` that a row must exceed, in (0, 1].

    Raises:
        InputError: the suggestions of the table's recipe are no calibrated probabilities.
    """
    _refuse_uncalibrated(scores, table)
    columns = scores.table
    flagged = bool_values(pc.is_valid(columns["clean_prob"])) & ~bool_values(columns["keep"])
    certain = float_values(columns["suggested_prob"]) > np.float32(above)
    differs = bool_values(pc.not_equal(columns["suggested_label"], columns["given_label"]))
    changed = flagged & certain & differs & bool_values(unreviewed(scores))
    own = columns[FINAL] if FINAL in columns.column_names else columns["given_label"]
    labels = pc.if_else(pa.array(changed), columns["suggested_label"], own.cast(pa.string()))
    keep = pc.or_(columns["keep"], pa.array(changed))
    kept = columns.set_column(columns.column_names.index("keep"), "keep", keep)
    return Corrected(replace(scores, table=kept), labels.combine_chunks(), changed)


def _refuse_uncalibrated(scores: ScoreTable, table: Path) -> None:
    strategy = scores.metadata.get("strategy", "deft")
    if strategy != "evidence":
        raise InputError(
            f"{table} was made with --recipe {strategy}, whose suggested_prob is no probability "
            "that the suggestion is right, so no limit on it says how many are wrong.",
            "Scan with --recipe evidence, or decide in a report: deftclean report, then review.",
        )
