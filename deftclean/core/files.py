"""Files in general: text with a limit, room for maps, who holds what, folders of one's own."""

import contextlib
import errno
import os
import re
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from deftclean.core.errors import RunError

_PIECE = 4 * 1024 * 1024  # bytes of zeros that are written at once

LOCKS: Any
"""Python's `fcntl`; None on a system without such locks, where nothing is swept."""
try:
    import fcntl as LOCKS
except ImportError:
    LOCKS = None

_UNKNOWN = -1  # in place of a handle: nobody can say who holds what

IMAGE_SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".dib", ".webp", ".tif"),
        *(".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".avif"),
    )
)
"""How images end, in lower case."""

ROBOFLOW = "_classes.csv"
METADATA = ("metadata.jsonl", "metadata.csv", "metadata.parquet", ROBOFLOW)
"""Tables that say what the images beside them are, in the order in which they are looked for."""

LARGEST_TEXT = 64 * 2**20
"""Bytes of a file of names, settings or facts: none that is meant for reading is larger."""


def read_text(path: Path) -> str:
    """A small text file, in UTF-8, with or without a byte order mark.

    Raises:
        OSError: it cannot be opened, or is a device, a pipe or a folder, which may never end.
        ValueError: it is larger than `LARGEST_TEXT`, or no UTF-8.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    with path.open("rb") as file:
        data = file.read(LARGEST_TEXT + 1)
    if len(data) > LARGEST_TEXT:
        raise ValueError(f"it is larger than {LARGEST_TEXT // 2**20} MiB")
    return data.decode("utf-8-sig")


def expanded(path: str | Path) -> Path:
    """A path with the home folder for its `~`; as it is where nobody knows of such a home."""
    with contextlib.suppress(RuntimeError):
        return Path(path).expanduser()
    return Path(path)


def cache_folder() -> Path:
    """`DEFTCLEAN_CACHE_DIR`, or the platform's place for the user's caches.

    Raises:
        FileNotFoundError: the user has no home.
    """
    import platformdirs

    if named := os.environ.get("DEFTCLEAN_CACHE_DIR"):
        return Path(named)
    try:
        return platformdirs.user_cache_path("deftclean", appauthor=False)
    except RuntimeError as error:
        raise FileNotFoundError(errno.ENOENT, "no home folder", "of the user") from error


def make_sized(path: Path, size: int) -> None:
    """Make a temporary file of so many bytes, with room for all of them, to be mapped.

    A mapped file without room for what is written ends the process, and no error is raised.

    Raises:
        RunError: there is no room.
    """
    try:
        with path.open("wb") as file:
            if hasattr(os, "posix_fallocate") and size:
                os.posix_fallocate(file.fileno(), 0, size)
            for left in range(size - os.fstat(file.fileno()).st_size, 0, -_PIECE):
                file.write(bytes(min(left, _PIECE)))
    except OSError as error:
        path.unlink(missing_ok=True)
        raise RunError(
            f"{size / 1e6:,.1f} MB of features do not fit into the temporary folder {path.parent}: "
            f"{error.strerror or error}.",
            "Free space there, or set TMPDIR to a folder on a larger disk.",
        ) from error


def linked_to(path: Path) -> Path:
    """What a link leads to, in whose place is written; the path itself where it is no link."""
    return path.resolve() if path.is_symlink() else path


@contextlib.contextmanager
def opened_regular(path: Path) -> Iterator[BinaryIO]:
    """A file that was written here, for reading.

    Raises:
        OSError: it is not there, or something else: a link, a device, or a pipe, which would be
            waited for.
    """
    if not stat.S_ISREG(path.lstat().st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    flags = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"))
    with os.fdopen(os.open(path, os.O_RDONLY | flags), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):  # exchanged meanwhile
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        yield file


# ---------------------------------------------------------------- who holds what


def held(path: Path) -> int | None:
    """A handle that holds a file or folder; None where another one does, or it is gone."""
    if LOCKS is None:
        return _UNKNOWN
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        LOCKS.flock(handle, LOCKS.LOCK_EX | LOCKS.LOCK_NB)
        if path.stat().st_ino == os.fstat(handle).st_ino:
            return handle
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS):
            os.close(handle)
            return _UNKNOWN  # a file system without locks
    os.close(handle)
    return None


def made_and_held(make: Callable[[], Path]) -> tuple[Path, int]:
    """A file or folder of a new name, and the handle that holds it, for `release`.

    Args:
        make: makes it; called again where it was swept away before it was held.
    """
    while True:
        path = make()
        if (lock := held(path)) is not None:
            return path, lock


def release(handle: int) -> None:
    """Hold no longer what `held` has given a handle of."""
    if handle != _UNKNOWN:
        os.close(handle)


def sweep_names(home: Path, names: str) -> None:
    """Remove what has such a name and is held by nobody."""
    if LOCKS is None:
        return
    with contextlib.suppress(OSError), os.scandir(home) as entries:
        for entry in entries:
            if not re.fullmatch(names, entry.name):
                continue
            leftover = home / entry.name
            lock = held(leftover)
            if lock is not None and lock != _UNKNOWN:
                discard(leftover)
                release(lock)


def discard(path: Path) -> None:
    """Remove a file or folder as far as that can be done."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


@contextlib.contextmanager
def private_folder(home: Path) -> Iterator[Path]:
    """Yield a folder of this run's own, gone afterwards; those of killed runs are swept.

    Args:
        home: for temporary things.

    Raises:
        OSError: it cannot be made.
    """
    sweep_names(home, r"deftclean-run-[0-9a-f]{16}")

    begun: list[Path] = []

    def make() -> Path:
        begun.append(home / f"deftclean-run-{secrets.token_hex(8)}")
        begun[-1].mkdir(mode=0o700)
        return begun[-1]

    lock = _UNKNOWN
    try:  # a signal may come at any time, also before the folder is held
        folder, lock = made_and_held(make)
        yield folder
    finally:
        for each in begun:
            discard(each)  # what cannot be removed is no reason to fail: the work is done
        release(lock)
