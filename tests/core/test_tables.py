import io
import os
import random
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deftclean.core import tables
from deftclean.core.errors import InputError
from deftclean.core.tables import columns_of, read_table
from deftclean.data.manifest import read_manifest
from deftclean.data.options import ManifestOptions


def read(path: Path, content: str | bytes, delimiter: str | None = None) -> dict[str, list]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(path, delimiter, None).to_pydict()


def refusal(path: Path, content: str | bytes, delimiter: str | None = None) -> InputError:
    with pytest.raises(InputError) as caught:
        read(path, content, delimiter)
    return caught.value


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    return tmp_path / "labels.csv"


@pytest.fixture
def jsonl(tmp_path: Path) -> Path:
    return tmp_path / "labels.jsonl"


# ---------------------------------------------------------------- CSV


def test_csv_cells_stay_text(csv: Path) -> None:
    text = "id,note,when,flag,empty\n007,NA,2024-01-01,true,\n1.50,null,NaN, x ,\n"
    assert read(csv, text) == {
        "id": ["007", "1.50"],
        "note": ["NA", "null"],
        "when": ["2024-01-01", "NaN"],
        "flag": ["true", " x "],
        "empty": ["", ""],
    }


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\xef\xbb\xbfa,b\n1,2\n", {"a": ["1"], "b": ["2"]}),
        (b"a,b\r\n1,2\r\n", {"a": ["1"], "b": ["2"]}),
        (b"a,b\n1,2", {"a": ["1"], "b": ["2"]}),
        (b'a,b\n"x\ny",2\n', {"a": ["x\ny"], "b": ["2"]}),
        (b'a,b\n"1, ""2""",3\n', {"a": ['1, "2"'], "b": ["3"]}),
        ("a,b\nKätzchen,猫\n".encode(), {"a": ["Kätzchen"], "b": ["猫"]}),
        (b"a,b\n", {"a": [], "b": []}),
    ],
    ids=["BOM", "CRLF", "no last newline", "quoted newline", "quotes", "Unicode", "no rows"],
)
def test_csv_as_programs_write_it(csv: Path, content: bytes, expected: dict) -> None:
    assert read(csv, content) == expected


def test_csv_with_another_delimiter(csv: Path) -> None:
    assert read(csv, "a;b\n1,5;2\n", ";") == {"a": ["1,5"], "b": ["2"]}


def test_tsv_and_upper_case_suffix(tmp_path: Path) -> None:
    assert read(tmp_path / "LABELS.TSV", "a\tb\n1,5\t2\n") == {"a": ["1,5"], "b": ["2"]}
    assert read(tmp_path / "x.tsv", "a|b\n1|2\n", "|") == {"a": ["1"], "b": ["2"]}


def test_bad_csv_records_are_reported_together(csv: Path) -> None:
    error = refusal(csv, 'a,b\n1,2\n1,2,3\n"x\ny",4\n5\n6,7\n')
    assert error.message == (f"{csv}: line 3 has 3 fields, not 2; line 6 has 1 fields, not 2.")
    assert error.exit_code == 2


def test_many_bad_csv_records_are_counted(csv: Path) -> None:
    error = refusal(csv, "a,b\n" + "1,2,3\n" * 9)
    assert "line 2 has 3 fields, not 2; line 3" in error.message
    assert error.message.endswith("line 6 has 3 fields, not 2 and 4 more.")


def test_bad_csv_record_far_down(csv: Path) -> None:
    """Past Arrow's first block of a megabyte the numbers still count from the top."""
    text = "a,b\n" + "".join(f"{i},{'x' * 40}\n" for i in range(50_000)) + "1,2,3\n"
    assert refusal(csv, text).message == f"{csv}: line 50002 has 3 fields, not 2."


