"""The seal of a score table: SHA-256 of what was written, kept in the file itself; of a folder too.

It tells damage and later edits from what deftclean wrote. It is no signature: who wants to deceive
can seal anew.
"""

import hashlib
import io
import struct
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

SEAL = b"deftclean.sha256"
"""Entry of the file's metadata: bytes that the pages take, and the digest."""

_PART = 1 << 20  # bytes read at a time
_GROUP = 64 * 1024  # rows that are written at a time, and stand together in the file
_END = struct.Struct("<I4s")  # of a Parquet file: bytes of its footer, and the magic number


class _Hashed(io.FileIO):
    """A new file that knows the digest of what was written to it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "wb")
        self.digest = hashlib.sha256()
        self.size = 0

    def write(self, data: Any) -> int:
        """All of it, or an error: less would be written where the disk is full."""
        view = memoryview(data).cast("B")
        done = 0
        while done < len(view):
            done += super().write(view[done:]) or 0
        self.digest.update(view)
        self.size += len(view)
        return len(view)


def write_sealed(
    schema: pa.Schema, pieces: Iterable[pa.Table], path: Path, dictionaries: Sequence[str]
) -> None:
    """Write Parquet with a seal; the same rows give the same bytes, in pieces of any size.

    Args:
        schema: with the metadata.
        pieces: tables of this schema, in the order of their rows; one at least.
        path: a new file.
        dictionaries: columns whose values repeat.

    Raises:
        OSError: the disk is full.
    """
    how = {"compression": "zstd", "use_dictionary": list(dictionaries)}
    with _Hashed(path) as file, pq.ParquetWriter(file, schema, **how) as writer:
        for group in _groups(pieces):
            writer.write_table(group, row_group_size=_GROUP)
        digest = _with_schema(file.digest, schema)
        writer.add_key_value_metadata({SEAL: f"{file.size}:{digest}".encode()})


def _groups(pieces: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows, `_GROUP` in each table but the last; one table at least."""
    left: pa.Table | None = None
    begun = False
    for piece in pieces:
        left = piece if left is None else pa.concat_tables([left, piece])
        whole = len(left) - len(left) % _GROUP
        for first in range(0, whole, _GROUP):
            yield left.slice(first, _GROUP)
        begun = begun or whole > 0
        left = left.slice(whole)
    if left is not None and (len(left) or not begun):
        yield left


def seal_holds(path: Path) -> bool | None:
    """Whether a table's pages, column names and metadata are those that were written.

    Args:
        path: a Parquet file that can be read.

    Returns:
        None where it has no seal: other software, or an older deftclean, has written it.

    Raises:
        OSError: it cannot be read.
    """
    facts = pq.read_metadata(path)
    size, _, expected = (facts.metadata or {}).get(SEAL, b"").decode("latin-1").partition(":")
    if not expected:
        return None
    with path.open("rb") as file:
        end = file.seek(-_END.size, io.SEEK_END)
        (footer, _magic) = _END.unpack(file.read(_END.size))
        if size != str(end - footer):
            return False
        file.seek(0)
        digest, left = hashlib.sha256(), int(size)
        while left and (part := file.read(min(_PART, left))):
            digest.update(part)
            left -= len(part)
    return bool(_with_schema(digest, facts.schema.to_arrow_schema()) == expected)


def folder_digest(folder: Path) -> str:
    """SHA-256 of names and contents of the files in a folder, hidden ones left out; hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith("."):
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").digest()
            digest.update(_counted(path.name.encode()) + content)
    return digest.hexdigest()


def _with_schema(digest: Any, schema: pa.Schema) -> str:
    """A digest of the pages, continued over names and metadata; hexadecimal."""
    facts = {name: value for name, value in (schema.metadata or {}).items() if name != SEAL}
    for name in schema.names:
        digest.update(_counted(name.encode()))
    for key in sorted(facts):
        digest.update(_counted(key) + _counted(facts[key]))
    return str(digest.hexdigest())


def _counted(data: bytes) -> bytes:
    """With its length before it, so that no two lists of texts look the same."""
    return struct.pack("<Q", len(data)) + data
