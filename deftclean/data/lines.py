"""Records of a text table -> physical lines, so that a finding can point into the file.

Lines are counted from 1, as editors and CI count them: a line ends in LF, CR LF or CR, and blank
lines and those within a quoted cell count too.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deftclean.core import csv_text


def record_lines(
    path: Path,
    count: int,
    encoding: str | None = None,
    header: bool = True,
) -> NDArray[np.int64] | None:
    """The line that each record begins on.

    Args:
        path: CSV, TSV or JSON lines, read without an error before; its suffix says which.
        count: N records that the file's reader found.
        encoding: of the file; None for UTF-8.
        header: the first record of CSV and TSV is no row.

    Returns:
        (N,) ascending, from 1; None where records and lines cannot be brought together.
    """
    suffix = path.suffix.lower()
    try:
        if suffix not in (".csv", ".tsv"):
            return _checked(_json_lines(path, encoding), count)
        # The header is a record too.
        return _checked(csv_text.record_lines(path, encoding)[int(header) :], count)
    except (OSError, UnicodeError):
        # The table is read already: its rows do without lines.
        return None


def _checked(lines: NDArray[np.int64], count: int) -> NDArray[np.int64] | None:
    return lines if len(lines) == count else None


def _json_lines(path: Path, encoding: str | None) -> NDArray[np.int64]:
    with path.open(encoding=encoding or "utf-8-sig") as file:
        found = [number for number, line in enumerate(file, start=1) if line.strip()]
    return np.array(found, dtype=np.int64)
