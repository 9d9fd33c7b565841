"""Text tables in other encodings, without a header, and with an index: rows, lines and notes."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deftclean.core.errors import InputError, UsageError
from deftclean.core.tables import read_table
from deftclean.data.manifest import Manifest, read_manifest
from deftclean.data.options import ManifestOptions
from deftclean.data.records import read_records, without_index

WIDE = ["utf-16", "utf-16-le", "utf-16-be", "utf-32"]


def read(table: Path, **options: Any) -> Manifest:
    return read_manifest(table, None, ManifestOptions(**options))


@pytest.mark.parametrize("encoding", [*WIDE, "cp1252", "gb18030", "utf-8"])
def test_lines_are_those_of_the_file_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    said = 'note,file_name,label\r\n"zwei\r\nZeilen",a.png,Kätzchen\r\n\r\nü,b.png,Hündchen\r\n'
    (tmp_path / "x.csv").write_bytes(said.encode(encoding))
    manifest = read(tmp_path / "x.csv", encoding=encoding)
    assert manifest.given_labels.to_pylist() == ["Kätzchen", "Hündchen"]
    assert manifest.source_lines.to_pylist() == [2, 5]
    (tmp_path / "x.jsonl").write_bytes('{"file": "ü", "label": "ä"}\n'.encode(encoding))
    assert read(tmp_path / "x.jsonl", encoding=encoding).given_labels.to_pylist() == ["ä"]


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40
)
@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters='\0\r\n"')), min_size=1),
    st.sampled_from(WIDE),
)
def test_the_same_table_in_two_encodings(tmp_path: Path, cells: list[str], encoding: str) -> None:
    text = "a,b\n" + "".join(f'"{cell}",x\n' for cell in cells)
    (tmp_path / "plain.csv").write_bytes(text.encode())
    (tmp_path / "wide.csv").write_bytes(text.encode(encoding))
    plain = read_table(tmp_path / "plain.csv", None, None)
    assert read_table(tmp_path / "wide.csv", None, None, encoding).equals(plain)


def test_a_large_table_in_another_encoding(tmp_path: Path) -> None:
    """Larger than what is read at once; characters and line ends lie across every edge."""
    lines = [f"ü{'x' * (at % 7)}{at}.png,ä\r\n" for at in range(150_000)]
    (tmp_path / "x.csv").write_bytes("".join(["file_name,label\r\n", *lines]).encode("utf-16"))
    table = read_table(tmp_path / "x.csv", None, None, "utf-16")
    assert len(table) == 150_000
    assert table["file_name"][-1].as_py() == lines[-1].split(",")[0]


@pytest.mark.parametrize(
    ("data", "hint"),
    [
        ("ä,b\n1,2\n".encode("utf-16"), "--encoding utf-16"),
        ("ä,b\n1,2\n".encode("utf-32"), "--encoding utf-32"),
        ("a,b\n1,2\n".encode("utf-16-le"), "--encoding utf-16-le"),
        ("a,b\n1,2\n".encode("utf-16-be"), "--encoding utf-16-be"),
        ("a,b\nKätzchen,für\n".encode("cp1252"), "--encoding cp1252"),
        ("a,b\n熊猫,中国\n".encode("gb18030"), "--encoding gb18030"),
        ("a,b\nКошка,Собака\n".encode("cp1251"), "cp1251"),
        ("a,b\nä,ö\nß,".encode() + b"\xff\n", "All around it is UTF-8: repair that line"),
        (b"a,b\n1,\0\n" + b"x,y\n" * 9, "Is it text"),
    ],
)  # fmt: skip
def test_what_is_no_utf_8_is_told_apart(tmp_path: Path, data: bytes, hint: str) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(data)
    with pytest.raises(UsageError) as caught:
        read_table(path, None, None)
    assert hint in caught.value.hint
    if "--encoding" in hint:
        assert len(read_table(path, None, None, hint.split()[1])) == 1


def test_an_encoding_that_is_none_or_not_the_files(tmp_path: Path) -> None:
    for name in ("nix", "hex", "a\0b", ""):
        with pytest.raises(UsageError, match="is none that Python knows"):
            ManifestOptions(encoding=name)
    (tmp_path / "x.csv").write_bytes("file_name,label\nä,b\n".encode("cp1252"))
    with pytest.raises(UsageError) as caught:
        read(tmp_path / "x.csv", encoding="ascii")
    assert caught.value.hint == "Is the file whole, and text in ascii?"


def test_a_table_without_a_header(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("cat/1.png,cat\ncat/2.png,cat\ndog/3.png,dog\n")
    manifest = read(path)
    assert manifest.file_names.to_pylist() == ["cat/1.png", "cat/2.png", "dog/3.png"]
    assert manifest.given_labels.to_pylist() == ["cat", "cat", "dog"]
    assert manifest.source_lines.to_pylist() == [1, 2, 3]
    assert manifest.notes == ("the first line is a row, not a header: columns column_1, column_2",)
    assert read(path, header=False).notes == ()
    path.write_text("x,1.png,cat\ny,2.png,dog\nz,3.png,dog\n")
    with pytest.raises(UsageError) as caught:
        read(path)
    assert caught.value.hint.endswith("--label-column column_3")
    assert read(path, label_column="column_3").given_labels.to_pylist() == ["cat", "dog", "dog"]
    path.write_text("1.png,cat\n2.png,cat,cat\n")
    with pytest.raises(UsageError, match="line 2 has 3 fields, not 2"):
        read(path)


@pytest.mark.parametrize("name", ["", "Unnamed: 0", "Unnamed: 0.1"])
def test_an_index_of_pandas(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(f"{name},file_name,label\n0,1.png,cat\n1,2.png,dog\n")
    assert read(path).columns.column_names == ["label"]
    assert read(path).notes == (f"column {name!r} was left out: it numbers the rows",)
    path.write_text(f"{name},file_name,label,index\n7,1.png,cat,x\n3,2.png,dog,y\n")
    assert read(path).columns.to_pydict() == {
        "index_1": ["7", "3"], "label": ["cat", "dog"], "index": ["x", "y"]
    }  # fmt: skip
    assert read(path).notes == (f"column {name!r} is carried on as index_1",)
    if name:
        renamed = read(path, rename={name: "number"})
        assert renamed.columns.column_names == ["number", "label", "index"]


def test_an_index_in_parquet(tmp_path: Path) -> None:
    columns = {"file_name": ["a", "b"], "label": ["x", "y"]}
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({**columns, "__index_level_0__": [0, 1]}), path)
    assert read(path).columns.column_names == ["label"]
    pq.write_table(pa.table({**columns, "__index_level_0__": ["p", "q"]}), path)
    assert read(path).columns.to_pydict() == {"label": ["x", "y"], "index": ["p", "q"]}


def test_an_empty_column_without_a_name(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("file_name,label,\na.png,cat,\nb.png,dog,\n")
    assert read(tmp_path / "x.csv").columns.column_names == ["label"]


def test_an_ending_that_nobody_knows_names_all_that_are_read(tmp_path: Path) -> None:
    (tmp_path / "labels.odd").write_bytes(b"PK")
    with pytest.raises(
        InputError, match=r"end in .csv, .tsv, .jsonl, .ndjson, .parquet, .arrow, .json, .txt, .lst"
    ) as caught:
        read_manifest(tmp_path, tmp_path / "labels.odd", ManifestOptions())
    assert caught.value.hint == "Convert it, or rename the file."


def listed(path: Path, text: str, encoding: str | None = None) -> tuple[list[Any], ...]:
    """File names, labels and lines of a list of paths."""
    path.write_bytes(text.encode(encoding or "utf-8"))
    found = read_records(path, ManifestOptions(encoding=encoding))
    assert (found.path_column, found.label_column) == ("file_name", "label")
    assert found.notes == ("each line is read as a path and a label",)
    assert found.table.schema.types == [pa.string(), pa.string()]
    assert found.lines.type == pa.int64()
    columns = found.table.to_pydict()
    return columns["file_name"], columns["label"], found.lines.to_pylist()


@pytest.mark.parametrize("encoding", [None, "cp1252", "utf-16"])
def test_paths_and_labels_line_by_line(tmp_path: Path, encoding: str | None) -> None:
    text = "\ncat/a b.jpg 0\r\n  \ncat/\x85ü.jpg\t one two \nb.jpg\tx.png\t3\n"
    text = text if encoding != "cp1252" else text.replace("\x85", "\xa0")
    odd = "cat/\xa0ü.jpg" if encoding == "cp1252" else "cat/\x85ü.jpg"
    assert listed(tmp_path / "x.txt", text, encoding) == (
        ["cat/a b.jpg", odd, "b.jpg"], ["0", "one two", "3"], [2, 4, 5],
    )  # fmt: skip


def test_lists_with_the_path_last(tmp_path: Path) -> None:
    """MXNet's; what the first line says holds for all of them."""
    text = "0\t3\tcat/a.jpg\n1\t4.5\t7\tdog/b\n"
    assert listed(tmp_path / "x.lst", text) == (["cat/a.jpg", "dog/b"], ["3", "7"], [1, 2])
    assert listed(tmp_path / "x.lst", "a.png b.png\nc.jpg 1\n")[0] == ["a.png", "c.jpg"]
    assert listed(tmp_path / "x.lst", "a 0\nb.png 1\n")[1] == ["0", "1"]
    assert listed(tmp_path / "x.lst", "0 b.png\nb.png 1\n")[:2] == (["b.png", "1"], ["0", "b.png"])