def test_quoted_newlines_on_every_megabyte(csv: Path) -> None:
    text = "a,b\n" + "".join(f'"{i}\n{"x" * 40}",{i}\n' for i in range(50_000))
    table = read(csv, text)
    assert table["b"] == [str(i) for i in range(50_000)]
    assert table["a"][-1] == f"49999\n{'x' * 40}"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('a,b\n1,2\n"3,4\n5,6\n', "the quote that begins a cell on line 3 is never closed."),
        (
            'a,b\n1,"7 inch\n2,x\n3,15" wide\n',
            "the quote that begins a cell on line 2 is closed on line 4, where more text follows.",
        ),
        ('a,b\n1,"x" \n', "the quote that begins a cell on line 2 is closed on line 2"),
        ('a,b\n1,15" wide\n', "line 2 has a quote within a cell that does not begin with one."),
        ('a,b\n1, "x, y"\n', "line 2 has a quote within a cell"),
        ("a,b\n1,2\n3,\0\n", "line 3 holds a NUL byte."),
    ],
)
@pytest.mark.parametrize("far", [0, 30_000])
def test_what_a_reader_would_guess_at_is_refused(
    csv: Path, content: str, said: str, far: int
) -> None:
    """A lenient reader makes 9 rows of 24, and says nothing; past a megabyte lines still count."""
    header, _, rest = content.partition("\n")
    filler = f"{'x' * 40},y\r\n" * far
    message = refusal(csv, f"{header}\n{filler}{rest}").message
    lines = re.sub(r"line (\d+)", lambda found: f"line {int(found[1]) + far}", said)
    assert message.startswith(f"{csv}: {lines}")


@pytest.mark.parametrize("far", [0, 30_000])
def test_a_line_that_is_not_utf8_is_named(csv: Path, far: int) -> None:
    """One with too many cells too: Arrow's reader would leave it out."""
    text = b"a,b\n" + b"x,\xc3\xa9\n" * far + b"1,2,\xff\n"
    assert refusal(csv, text).message == f"{csv} cannot be read: line {far + 2} is not UTF-8 text."


def test_utf16_is_said(csv: Path) -> None:
    assert refusal(csv, "a,b\n1,2\n".encode("utf-16")).message == f"{csv} is UTF-16."


@pytest.mark.parametrize("ends", ["\r\n", "\r", "\n"])
@pytest.mark.parametrize("size", [64, 65, 66])
def test_line_ends_in_cells_stay_whole_across_blocks(
    csv: Path, monkeypatch: pytest.MonkeyPatch, ends: str, size: int
) -> None:
    monkeypatch.setattr(tables, "_CSV_BLOCK", size)
    notes = [f"{'z' * width}{ends}B" for width in range(1, 40)]
    text = "a,b\n" + "".join(f'{at},"{note}"\n' for at, note in enumerate(notes))
    assert read(csv, text)["b"] == notes


def test_empty_csv(csv: Path) -> None:
    error = refusal(csv, "")
    assert error.message == f"{csv} is empty."
    assert error.hint == "The first line names the columns."


def test_csv_columns_of_the_same_name(csv: Path) -> None:
    assert refusal(csv, "a,b,a,b,c\n1,2,3,4,5\n").message == (
        f"{csv}: columns with the same name: 'a', 'b'."
    )


@pytest.mark.parametrize("content", ["a,b\né,2\n", "é,b\n1,2\n"])
def test_csv_that_is_not_utf8(csv: Path, content: str) -> None:
    error = refusal(csv, content.encode("latin-1"))
    assert f"{csv} cannot be read" in error.message
    assert "UTF-8" in error.hint


@pytest.mark.parametrize("delimiter", ["§", "\n", '"'])
def test_impossible_delimiters_are_refused(csv: Path, delimiter: str) -> None:
    assert "delimiter" in refusal(csv, "a,b\n1,2\n", delimiter).message.lower()


# ---------------------------------------------------------------- JSON lines


