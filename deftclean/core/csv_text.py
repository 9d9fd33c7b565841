"""CSV as RFC 4180 has it, and nothing else: what a reader would only guess at is refused.

Quotes decide where a record ends. One that is not closed swallows the rows up to the next, and a
lenient reader says nothing; so every quote must stand where the standard allows one: around a cell,
or doubled within such a cell. What is here counts lines from 1, as editors do: a line ends in LF,
CR LF or CR, and blank lines and those within a cell count too.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from deftclean.core.errors import InputError

_BLOCK = 1024 * 1024  # what is looked at several times stays in the processor's cache
_BOM = b"\xef\xbb\xbf"
_MARKS = {
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
_LF, _CR, _QUOTE = 10, 13, 34
_SHOWN = 5  # bad lines that are named
_OTHERS = ";\t|"  # what separates columns where no comma does


def check_csv(path: Path, separator: str, encoding: str | None = None) -> None:
    """Refuse a file whose quotes are not those of RFC 4180, or that is no UTF-8 text.

    Args:
        path: the file.
        separator: one ASCII character, neither a quote nor a line's end.
        encoding: of the file; None for UTF-8.

    Raises:
        InputError: the first such place, by its line.
        OSError: the file cannot be read.
        UnicodeError: it is not of the encoding that was named.
    """
    quotes = _Check(path, separator)
    for block in _blocks(path, encoding):
        quotes.check(block)
    quotes.finish()


def ragged(
    path: Path, encoding: str | None, names: Sequence[str], bad: Sequence[tuple[int, str]]
) -> InputError:
    """Records with more or fewer cells than the header, by the lines they begin on.

    Args:
        path, encoding: of the file.
        names: of its columns.
        bad: number of each such record, from 1, and what is wrong with it.
    """
    lines = record_lines(path, encoding)
    where = [f"line {lines[number - 1]} {what}" for number, what in bad[:_SHOWN]]
    more = f" and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
    other = next((each for each in _OTHERS if each in names[0]), None) if len(names) == 1 else None
    way = 'Quote cells that hold the separator: "a, b".'
    if other is not None:
        shown = "\\t" if other == "\t" else other
        way = f"If '{shown}' separates columns, say so: --delimiter '{shown}'"
    return InputError(f"{path}: {'; '.join(where)}{more}.", way)


def record_lines(path: Path, encoding: str | None = None) -> NDArray[np.int64]:
    """(N + 1,) the lines that the header and each record begin on, ascending.

    Args:
        path: a file that `check_csv` has let pass; its blank lines are no records.
        encoding: as there.

    Raises:
        OSError: the file cannot be read.
    """
    records = _Records()
    found = [records.of(block) for block in _blocks(path, encoding)]
    return np.concatenate([*found, np.zeros(0, np.int64)])


class WholeLineEnds:
    """A file for Arrow's reader, which loses the LF where CR LF lies across the edge of two blocks.

    No piece that it reads ends in CR but the last one.
    """

    def __init__(self, path: Path, encoding: str | None = None) -> None:
        self._file = _opened(path, encoding)
        self._kept = b""

    def read(self, size: int = -1) -> bytes:
        """At most so many bytes; none at the end."""
        data = self._kept + self._file.read(size - len(self._kept) if size > 0 else size)
        self._kept = b""
        if size > 1 and len(data) > 1 and data.endswith(b"\r"):
            data, self._kept = data[:-1], b"\r"
        return data

    def close(self) -> None:
        """No more is read."""
        self._file.close()

    @property
    def closed(self) -> bool:
        """Whether it is."""
        return self._file.closed

    def __enter__(self) -> "WholeLineEnds":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


class _Recoded:
    """The text of a file as bytes in UTF-8."""

    def __init__(self, path: Path, encoding: str) -> None:
        self._file = path.open(encoding=encoding, newline="")
        self._kept = b""

    def read(self, size: int = -1) -> bytes:
        """At most so many bytes; none at the end."""
        while size < 0 or len(self._kept) < size:
            text = self._file.read(_BLOCK)
            if not text:
                break
            self._kept += text.encode()
        data = self._kept if size < 0 else self._kept[:size]
        self._kept = self._kept[len(data) :]
        return data

    def close(self) -> None:
        """No more is read."""
        self._file.close()

    @property
    def closed(self) -> bool:
        """Whether it is."""
        return self._file.closed


def _opened(path: Path, encoding: str | None) -> BinaryIO | _Recoded:
    return path.open("rb") if encoding is None else _Recoded(path, encoding)


def _blocks(path: Path, encoding: str | None) -> Iterator[bytes]:
    """The file in pieces that end with a line, where it has lines; without the byte order mark."""
    with contextlib.closing(_opened(path, encoding)) as file:
        first = file.read(max(map(len, _MARKS)))
        marked = next((name for mark, name in _MARKS.items() if first.startswith(mark)), None)
        if marked is not None and encoding is None:
            raise InputError(f"{path} is {marked.upper()}.", f"Say so: --encoding {marked}")
        rest = [first.removeprefix(_BOM)]
        while data := file.read(_BLOCK):
            # A CR at the very end may be half of a line's end.
            end = max(data.rfind(b"\n"), data.rfind(b"\r", 0, len(data) - 1)) + 1
            if end:
                yield b"".join([*rest, data[:end]])
                rest = []
            rest.append(data[end:])
        if whole := b"".join(rest):
            yield whole


def encoding_advice(data: bytes) -> str:
    """What to do about text that is not UTF-8: repair it, or say what it is.

    Args:
        data: a piece of the text with such bytes in it.
    """
    marked = next((name for mark, name in _MARKS.items() if data.startswith(mark)), None)
    if marked is not None:
        return f"It is {marked.upper()}, say so: --encoding {marked}"
    even, odd = data[::2].count(0), data[1::2].count(0)
    if even + odd:
        wide = 4 * max(even, odd) > len(data) and min(even, odd) * 8 < max(even, odd)
        name = "utf-16-le" if odd > even else "utf-16-be"
        return f"It is UTF-16, say so: --encoding {name}" if wide else "Is it text, saved as UTF-8?"
    text = data.decode(errors="replace")
    broken = text.count("\ufffd")
    if len(text) - broken - sum(map(str.isascii, text)) > broken:
        return "All around it is UTF-8: repair that line, or save the file anew as UTF-8."
    fitting = [name for name in _eight_bit(data) if _decodes(data, name)]
    others = f", or {', '.join(fitting[1:])}" if fitting[1:] else ""
    return f"Save it as UTF-8, or say what it is: --encoding {fitting[0]}{others}"


def _eight_bit(data: bytes) -> tuple[str, ...]:
    """Encodings that text may have, the likeliest first, by whether its signs stand in pairs."""
    high = np.frombuffer(data, dtype=np.uint8) >= 128
    paired = high[1:] & high[:-1]
    western = ("cp1252", "latin-1")
    others = ("gb18030", "shift_jis", "big5", "euc_kr", "cp1251")
    return (*others, *western) if 2 * paired.sum() > high.sum() else (*western, "cp1250")


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


class _Records:
    """Goes through a file block by block, and finds where records begin."""

    def __init__(self) -> None:
        self._line = 1
        self._quotes = 0

    def of(self, block: bytes) -> NDArray[np.int64]:
        """The lines that records of this block begin on."""
        data = np.frombuffer(block, dtype=np.uint8)
        ends = _line_ends(block, data)
        starts = np.concatenate([[0], ends + 1])
        # The end of a file that ends with a line's end begins no line.
        lengths = np.diff(starts, append=len(data) + 1) - 1
        filled = lengths > 0
        if b"\r" in block:
            filled &= data[np.minimum(starts, len(data) - 1)] != _CR
        quotes = _quotes(block, data)
        filled &= (self._quotes + np.searchsorted(quotes, starts)) % 2 == 0
        lines = self._line + np.flatnonzero(filled)
        self._quotes += len(quotes)
        self._line += len(ends)
        return lines


class _Check:
    """Goes through a file block by block, and looks at its quotes and its encoding.

    Args:
        path: the file, for messages.
        separator: one ASCII character.
    """

    def __init__(self, path: Path, separator: str) -> None:
        self._path = path
        self._edge = np.zeros(256, dtype=bool)  # what may stand beside a quote on its outer side
        self._edge[[ord(separator), _LF, _CR, _QUOTE]] = True
        self._line = 1
        self._quotes = 0
        self._opened = 1  # the line on which the last quoted cell began

    def check(self, block: bytes) -> None:
        """Refuse the first quote of this block that stands where none may.

        Raises:
            InputError: where that is.
        """
        if b"\0" in block:
            raise InputError(
                f"{self._path}: line {self._line_of(block, block.index(0))} holds a NUL byte.",
                encoding_advice(block),
            )
        if not block.isascii():
            self._check_encoding(block)
        data = np.frombuffer(block, dtype=np.uint8)
        if b'"' in block:
            self._check_quotes(block, data, _quotes(block, data))
        self._line += len(_line_ends(block, data)) if b"\r" in block else block.count(b"\n")

    def finish(self) -> None:
        """Refuse a file that ends within a cell.

        Raises:
            InputError: where the cell begins.
        """
        if self._quotes % 2:
            raise self._unclosed("is never closed")

    def _check_encoding(self, block: bytes) -> None:
        # Of a record with too few cells and such a byte, Arrow's reader says nothing.
        try:
            block.decode()
        except UnicodeDecodeError as error:
            raise InputError(
                f"{self._path} cannot be read: line {self._line_of(block, error.start)} is not "
                "UTF-8 text.",
                encoding_advice(block),
            ) from error

    def _check_quotes(
        self, block: bytes, data: NDArray[np.uint8], quotes: NDArray[np.int64]
    ) -> None:
        odd = self._quotes % 2
        opening, closing = quotes[odd::2], quotes[1 - odd :: 2]
        # Before a block stands a line's end, or nothing.
        before = np.where(opening > 0, data[opening - 1], np.uint8(_LF))
        after = np.full(len(closing), np.uint8(_LF))  # the file ends there
        inner = closing + 1 < len(data)
        after[inner] = data[closing[inner] + 1]
        stray, late = opening[~self._edge[before]], closing[~self._edge[after]]
        end = len(data)
        first_stray, first_late = (int(x[0]) if len(x) else end for x in (stray, late))
        # Two quotes in a row are one within a cell: only the others begin cells.
        begun = opening[(before != _QUOTE) & (opening < min(first_stray, first_late))]
        if len(begun):
            self._opened = self._line_of(block, int(begun[-1]))
        if first_late < first_stray:
            line = self._line_of(block, first_late)
            raise self._unclosed(f"is closed on line {line}, where more text follows")
        if first_stray < end:
            raise InputError(
                f"{self._path}: line {self._line_of(block, first_stray)} has a quote within a "
                "cell that does not begin with one.",
                'Write such a cell in quotes, and its own quotes twice: "15"" wide".',
            )
        self._quotes += len(quotes)

    def _unclosed(self, what: str) -> InputError:
        return InputError(
            f"{self._path}: the quote that begins a cell on line {self._opened} {what}.",
            'Close it where the cell ends; a quote within a cell is written twice: "15"" wide".',
        )

    def _line_of(self, block: bytes, place: int) -> int:
        before = block[:place]
        return self._line + len(_line_ends(before, np.frombuffer(before, dtype=np.uint8)))


def _quotes(block: bytes, data: NDArray[np.uint8]) -> NDArray[np.int64]:
    return np.flatnonzero(data == _QUOTE) if b'"' in block else np.zeros(0, np.int64)


def _line_ends(block: bytes, data: NDArray[np.uint8]) -> NDArray[np.int64]:
    if b"\r" not in block:
        return np.flatnonzero(data == _LF)
    # CR LF ends one line, at its LF.
    lone = data == _CR
    lone[:-1] &= data[1:] != _LF
    return np.flatnonzero((data == _LF) | lone)