@pytest.mark.parametrize(
    ("data", "encoding", "message", "hint"),
    [
        (b"a.png 0\nb.png\nc.png\n", None, "2 of 3 lines are no path and label (line 2, 3).",
         "Each line is a path, a space or a tab, and a label: cat/a.jpg 0"),
        (b"x,y, File_Name ,label\n1,2,a.png,cat\n", None, "is a table with commas.",
         "Let its name end in .csv."),
        (b"x,file_name,label\n1,a.png,cat\n", None, "is a table with commas.",
         "Let its name end in .csv."),
        (b"\xff.png 0\n", None, "cannot be read: 'utf-8' codec",
         "Save it as UTF-8, or say what it is: --encoding cp1252, or latin-1, cp1250"),
        (b"\xff.png 0\n", "ascii", "cannot be read: 'ascii' codec", "Is it text in ascii?"),
        (None, None, "cannot be read: [Errno 2]", ""),
    ],
)  # fmt: skip
def test_lists_of_no_use(
    tmp_path: Path, data: bytes | None, encoding: str | None, message: str, hint: str
) -> None:
    path = tmp_path / "x.txt"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(UsageError) as caught:
        read_records(path, ManifestOptions(encoding=encoding))
    assert caught.value.message.startswith(str(path))
    assert message in caught.value.message
    assert (caught.value.hint or "") == hint


