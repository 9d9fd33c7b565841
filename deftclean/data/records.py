"""A text table as rows and columns, by the format that its ending names; one reader for each.

Knows what a format says of its columns, not what the user means by them.
"""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deftclean.core.csv_text import encoding_advice
from deftclean.core.errors import InputError
from deftclean.core.tables import SUFFIXES, read_table, refuse_endless
from deftclean.core.text import few, lines_of
from deftclean.data.columns import PATH_COLUMNS
from deftclean.data.folders import IMAGE_SUFFIXES
from deftclean.data.json_tables import json_table
from deftclean.data.label_studio import annotation_rows
from deftclean.data.lines import record_lines
from deftclean.data.options import ManifestOptions
from deftclean.shards.saved_sets import SUFFIX as ARROW

_MORE = (".json", ".txt", ".lst")
_LONGEST_HEADER = 65536  # letters

_UNPACK = "Unpack it first, and give the folder that comes out."
_UNZIP = "Unpack it first: gunzip, bunzip2 or unxz."
_SHEET = "Save the sheet as CSV in the program that made it."
_WAYS = {
    **dict.fromkeys((".zip", ".7z", ".rar", ".tgz"), _UNPACK),
    **dict.fromkeys((".gz", ".bz2", ".xz", ".zst"), _UNZIP),
    **dict.fromkeys((".xlsx", ".xls", ".ods"), _SHEET),
}
"""What to do with a file of another kind, by its ending."""


@dataclass(frozen=True)
class Records:
    """Rows as a format has them.

    Attributes:
        table: N rows.
        lines: (N,) int64, the line that each row begins on, from 1; null where there is none.
        path_column, label_column: where the format itself says which they are.
        notes: what a user should know about how the file was read.
        first: where they begin among all rows of the file, from 0.
    """

    table: pa.Table
    lines: pa.Array
    path_column: str | None = None
    label_column: str | None = None
    notes: tuple[str, ...] = ()
    first: int = 0


def read_records(path: Path, options: ManifestOptions) -> Records:
    """All rows of a text table.

    Args:
        path: its ending names the format.
        options: delimiter, encoding, header.

    Raises:
        InputError: the format is unknown, or the file is not of it.
    """
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        return _delimited(path, options)
    if suffix in (".txt", ".lst"):
        return _path_list(path, options.encoding)
    if suffix == ".json":
        table, file, label, notes = json_table(path, options.encoding, options.label_column)
        return Records(table, pa.nulls(len(table), pa.int64()), file, label, notes)
    if suffix not in SUFFIXES:
        raise InputError(
            f"{path}: tables of labels end in {', '.join((*SUFFIXES, ARROW, *_MORE))}.",
            _WAYS.get(suffix, "Convert it, or rename the file."),
        )
    table = read_table(path, None, None, options.encoding)
    return Records(table, _lines(path, options, len(table)))


def _lines(path: Path, options: ManifestOptions, count: int, header: bool = True) -> pa.Array:
    found = record_lines(path, count, options.encoding, header)
    return pa.nulls(count, pa.int64()) if found is None else pa.array(found, pa.int64())


def _delimited(path: Path, options: ManifestOptions) -> Records:
    first = _first_cells(path, options)
    names = [at for at, cell in enumerate(first) if _is_image_name(cell)]
    header = options.header and not names
    table = read_table(path, options.delimiter, None, options.encoding, header)
    lines = _lines(path, options, len(table), header)
    if header:
        found = annotation_rows(table, options.label_column)
        return Records(table, lines) if found is None else Records(found[0], lines, *found[1:])
    columns = table.column_names
    path_column = columns[names[0]] if len(names) == 1 else None
    others = [name for name in columns if name != path_column]
    label_column = others[0] if path_column and len(others) == 1 else None
    note = f"the first line is a row, not a header: columns {', '.join(columns)}"
    return Records(table, lines, path_column, label_column, (note,) if options.header else ())


def _first_cells(path: Path, options: ManifestOptions) -> list[str]:
    """The cells of the first line; none where nothing can be read, which the reader will say."""
    separator = options.delimiter or ("\t" if path.suffix.lower() == ".tsv" else ",")
    try:
        if not path.is_file():
            return []
        with path.open(encoding=options.encoding or "utf-8-sig") as file:
            line = file.readline(_LONGEST_HEADER)
        return next(csv.reader([line], delimiter=separator))
    except (OSError, ValueError, csv.Error, TypeError):
        return []


def _is_image_name(cell: str) -> bool:
    return cell.strip().lower().endswith(tuple(IMAGE_SUFFIXES)) and "." in cell.strip()[1:]


# ---------------------------------------------------------------- a path and a label a line


def _path_list(path: Path, encoding: str | None) -> Records:
    """Lines of a path and a label, as `train.txt` of ImageNet has them; the path may hold spaces.

    Raises:
        InputError: the file is of another form; bad lines by number.
    """
    lines = _text_lines(path, encoding)
    cells = [_cells(line) for _, line in lines]
    header = lines[0][1].split(",") if lines else []
    if any(cell.strip().lower() in PATH_COLUMNS for cell in header):
        raise InputError(f"{path} is a table with commas.", "Let its name end in .csv.")
    bad = [str(number) for (number, _), found in zip(lines, cells, strict=True) if len(found) < 2]
    if bad:
        raise InputError(
            f"{path}: {len(bad):,} of {len(cells):,} lines are no path and label (line "
            f"{few(bad)}).",
            "Each line is a path, a space or a tab, and a label: cat/a.jpg 0",
        )
    # MXNet's lists have the path last, and a number before the label.
    last = bool(cells) and _is_image_name(cells[0][-1]) and not _is_image_name(cells[0][0])
    names = [found[-1] if last else found[0] for found in cells]
    labels = [found[-2] if last else found[-1] for found in cells]
    columns = {"file_name": pa.array(names, pa.string()), "label": pa.array(labels, pa.string())}
    numbers = pa.array([number for number, _ in lines], pa.int64())
    note = "each line is read as a path and a label"
    return Records(pa.table(columns), numbers, "file_name", "label", (note,))


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("\t")] if "\t" in line else line.rsplit(None, 1)


def _text_lines(path: Path, encoding: str | None) -> list[tuple[int, str]]:
    """The lines that are not blank, by number."""
    try:
        refuse_endless(path, path.suffix)
        text = path.read_text(encoding=encoding or "utf-8-sig")
    except UnicodeDecodeError as error:
        hint = encoding_advice(error.object) if encoding is None else f"Is it text in {encoding}?"
        raise InputError(f"{path} cannot be read: {error}.", hint) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error}.") from error
    found = enumerate(lines_of(text), start=1)
    return [(number, line) for number, line in found if line.strip()]


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
    counts = np.arange(len(numbers))
    return any(np.array_equal(numbers, start + counts) for start in (0, 1))


def _free(name: str, taken: list[str]) -> str:
    return next(
        n for n in (name, *(f"{name}_{at}" for at in range(1, len(taken) + 2))) if n not in taken
    )
