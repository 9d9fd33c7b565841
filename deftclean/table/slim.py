"""A score table of which only what gates ask about every row is held: a few bytes of each.

File names and hashes, which are only told apart, are fingerprints; what repeats is numbered, and
perceptual hashes are bytes. What is shown of a few rows is read again, from the file as it was
opened, whatever lies there by now.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.core.arrow import (
    Column,
    bit_buffer,
    bool_array,
    bool_values,
    hex_bytes,
    int_array,
    narrow,
    valid,
    whole,
)
from deftclean.table.facts import reading
from deftclean.table.fingerprints import Fingerprints, as_column, empty
from deftclean.table.parts import Rows
from deftclean.table.scores import HASH, ScoreTable, opened_scores, pieces_of

NUMBERED = "file_name#"
"""Column of flags: the name is `<table>#<row>`, which says where a row stands, not which it is."""

_NUMBERED = (pa.types.is_string, pa.types.is_large_string, pa.types.is_integer)

IDENTITIES = ("file_name", NUMBERED, "content_sha256")
"""What rows of two tables are told apart by."""


_HASH_BYTES = 32


@dataclass(frozen=True)
class SlimTable(ScoreTable):
    """A score table with fingerprints in the place of file names and hashes, and `NUMBERED`.

    Attributes:
        source: where its rows are read again.
    """

    source: "ScoreTable | _File"

    def rows(self, columns: Iterable[str], places: NDArray[np.int64]) -> pa.Table:
        """(n,) rows as they are in the file, which is read up to the last of them."""
        if (np.diff(places) > 0).all():
            return self.source.rows(columns, places)
        chosen, order = np.unique(places, return_inverse=True)
        return self.source.rows(columns, chosen).take(int_array(order))

    def pieces(self) -> Iterator[ScoreTable]:
        """All columns as they are in the file, some rows at a time and in their order."""
        if isinstance(self.source, _File):
            yield from self.source.pieces(None)
        else:
            yield self.source

    def excerpt(self, columns: Iterable[str], places: NDArray[np.int64]) -> "Excerpt":
        """Some rows as they are in the file, read once."""
        chosen = np.unique(places)
        return Excerpt(self.rows(columns, chosen), self.metadata, chosen)


@dataclass(frozen=True)
class Excerpt(ScoreTable):
    """n rows of a score table, found by their places in it.

    Attributes:
        places: (n,) ascending.
    """

    places: NDArray[np.int64]

    def rows(self, columns: Iterable[str], places: NDArray[np.int64]) -> pa.Table:
        """Rows by their places in the table, all of which are in the excerpt."""
        return super().rows(columns, np.searchsorted(self.places, places))


@dataclass(frozen=True)
class _File:
    path: Path
    file: Rows
    metadata: dict[str, Any]
    closing: ExitStack  # closes it when it is let go

    def pieces(self, columns: Iterable[str] | None) -> Iterator[ScoreTable]:
        with reading(self.path):
            yield from pieces_of(self.path, self.file, self.metadata, columns)

    def whole(self) -> pa.Table:
        return pa.concat_tables([piece.table for piece in self.pieces(None)])

    def rows(self, columns: Iterable[str], places: NDArray[np.int64]) -> pa.Table:
        """As `ScoreTable.rows`; (n,) places ascending."""
        found: list[pa.Table] = []
        first = 0
        for piece in self.pieces(columns):
            start, end = np.searchsorted(places, [first, first + len(piece)]).tolist()
            if start < end or not found:
                found.append(piece.table.take(int_array(places[start:end] - first)))
            first += len(piece)
            if end == len(places):
                break
        return pa.concat_tables(found)


@dataclass(frozen=True)
class WrittenScores:
    """A score table that lies in a file, and is read when it is asked for.

    Attributes:
        metadata: see `ScoreTable`.
        read: gives the table from the file as it was opened, whatever lies there by now.
    """

    metadata: dict[str, Any]
    read: Callable[[], pa.Table]

    @cached_property
    def table(self) -> pa.Table:
        """See `ScoreTable`."""
        return self.read()


def written_scores(path: Path) -> WrittenScores:
    """A score table of which nothing is read yet; its file stays open as long as it is there.

    Raises:
        InputError, RunError: as `scores.read_scores`.
    """
    with ExitStack() as closing:
        file, metadata = closing.enter_context(opened_scores(path))
        opened = _File(path, file, metadata, closing.pop_all())
    return WrittenScores(metadata, opened.whole)


def read_slim(path: Path, columns: Iterable[str], key: Fingerprints) -> SlimTable:
    """Read a score table some rows at a time; its file stays open as long as the table is there.

    Args:
        path: the table.
        columns: those that are needed of every row.
        key: tables that are compared have the same.

    Raises:
        InputError, RunError: as `scores.read_scores`.
    """
    columns = list(columns)
    with ExitStack() as closing:
        file, metadata = closing.enter_context(opened_scores(path))
        slim = _Columns(file.count, key)
        for piece in pieces_of(path, file, metadata, columns):
            slim.add(piece.table)
        source = _File(path, file, metadata, closing.pop_all())
    made = SlimTable(slim.table(), piece.metadata, source)
    # What Arrow keeps for its next arrays is as much again.
    pa.default_memory_pool().release_unused()
    return made


def hash_bytes(column: Column) -> NDArray[np.uint8]:
    """(N, 32) perceptual hashes as a slim table holds them; anything where null."""
    values = whole(column)
    if not len(values):
        return np.zeros((0, _HASH_BYTES), dtype=np.uint8)
    _, data = values.buffers()
    start = _HASH_BYTES * values.offset
    return np.frombuffer(data, np.uint8, _HASH_BYTES * len(values), start).reshape(-1, _HASH_BYTES)


def _as_bytes(column: pa.Array) -> pa.Array:
    buffers = [bit_buffer(valid(column)), pa.py_buffer(hex_bytes(column, _HASH_BYTES))]
    return pa.Array.from_buffers(pa.binary(_HASH_BYTES), len(column), buffers)


def slimmed(scores: ScoreTable, key: Fingerprints) -> SlimTable:
    """The same of a table that is in memory."""
    slim = _Columns(len(scores), key)
    slim.add(scores.table)
    return SlimTable(slim.table(), scores.metadata, scores)


class _Columns:
    """Gathers the columns of a slim table.

    Args:
        rows: N, how many there will be: what is as long as a table is made once.
        key: of the fingerprints.
    """

    def __init__(self, rows: int, key: Fingerprints) -> None:
        self._key, self._rows, self._filled = key, rows, 0
        self._prints: dict[str, tuple[NDArray[np.uint32], NDArray[np.bool_]]] = {}
        self._pieces: dict[str, list[pa.Array]] = {}

    def add(self, table: pa.Table) -> None:
        """The next rows."""
        for name in table.column_names:
            column = whole(table[name])
            if pa.types.is_dictionary(column.type):
                column = column.cast(column.type.value_type)
            if name in IDENTITIES:
                self._print(name, column)
            elif name == HASH:
                self._piece(name, _as_bytes(column))
            elif any(has_type(column.type) for has_type in _NUMBERED):
                self._piece(name, column.dictionary_encode())
            else:
                self._piece(name, column)
            if name == "file_name":
                numbered = pc.match_substring_regex(column, r"#\d+$")
                self._piece(NUMBERED, bool_array(bool_values(numbered)))
        self._filled += len(table)

    def _print(self, name: str, column: pa.Array) -> None:
        if name not in self._prints:
            self._prints[name] = empty(self._rows), np.zeros(self._rows, dtype=bool)
        found, there = self._prints[name]
        end = self._filled + len(column)
        self._key.put(column, found[self._filled : end])
        there[self._filled : end] = valid(column)

    def _piece(self, name: str, column: pa.Array) -> None:
        self._pieces.setdefault(name, []).append(column)

    def table(self) -> pa.Table:
        """All rows; of each column the pieces are let go before the next is joined."""
        columns = {name: as_column(*found) for name, found in self._prints.items()}
        for name in list(self._pieces):
            pieces = pa.chunked_array(self._pieces.pop(name)).unify_dictionaries()
            column = whole(pieces)
            columns[name] = narrow(column) if pa.types.is_dictionary(column.type) else column
        return pa.table(columns)
