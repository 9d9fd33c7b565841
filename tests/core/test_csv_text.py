"""What is CSV by RFC 4180 is read as Python's own strict reader reads it; all else is refused."""

import csv
import io
import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deftclean.core import csv_text
from deftclean.core.csv_text import WholeLineEnds, check_csv, encoding_advice, record_lines
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
            assert record_lines(path).tolist() == lines_one_by_one(content)
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
@example(b"a\r", 2)
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


@pytest.mark.parametrize("encoding", [None, "utf-16"])
def test_no_piece_is_larger_than_asked_for(tmp_path: Path, monkeypatch, encoding) -> None:
    """And every line's end stands there as it is in the file."""
    monkeypatch.setattr(csv_text, "_BLOCK", 3)
    text = "ab\rcd\r\nä\r\r\n" * 5
    (tmp_path / "x.csv").write_bytes(text.encode(encoding or "utf-8"))
    found = b""
    with WholeLineEnds(tmp_path / "x.csv", encoding) as file:
        assert file.read(0) == b""
        for size in itertools.cycle([3, 1, 2, 1, 1]):
            piece = file.read(size)
            assert len(piece) <= size
            found += piece
            if not piece:
                break
        assert (file.read(), file.closed) == (b"", False)
    assert (found, file.closed) == (text.encode(), True)
    with WholeLineEnds(tmp_path / "x.csv", encoding) as file:
        assert (file.read(2), file.read(0)) == (b"ab", b"")
        assert file.read(3) + file.read() == text.encode()[2:]
    with WholeLineEnds(tmp_path / "x.csv", encoding) as file:
        assert file.read() == text.encode()


