"""Which rows of a score table still show the picture that was scored."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.adaptation.training_rows import TrainingRows
from deftclean.core.errors import InputError
from deftclean.images.first_pass import ImageChecks
from deftclean.images.sources import RowImages
from deftclean.images.usable_rows import UsableRows, distinct_pictures
from deftclean.table.scores import ScoreTable

_EXAMPLES = 3


@dataclass(frozen=True)
class Verified:
    """Rows that can be trained on, and what became of the others.

    Attributes:
        rows: `trainable` are those that are wanted and whose picture has not changed.
        problems: how many rows, by kind: `changed`, or a status of `scores.Status`.
        examples: (kind, file name) of the first few.
    """

    rows: UsableRows
    problems: dict[str, int]
    examples: tuple[tuple[str, str], ...]


def verified_rows(
    scores: ScoreTable, images: RowImages, checks: ImageChecks, wanted: TrainingRows
) -> Verified:
    """Sort the wanted rows by whether their picture can be read and is the one that was scored.

    Args:
        scores: N rows.
        images: of the rows.
        checks: of the images.
        wanted: which rows, and their labels.

    Raises:
        InputError: nothing is left.
    """
    found = checks.take(images.of_row[wanted.chosen])
    recorded = scores.table["content_sha256"].take(pa.array(wanted.chosen))
    same = pc.fill_null(pc.equal(found.sha256, recorded.combine_chunks()), False)
    kinds = pc.if_else(
        pc.and_(pc.equal(found.status, "ok"), pc.invert(same)), "changed", found.status
    )
    fine = pc.equal(kinds, "ok").to_numpy(zero_copy_only=False)
    problems, examples = _problems(scores, wanted.chosen[~fine], kinds.filter(pa.array(~fine)))
    chosen = wanted.chosen[fine]
    if not len(chosen):
        listed = ", ".join(f"{count:,} {kind}" for kind, count in sorted(problems.items()))
        raise InputError(
            f"None of the {len(wanted.chosen):,} pictures to learn from is what it was when it was "
            f"scored: {listed}.",
            "Give the folder that holds them (--data FOLDER), or scan again.",
        )
    labelled = np.zeros(len(scores), dtype=bool)
    labelled[chosen] = True
    distinct, of_file = distinct_pictures(images.source, checks)
    return Verified(
        UsableRows(wanted.labels, labelled, chosen, chosen, distinct, of_file[images.of_row]),
        problems,
        examples,
    )


def _problems(
    scores: ScoreTable, rows: NDArray[np.int64], kinds: pa.Array
) -> tuple[dict[str, int], tuple[tuple[str, str], ...]]:
    counted = pc.value_counts(kinds).to_pylist()
    names = scores.table["file_name"].take(pa.array(rows[:_EXAMPLES])).to_pylist()
    first = kinds[:_EXAMPLES].to_pylist()
    return (
        {entry["values"]: entry["counts"] for entry in counted},
        tuple(zip(first, names, strict=True)),
    )
