"""Resized pictures in few large files, found by the SHA-256 of the encoded bytes.

A pack is appended to by one process alone. A line of its index follows each picture, and what has
no line is not there: so a process may be killed at any time, and others may read meanwhile. A line
is only a hint where to look; what stands there says itself whose picture it is, with a checksum.
"""

import contextlib
import hashlib
import math
import os
import secrets
import weakref
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deftclean.core.files import opened_regular
from deftclean.images.look import LOOK
from deftclean.images.resizing import Pixels

PACK, INDEX = ".pack", ".index"
"""Suffixes of the two files of a pack."""

LARGEST = 64 * 1024 * 1024
"""Bytes of a pack, from which on another one is begun: what is not used goes a pack at a time."""

MAX_STORED = 4 * 1024 * 1024
"""Resized pictures of more bytes (strips) are not kept."""

_MOST_INDEX = 32 * 1024 * 1024  # bytes; that of the largest pack of the smallest pictures has less
_MOST_NEW = 65_536  # pictures of one's own that are found before the index is read again
_HEADER = np.dtype(
    [
        *(("magic", "S8"), ("key", "V32"), ("height", "<u4"), ("width", "<u4")),
        *(("look", f"V{LOOK.itemsize}"), ("of_head", "<u4"), ("crc", "<u4")),
    ]
)
_CHECKED = _HEADER.itemsize - 4  # bytes before the checksum of all
_HEAD = _CHECKED - 4  # bytes before that of the header alone, which is read without the pixels
_MAGIC = b"deftpix5"
_LINE = np.dtype([("begins", "<u8"), ("at", "<u8")])


def _begins(digest: bytes) -> int:
    """What the index knows of a hash: two of the same are told apart by what they lead to."""
    return int.from_bytes(digest[:8], "little")


