"""A table as JSON lines that come back as they were: text is text and numbers are numbers.

In CSV a class called `NA`, `007` or `1e5` is a guess of whoever reads it; here it is in quotes.
"""

import json
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from deftclean.exports.tables import refuse_columns

_AT_ONCE = 8192  # rows that are Python objects at the same time
_DATE = r"^\d{4}-\d{2}-\d{2}([ T].*)?$"


def write_json_lines(table: pa.Table, path: Path) -> None:
    """Write an object a line. Dates, times and decimals are text, NaN and infinities null.

    Args:
        table: what to write.
        path: the file, which is made.

    Raises:
        InputError: a column holds what JSON cannot, such as bytes.
        OSError: the file cannot be written.
    """
    refuse_columns(table, _fits, "JSON lines")
    for at, field in enumerate(table.schema):
        table = table.set_column(at, field.name, _plain(table.column(at)))
    with path.open("w", encoding="utf-8", newline="\n") as lines:
        for batch in table.to_batches(max_chunksize=_AT_ONCE):
            lines.writelines(f"{_line(row)}\n" for row in batch.to_pylist())


def read_as_dates(table: pa.Table) -> list[str]:
    """Columns of text that Arrow takes for time stamps in JSON: all cells look like one."""
    found = []
    for field in table.schema:
        if pa.types.is_string(field.type):
            texts = table[field.name].drop_null()
            if len(texts) and pc.all(pc.match_substring_regex(texts, _DATE)).as_py():
                found.append(field.name)
    return found


def _line(row: dict[str, Any]) -> str:
    try:
        return json.dumps(row, ensure_ascii=False, allow_nan=False)
    except ValueError:  # NaN or an infinity within a list
        return json.dumps(_finite(row), ensure_ascii=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_float32(kind) or pa.types.is_float16(kind):
        # The shortest text that is the number: 0.9, not 0.8999999761581421.
        column = column.cast(pa.float32()).cast(pa.string()).cast(pa.float64())
    if pa.types.is_floating(kind):
        return pc.if_else(pc.is_finite(column), column, None)
    if pa.types.is_temporal(kind) or pa.types.is_decimal(kind):
        return column.cast(pa.string())
    return column


def _fits(kind: pa.DataType) -> bool:
    """Plain values, and lists and structs of what JSON itself has."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    is_text = pa.types.is_temporal(kind) and not pa.types.is_duration(kind)
    return is_text or bool(pa.types.is_decimal(kind)) or _is_json(kind)


def _is_json(kind: pa.DataType) -> bool:
    types = pa.types
    if types.is_struct(kind):
        return all(_is_json(each.type) for each in kind)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _is_json(kind.value_type)
    number = types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)
    text = types.is_string(kind) or types.is_large_string(kind)
    return bool(number or text or types.is_null(kind))
