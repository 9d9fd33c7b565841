"""May this output be made or replaced? Asked before any work is done, so it loads little.

A folder is ours where it holds the files by which its kind is known, its marks. Files and folders
are written by `deftclean.core.files`.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from deftclean.core.errors import UsageError
from deftclean.core.switch import recover

CHECKPOINT_MARK = "state.json"
"""The file by which the checkpoint of a stopped run is known."""

PARTS = (1, 2, 3, 4)
"""Trainings that one run may keep the state of: two halves, and a second attempt at each."""

# What stands beside an output while it is made has a name with some more letters.
_LONGEST_NAME, _LONGEST_PATH = 255 - 40, 4096 - 100

_EXISTS = "Choose another -o, or give --overwrite."
_FOREIGN = "Move it away, or choose another -o."


def check_output(path: Path, overwrite: bool, inputs: Iterable[Path | None] = ()) -> None:
    """Refuse an output file that exists or cannot be made.

    A link to a file stands for the file that it leads to, which is written in its place.

    Args:
        path: the output.
        overwrite: it may be replaced.
        inputs: what is read, by whatever name; never replaced.

    Raises:
        UsageError: it exists and `overwrite` is false, or its folder is missing or read-only.
    """
    check_name(path)
    refuse_input(path, inputs)
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


def check_name(path: Path) -> None:
    """Refuse an output whose name is none, is too long, or is a link that leads nowhere.

    Raises:
        UsageError: what is wrong with it.
    """
    if not path.name or path.name == ".." or "\0" in str(path):
        raise UsageError(f"-o {str(path)!r} names nothing that could be written.", "Choose a name.")
    size = len(os.fsencode(path.name))
    if size > _LONGEST_NAME or len(os.fsencode(path.absolute())) > _LONGEST_PATH:
        raise UsageError(
            f"-o {path.name[:40]}...: the name is too long ({size} bytes, and "
            f"{len(os.fsencode(path.absolute()))} with its folders).",
            f"At most {_LONGEST_NAME} and {_LONGEST_PATH} bytes fit.",
        )
    if path.is_symlink() and not path.exists():
        raise UsageError(
            f"{path} is a link to {path.readlink()}, which does not exist.",
            "Remove the link, or choose another -o.",
        )


def refuse_input(path: Path, inputs: Iterable[Path | None]) -> None:
    """Refuse an output that is an input too, by another spelling or a link as well.

    Args:
        path: the output.
        inputs: what is read; None for what is not given.

    Raises:
        UsageError: which of the inputs.
    """
    for each in inputs:
        if each is not None and _is_same(path, each):
            raise UsageError(f"{path} is the input itself ({each}).", "Choose another -o.")


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # one of them is not there
        return False


def check_output_folder(folder: Path, overwrite: bool) -> None:
    """Refuse an output folder that exists or cannot be made; `refuse_foreign` comes after.

    Raises:
        UsageError: it exists and `overwrite` is false, or the folder around it is missing.
    """
    check_name(folder)
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


def detector_folder(output: Path) -> Path:
    """The detector that belongs to a score table: clean.parquet -> clean.detector."""
    return output.with_suffix(".detector")


def refuse_finished(output: Path, whole: Path, parts: Iterable[Path], hint: str) -> None:
    """Say of an output that a run with --resume has nothing to go on with.

    Args:
        output: what the run makes.
        whole: what is there when it is whole: the output itself, or a file in it.
        parts: checkpoints that the run would go on from.
        hint: how to make it anew.

    Raises:
        UsageError: it is whole, and no checkpoint is there.
    """
    recover(output)
    if whole.exists() and not any(part.exists() for part in parts):
        raise UsageError(
            f"{output} is whole: its run had finished, and nothing is left to resume.", hint
        )


def check_checkpoint_output(folder: Path, *, may_go: bool) -> None:
    """Refuse to replace a folder that is no checkpoint of ours, or one that nobody gave up.

    Args:
        folder: of the checkpoint; nothing need be there.
        may_go: the user wants to go on with it, or to replace it.

    Raises:
        UsageError: something else has the name, or a stopped run is kept there.
    """
    recover(folder)
    why = "is in the way: an unfinished run is kept under that name."
    refuse_foreign(folder, (CHECKPOINT_MARK,), why)
    if folder.exists() and not may_go:
        raise UsageError(
            f"{folder} is there: an earlier run to the same output was stopped, and would be lost.",
            "Go on with it: the same command with --resume. Or begin anew: --overwrite.",
        )
