"""May this output be made or replaced? Asked before any work is done, so it loads little.

A folder is ours where it holds the files by which its kind is known, its marks. Files and folders
are written by `deftclean.core.files`.
"""

import os
from pathlib import Path

from deftclean.core.errors import UsageError
from deftclean.core.files import recover

CHECKPOINT_MARK = "state.json"
"""The file by which the checkpoint of a stopped run is known."""

PARTS = (1, 2, 3, 4)
"""Trainings that one run may keep the state of: two halves, and a second attempt at each."""

_EXISTS = "Choose another -o, or give --overwrite."
_FOREIGN = "Move it away, or choose another -o."


def check_output(path: Path, overwrite: bool) -> None:
    """Refuse an output file that exists or cannot be made.

    Raises:
        UsageError: it exists and `overwrite` is false, or its folder is missing or read-only.
    """
    recover(path)
    if path.exists() and not overwrite:
        raise UsageError(f"{path} exists already.", _EXISTS)
    if path.is_dir():
        raise UsageError(f"{path} is a folder.", "Choose another -o.")
    folder = path.parent
    if not folder.is_dir():
        raise UsageError(f"The folder {folder} for the output does not exist.", "Make it first.")
    if not os.access(folder, os.W_OK):
        raise UsageError(f"The folder {folder} for the output cannot be written to.")


def check_output_folder(folder: Path, overwrite: bool) -> None:
    """Refuse an output folder that exists or cannot be made; `refuse_foreign` comes after.

    Raises:
        UsageError: it exists and `overwrite` is false, or the folder around it is missing.
    """
    if not folder.parent.is_dir():
        raise UsageError(f"The folder {folder.parent} does not exist.", "Make it first.")
    recover(folder)
    if folder.exists() and not overwrite:
        raise UsageError(f"{folder} exists already.", _EXISTS)


def refuse_foreign(folder: Path, marks: tuple[str, ...], why: str, hint: str = _FOREIGN) -> None:
    """Refuse to replace what is not ours.

    Args:
        folder: to be replaced; nothing need be there.
        marks: files by which one of ours is known.
        why: goes on after the folder's name: "is not a detector folder, ...".
        hint: what the user can do.

    Raises:
        UsageError: something is there that lacks a mark.
    """
    if folder.exists() and not all((folder / mark).is_file() for mark in marks):
        raise UsageError(f"{folder} {why}", hint)


def is_empty_folder(path: Path) -> bool:
    """Whether a folder is there with nothing in it, which is nobody's."""
    return path.is_dir() and not any(path.iterdir())


def checkpoint_folder(output: Path, part: int = 1) -> Path:
    """Where a run to `output` keeps what it resumes from, until it is done.

    clean.parquet -> clean.unfinished, folder run.1 -> run.1.unfinished; of the second of its
    `PARTS`, clean.2.unfinished.
    """
    name = output.stem if output.suffix.lower() == ".parquet" else output.name
    return output.with_name(f"{name}.unfinished" if part == 1 else f"{name}.{part}.unfinished")


def check_checkpoint_output(folder: Path) -> None:
    """Refuse to replace a folder that is no checkpoint of ours.

    Raises:
        UsageError: something else has the name.
    """
    why = "is in the way: an unfinished run is kept under that name."
    refuse_foreign(folder, (CHECKPOINT_MARK,), why)
