"""A score table in one file or in many: what is read is the same.

A table in parts is a folder. Who fills it, see `deftclean.applying.parts`, writes `_COMMIT.json`
last, when the parts hold every row; without it nothing reads the folder. No part is looked for: all
are named there, in the order of their rows.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from deftclean.core.arrow_types import plain_table
from deftclean.core.cards import card_from, record
from deftclean.core.errors import InputError
from deftclean.core.text import few

COMMIT = "_COMMIT.json"
"""The file that says what the parts are."""

PLAN = "plan.json"
"""The file by which a folder of parts is known before that."""

COMMIT_VERSION = 1

_BUFFER = 65_536  # bytes of a column that are read at a time
_SHOWN = 3


@dataclass(frozen=True)
class Part:
    """Some rows in a file.

    Attributes:
        name: relative to the folder.
        rows: how many.
        size: of the file, in bytes.
        sha256: of its bytes, hexadecimal.
    """

    name: str
    rows: int
    size: int
    sha256: str


@dataclass(frozen=True)
class Commit:
    """What the parts are.

    Attributes:
        format_version: of this file.
        plan: SHA-256 of the plan that was carried out, hexadecimal.
        rows: N.
        parts: in the order of their rows.
        metadata: of the table, see `deftclean.table.scores.ScoreTable`.
        seal: SHA-256 of all of the above, hexadecimal; empty before it is sealed.
    """

    format_version: int
    plan: str
    rows: int
    parts: tuple[Part, ...]
    metadata: dict[str, Any]
    seal: str = ""

    @property
    def text(self) -> bytes:
        """As it is written, sealed."""
        return _json({**asdict(self), "seal": self._digest})

    @property
    def holds(self) -> bool:
        """Whether it is as it was written."""
        return self.seal == self._digest

    @property
    def _digest(self) -> str:
        return hashlib.sha256(_json({**asdict(self), "seal": ""})).hexdigest()


def _json(values: dict[str, Any]) -> bytes:
    return json.dumps(values, sort_keys=True, ensure_ascii=False, indent=1).encode()


class Rows(Protocol):
    """The rows of a table, wherever they lie."""

    @property
    def schema(self) -> pa.Schema:
        """Names and types."""

    @property
    def count(self) -> int:
        """N."""

    def read(self, columns: Sequence[str] | None) -> pa.Table:
        """All rows; None for all columns."""

    def batches(self, columns: Sequence[str] | None, size: int) -> Iterator[pa.Table]:
        """The same, at most so many rows at a time."""


@dataclass(frozen=True)
class RowsOfFile:
    """The rows of one Parquet file, which is open."""

    file: pq.ParquetFile

    @property
    def schema(self) -> pa.Schema:
        """See `Rows`."""
        return self.file.schema_arrow

    @property
    def count(self) -> int:
        """See `Rows`."""
        return int(self.file.metadata.num_rows)

    def read(self, columns: Sequence[str] | None) -> pa.Table:
        """See `Rows`."""
        return self.file.read(columns=columns)

    def batches(self, columns: Sequence[str] | None, size: int) -> Iterator[pa.Table]:
        """See `Rows`."""
        for batch in self.file.iter_batches(size, columns=columns):
            yield pa.Table.from_batches([batch])


@dataclass(frozen=True)
class RowsOfParts:
    """The rows of a folder; one part is open at a time.

    Attributes:
        folder: of the parts.
        commit: what they are.
        schema: of the first of them, and so of all.
    """

    folder: Path
    commit: Commit
    schema: pa.Schema

    @property
    def count(self) -> int:
        """See `Rows`."""
        return self.commit.rows

    def read(self, columns: Sequence[str] | None) -> pa.Table:
        """See `Rows`."""
        # Plain, since a file alone knows which of its columns are worth a dictionary.
        return pa.concat_tables([plain_table(rows.read(columns)) for rows in self._each()])

    def batches(self, columns: Sequence[str] | None, size: int) -> Iterator[pa.Table]:
        """See `Rows`."""
        for rows in self._each():
            yield from rows.batches(columns, size)

    def _each(self) -> Iterator[RowsOfFile]:
        for part in self.commit.parts:
            with opened_file(self.folder / part.name) as rows:
                if rows.count != part.rows or not _alike(rows.schema, self.schema):
                    raise InputError(
                        f"{self.folder / part.name} is not the part that {COMMIT} names.",
                        "Score that part again: remove it and run the same command.",
                    )
                yield rows


def _alike(one: pa.Schema, other: pa.Schema) -> bool:
    return bool(one.remove_metadata().equals(other.remove_metadata()))


@contextmanager
def opened_file(path: Path) -> Iterator[RowsOfFile]:
    """A Parquet file without Arrow's buffers, which would hold all bytes while it is open."""
    with pq.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER) as file:
        yield RowsOfFile(file)


def opened_parts(folder: Path) -> RowsOfParts:
    """The rows of a folder of parts.

    Raises:
        InputError: it is none, is not finished, or parts are missing or of another size.
        ArrowException, OSError: the first part cannot be read.
    """
    commit = read_commit(folder)
    sizes = {part.name: _size(folder / part.name) for part in commit.parts}
    wrong = [part.name for part in commit.parts if sizes[part.name] != part.size]
    if wrong:
        raise InputError(
            f"{folder}: {len(wrong):,} of its {len(commit.parts):,} parts are gone or of another "
            f"size: {few(wrong, _SHOWN)}.",
            "Score them again: remove them and run the same command.",
        )
    if sum(part.rows for part in commit.parts) != commit.rows or not commit.parts:
        raise InputError(f"{folder / COMMIT} is damaged: its parts do not hold its rows.")
    with opened_file(folder / commit.parts[0].name) as rows:
        return RowsOfParts(folder, commit, rows.schema)


def read_commit(folder: Path) -> Commit:
    """What the parts of a folder are.

    Raises:
        InputError: it is no such folder, is not finished, or the file is damaged.
    """
    if not (folder / COMMIT).is_file():
        if (folder / PLAN).is_file():
            raise InputError(
                f"{folder} is not finished: it has no {COMMIT}.",
                "Run the command that fills it again: deftclean score ... --part i/n",
            )
        raise InputError(
            f"{folder} is a folder, and no table in parts.",
            "Give a table written by deftclean scan or score.",
        )
    return card_from(folder / COMMIT, COMMIT_VERSION, _commit)


def _commit(values: dict[str, Any]) -> Commit:
    made = record(Commit, values)
    for part in made.parts:
        place = Path(part.name)
        if place.is_absolute() or ".." in place.parts:
            raise ValueError(f"{part.name!r} is no part of the folder")
    return made


def parts_hold(folder: Path) -> bool:
    """Whether all parts, and what names them, are as they were written. Reads every byte.

    Raises:
        InputError: as `read_commit`.
        OSError: a part cannot be read.
    """
    commit = read_commit(folder)
    return commit.holds and all(
        digest_of(folder / part.name) == part.sha256 for part in commit.parts
    )


def digest_of(table: Path) -> str:
    """SHA-256 that no other table has: of a file, or of what names the parts of a folder.

    Raises:
        OSError: it cannot be read.
    """
    with (table / COMMIT if table.is_dir() else table).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
