"""The log of corrected labels that stands in an export, or beside it. No torch, no pictures."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pv
from numpy.typing import NDArray

from deftclean.core.errors import UsageError
from deftclean.exports.rows import ChosenRows
from deftclean.exports.tables import harmless

CHANGES = "changes.csv"
"""The log in a folder; beside a file NAME.csv it is NAME.changes.csv."""

_NEW = "new_label"
LOG_COLUMNS = ("row", "file_name", "given_label", _NEW, "suggested_prob", "clean_prob")


def log_beside(output: Path) -> Path:
    """Where the changes of an output file stand: cleaned.csv -> cleaned.changes.csv."""
    return output.with_name(f"{output.stem}.{CHANGES}")


def write_changes(rows: ChosenRows, path: Path, written: NDArray[np.bool_] | None = None) -> int:
    """Write the log of changes: a line for each row that was written with a suggested label;
    no log where no suggestions are applied.

    Args:
        rows: n rows, to which corrections were applied.
        path: a file that may be written to.
        written: (n,) bool, rows that are in the output; None for all.

    Returns:
        how many lines it has

    Raises:
        OSError: the disk is full.
    """
    if rows.changed is None:
        return 0
    there = rows.changed if written is None else rows.changed & written
    given = {**{name: rows.table[name] for name in LOG_COLUMNS if name != _NEW}, _NEW: rows.labels}
    made = pa.table({name: given[name] for name in LOG_COLUMNS}).filter(pa.array(there))
    pv.write_csv(harmless(made, ("file_name",)), path)
    return len(made)


def is_changes(path: Path) -> bool:
    """Whether a file is such a log, by its first line."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        names = file.readline(200).decode("utf-8", "replace").replace('"', "").strip()
    return names == ",".join(LOG_COLUMNS)


def refuse_log(path: Path, overwrite: bool) -> None:
    """Refuse to replace a file that is no log of changes, or that may not be replaced.

    Raises:
        UsageError: it stands where the log would.
    """
    if not path.exists():
        return
    if not overwrite:
        raise UsageError(
            f"{path} exists already, and the log of changes would be written there.",
            "Choose another -o, or give --overwrite.",
        )
    if not is_changes(path):
        raise UsageError(
            f"{path} stands where the log of changes would be written, and is none of deftclean's.",
            "Choose another -o.",
        )
