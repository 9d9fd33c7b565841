"""Layouts that other programs write: all of them can be read, filtered and written again."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deftclean.core.arrow_types import plain_schema, plain_table, refuse_unwritable
from deftclean.core.errors import InputError
from deftclean.core.tables import columns_of, read_table

TEXTS = ["a", "b", None, "a"]
LISTS = [["a"], None, [], ["b", None]]
PLACES = pa.array([0, 1, None, 0], pa.int8())
COLUMNS = {
    "string_view": pa.array(TEXTS, pa.string_view()),
    "binary_view": pa.array([b"a", None, b"\xff", b""], pa.binary_view()),
    "large": pa.array(TEXTS, pa.large_string()),
    "dictionary": pa.array(TEXTS).dictionary_encode(),
    "dictionary of views": pa.DictionaryArray.from_arrays(
        PLACES, pa.array(["a", "b"], pa.string_view())
    ),
    "dictionary of bytes": pa.DictionaryArray.from_arrays(PLACES, pa.array([b"a", b"b"])),
    "dictionary of numbers": pa.DictionaryArray.from_arrays(PLACES, pa.array([7, 8])),
    "runs": pa.RunEndEncodedArray.from_arrays([2, 4], pa.array(["a", None])),
    "runs of views": pa.RunEndEncodedArray.from_arrays(
        [2, 4], pa.array(["a", "b"], pa.string_view())
    ),
    "list of views": pa.array(LISTS, pa.list_(pa.string_view())),
    "view of lists": pa.array(LISTS, pa.list_view(pa.string())),
    "large view of lists": pa.array(LISTS, pa.large_list_view(pa.string_view())),
    "struct": pa.array([{"x": "a"}, None] * 2, pa.struct([("x", pa.string_view())])),
    "map": pa.array([[("a", "b")], None] * 2, pa.map_(pa.string_view(), pa.string_view())),
    "json": pa.ExtensionArray.from_storage(pa.json_(), pa.array(TEXTS)),
    "opaque": pa.ExtensionArray.from_storage(pa.opaque(pa.string(), "t", "v"), pa.array(TEXTS)),
}

UNWRITTEN = ("dictionary of views", "runs", "runs of views")
"""Layouts that pyarrow itself cannot write as Parquet."""


@pytest.mark.parametrize("name", COLUMNS)
def test_values_stay_and_layouts_become_plain(name):
    column = pa.chunked_array([COLUMNS[name], COLUMNS[name].slice(1, 2)])
    table = pa.table({"x": column, "n": range(6)})
    plain = plain_table(table)
    assert plain["x"].to_pylist() == column.to_pylist()
    assert plain.schema == plain_schema(table.schema)
    plain.validate(full=True)
    # What views and extensions could not.
    assert len(plain.filter(pa.array([True, False] * 3)).take([0, 2])) == 2
    sink = pa.BufferOutputStream()
    pq.write_table(plain, sink)
    assert pq.read_table(pa.BufferReader(sink.getvalue())).equals(plain)


@pytest.mark.parametrize("name", [name for name in COLUMNS if name not in UNWRITTEN])
def test_a_parquet_file_is_read_so(name, tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"x": COLUMNS[name]}), path)
    table = read_table(path, None, None)
    assert table["x"].to_pylist() == COLUMNS[name].to_pylist()
    assert columns_of(path, None).field("x").type == table.schema.field("x").type
    assert plain_schema(table.schema) == table.schema


def invalid(values: list[bytes]) -> pa.Array:
    """Text as some programs write it: bytes that are called UTF-8."""
    plain = pa.array(values, pa.binary())
    return pa.Array.from_buffers(pa.string(), len(plain), plain.buffers())


@pytest.mark.parametrize("first", range(4))
def test_text_that_is_not_utf8_is_refused_with_column_and_row(first, tmp_path):
    values = [b"cat"] * 4
    values[first:] = [b"caf\xe9"] * (4 - first)
    table = pa.table({"n": range(8), "label": pa.chunked_array([["x"] * 4, invalid(values)])})
    pq.write_table(table, tmp_path / "x.parquet", row_group_size=4)
    with pytest.raises(InputError) as caught:
        read_table(tmp_path / "x.parquet", None, None)
    assert f"column 'label' from row {4 + first} on" in caught.value.message


def test_what_no_parquet_file_can_hold_is_refused():
    deep: object = 1
    for _ in range(120):
        deep = {"a": deep}
    table = pa.table({"fine": [1], "empty": pa.array([{}]), "deep": pa.array([deep])})
    with pytest.raises(InputError, match=r"2 column\(s\) .* 'empty' \(.*'deep' \("):
        refuse_unwritable(Path("x.jsonl"), table)
    refuse_unwritable(Path("x.jsonl"), table.select(["fine"]))
