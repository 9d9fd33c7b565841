"""CSV, TSV, JSON-lines and Parquet files to Arrow tables and back, text left as it is.

Knows nothing of images or labels.
"""

import csv
import itertools
import json
import stat
from pathlib import Path
from typing import Any

import pyarrow as pa

from deftclean.core.arrow_types import plain_schema, plain_table, refuse_bad_text
from deftclean.core.csv_text import WholeLineEnds, check_csv, encoding_advice, ragged
from deftclean.core.errors import InputError, UsageError
from deftclean.core.text import unambiguous_json

_CHUNK = 65_536  # rows that are Python objects at once
_CSV_BLOCK = 16 * 1024 * 1024  # no cell may be larger

LARGEST_TEXT_TABLE = 4 * 2**30
"""Bytes of a CSV, TSV or JSON-lines file, which is held in memory whole."""

DEEPEST = 32
"""Levels of lists and objects in a column of JSON; readers of Parquet give up somewhat later."""

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")


def columns_of(path: Path, delimiter: str | None) -> pa.Schema:
    """Names, types and metadata of a table, without reading its rows where the format allows.

    Raises:
        InputError: as `read_table`.
    """
    if path.suffix.lower() == ".parquet":
        import pyarrow.parquet as pq

        with _reading(path):
            refuse_endless(path, ".parquet")
            return plain_schema(pq.read_schema(path))
    return read_table(path, delimiter, None).schema


def read_table(
    path: Path,
    delimiter: str | None,
    images: tuple[str, bool] | None,
    encoding: str | None = None,
    header: bool = True,
) -> pa.Table:
    """All rows of a table.

    CSV and TSV cells stay text exactly as written ("007" and "NA" too).

    Args:
        path: its suffix says the format.
        delimiter: of CSV and TSV; None for a comma and a tab.
        images: a Parquet column with image bytes, and whether they are a field of a struct; of
            it only the struct's `path` is read, in the column's place, or nothing.
        encoding: of text; None for UTF-8.
        header: the first line of CSV and TSV names the columns; without it they are `column_1`,
            `column_2` ...

    Raises:
        InputError: the format is unknown or the file is damaged; bad lines by number.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(
            f"{path}: tables end in {', '.join(SUFFIXES)}.", "Convert it, or rename the file."
        )
    with _reading(path, encoding):
        refuse_endless(path, suffix)
        if suffix == ".parquet":
            return _read_parquet(path, images)
        if suffix in (".csv", ".tsv"):
            separator = delimiter or ("\t" if suffix == ".tsv" else ",")
            return _read_csv(path, separator, encoding, header)
        return _read_json_lines(path, encoding)


class _reading:  # noqa: N801 - reads as a statement
    """Turns Arrow's and the system's errors about one file into `InputError`."""

    def __init__(self, path: Path, encoding: str | None = None) -> None:
        self.path = path
        self.encoding = encoding

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, pa.ArrowException | OSError | UnicodeError):
            text = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(f"{self.path} cannot be read: {text}", self._hint(error)) from error

    def _hint(self, error: BaseException) -> str:
        if self.encoding is not None:
            return f"Is the file whole, and text in {self.encoding}?"
        if isinstance(error, UnicodeDecodeError):
            return encoding_advice(error.object)
        return "Is the file whole, and UTF-8 text?"


def refuse_endless(path: Path, suffix: str) -> None:
    """Refuse what may never end, or would not fit into memory.

    Args:
        path: the file.
        suffix: names the format.

    Raises:
        InputError: it is a device, a pipe or a folder, or too large a text file.
        OSError: it is not there.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise InputError(
            f"{path} is not a regular file.", "A device, a pipe or a folder is not read as a table."
        )
    if suffix != ".parquet" and found.st_size > LARGEST_TEXT_TABLE:
        raise InputError(
            f"{path} has {found.st_size / 2**30:.1f} GiB; text tables are read up to "
            f"{LARGEST_TEXT_TABLE // 2**30} GiB.",
            "Write it as Parquet.",
        )


