"""Which columns and rows of a table are read: without row numbers, and of the splits wanted.

Knows no format.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
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


# ---------------------------------------------------------------- row numbers

_INDEX = re.compile(r"|Unnamed: \d+(\.\d+)*|__index_level_\d+__")


def without_index(table: pa.Table, options: ManifestOptions) -> tuple[pa.Table, tuple[str, ...]]:
    """The table without what pandas writes before the columns: an index without a name.

    Row numbers are left out; whatever else stands there is carried on as `index`.

    Args:
        table: N rows.
        options: columns that the user speaks of stay.
    """
    spoken = {options.path_column, options.label_column}
    spoken |= {*(options.rename or {}), *(options.annotator or ())}
    notes: list[str] = []
    for name in table.column_names:
        if not _INDEX.fullmatch(name) or name in spoken:
            continue
        at = table.column_names.index(name)
        if _counts_rows(table[name]):
            table = table.remove_column(at)
            notes.append(f"column {name!r} was left out: it numbers the rows")
        else:
            new = _free("index", table.column_names)
            table = table.rename_columns([new if n == name else n for n in table.column_names])
            notes.append(f"column {name!r} is carried on as {new}")
    return table, tuple(notes)


def _counts_rows(values: pa.ChunkedArray) -> bool:
    """Whether a column says nothing: it is empty, or counts from 0 or 1."""
    if pa.types.is_string(values.type) and pc.all(pc.equal(values, "")).as_py():
        return True
    try:
        numbers = values.cast(pa.int64()).to_numpy()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return False
    start = numbers[0] if len(numbers) and not values.null_count else -1
    return start in (0, 1) and bool(np.array_equal(numbers, np.arange(start, start + len(values))))


def _free(name: str, taken: list[str]) -> str:
    return next(
        n for n in (name, *(f"{name}_{at}" for at in range(1, len(taken) + 2))) if n not in taken
    )