@pytest.mark.parametrize(
    ("values", "says_nothing"),
    [
        ([0, 1, 2], True),
        ([1, 2, 3], True),
        ([0], True),
        ([1], True),
        (["", ""], True),
        (["1", "2"], True),
        ([2, 3], False),
        ([0, 2], False),
        ([1, 1], False),
        ([1, 0], False),
        ([-1, 0], False),
        ([0, None], False),
        ([None, None], False),
        ([0, 1, None], False),
        (["a", "b"], False),
        (["", "x"], False),
        ([0.5, 1.5], False),
        ([[0], [1]], False),
    ],
)
def test_an_index_that_counts_rows_says_nothing(values: list[Any], says_nothing: bool) -> None:
    table = pa.table({"": pa.array(values), "label": ["x"] * len(values)})
    found, notes = without_index(table, ManifestOptions())
    assert found.column_names == (["label"] if says_nothing else ["index", "label"])
    assert notes == (
        "column '' was left out: it numbers the rows"
        if says_nothing
        else "column '' is carried on as index",
    )


def test_an_index_finds_a_name_that_is_free() -> None:
    table = pa.table({"": ["a"], "index": ["b"], "index_1": ["c"], "index_2": ["d"]})
    found, _ = without_index(table, ManifestOptions())
    assert found.column_names == ["index_3", "index", "index_1", "index_2"]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("x.tsv", {}),
        ("x.TSV", {}),
        ("x.csv", {"delimiter": "\t"}),
        ("x.csv", {"delimiter": "\t", "encoding": "utf-16"}),
        ("x.tsv", {"encoding": "utf-16-le"}),
        ("x.tsv", {"encoding": "utf-8", "header": False}),
    ],
)
def test_a_table_without_a_header_in_any_form(tmp_path: Path, name: str, options: Any) -> None:
    text = "Kätzchen, klein\tcat/a, 1.png\nHündchen\tdog/b.png\n"
    (tmp_path / name).write_bytes(text.encode(options.get("encoding", "utf-8")))
    found = read_records(tmp_path / name, ManifestOptions(**options))
    assert found.table.to_pydict() == {
        "column_1": ["Kätzchen, klein", "Hündchen"], "column_2": ["cat/a, 1.png", "dog/b.png"]
    }  # fmt: skip
    assert (found.path_column, found.label_column) == ("column_2", "column_1")
    assert found.lines.to_pylist() == [1, 2]