def _read_csv(path: Path, delimiter: str, encoding: str | None, header: bool) -> pa.Table:
    import pyarrow.csv as pv

    if not path.stat().st_size:
        raise InputError(f"{path} is empty.", "The first line names the columns.")
    if delimiter == '"' or not (
        (delimiter.isascii() and delimiter.isprintable()) or delimiter == "\t"
    ):
        raise InputError(f"The delimiter {delimiter!r} cannot be one.", "Use --delimiter ';'")
    check_csv(path, delimiter, encoding)
    bad: list[tuple[int, str]] = []

    def note(row: Any) -> str:
        bad.append((row.number, f"has {row.actual_columns} fields, not {row.expected_columns}"))
        return "skip"

    # One thread: only then does Arrow know the numbers of bad records.
    reading = pv.ReadOptions(
        use_threads=False, block_size=_CSV_BLOCK, autogenerate_column_names=not header
    )
    parse = pv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=note)
    with WholeLineEnds(path, encoding) as file:
        names = pv.open_csv(file, read_options=reading, parse_options=parse).schema.names
    if not header:
        reading.autogenerate_column_names = False
        reading.column_names = names = [f"column_{at}" for at in range(1, len(names) + 1)]
    refuse_double(path, names)
    bad.clear()
    texts = pv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
    )
    with WholeLineEnds(path, encoding) as file:
        table = pv.read_csv(file, read_options=reading, parse_options=parse, convert_options=texts)
    if bad:
        raise ragged(path, encoding, names, bad)
    return table


def _read_json_lines(path: Path, encoding: str | None) -> pa.Table:
    # Arrow's own reader would turn text that looks like a date into a time stamp.
    tables: list[pa.Table] = []
    bad: list[str] = []
    chunk: list[dict[str, Any]] = []
    with path.open(encoding=encoding or "utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = unambiguous_json(line)
            except (ValueError, RecursionError) as error:
                bad.append(f"line {number}: {error}")
                continue
            if not isinstance(row, dict):
                bad.append(f"line {number} is not a JSON object")
                continue
            # Brackets are counted first: few lines have as many as are looked at one by one.
            if line.count("{") + line.count("[") > DEEPEST and (deep := too_deep(row)):
                bad.append(f"line {number}: {deep} is nested more than {DEEPEST} deep")
                continue
            chunk.append(row)
            if len(chunk) == _CHUNK:
                tables.append(table_of_objects(path, chunk))
                chunk = []
    if bad:
        more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
        raise InputError(f"{path}: {'; '.join(bad[:5])}{more}.", "Each line is one JSON object.")
    tables.append(table_of_objects(path, chunk))
    return pa.concat_tables(tables, promote_options="permissive")


def too_deep(row: dict[str, Any]) -> str:
    """The first column that is nested too deeply, as it is shown; empty where none is."""
    return next((repr(name) for name, value in row.items() if _deeper(value, DEEPEST)), "")


def _deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper(each, levels - 1) for each in inner)