def test_jsonl_keeps_types_and_leaves_text_alone(jsonl: Path) -> None:
    text = '{"n": 1, "when": "2024-01-01", "s": "007"}\n\n{"n": 2, "s": "NA", "flag": true}\n'
    assert read(jsonl, text) == {
        "n": [1, 2],
        "when": ["2024-01-01", None],
        "s": ["007", "NA"],
        "flag": [None, True],
    }
    assert columns_of(jsonl, None).field("when").type == pa.string()


def test_ndjson_with_bom_and_crlf(tmp_path: Path) -> None:
    assert read(tmp_path / "x.ndjson", b'\xef\xbb\xbf{"a": "x"}\r\n{"a": "y"}') == {"a": ["x", "y"]}


def test_bad_json_lines_are_reported_together_by_number(jsonl: Path) -> None:
    message = refusal(jsonl, '{"a": 1}\n{"a": \n\n[1]\n{"a": 2}\n"text"\n').message
    assert message.startswith(f"{jsonl}: line 2: ")
    assert "; line 4 is not a JSON object; line 6 is not a JSON object." in message


def test_many_bad_json_lines_are_counted(jsonl: Path) -> None:
    message = refusal(jsonl, "1\n" * 8).message
    assert message.endswith("line 5 is not a JSON object and 3 more.")


def test_jsonl_columns_of_mixed_types(jsonl: Path) -> None:
    error = refusal(jsonl, '{"a": 1}\n{"a": "x"}\n')
    assert "a column mixes types" in error.message
    assert "text in quotes" in error.hint


@pytest.mark.parametrize(
    ("second", "fits"), [('{"a": 2.5}', True), ('{"b": 3}', True), ('{"a": "x"}', False)]
)
def test_jsonl_is_one_table_whatever_the_chunks(
    jsonl: Path, monkeypatch: pytest.MonkeyPatch, second: str, fits: bool
) -> None:
    text = f'{{"a": 1}}\n{second}\n'
    whole = read(jsonl, text) if fits else refusal(jsonl, text)
    monkeypatch.setattr(tables, "_CHUNK", 1)
    if fits:
        assert read(jsonl, text) == whole
    else:
        assert f"{jsonl}" in refusal(jsonl, text).message


@pytest.mark.parametrize(
    "line",
    ['{"a": 123456789012345678901234567890}', '{"a": "\\ud800"}', '{"a": ' + "[" * 100_000 + "}"],
    ids=["huge integer", "lone surrogate", "nested too deeply"],
)
def test_json_that_no_column_can_hold(jsonl: Path, line: str) -> None:
    assert str(jsonl) in refusal(jsonl, line + "\n").message


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_json_nested_deeper_than_any_reader_of_parquet_goes(
    jsonl: Path, opening: str, closing: str
) -> None:
    def row(levels: int) -> str:
        return f'{{"n": 1, "deep": {opening * levels}1{closing * levels}}}\n'

    assert len(read(jsonl, row(32))["deep"]) == 1
    error = refusal(jsonl, row(1) + row(33) + row(120))
    assert error.message.startswith(
        f"{jsonl}: line 2: 'deep' is nested more than 32 deep; line 3: 'deep' is nested"
    )
    # Many brackets are not deep.
    wide = ", ".join(["[1]"] * 100)
    assert len(read(jsonl, f'{{"n": [{wide}], "s": "{"[" * 99}"}}\n')["n"][0]) == 100