@dataclass(frozen=True)
class _Index:
    """Where pictures are: (n,) beginnings of their hashes, ascending, and the packs and places."""

    begins: NDArray[np.uint64]
    pack: NDArray[np.int32]
    at: NDArray[np.uint64]
    packs: list[str]

    @classmethod
    def of(cls, folder: Path) -> "_Index":
        """All that can be read; a line that is not whole is none."""
        packs, lines = [], [np.empty(0, _LINE)]
        for path in _indexes(folder):
            with contextlib.suppress(OSError), opened_regular(path) as file:
                data = file.read(_MOST_INDEX)
                lines.append(np.frombuffer(data, _LINE, len(data) // _LINE.itemsize))
                packs.append(path.stem)
        whole = np.concatenate(lines)
        numbers = np.repeat(np.arange(len(packs)), [len(each) for each in lines[1:]])
        order = np.argsort(whole["begins"], kind="stable")
        return cls(
            whole["begins"][order], numbers.astype(np.int32)[order], whole["at"][order], packs
        )

    def places(self, digest: bytes) -> Iterator[tuple[str, int]]:
        """The packs and places where a picture may be."""
        begins = np.uint64(_begins(digest))
        line = int(self.begins.searchsorted(begins))
        while line < len(self.begins) and self.begins[line] == begins:
            yield self.packs[self.pack[line]], int(self.at[line])
            line += 1


def _indexes(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(each.path) for each in entries if each.name.endswith(INDEX))
    except OSError:  # not there yet, or of another user
        return []


class _Writer:
    """A pack of this process's own.

    Args:
        folder: made where it is not there.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.name, self.process, self.size = secrets.token_hex(8), os.getpid(), 0
        self._paths = [folder / f"{self.name}{suffix}" for suffix in (PACK, INDEX)]
        self._files = []
        for path in self._paths:
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
            self._files.append(os.open(path, flags, 0o600))
            weakref.finalize(self, _close, self._files[-1])

    def append(self, digest: bytes, record: bytes) -> int:
        """Add a picture; where it stands.

        Raises:
            OSError: the disk is full. Nothing is to be added after that.
        """
        at = self.size
        _write(self._files[0], record)
        _write(self._files[1], np.array([(_begins(digest), at)], _LINE).tobytes())
        self.size += len(record)
        return at

    def give_up(self) -> None:
        """Take back what was written of a picture that is not whole, as far as that can be done."""
        with contextlib.suppress(OSError):
            os.truncate(self._paths[0], self.size)
        for path in self._paths if not self.size else ():
            with contextlib.suppress(OSError):
                path.unlink()


def _write(file: int, data: bytes) -> None:
    view = memoryview(data)
    while len(view):
        view = view[os.write(file, view) :]


def _close(file: int) -> None:
    with contextlib.suppress(OSError):
        os.close(file)


class PictureFolder:
    """Resized pictures of one way to decode and resize.

    Other processes get one of their own: neither what was read of the index nor a pack to write
    goes with it.

    Args:
        folder: need not exist.
        largest: bytes of a pack.
    """

    def __init__(self, folder: Path, largest: int = LARGEST) -> None:
        self.folder, self.largest = folder, largest
        self._index: _Index | None = None
        self._writer: _Writer | None = None
        self._new: dict[bytes, tuple[str, int]] = {}
        self._used: set[str] = set()

    def __reduce__(self) -> tuple[Any, ...]:
        return PictureFolder, (self.folder, self.largest)

    def read(self, digest: bytes) -> Pixels | None:
        """A picture, (h, w, 3) uint8, or None where there is no whole one of this key."""
        for pack, at in self._places(digest):
            with contextlib.suppress(OSError), opened_regular(self._path(pack)) as file:
                file.seek(at)
                head = file.read(_HEADER.itemsize)
                shape = self._shape(digest, head)
                if shape is None:
                    continue
                body = file.read(math.prod(shape))
                if len(body) == math.prod(shape) and _checksum(head, body) == head[_CHECKED:]:
                    return np.frombuffer(body, np.uint8).reshape(shape)
        return None

    def touch(self, digest: bytes) -> bool:
        """Whether a picture of this key and the right length is there; marks it as used now."""
        return self.visit(digest) is not None

    def visit(self, digest: bytes) -> bytes | None:
        """The look of a picture, a record of `look.LOOK`; None where `touch` is false."""
        for pack, at in self._places(digest):
            with contextlib.suppress(OSError), opened_regular(self._path(pack)) as file:
                size = os.fstat(file.fileno()).st_size
                file.seek(at)
                head = file.read(_HEADER.itemsize)
                shape = self._shape(digest, head)
                if shape is not None and at + len(head) + math.prod(shape) <= size:
                    self._use(pack)
                    return head[_HEAD - LOOK.itemsize : _HEAD]
        return None

    def size_of(self, pixels: Pixels) -> int:
        """Bytes that a picture takes."""
        return _HEADER.itemsize + pixels.nbytes + _LINE.itemsize

    def add(self, digest: bytes, pixels: Pixels, look: bytes) -> None:
        """Keep a picture and its look.

        Raises:
            OSError: the disk is full, or the folder cannot be written to.
        """
        writer = self._writer
        if writer is None or writer.process != os.getpid() or writer.size >= self.largest:
            writer = self._writer = _Writer(self.folder)
        try:
            at = writer.append(digest, self._record(digest, pixels, look))
        except OSError:
            writer.give_up()
            self._writer = None
            raise
        if len(self._new) >= _MOST_NEW:
            del self._new[next(iter(self._new))]
        self._new[digest] = writer.name, at

    def _places(self, digest: bytes) -> Iterator[tuple[str, int]]:
        if digest in self._new:
            yield self._new[digest]
        if self._index is None:
            self._index = _Index.of(self.folder)
        yield from self._index.places(digest)

    def _path(self, pack: str) -> Path:
        return self.folder / f"{pack}{PACK}"

    def _use(self, pack: str) -> None:
        """Mark a pack as used now, once."""
        if pack not in self._used:
            self._used.add(pack)
            with contextlib.suppress(OSError):  # another user's cache may be read-only
                os.utime(self._path(pack))

    def _record(self, digest: bytes, pixels: Pixels, look: bytes) -> bytes:
        body, shape = np.ascontiguousarray(pixels).tobytes(), pixels.shape[:2]
        fields = (_MAGIC, self._key(digest), *shape, look, 0, 0)
        head = np.array([fields], _HEADER).tobytes()[:_HEAD]
        head += _checksum(head)
        return head + _checksum(head, body) + body

    def _key(self, digest: bytes) -> bytes:
        # With the way of resizing: a file that was moved here from another folder is not believed.
        return hashlib.sha256(self.folder.name.encode() + digest).digest()

    def _shape(self, digest: bytes, head: bytes) -> tuple[int, int, int] | None:
        """Of a stored picture, or None where none of this key begins so."""
        if len(head) < _HEADER.itemsize:
            return None
        (fields,) = np.frombuffer(head, _HEADER)
        shape = int(fields["height"]), int(fields["width"]), 3
        known = bytes(fields["magic"]) == _MAGIC and fields["key"].tobytes() == self._key(digest)
        whole = _checksum(head[:_HEAD]) == head[_HEAD:_CHECKED]
        return shape if known and whole and math.prod(shape) <= MAX_STORED else None


def _checksum(head: bytes, body: bytes = b"") -> bytes:
    """Of all but itself."""
    return zlib.crc32(body, zlib.crc32(head[:_CHECKED])).to_bytes(4, "little")
