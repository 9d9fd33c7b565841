"""A text table as rows and columns, by the format that its ending names; one reader for each.

Knows what a format says of its columns, not what the user means by them.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from deftclean.core.tables import read_table
from deftclean.data.folders import IMAGE_SUFFIXES
from deftclean.data.lines import record_lines
from deftclean.data.options import ManifestOptions

_LONGEST_HEADER = 65536  # letters


@dataclass(frozen=True)
class Records:
    """Rows as a format has them.

    Attributes:
        table: N rows.
        lines: (N,) int64, the line that each row begins on, from 1; null where there is none.
        path_column, label_column: where the format itself says which they are.
        notes: what a user should know about how the file was read.
    """

    table: pa.Table
    lines: pa.Array
    path_column: str | None = None
    label_column: str | None = None
    notes: tuple[str, ...] = ()


def read_records(path: Path, options: ManifestOptions) -> Records:
    """All rows of a text table.

    Args:
        path: its ending names the format.
        options: delimiter, encoding, header.

    Raises:
        InputError: the format is unknown, or the file is not of it.
    """
    if path.suffix.lower() in (".csv", ".tsv"):
        return _delimited(path, options)
    table = read_table(path, None, None, options.encoding)
    return Records(table, _lines(path, options, len(table)))


def _lines(path: Path, options: ManifestOptions, count: int, header: bool = True) -> pa.Array:
    found = record_lines(path, options.delimiter, count, options.encoding, header)
    return pa.nulls(count, pa.int64()) if found is None else pa.array(found, pa.int64())


def _delimited(path: Path, options: ManifestOptions) -> Records:
    first = _first_cells(path, options)
    names = [at for at, cell in enumerate(first) if _is_image_name(cell)]
    header = options.header and not names
    table = read_table(path, options.delimiter, None, options.encoding, header)
    lines = _lines(path, options, len(table), header)
    if header:
        return Records(table, lines)
    columns = table.column_names
    path_column = columns[names[0]] if len(names) == 1 else None
    others = [name for name in columns if name != path_column]
    label_column = others[0] if path_column and len(others) == 1 else None
    note = f"the first line is a row, not a header: columns {', '.join(columns)}"
    return Records(table, lines, path_column, label_column, (note,) if options.header else ())


def _first_cells(path: Path, options: ManifestOptions) -> list[str]:
    """The cells of the first line; none where nothing can be read, which the reader will say."""
    separator = options.delimiter or ("\t" if path.suffix.lower() == ".tsv" else ",")
    encoding = options.encoding or "utf-8-sig"
    try:
        if not path.is_file():
            return []
        with path.open(encoding=encoding, errors="replace", newline="") as file:
            line = file.readline(_LONGEST_HEADER)
        return next(csv.reader([line], delimiter=separator), [])
    except (OSError, ValueError, csv.Error, TypeError):
        return []


def _is_image_name(cell: str) -> bool:
    return cell.strip().lower().endswith(tuple(IMAGE_SUFFIXES)) and "." in cell.strip()[1:]
