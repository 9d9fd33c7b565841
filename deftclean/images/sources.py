"""Where the encoded bytes of an image come from: a folder's files, or a table's column.

What cannot be read is reported, never replaced. Knows nothing of pixels or labels.
"""

import errno
import hashlib
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from deftclean.images.decoding import ImageError

MAX_BYTES = 256 * 1024 * 1024
"""Larger files are `too_large` and are not opened."""

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


@dataclass(frozen=True)
class FolderImages:
    """Images that are files below a folder.

    Args:
        root: the data folder.
        file_names: F POSIX paths relative to it; an empty one means that no file is named.
        allow_outside: also open files that a name or a link leads to outside the folder.
    """

    root: Path
    file_names: NDArray[np.object_]
    allow_outside: bool = False

    def __len__(self) -> int:
        return len(self.file_names)

    def read(self, index: int) -> bytes:
        """The bytes of one file inside the folder."""
        return self._found(index, _read_regular_file)

    def path(self, index: int) -> Path:
        """Where one file really lies, links resolved.

        Raises:
            ImageError: as `read`, but for its content.
        """
        return self._found(index, lambda path: path)

    def _found(self, index: int, use: Callable[[Path], Made]) -> Made:
        name = self.file_names[index]
        if not name:
            raise ImageError("missing", "the row names no file")
        try:
            path = (self.root / name).resolve()
            if not self.allow_outside and not path.is_relative_to(self.root.resolve()):
                raise ImageError("outside", "leads outside the data folder")
            return use(path)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ImageError("missing", "no such file") from error
        except RuntimeError as error:  # a loop of symbolic links, before Python 3.13
            raise ImageError("missing", "a link that leads to itself") from error
        except (OSError, ValueError) as error:
            if getattr(error, "errno", None) == errno.ELOOP:
                raise ImageError("missing", "a link that leads to itself") from error
            reason = getattr(error, "strerror", None) or str(error)
            raise ImageError("unreadable", f"cannot be opened: {reason}") from error


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
    files: FolderImages

    def __len__(self) -> int:
        return len(self.spooled)

    def read(self, index: int) -> bytes:
        """The bytes of one row."""
        if self.spooled.present[index] or not self.files.file_names[index]:
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

    def digest(self, picture: int) -> bytes:
        """SHA-256 of one picture's encoded bytes."""
        return bytes(self.digests[picture])

    def read(self, picture: int) -> bytes:
        """The encoded bytes of one picture, the same as in the first pass.

        Raises:
            ImageError: as `ImageSource.read`, or `unreadable` where they are others now.
        """
        data = self.source.read(int(self.files[picture]))
        if hashlib.sha256(data).digest() != self.digest(picture):
            raise ImageError("unreadable", "its content has changed")
        return data