def table_of_objects(path: Path, rows: list[dict[str, Any]]) -> pa.Table:
    """A row for each object, and a column for each key in order of appearance.

    Raises:
        InputError: the values of a column are of several types.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    try:
        return pa.table({name: pa.array([row.get(name) for row in rows]) for name in names})
    except (pa.ArrowException, OverflowError) as error:
        raise InputError(
            f"{path}: a column mixes types: {str(error).splitlines()[0]}",
            "Write every value of a column the same way, text in quotes.",
        ) from error


def read_rows(path: Path, images: tuple[str, bool] | None, first: int, end: int) -> pa.Table:
    """Rows [first, end) of a Parquet file; of the others no more is read than must be.

    Args:
        path, images: as `read_table`.
        first, end: from 0.

    Raises:
        InputError: as `read_table`.
    """
    import pyarrow.parquet as pq

    with _reading(path), pq.ParquetFile(path, pre_buffer=False) as file:
        sizes = [file.metadata.row_group(at).num_rows for at in range(file.num_row_groups)]
        ends = list(itertools.accumulate(sizes))
        starts = [end - size for end, size in zip(ends, sizes, strict=True)]
        groups = [at for at, last in enumerate(ends) if last > first and starts[at] < end]
        columns = _without_bytes(file.schema_arrow, images)
        table = file.read_row_groups(groups, columns=columns)
        before = starts[groups[0]] if groups else 0
        return _checked(path, _paths_alone(table, images).slice(first - before, end - first), first)


def _read_parquet(path: Path, images: tuple[str, bool] | None) -> pa.Table:
    import pyarrow.parquet as pq

    schema = pq.read_schema(path)
    refuse_double(path, schema.names)
    if images is None:
        return _checked(path, pq.read_table(path, use_pandas_metadata=False))
    with pq.ParquetFile(path) as file:
        table = file.read(columns=_without_bytes(schema, images))
    return _checked(path, _paths_alone(table, images))


def _without_bytes(schema: pa.Schema, images: tuple[str, bool] | None) -> list[str] | None:
    """The columns to read, of one of images only the names; None for all."""
    if images is None:
        return None
    name, nested = images
    has_path = nested and schema.field(name).type.get_field_index("path") >= 0
    return [*(n for n in schema.names if n != name), *([f"{name}.path"] if has_path else [])]


def _paths_alone(table: pa.Table, images: tuple[str, bool] | None) -> pa.Table:
    """With the names of images in the place of images."""
    if images is None or images[0] not in table.column_names:
        return table
    paths = table[images[0]].combine_chunks().field("path")
    return table.set_column(table.column_names.index(images[0]), images[0], paths)


def _checked(path: Path, table: pa.Table, first: int = 0) -> pa.Table:
    plain = plain_table(table)
    refuse_bad_text(path, plain, first)
    return plain


def refuse_double(path: Path, names: list[str]) -> None:
    """Refuse a table with columns of the same name.

    Raises:
        InputError: which they are.
    """
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise InputError(
            f"{path}: columns with the same name: {', '.join(map(repr, double))}.",
            "Give every column a name of its own.",
        )


# ---------------------------------------------------------------- writing


def check_suffix(path: Path) -> None:
    """Refuse a name whose ending names no format.

    Raises:
        UsageError: which endings do.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"-o {path}: tables end in {', '.join(SUFFIXES)}.", "Choose one of them.")


def write_table(table: pa.Table, file: Path, suffix: str) -> None:
    """Write all rows. A null is an empty cell of a text file.

    Args:
        table: what to write.
        file: where; its own name does not matter.
        suffix: names the format.

    Raises:
        UsageError: a column holds what a text file cannot.
    """
    match suffix.lower():
        case ".parquet":
            import pyarrow.parquet as pq

            pq.write_table(table, file, compression="zstd")
        case ".csv" | ".tsv":
            _write_csv(table, file, "\t" if suffix.lower() == ".tsv" else ",")
        case _:
            _write_json_lines(table, file)


def _write_csv(table: pa.Table, file: Path, delimiter: str) -> None:
    # Not Arrow's writer, which quotes every text: the file is to look like the one it came from.
    try:
        texts = pa.table({name: table[name].cast(pa.string()) for name in table.column_names})
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise UsageError(
            f"Some column cannot be written as text: {str(error).splitlines()[0]}.",
            "Let the output's name end in .parquet.",
        ) from error
    with file.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines, delimiter=delimiter, lineterminator="\n")
        writer.writerow(texts.column_names)
        for batch in texts.to_batches(_CHUNK):
            writer.writerows(zip(*(column.to_pylist() for column in batch.columns), strict=True))


def _write_json_lines(table: pa.Table, file: Path) -> None:
    with file.open("w", encoding="utf-8") as lines:
        try:
            for batch in table.to_batches(_CHUNK):
                for row in batch.to_pylist():
                    lines.write(json.dumps(row, ensure_ascii=False) + "\n")
        except TypeError as error:
            raise UsageError(
                f"Some column cannot be written as JSON: {error}.",
                "Let the output's name end in .parquet.",
            ) from error