def test_a_key_that_stands_twice_in_an_object(jsonl: Path) -> None:
    """Readers take the last, and say nothing."""
    text = '{"a": 1, "b": "x"}\n{"a": "1", "a" : "2"}\n{"a": 1, "c": {"d": 1, "d": 2}}\n'
    assert refusal(jsonl, text).message == (
        f"{jsonl}: line 2: 'a' is named twice; line 3: 'd' is named twice."
    )
    assert read(jsonl, '{"a": "x\\": ", "b": [{"c": 1}, {"c": 2}]}\n')["b"] == [
        [{"c": 1}, {"c": 2}]
    ]


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("", '{"": 1, "": 2}'),
        ("", '{"a": [{"": {"": 1}}, {"": 1, "": 1}]}'),
        ("a", '{"a"\t: 1, "a": 2}'),
        ("a", '{"a"  :1, "a"  :2}'),
        ("a", '{"a": 1, "\\u0061": 2}'),
        ("a", '{"a"  : 1, "a": 2, "b": "\\":"}'),
    ],
)
def test_a_key_that_stands_twice_however_it_is_written(jsonl: Path, name: str, row: str) -> None:
    assert refusal(jsonl, row + "\n").message == f"{jsonl}: line 1: {name!r} is named twice."


def test_empty_jsonl(jsonl: Path) -> None:
    assert read(jsonl, "") == {}
    assert read(jsonl, "\n \n") == {}


# ---------------------------------------------------------------- Parquet


def test_parquet_keeps_types(tmp_path: Path) -> None:
    table = pa.table({"n": pa.array([1, None], pa.int16()), "s": ["007", "NA"]})
    pq.write_table(table, tmp_path / "x.PARQUET")
    assert read_table(tmp_path / "x.PARQUET", None, None).equals(table)
    assert columns_of(tmp_path / "x.PARQUET", None).equals(table.schema)


def test_parquet_below_a_folder_that_looks_like_a_partition(tmp_path: Path) -> None:
    folder = tmp_path / "label=cat"
    folder.mkdir()
    pq.write_table(pa.table({"n": [1]}), folder / "x.parquet")
    assert read_table(folder / "x.parquet", None, None).to_pydict() == {"n": [1]}


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "scribbled"])
def test_damaged_parquet(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"n": list(range(1000)), "s": ["abc"] * 1000}), path)
    data = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "text": b"hello",
            "cut": data[:-30],
            "scribbled": data[:10] + b"\xff" * 190 + data[200:],
        }[damage]
    )
    with pytest.raises(InputError) as caught:
        read_table(path, None, None)
    assert caught.value.message.startswith(f"{path} cannot be read: ")
    assert caught.value.hint.startswith("Is the file whole")


def test_parquet_columns_of_the_same_name(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]), path)
    with pytest.raises(InputError, match="columns with the same name: 'a'"):
        read_table(path, None, None)


@pytest.mark.parametrize("name", ["image", "my.image"])
def test_of_a_struct_of_image_bytes_only_the_paths_are_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.parquet"
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    images = pa.array([{"bytes": b"1", "path": "a.png"}, {"bytes": b"2", "path": None}, None], kind)
    pq.write_table(pa.table({"n": [1, 2, 3], name: images, "a.b": ["x", "y", "z"]}), path)
    table = read_table(path, None, (name, True))
    assert table.to_pydict() == {"n": [1, 2, 3], name: ["a.png", None, None], "a.b": [*"xyz"]}


