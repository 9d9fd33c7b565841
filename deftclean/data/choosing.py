"""Which rows of a table are read, where the user wants one split. Knows no format."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deftclean.core.errors import UsageError
from deftclean.core.text import few
from deftclean.data.options import ManifestOptions
from deftclean.table.splits import are_splits, counted_splits, in_splits, split_column


@dataclass(frozen=True)
class Chosen:
    """The rows of a table that are read.

    Attributes:
        rows: (n,) ascending; None for all.
        notes: what a user should know about the splits.
    """

    rows: NDArray[np.int64] | None = None
    notes: tuple[str, ...] = ()


def rows_of_splits(path: Path, table: pa.Table, options: ManifestOptions, inside: bool) -> Chosen:
    """The rows of the splits that the user wants, by the table's column.

    Args:
        path: the table, for messages.
        table: N rows.
        options: with `split`.
        inside: the images lie in the table itself, which later commands read by row.

    Raises:
        UsageError: there is no column of splits, or no such split.
    """
    name = split_column(table)
    counts = {} if name is None else counted_splits(table[name])
    if options.split is None:
        if not are_splits(counts):
            return Chosen()
        listed = few([f"{split} {count:,}" for split, count in counts.items()])
        first = next(iter(counts))
        return Chosen(None, (f"column {name}: {listed}; --split {first} reads it alone",))
    if name is None:
        raise UsageError(
            f"--split {few(options.split)}: {path} has no column called split.",
            f"It has the columns {few(table.column_names, 12)}.",
        )
    if inside:
        raise UsageError(
            f"--split cannot choose among the rows of {path}, which holds the images itself.",
            "Write each split into a table of its own.",
        )
    rows = np.flatnonzero(in_splits(table[name], options.split, str(path)))
    return Chosen(rows, (f"{len(rows):,} rows are of --split {', '.join(options.split)}",))