def test_a_first_line_with_two_file_names_says_not_which(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a.png,b.png\nc.png,d.png\n")
    found = read_records(tmp_path / "x.csv", ManifestOptions())
    assert (found.path_column, found.label_column, len(found.table)) == (None, None, 2)


def of_file(path: Path, content: str, **options: Any) -> Any:
    path.write_text(content, encoding=options.get("encoding") or "utf-8")
    return read_records(path, ManifestOptions(**options))


def test_a_list_without_lines(tmp_path: Path) -> None:
    found = of_file(tmp_path / "x.txt", "\n \n")
    assert found.table.schema.types == [pa.string(), pa.string()]
    assert (len(found.table), found.lines.type, len(found.lines)) == (0, pa.int64(), 0)


@pytest.mark.parametrize("encoding", [None, "utf-16"])
def test_json_has_no_lines(tmp_path: Path, encoding: str | None) -> None:
    coco = (
        '{"images": [{"id": 1, "file_name": "ä.png"}], "categories": [{"id": 2, "name": "cat"}], '
        '"annotations": [{"image_id": 1, "category_id": 2}]}'
    )
    found = of_file(tmp_path / "x.JSON", coco, encoding=encoding)
    assert found.table["file_name"].to_pylist() == ["ä.png"]
    assert (found.path_column, found.label_column) == ("file_name", "label")
    assert found.notes == ("COCO: 1 images, 1 annotations",)
    assert (found.lines.type, found.lines.to_pylist()) == (pa.int64(), [None])


def test_lines_of_json_rows_and_of_parquet(tmp_path: Path) -> None:
    found = of_file(tmp_path / "x.jsonl", '\n{"file_name": "a"}\n\n{"file_name": "b"}\n')
    assert found.lines.to_pylist() == [2, 4]
    pq.write_table(found.table, tmp_path / "x.parquet")
    found = read_records(tmp_path / "x.parquet", ManifestOptions())
    assert (found.lines.type, found.lines.to_pylist()) == (pa.int64(), [None, None])


ANNOTATIONS = "image,id,{},annotation_id,lead_time\na.png,1,{},1,2.5\n"


def test_annotations_in_a_csv_file(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    found = of_file(path, ANNOTATIONS.format("look,what", "sharp,cat"), label_column="what")
    assert (found.path_column, found.label_column) == ("image", "what")
    assert (len(found.table), found.lines.to_pylist()) == (1, [2])
    assert found.notes == ("Label Studio: 1 annotations",)
    assert of_file(path, ANNOTATIONS.format("look,what", "sharp,cat")).label_column is None
    assert of_file(path, ANNOTATIONS.format("what", "cat")).label_column == "what"
    row = of_file(tmp_path / "x.json", '[{"image": "a", "x": 1, "y": 2, "annotation_id": 1, '
                  '"lead_time": 1}]', label_column="y")  # fmt: skip
    assert row.label_column == "y"


@pytest.mark.parametrize(
    "options",
    [{"path_column": "Unnamed: 0"}, {"label_column": "Unnamed: 0"}, {"annotator": ("Unnamed: 0",)},
     {"rename": {"Unnamed: 0": "x"}}],
)  # fmt: skip
def test_an_index_that_the_user_speaks_of_stays(options: Any) -> None:
    table = pa.table({"Unnamed: 0": ["0", "1"], "Unnamed: 1": ["0", "1"]})
    found, notes = without_index(table, ManifestOptions(**options))
    assert found.column_names == ["Unnamed: 0"]
    assert notes == ("column 'Unnamed: 1' was left out: it numbers the rows",)


def test_a_table_whose_first_line_is_blank_has_a_header(tmp_path: Path) -> None:
    found = of_file(tmp_path / "x.csv", "\nfile_name,label\na.png,cat\n")
    assert found.table.to_pydict() == {"file_name": ["a.png"], "label": ["cat"]}
    assert found.lines.to_pylist() == [3]