def test_image_bytes_without_paths_are_not_read_at_all(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    bare = pa.array([{"bytes": b"1"}], pa.struct([("bytes", pa.binary())]))
    pq.write_table(pa.table({"n": [1], "flat": [b"1"], "struct": bare}), path)
    assert read_table(path, None, ("flat", False)).column_names == ["n", "struct"]
    assert read_table(path, None, ("struct", True)).column_names == ["n", "flat"]


# ---------------------------------------------------------------- all


@pytest.mark.parametrize("name", ["labels.xlsx", "labels", "picture.jpg"])
def test_unknown_suffixes(tmp_path: Path, name: str) -> None:
    error = refusal(tmp_path / name, "a,b\n")
    assert error.message == (
        f"{tmp_path / name}: tables end in .csv, .tsv, .jsonl, .ndjson, .parquet."
    )


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl", "x.parquet"])
def test_a_missing_table(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"cannot be read: .*No such file"):
        columns_of(tmp_path / name, None)


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl", "x.parquet"])
def test_what_may_never_end_is_not_read(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / name)
    for read_any in (
        lambda path: read_table(path, None, None),
        lambda path: columns_of(path, None),
    ):
        with pytest.raises(InputError, match="is not a regular file"):
            read_any(tmp_path / name)
    (tmp_path / f"zero-{name}").symlink_to("/dev/zero")
    with pytest.raises(InputError, match="is not a regular file"):
        read_table(tmp_path / f"zero-{name}", None, None)
    monkeypatch.setattr(tables, "LARGEST_TEXT_TABLE", 3)
    if not name.endswith("parquet"):
        assert "text tables are read up to" in refusal(tmp_path / f"large-{name}", "abcd").message


# ---------------------------------------------------------------- damaged byte by byte

MARKS = (b'"', b"\n", b"\r", b",", b"\t", b"\0", b"\xff", b"\xc3", b"{", b"}", b"[", b":", b"\\")


def whole_parquet() -> bytes:
    sink = io.BytesIO()
    table = pa.table(
        {
            "file_name": [f"{at}.png" for at in range(40)],
            "label": pa.array(["cat", "dog"] * 20).dictionary_encode(),
            "box": [[1.5, 2.5], None] * 20,
            "meta": [{"a": "x", "b": None}] * 40,
        }
    )
    pq.write_table(table, sink, row_group_size=16)
    return sink.getvalue()


WHOLE = {
    ".csv": b'file_name,label,note\n1.png,cat,"a, ""b""\r\nc"\n2.png,dog,\xc3\xa9\n' * 3,
    ".tsv": b'file_name\tlabel\n1.png\t"ca\tt"\n2.png\tdog\n',
    ".jsonl": b'{"file_name": "1.png", "label": "cat", "n": [{"a": null}]}\n'
    b'{"file_name": "2.png", "label": "dog", "n": []}\n',
    ".parquet": whole_parquet(),
}


def damaged(data: bytes, draw: random.Random) -> bytes:
    """Some bytes changed, put in, or cut out."""
    made = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(made) + 1)
        match draw.randrange(4):
            case 0:
                made[at : at + 1] = bytes([draw.randrange(256)])
            case 1:
                made[at:at] = draw.choice(MARKS) * draw.choice((1, 1, 1, 200))
            case 2:
                del made[at : at + draw.choice((1, 3, 50))]
            case _:
                made[at : at + 8] = made[at + 8 : at + 16]
    return bytes(made)


@pytest.mark.parametrize("count", [60, pytest.param(5000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("suffix", WHOLE)
def test_damaged_tables(suffix, count, tmp_path):
    draw = random.Random(suffix)
    path = tmp_path / f"x{suffix}"
    said = []
    for _ in range(count):
        path.write_bytes(damaged(WHOLE[suffix], draw))
        try:
            table = read_table(path, None, None)
            assert columns_of(path, None).names == table.schema.names
            table.validate(full=True)
            read_manifest(path, None, ManifestOptions(known_labels={}))
        except InputError as error:
            said.append(error.message)
    assert 0 < len(said) < count
    assert all(str(path) in message or "label" in message for message in said)


@pytest.mark.parametrize(("separator", "typed"), [(";", ";"), ("\t", "\\t"), ("|", "|")])
def test_cells_with_commas_between_other_separators(
    tmp_path: Path, separator: str, typed: str
) -> None:
    """The header is one cell, and `1,5` makes two of a row: quotes are not what is missing."""
    path = tmp_path / "x.csv"
    path.write_text(f"file{separator}size\na.png{separator}1,5\n")
    with pytest.raises(InputError, match="line 2 has 2 fields, not 1") as caught:
        read_table(path, None, None)
    assert caught.value.hint == f"If '{typed}' separates columns, say so: --delimiter '{typed}'"
    assert read_table(path, separator, None).to_pylist() == [{"file": "a.png", "size": "1,5"}]
