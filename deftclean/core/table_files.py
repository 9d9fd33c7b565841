"""Arrow tables to CSV, TSV, JSON lines or Parquet; `tables.py` reads them back."""

import csv
import json
from pathlib import Path

import pyarrow as pa

from deftclean.core.errors import UsageError
from deftclean.core.tables import SUFFIXES

_CHUNK = 65_536  # rows that are Python objects at once


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
