"""Arrow's many ways to hold the same values, brought to the few that all of Arrow can work with.

A column of `string_view` can be read and written, but not filtered. What other programs write is
therefore normalised once, when it is read. Values stay what they are; only the layout changes.
What no file should hold, texts and numbers that are none, is refused here too.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from deftclean.core.errors import InputError, RunError


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """The types that columns have once `plain_table` has read them; metadata stay."""
    fields = [field.with_type(plain_type(field.type)) for field in schema]
    return pa.schema(fields, metadata=schema.metadata)


def plain_table(table: pa.Table) -> pa.Table:
    """The same values in plain layouts."""
    for at, field in enumerate(table.schema):
        kind = plain_type(field.type)
        if kind != field.type:
            column = _relaid(table.column(at), kind)
            table = table.set_column(at, field.with_type(kind), column)
    return table


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Views, run-end encoding and extensions to what they hold; dictionaries of text alone stay."""
    types = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return plain_type(kind.storage_type)
    if types.is_string_view(kind):
        return pa.string()
    if types.is_binary_view(kind):
        return pa.binary()
    if types.is_run_end_encoded(kind):
        return plain_type(kind.value_type)
    if types.is_dictionary(kind):
        value = plain_type(kind.value_type)
        text = types.is_string(value) or types.is_large_string(value)
        return pa.dictionary(kind.index_type, value, kind.ordered) if text else value
    return _plain_nested(kind)


def _plain_nested(kind: pa.DataType) -> pa.DataType:
    types = pa.types
    if types.is_list(kind) or types.is_list_view(kind):
        return pa.list_(_plain_field(kind.value_field))
    if types.is_large_list(kind) or types.is_large_list_view(kind):
        return pa.large_list(_plain_field(kind.value_field))
    if types.is_fixed_size_list(kind):
        return pa.list_(_plain_field(kind.value_field), kind.list_size)
    if types.is_struct(kind):
        return pa.struct([_plain_field(field) for field in kind])
    if types.is_map(kind):
        key, item = _plain_field(kind.key_field), _plain_field(kind.item_field)
        return pa.map_(key, item, kind.keys_sorted)
    return kind


def _plain_field(field: pa.Field) -> pa.Field:
    return field.with_type(plain_type(field.type))


def _relaid(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if isinstance(column.type, pa.BaseExtensionType):
        column = pa.chunked_array(
            [chunk.storage for chunk in column.chunks], column.type.storage_type
        )
    # Arrow casts views of lists with a null to something invalid, and run ends not always.
    if not any(word in str(column.type) for word in ("list_view", "run_end_encoded")):
        try:
            return column.cast(kind)
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
            pass
    return pa.chunked_array([pa.array(chunk.to_pylist(), kind) for chunk in column.chunks], kind)


def refuse_bad_text(path: Path, table: pa.Table, row: int = 0) -> None:
    """Refuse text that is not UTF-8, which Parquet files may hold unchecked.

    Args:
        path: the file, for messages.
        table: what was read from it.
        row: from which on.

    Raises:
        InputError: columns, and the first row of each.
    """
    bad = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        first = row
        for chunk in column.chunks:
            if not _is_valid(chunk):
                bad.append(f"column {name!r} from row {first + _first_invalid(chunk):,} on")
                break
            first += len(chunk)
    if bad:
        raise InputError(
            f"{path}: text that is not UTF-8, or damaged: {', '.join(bad)}.",
            "Write the file again, with its text as UTF-8.",
        )


def _is_valid(values: pa.Array) -> bool:
    try:
        values.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _first_invalid(values: pa.Array) -> int:
    """The first row that makes the array invalid, which the whole is."""
    low, high = 0, len(values)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _is_valid(values.slice(0, middle)) else (low, middle)
    return low


def refuse_unwritable(path: Path, table: pa.Table) -> None:
    """Refuse columns that could be written, or read back, by no reader of Parquet.

    Args:
        path: where they come from, for messages.
        table: what goes into an output.

    Raises:
        InputError: all such columns.
    """
    if _unwritable(table.schema) is None:
        return
    reasons = {f.name: _unwritable(pa.schema([f])) for f in table.schema}
    bad = [f"{name!r} ({reason})" for name, reason in reasons.items() if reason is not None]
    raise InputError(
        f"{path}: {len(bad)} column(s) that a Parquet table cannot hold: {', '.join(bad)}.",
        "Leave them out, or write them as text.",
    )


def _unwritable(schema: pa.Schema) -> str | None:
    """Why no Parquet file can have these columns; None where one can."""
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    try:
        pq.write_table(schema.remove_metadata().empty_table(), sink)
        pq.read_table(pa.BufferReader(sink.getvalue()))
    except (pa.ArrowException, OSError) as error:
        return str(error).splitlines()[0]
    return None


def refuse_nan(table: pa.Table, columns: Iterable[str]) -> None:
    """Refuse to write probabilities that are none: nothing later could tell them from good ones.

    Args:
        table: to be written.
        columns: of our own, with a null where there is no number.

    Raises:
        RunError: how many rows, of which column.
    """
    for _ in finite([table], columns):
        pass


def finite(pieces: Iterable[pa.Table], columns: Iterable[str]) -> Iterator[pa.Table]:
    """The same pieces of one table; after the last of them, what `refuse_nan` refuses."""
    import pyarrow.compute as pc

    wanted, bad, rows = tuple(columns), Counter[str](), 0
    for piece in pieces:
        rows += len(piece)
        for field in piece.schema:
            if field.name in wanted and pa.types.is_floating(field.type):
                numbers = pc.is_finite(piece[field.name])
                bad[field.name] += pc.sum(pc.invert(numbers)).as_py() or 0
        yield piece
    for name in wanted:
        if bad[name]:
            raise RunError(
                f"{bad[name]:,} of {rows:,} rows have no number in {name}, but NaN or "
                "infinity; no table was written.",
                "The model's weights may be damaged, or training went astray: try --precision "
                "fp32, another --model, or another --seed.",
            )
