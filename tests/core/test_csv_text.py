"""What is CSV by RFC 4180 is read as Python's own strict reader reads it; all else is refused."""

import csv
import io
import itertools
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deftclean.core import csv_text
from deftclean.core.csv_text import WholeLineEnds, check_csv, record_lines
from deftclean.core.errors import InputError


def allowed(text: str) -> bool:
    """RFC 4180's grammar, a character at a time; a line may end in LF or CR too."""
    state = "edge"
    for sign in text:
        if state == "quoted":
            state = "closing" if sign == '"' else "quoted"
        elif sign in ",\r\n":
            state = "edge"
        elif sign == '"':
            if state == "plain":
                return False
            state = "quoted"
        elif state == "closing":
            return False
        else:
            state = "plain"
    return state != "quoted"


@settings(max_examples=500, deadline=None)
@given(content=st.text(alphabet='ab,"\n\r', max_size=24), block=st.sampled_from([1, 2, 5, 1 << 20]))
@example('a,"b\r\n', 3)
@example('"",""""\n"\r"', 1)
@example('"\r""a', 2)
def test_what_the_standard_allows_and_nothing_else(tmp_path_factory, content, block):
    path = tmp_path_factory.mktemp("csv") / "x.csv"
    path.write_bytes(content.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_text, "_BLOCK", block)
        if allowed(content):
            check_csv(path, ",")
            assert record_lines(path, ",").tolist() == lines_one_by_one(content)
        else:
            with pytest.raises(InputError, match=r"line \d"):
                check_csv(path, ",")


def lines_one_by_one(content: str) -> list[int]:
    found, first = [], 1
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    for record in reader:
        if record:
            found.append(first)
        first = reader.line_num + 1
    return found


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=60), size=st.integers(2, 9))
@example(b"a\r\r\r\n", 2)
def test_no_piece_of_a_file_ends_between_cr_and_lf(tmp_path_factory, content, size):
    path = tmp_path_factory.mktemp("csv") / "x.csv"
    path.write_bytes(content)
    pieces = []
    with WholeLineEnds(path) as file:
        while piece := file.read(size):
            pieces.append(piece)
    assert b"".join(pieces) == content
    # A piece of nothing but CR is the end of the file, or stands before another CR.
    edges = itertools.pairwise(pieces)
    assert not any(one.endswith(b"\r") and other.startswith(b"\n") for one, other in edges)


def test_a_file_of_old_line_ends_is_read_in_pieces(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(csv_text, "_BLOCK", 16)
    (tmp_path / "x.csv").write_bytes(b"a,b\r" * 1000)
    assert record_lines(tmp_path / "x.csv", ",").tolist() == list(range(1, 1001))


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
@pytest.mark.parametrize(
    ("bad", "message", "hint"),
    [
        ('a"b,c', "line 25", "its own quotes twice"),
        ('"a"b,c', "line 25 is closed on line 25", "Close it where the cell ends"),
        ('"a,b', "line 25", "Close it where the cell ends"),
        ("a\0b,c", "line 25 holds a NUL byte", "Is it text"),
        ("a\udcffb,c", "line 25 is not UTF-8", "--encoding"),
    ],
)
def test_the_line_is_named_in_any_block(
    tmp_path: Path, monkeypatch, end: str, bad: str, message: str, hint: str
) -> None:
    """24 lines before it, one of them within a cell and one blank; some after it."""
    monkeypatch.setattr(csv_text, "_BLOCK", 16)
    before = ["x,y"] * 10 + ['"a', 'b",c', "", *["u,v"] * 11]
    text = end.join([*before, bad, *["x,y"] * 5, ""])
    (tmp_path / "x.csv").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InputError) as caught:
        check_csv(tmp_path / "x.csv", ",")
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_quote_that_stands_wrong_is_met_before_one_further_on(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text('a,b\n"c",d\ne"f,g\n"h\n')
    with pytest.raises(InputError, match="line 3"):
        check_csv(tmp_path / "x.csv", ",")
