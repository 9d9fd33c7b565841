"""Records and the lines they begin on, for files as people and programs write them."""

import csv
import io
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deftclean.core import csv_text
from deftclean.core.tables import read_table
from deftclean.data.lines import record_lines
from deftclean.data.manifest import read_manifest
from deftclean.data.options import ManifestOptions

CELL = st.text(alphabet='ab ,;"\n\r\té#', max_size=6)


def lines_of(path: Path, content: str, delimiter: str | None = None, bom: bool = False):
    path.write_bytes((b"\xef\xbb\xbf" if bom else b"") + content.encode())
    table = read_table(path, delimiter, None)
    return table, record_lines(path, len(table))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("f,l\na,x\nb,y\n", [2, 3]),
        ("f,l\r\na,x\r\nb,y", [2, 3]),
        ("f,l\ra,x\rb,y\r", [2, 3]),
        ("\n\nf,l\n\na,x\n\n\nb,y\n\n", [5, 8]),
        ("f,l\r\n\r\na,x\r\n\r\nb,y\r\n", [3, 5]),
        ('f,l\n"a\nb",x\nc,y\n', [2, 4]),
        ('f,l\n"a""\n""b",x\nc,y\n', [2, 4]),
        ('"f\n\n",l\na,x\n', [4]),
        ('f,l\n"",""\n"x","\n\n"\nc,y\n', [2, 3, 6]),
    ],
)
@pytest.mark.parametrize("bom", [False, True])
@pytest.mark.parametrize("block", [1, 3, 1 << 20])
def test_lines_of_csv(content, expected, bom, block, tmp_path, monkeypatch):
    monkeypatch.setattr(csv_text, "_BLOCK", block)
    _, found = lines_of(tmp_path / "x.csv", content, bom=bom)
    assert found.tolist() == expected


@pytest.mark.parametrize(("suffix", "given", "used"), [(".tsv", None, "\t"), (".csv", ";", ";")])
def test_lines_with_other_separators(suffix, given, used, tmp_path):
    content = f'f{used}l\n"a\n{used}"{used}x\nb{used}y\n'
    _, found = lines_of(tmp_path / f"x{suffix}", content, given)
    assert found.tolist() == [2, 4]


def test_lines_of_json(tmp_path):
    content = '\n{"f": "a\\n"}\r\n  \t\r\n{"f": "b"}\n\n{"f": "c"}'
    _, found = lines_of(tmp_path / "x.jsonl", content, bom=True)
    assert found.tolist() == [2, 4, 6]


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(st.tuples(CELL, CELL), min_size=1, max_size=8),
    ending=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    blanks=st.lists(st.integers(0, 2), min_size=9, max_size=9),
    block=st.sampled_from([2, 7, 1 << 20]),
    bom=st.booleans(),
)
def test_lines_of_whatever_a_csv_writer_writes(
    tmp_path_factory, rows, ending, quoting, blanks, block, bom
):
    """Each record's line is known from what was written before it."""
    if any("\r" in cell for row in rows for cell in row):
        quoting = csv.QUOTE_ALL  # Python's writer leaves a lone CR bare
    written, expected = "file_name,label" + ending, []
    for row, blank in zip(rows, blanks, strict=False):
        written += ending * blank
        expected.append(1 + len(re.findall("\r\n|\r|\n", written)))
        cell = io.StringIO()
        csv.writer(cell, lineterminator=ending, quoting=quoting).writerow(row)
        written += cell.getvalue()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_text, "_BLOCK", block)
        table, found = lines_of(tmp_path_factory.mktemp("csv") / "x.csv", written, bom=bom)
    assert len(table) == len(rows)
    assert found.tolist() == expected


def test_the_manifest_carries_lines(tmp_path):
    (tmp_path / "x.csv").write_text('file_name,label\n\n"a\n.png",cat\nb.png,dog\n')
    manifest = read_manifest(tmp_path / "x.csv", None, ManifestOptions())
    assert manifest.source_lines.to_pylist() == [3, 5]
    assert manifest.labels_file == tmp_path / "x.csv"


def test_rows_of_a_folder_and_of_parquet_have_no_line(folder, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    manifest = read_manifest(folder, None, ManifestOptions())
    assert manifest.source_lines.null_count == len(manifest) == 60
    assert manifest.labels_file is None
    table = pa.table({"file_name": ["a.png", "b.png"], "label": ["x", "y"]})
    pq.write_table(table, tmp_path / "x.parquet")
    manifest = read_manifest(tmp_path / "x.parquet", None, ManifestOptions())
    assert manifest.source_lines.to_pylist() == [None, None]
    assert manifest.labels_file == tmp_path / "x.parquet"
