"""Single files and folders written whole or not at all, text read with a limit, room for maps."""

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from deftclean.core.errors import RunError
from deftclean.core.switch import UNKNOWN, discard, held, sweep_names, together

_PIECE = 4 * 1024 * 1024  # bytes of zeros that are written at once

LARGEST_TEXT = 64 * 2**20
"""Bytes of a file of names, settings or facts: none that is meant for reading is larger."""


@contextlib.contextmanager
def whole_file(path: Path, overwrite: bool) -> Iterator[Path]:
    """Yield a temporary name beside `path`; when the body ends well, publish it as `path`.

    A reader sees the old file or the whole new one; a process that dies leaves the old one. Two
    processes that write the same name without `overwrite`: the second one is refused.

    Raises:
        RunError, UsageError: as `together`.
    """
    with together(path, overwrite) as outputs:
        yield outputs.file(path)


@contextlib.contextmanager
def whole_folder(path: Path, overwrite: bool) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; when the body ends well, publish it as `path`.

    Raises:
        RunError, UsageError: as `together`.
    """
    with together(path, overwrite) as outputs:
        yield outputs.folder(path)


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


@contextlib.contextmanager
def private_folder(home: Path) -> Iterator[Path]:
    """Yield a folder of this run's own, gone afterwards; those of killed runs are swept.

    Args:
        home: for temporary things.

    Raises:
        OSError: it cannot be made.
    """
    sweep_names(home, r"deftclean-run-[0-9a-f]{16}")
    lock = None
    while lock is None:
        folder = home / f"deftclean-run-{secrets.token_hex(8)}"
        folder.mkdir(mode=0o700)
        lock = held(folder)
    try:
        yield folder
    finally:
        discard(folder)  # what cannot be removed is no reason to fail: the work is done
        if lock != UNKNOWN:
            os.close(lock)
