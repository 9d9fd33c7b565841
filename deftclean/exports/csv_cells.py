r"""Text that a spreadsheet would run as a formula, made harmless in CSV.

A text cell that begins with ``= + - @``, a tab or a line break gets an apostrophe before it. So
that this can be undone, a cell that begins with apostrophes before such a character gets one more:
take one apostrophe off every cell that matches ``^'+[=+\-@\t\r\n]`` and all are as they were.
Plain numbers such as ``-5`` are no formulas and stay. File names must go on naming their files;
they get ``./`` instead.
"""

import pyarrow as pa
import pyarrow.compute as pc

from deftclean.core.errors import InputError
from deftclean.core.text import few

_FORMULA = r"^'*[=+\-@\t\r\n]"
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"


def harmless(table: pa.Table, names: tuple[str, ...] = ()) -> pa.Table:
    """A table for CSV: text made harmless, in cells and in column names.

    Args:
        table: columns of plain values.
        names: columns with file names.

    Raises:
        InputError: columns that no cell can hold.
    """
    table = _flat(table)
    for at, field in enumerate(table.schema):
        if not pa.types.is_string(field.type):
            continue
        column = table.column(at)
        clean = _named(column) if field.name in names else _quoted(column)
        table = table.set_column(at, field.name, clean)
    headings = _quoted(pa.array(table.column_names, pa.string())).to_pylist()
    return table.rename_columns(headings)


def _quoted(texts: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    formulas = pc.match_substring_regex(texts, _FORMULA)
    if not pc.any(formulas).as_py():
        return texts
    formulas = pc.and_(formulas, pc.invert(pc.match_substring_regex(texts, _NUMBER)))
    return pc.if_else(formulas, pc.replace_substring_regex(texts, "^", "'"), texts)


def _named(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.replace_substring_regex(texts, r"^([=+\-@\t\r\n])", r"./\1")


def _flat(table: pa.Table) -> pa.Table:
    """Dictionaries and large strings as plain strings.

    Raises:
        InputError: lists, structs, maps or bytes; all such columns together.
    """
    bad = [f"{f.name} ({f.type})" for f in table.schema if not _fits(f.type)]
    if bad:
        raise InputError(
            f"CSV cannot hold {len(bad)} column(s): {few(bad)}.",
            "Export --to parquet, or scan a table without them.",
        )
    for at, field in enumerate(table.schema):
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
            kind = pa.string()
        if kind != field.type:
            table = table.set_column(at, field.name, table.column(at).cast(kind))
    return table


def _fits(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    nested = pa.types.is_nested(kind)
    binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    return not (nested or binary or pa.types.is_fixed_size_binary(kind))
