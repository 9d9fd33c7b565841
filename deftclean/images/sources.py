"""Where the encoded bytes of an image come from: a folder's files, or a table's column.

What cannot be read is reported, never replaced. Knows nothing of pixels or labels.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deftclean.core.errors import RunError
from deftclean.images.decoding import ImageError

MAX_BYTES = 256 * 1024 * 1024
"""Larger files are `too_large` and are not opened."""

_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
"""Of `os.open`; 0 on a system that opens what a link leads to, whatever it is asked."""
_AS_IT_IS = sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))

Made = TypeVar("Made")


class ImageSource(Protocol):
    """F encoded images by index."""

    def __len__(self) -> int:
        """F."""

    def read(self, index: int) -> bytes:
        """One encoded image.

        Raises:
            ImageError: `missing`, `outside`, `too_large` or `unreadable`.
        """


class NamedSource(ImageSource, Protocol):
    """F encoded images by index, each of which has a name."""

    @property
    def file_names(self) -> pa.Array:
        """F strings; an empty one names nothing."""


@dataclass(frozen=True)
class FolderImages:
    """Images that are files below a folder.

    Args:
        root: the data folder.
        file_names: F strings, POSIX paths relative to it; an empty one means that no file is
            named.
        allow_outside: also open files that a name or a link leads to outside the folder.
    """

    root: Path
    file_names: pa.Array
    allow_outside: bool = False

    def __len__(self) -> int:
        return len(self.file_names)

    def read(self, index: int) -> bytes:
        """The bytes of one file inside the folder."""
        name = self.file_names[index].as_py()
        plain = _read_plain(self._real_root, name) if _NO_LINK else None
        return self._found(index, _read_regular_file) if plain is None else plain

    def path(self, index: int) -> Path:
        """Where one file really lies, links resolved.

        Raises:
            ImageError: as `read`, but for its content.
            RunError: too many files are open.
        """
        return self._found(index, lambda path: path)

    @cached_property
    def _real_root(self) -> str:
        return os.path.realpath(self.root)

    def _found(self, index: int, use: Callable[[Path], Made]) -> Made:
        name = self.file_names[index].as_py()
        if not name:
            raise ImageError("missing", "the row names no file")
        path = self.root / name
        try:
            path = path.resolve()
            if not self.allow_outside and not path.is_relative_to(self.root.resolve()):
                raise ImageError("outside", "leads outside the data folder")
            return use(path)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ImageError("missing", "no such file") from error
        except RuntimeError as error:  # a loop of symbolic links, before Python 3.13
            raise ImageError("missing", "a link that leads to itself") from error
        except (OSError, ValueError) as error:
            if getattr(error, "errno", None) in _OF_THE_MACHINE:
                raise RunError(
                    f"{path}: {error.strerror}.",  # type: ignore[union-attr]
                    "Let the run open more files: ulimit -n 4096.",
                ) from error
            if getattr(error, "errno", None) == errno.ELOOP:
                raise ImageError("missing", "a link that leads to itself") from error
            reason = getattr(error, "strerror", None) or str(error)
            raise ImageError("unreadable", f"cannot be opened: {reason}") from error


def _read_plain(root: str, name: str) -> bytes | None:
    """A regular file that no link leads to and no part of whose name leads upwards.

    Resolving such a name gives the name again, and takes most of the time that reading takes.

    Args:
        root: the folder, links resolved.
        name: relative to it.

    Returns:
        Its bytes; None for any other, and where something goes wrong: what that is, is found out
        by resolving.
    """
    *folders, last = name.split("/")
    if not last or not _UNUSUAL.isdisjoint((*folders, last)):
        return None
    path = root
    try:
        for folder in folders:
            path = f"{path}/{folder}"
            if not stat.S_ISDIR(os.lstat(path).st_mode):
                return None
        path = f"{path}/{last}"
        if not _may_be_read(os.lstat(path)):
            return None
        return _read_opened(os.open(path, os.O_RDONLY | _NO_LINK | _AS_IT_IS))
    except (OSError, ValueError):
        return None


_OF_THE_MACHINE = (errno.EMFILE, errno.ENFILE)
"""What says nothing of a file, which may be as good as any."""

_UNUSUAL = frozenset(("", ".", ".."))
"""Parts of a name that lead somewhere else than into a folder, or are not written as usual."""


def _may_be_read(found: os.stat_result) -> bool:
    """Whether something is a file to read: no link, and no pipe that would be waited for."""
    return stat.S_ISREG(found.st_mode) and found.st_size <= MAX_BYTES


def _read_opened(handle: int) -> bytes | None:
    """All bytes of a file, which is closed; None where it was exchanged or grows meanwhile."""
    try:
        found = os.fstat(handle)
        if not _may_be_read(found):
            return None
        # One more than there are: then the end was seen.
        data = os.read(handle, found.st_size + 1)
        return data if len(data) == found.st_size else None
    finally:
        os.close(handle)


def _read_regular_file(path: Path) -> bytes:
    status = path.stat()
    # Opening a named pipe would wait for a writer that never comes.
    if not stat.S_ISREG(status.st_mode):
        raise ImageError("unreadable", "not a regular file")
    _refuse_huge(status.st_size)
    return path.read_bytes()


def _refuse_huge(size: int) -> None:
    if size > MAX_BYTES:
        raise ImageError("too_large", f"{size:,} bytes; the limit is {MAX_BYTES:,}")


@dataclass(frozen=True)
class SpooledImages:
    """Images that lay in a table's column, in one flat file beside which nothing is kept open.

    Args:
        path: the encoded images, one after the other.
        ends: (N,) int64 offset just past each row's bytes.
        present: (N,) bool, false where the table holds no bytes for the row.
    """

    path: Path
    ends: NDArray[np.int64]
    present: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.ends)

    def read(self, index: int) -> bytes:
        """The bytes of one row."""
        if not self.present[index]:
            raise ImageError("missing", "the table holds no image bytes in this row")
        start = int(self.ends[index - 1]) if index else 0
        size = int(self.ends[index]) - start
        _refuse_huge(size)
        with self.path.open("rb") as file:
            file.seek(start)
            return file.read(size)


@dataclass(frozen=True)
class TableImages:
    """Images of a table: the bytes that it holds, or else the file that its path names.

    Args:
        spooled: F images, as far as the table holds their bytes.
        files: the same F by name; an empty one where the table names none.
    """

    spooled: SpooledImages
    files: "NamedSource"

    def __len__(self) -> int:
        return len(self.spooled)

    def read(self, index: int) -> bytes:
        """The bytes of one row."""
        if self.spooled.present[index] or not self.files.file_names[index].as_py():
            return self.spooled.read(index)
        return self.files.read(index)


@dataclass(frozen=True)
class RowImages:
    """The image of every row; several rows may name one.

    Attributes:
        source: F encoded images.
        of_row: (N,) index in `source`.
    """

    source: ImageSource
    of_row: NDArray[np.int64]


@dataclass(frozen=True)
class DistinctPictures:
    """U pictures with content of their own, however many files and rows show them.

    Attributes:
        source: the encoded images.
        files: (U,) index in `source`.
        digests: (U, 32) uint8, SHA-256 of the encoded bytes.
    """

    source: ImageSource
    files: NDArray[np.int64]
    digests: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.files)

    def of(self, pictures: NDArray[np.int64]) -> "DistinctPictures":
        """Some of them, in this order, any of them several times."""
        return DistinctPictures(self.source, self.files[pictures], self.digests[pictures])

    def digest(self, picture: int) -> bytes:
        """SHA-256 of one picture's encoded bytes."""
        return bytes(self.digests[picture])

    def same(self, picture: int, data: bytes) -> bytes:
        """The encoded bytes of one picture, where they are the same as in the first pass.

        Raises:
            ImageError: `unreadable`, since they are others now.
        """
        if hashlib.sha256(data).digest() != self.digest(picture):
            raise ImageError("unreadable", "its content has changed")
        return data
