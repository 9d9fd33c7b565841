"""Records of a text table -> physical lines, so that a finding can point into the file.

Lines are counted from 1, as editors and CI count them: a line ends in LF, CR LF or CR, and blank
lines and those within a quoted cell count too.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_BLOCK = 1024 * 1024  # what is looked at several times stays in the processor's cache
_BOM = b"\xef\xbb\xbf"
_LF, _CR, _QUOTE = 10, 13, 34


def record_lines(path: Path, delimiter: str | None, count: int) -> NDArray[np.int64] | None:
    """The line that each record begins on.

    Args:
        path: CSV, TSV or JSON lines, read without an error before; its suffix says which.
        delimiter: of CSV and TSV; None for a comma and a tab.
        count: N records that the file's reader found.

    Returns:
        (N,) ascending, from 1; None where records and lines cannot be brought together.
    """
    suffix = path.suffix.lower()
    try:
        if suffix not in (".csv", ".tsv"):
            return _checked(_json_lines(path), count)
        separator = delimiter or ("\t" if suffix == ".tsv" else ",")
        lines = _csv_lines(path, separator)
        if lines is None or len(lines) != count + 1:  # the header is a record too
            lines = _csv_lines_one_by_one(path, separator)
        return _checked(lines[1:], count)
    except (OSError, UnicodeError, csv.Error, ValueError, TypeError):
        # The table is read already: its rows do without lines.
        return None


def _checked(lines: NDArray[np.int64], count: int) -> NDArray[np.int64] | None:
    return lines if len(lines) == count else None


def _json_lines(path: Path) -> NDArray[np.int64]:
    with path.open(encoding="utf-8-sig") as file:
        found = [number for number, line in enumerate(file, start=1) if line.strip()]
    return np.array(found, dtype=np.int64)


def _csv_lines_one_by_one(path: Path, separator: str) -> NDArray[np.int64]:
    """Python's own reader knows lines, but takes seconds for a million."""
    found = []
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=separator)
        first = 1
        for record in reader:
            if record:
                found.append(first)
            first = reader.line_num + 1
    return np.array(found, dtype=np.int64)


def _csv_lines(path: Path, separator: str) -> NDArray[np.int64] | None:
    """Lines by counting quotes, header included; None where quotes do not come in pairs.

    A line's end is within a cell where the number of quotes before it is odd. That holds where
    every opening quote stands at the beginning of a cell, or right behind a quote (two of them are
    one within a cell).
    """
    scan = _Scan(separator)
    found = [scan.records(block) for block in _blocks(path)]
    if scan.stray or scan.quotes % 2:
        return None
    return np.concatenate([*found, np.zeros(0, np.int64)])


def _blocks(path: Path) -> Iterator[bytes]:
    """The file in pieces that end with a line, where it has lines; without the byte order mark."""
    with path.open("rb") as file:
        rest = file.read(len(_BOM)).removeprefix(_BOM)
        while data := file.read(_BLOCK):
            data = rest + data
            end = data.rfind(b"\n") + 1
            rest = data[end:]
            if end:
                yield data[:end]
        if rest:
            yield rest


class _Scan:
    """Goes through a file block by block.

    Args:
        separator: one ASCII character.

    Attributes:
        quotes: seen so far.
        stray: a quote opens where none can.
    """

    def __init__(self, separator: str) -> None:
        self._before_quote = np.zeros(256, dtype=bool)
        self._before_quote[[ord(separator), _LF, _CR, _QUOTE]] = True
        self._line = 1
        self._last = _LF  # what stands before the block: the file begins with a line
        self.quotes = 0
        self.stray = False

    def records(self, block: bytes) -> NDArray[np.int64]:
        """The lines that records of this block begin on."""
        data = np.frombuffer(block, dtype=np.uint8)
        ends = self._line_ends(block, data)
        quotes = np.flatnonzero(data == _QUOTE) if b'"' in block else np.zeros(0, np.int64)
        starts = np.concatenate([[0], ends + 1])
        # The end of a file that ends with a line's end begins no line.
        lengths = np.diff(starts, append=len(data) + 1) - 1
        filled = lengths > 0
        if b"\r" in block:
            filled &= data[np.minimum(starts, len(data) - 1)] != _CR
        if len(quotes):
            filled &= (self.quotes + np.searchsorted(quotes, starts)) % 2 == 0
            self._note_quotes(data, quotes)
        elif self.quotes % 2:
            filled[:] = False
        lines = self._line + np.flatnonzero(filled)
        self._line += len(ends)
        self._last = int(data[-1])
        return lines

    def _line_ends(self, block: bytes, data: NDArray[np.uint8]) -> NDArray[np.int64]:
        if b"\r" not in block:
            return np.flatnonzero(data == _LF)
        # CR LF ends one line, at its LF.
        lone = data == _CR
        lone[:-1] &= data[1:] != _LF
        return np.flatnonzero((data == _LF) | lone)

    def _note_quotes(self, data: NDArray[np.uint8], quotes: NDArray[np.int64]) -> None:
        opening = quotes[self.quotes % 2 :: 2]
        before = np.where(opening > 0, data[opening - 1], np.uint8(self._last))
        self.stray |= not bool(self._before_quote[before].all())
        self.quotes += len(quotes)