def test_a_file_of_old_line_ends_is_read_in_pieces(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(csv_text, "_BLOCK", 16)
    (tmp_path / "x.csv").write_bytes(b"a,b\r" * 1000)
    found = record_lines(tmp_path / "x.csv")
    assert (found.tolist(), found.dtype) == (list(range(1, 1001)), np.int64)


@pytest.mark.parametrize(
    ("content", "pieces"),
    [
        (b"abcd\rabc", [b"abcd\r", b"abc"]),
        (b"abcda\rb\r", [b"abcda\r", b"b\r"]),
        (b"abcda\rb\nx", [b"abcda\rb\n", b"x"]),
        (b"abcd\ra\rbcd", [b"abcd\ra\r", b"bcd"]),
        (b"abcdabc\r\nx", [b"abcdabc\r\n", b"x"]),
        (b"\xef\xbb\xbfa\nb", [b"a\n", b"b"]),
        (b"\xef\xbb\xbf", []),
        (b"", []),
    ],
)
def test_pieces_end_where_the_last_line_does(tmp_path, monkeypatch, content, pieces) -> None:
    monkeypatch.setattr(csv_text, "_BLOCK", 4)
    (tmp_path / "x.csv").write_bytes(content)
    assert list(csv_text._blocks(tmp_path / "x.csv", None)) == pieces


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
@pytest.mark.parametrize("order", ["le", "be"])
def test_a_byte_order_mark_says_the_encoding(tmp_path: Path, encoding: str, order: str) -> None:
    path = tmp_path / "x.csv"
    data = "\ufeffä,b\n\nc,d\n".encode(f"{encoding}-{order}")
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        check_csv(path, ",")
    assert caught.value.message == f"{path} is {encoding.upper()}."
    assert caught.value.hint == f"Say so: --encoding {encoding}"
    assert encoding_advice(data) == f"It is {encoding.upper()}, say so: --encoding {encoding}"
    check_csv(path, ",", encoding)
    assert record_lines(path, encoding).tolist() == [1, 3]
    with pytest.raises(UnicodeError):
        check_csv(path, ",", "ascii")


UNSURE = "Is it text, saved as UTF-8?"
SAVE = "Save it as UTF-8, or say what it is: --encoding "


@pytest.mark.parametrize(
    ("data", "advice"),
    [
        (b"a\0b\0", "It is UTF-16, say so: --encoding utf-16-le"),
        (b"\0a\0b", "It is UTF-16, say so: --encoding utf-16-be"),
        # More than a quarter of all bytes are NUL at even, or at odd places,
        (b"a\0b\0cde", "It is UTF-16, say so: --encoding utf-16-le"),
        (b"a\0b\0cdef", UNSURE),
        # and more than eight times as many as at the others.
        (b"a\0" * 9 + b"\0b", "It is UTF-16, say so: --encoding utf-16-le"),
        (b"a\0" * 8 + b"\0b", UNSURE),
        (b"\0a" * 9 + b"b\0", "It is UTF-16, say so: --encoding utf-16-be"),
        (b"\0\0", UNSURE),
        # More signs that are UTF-8 than bytes that are not.
        ("äö".encode() + b"\xff",
         "All around it is UTF-8: repair that line, or save the file anew as UTF-8."),
        ("ä".encode() + b"\xff", f"{SAVE}cp1251, or cp1252, latin-1"),
        # All encodings that can be, the likeliest first: alone, or most of them in pairs.
        (b"a\xe4a", f"{SAVE}cp1252, or latin-1, cp1250"),
        (b"a\x81a", f"{SAVE}latin-1"),
        (b"a\x8da", f"{SAVE}latin-1, or cp1250"),
        (b"a,\xb0\xa1", f"{SAVE}cp1252, or latin-1, cp1250"),
        (b"a,\xb0\xa1\xb0\xa1",
         f"{SAVE}gb18030, or shift_jis, big5, euc_kr, cp1251, cp1252, latin-1"),
        (b"\x80\x80\x80", f"{SAVE}cp1251, or cp1252, latin-1"),
    ],
)  # fmt: skip
def test_what_text_may_be_that_is_no_utf_8(data: bytes, advice: str) -> None:
    assert encoding_advice(data) == advice


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


WIDE = '"15"" wide"'
STRAY = (
    "has a quote within a cell that does not begin with one.",
    f"Write such a cell in quotes, and its own quotes twice: {WIDE}.",
)
CLOSE = f"Close it where the cell ends; a quote within a cell is written twice: {WIDE}."


@pytest.mark.parametrize(
    ("content", "message", "hint"),
    [
        (b'a"b,c\n', f"line 1 {STRAY[0]}", STRAY[1]),
        (b'a,b\nc,d"\n', f"line 2 {STRAY[0]}", STRAY[1]),
        (b'a,"b\nc,d', "the quote that begins a cell on line 1 is never closed.", CLOSE),
        (b'a,b\n"c\n""d', "the quote that begins a cell on line 2 is never closed.", CLOSE),
        (b'"a"b', "the quote that begins a cell on line 1 is closed on line 1, where more text "
         "follows.", CLOSE),
        (b'"a\nb""c\nd"x\n"e"\n', "the quote that begins a cell on line 1 is closed on line 3, "
         "where more text follows.", CLOSE),
        (b'x\n"a"b\n"c"\n', "the quote that begins a cell on line 2 is closed on line 2, where "
         "more text follows.", CLOSE),
        (b"a,b\n\0\n\0\n", "line 2 holds a NUL byte.", UNSURE),
        (b"a,b\n\n\xe4,\n\xe4\n", " cannot be read: line 3 is not UTF-8 text.",
         f"{SAVE}cp1252, or latin-1, cp1250"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_full(tmp_path: Path, content, message, hint) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        check_csv(path, ",")
    between = "" if message.startswith(" ") else ": "
    assert (caught.value.message, caught.value.hint) == (f"{path}{between}{message}", hint)


def test_a_cell_over_the_edge_of_two_blocks(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(csv_text, "_BLOCK", 4)
    (tmp_path / "x.csv").write_bytes(b'"a\nb\ncd",e\n"f"\n"g\nh\ni"j\n')
    with pytest.raises(InputError, match=r"on line 5 is closed on line 7, where more"):
        check_csv(tmp_path / "x.csv", ",")


def test_a_quote_that_stands_wrong_is_met_before_one_further_on(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text('a,b\n"c",d\ne"f,g\n"h\n')
    with pytest.raises(InputError, match="line 3"):
        check_csv(tmp_path / "x.csv", ",")
