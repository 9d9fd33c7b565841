"""Files and folders are written whole or not at all, and never over something by accident."""

import contextlib
import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from deftclean.core.errors import RunError, UsageError

LARGEST_TEXT = 64 * 2**20
"""Bytes of a file of names, settings or facts: none that is meant for reading is larger."""

_MANY = 64  # files of a folder that are waited for one by one


@contextlib.contextmanager
def whole_file(path: Path, overwrite: bool) -> Iterator[Path]:
    """Yield a temporary name beside `path`; when the body ends well, publish it as `path`.

    A reader sees the old file or the whole new one; a process that dies leaves the old one. Two
    processes that write the same name without `overwrite`: the second one is refused.

    Raises:
        RunError: the disk is full or the file cannot be written.
        UsageError: `path` appeared meanwhile and `overwrite` is false.
    """
    path = linked_to(path)
    temporary = _beside(path)
    try:
        yield temporary
        _sync(temporary)
        if overwrite:
            temporary.replace(path)
        else:
            _publish_new(temporary, path)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def whole_folder(path: Path, overwrite: bool) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; when the body ends well, publish it as `path`.

    Raises:
        RunError, UsageError: as `whole_file`.
    """
    path = linked_to(path)
    temporary = _beside(path)
    try:
        temporary.mkdir()
        yield temporary
        _sync_all(temporary)
        if overwrite and path.exists():
            old = _beside(path)
            path.rename(old)
            temporary.rename(path)
            if old.is_dir():
                shutil.rmtree(old)
            else:
                old.unlink()
        else:
            if path.exists():
                raise FileExistsError(path)
            temporary.rename(path)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


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


def linked_to(path: Path) -> Path:
    """What a link leads to, in whose place is written; the path itself where it is no link."""
    return path.resolve() if path.is_symlink() else path


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _sync_all(folder: Path) -> None:
    files = [file for file in folder.rglob("*") if file.is_file()]
    if len(files) > _MANY and hasattr(os, "sync"):
        os.sync()  # waits once for all of them; thousands of waits, one each, take minutes
        return
    for file in files:
        _sync(file)


def _publish_new(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)  # unlike a rename, fails where the name is taken
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if path.exists():
            raise FileExistsError(path) from None
        temporary.replace(path)


def _cannot_write(path: Path, error: OSError) -> RunError | UsageError:
    if isinstance(error, FileExistsError):
        return UsageError(
            f"{path} was made by another process meanwhile; it was left as it is.",
            "Choose another -o, or give --overwrite.",
        )
    reason = error.strerror or str(error)
    return RunError(
        f"{path} could not be written: {reason}.", "Free space or choose another -o; run again."
    )
