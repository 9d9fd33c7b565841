"""Outputs that appear whole and together, never over something by accident.

What is made stands beside its place under a hidden name, `.NAME.<letters>.tmp`, which its maker
holds a lock on; what a killed run has left there nobody holds, and the next run of the same output
sweeps it away. Outputs that belong together, or a folder that replaces another, are moved to their
places one by one: a journal, `.STEM.switch`, says which moves belong together. Once it stands they
are made, by this run or, if it is killed, by the next one that looks at one of these outputs:
`recover` is what readers and checks of outputs call.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deftclean.core.errors import RunError, UsageError
from deftclean.core.files import LOCKS, discard, linked_to, made_and_held, release, sweep_names

_MANY = 64  # files of a folder that are waited for one by one
_LONGEST = 200  # bytes of a name in a hidden one, which has some letters more
_TOGETHER = (".parquet", ".detector")  # outputs of one name with these suffixes have one journal
_PATIENCE = 10.0  # seconds that another run may take for its moves


class Outputs:
    """What one command makes: it appears when all of it is done, together."""

    def __init__(self, main: Path, overwrite: bool) -> None:
        self._main, self._overwrite = main, overwrite
        self._begun: list[Path] = []
        self._made: list[tuple[Path, Path]] = []
        self._removed: list[Path] = []
        self._locks: list[int] = []
        self._journaled = self._committed = False

    def file(self, path: Path) -> Path:
        """Where to write a file, beside the main output, that is to be `path`."""
        return self._temporary(path, folder=False)

    def folder(self, path: Path) -> Path:
        """An empty folder, beside the main output, that is to be `path`."""
        return self._temporary(path, folder=True)

    def remove(self, path: Path) -> None:
        """Take something away, if it is there, when the outputs appear."""
        sweep(path)
        self._removed.append(path)

    def _temporary(self, path: Path, *, folder: bool) -> Path:
        path = linked_to(path)
        sweep(path)

        def make() -> Path:
            temporary = _temporary_name(path)
            self._begun.append(temporary)  # before it is there: a signal may come at any time
            if folder:
                temporary.mkdir()
            else:
                temporary.touch(exist_ok=False)
            return temporary

        temporary, lock = made_and_held(make)
        self._locks.append(lock)
        self._made.append((temporary, path))
        return temporary

    def publish(self) -> None:
        """Move everything to its place."""
        for temporary, _ in self._made:
            _sync_all(temporary)
        single = self._made[0] if len(self._made) == 1 and not self._removed else None
        if single is not None and single[0].is_file():
            _publish_file(*single, self._overwrite)
        else:
            self._switch()

    def _switch(self) -> None:
        journal = journal_of(self._main)
        here = [pair for pair in self._made if pair[1].parent == journal.parent]
        moves = [[made.name, path.name] for made, path in here]
        aside = [[path.name, _temporary_name(path).name] for path in self._removed]
        said = {"moves": moves, "removed": aside}
        self._journaled = True
        with _alone(journal) as file:
            try:
                for _, path in self._made:
                    if path.exists() and not self._overwrite:
                        raise FileExistsError(path)
                for made, path in self._made:
                    if path.parent != journal.parent:  # through a link: by itself
                        made.replace(path)
                self._committed = True  # before it is true: a signal may come at any time
                _write_journal(file, journal, json.dumps(said))
            except OSError:
                self._committed = False
                journal.unlink(missing_ok=True)
                raise
            _make_moves(journal, said)

    def clear(self) -> None:
        """Remove what was not published; finish what a signal has stopped half way."""
        if not self._committed:
            for temporary in self._begun:
                discard(temporary)
        if self._journaled:  # it may say nothing yet, and goes then
            with contextlib.suppress(RunError):
                recover(self._main)
        for lock in self._locks:
            release(lock)


@contextlib.contextmanager
def together(main: Path, overwrite: bool) -> Iterator[Outputs]:
    """Yield what takes the outputs of one command; when the body ends well, they all appear.

    Whoever looks after that, through `recover`, sees all old ones or all new ones, also where the
    process is killed at any point.

    Args:
        main: the output that messages name; the others lie beside it.
        overwrite: replace what is there.

    Raises:
        RunError: the disk is full or something cannot be written.
        UsageError: an output appeared meanwhile and `overwrite` is false.
    """
    main = linked_to(main)
    recover(main)
    outputs = Outputs(main, overwrite)
    try:
        yield outputs
        outputs.publish()
    except OSError as error:
        raise _cannot_write(main, error) from error
    finally:
        outputs.clear()


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


def remove_folder(path: Path) -> None:
    """Take a folder away: whole or not at all under its name, though it takes time.

    Raises:
        RunError: it cannot be removed.
    """
    aside = _temporary_name(path)
    try:
        path.rename(aside)
    except FileNotFoundError:
        return
    except OSError as error:
        raise RunError(f"{path} cannot be removed: {error.strerror or error}.") from error
    finally:
        discard(aside)


# ---------------------------------------------------------------- what killed runs have left


def recover(path: Path) -> bool:
    """Finish what a run that was killed had begun to publish as `path` and beside it.

    Returns:
        Whether there was something to finish.

    Raises:
        RunError: it cannot be finished here.
    """
    journal = journal_of(path)
    if not journal.exists():
        return False
    try:
        with _alone(journal, create=False) as file:
            moves = _read_journal(file)
            if moves is not None:
                _make_moves(journal, moves)
            else:
                journal.unlink(missing_ok=True)  # killed before it said anything
            return moves is not None
    except FileNotFoundError:  # its own run, or another one, has finished it meanwhile
        return False
    except OSError as error:
        raise RunError(
            f"A run that was killed has left {path.name} half replaced, and it cannot be finished: "
            f"{error.strerror or error}.",
            f"Run the command where {journal.parent} can be written to.",
        ) from error


def sweep(path: Path) -> None:
    """Remove what killed runs have left of an output beside it; nothing that a living one makes."""
    sweep_names(path.parent, rf"{re.escape(_hidden(path, '').name)}[0-9a-f]{{8}}(\.old)?\.tmp")


def journal_of(path: Path) -> Path:
    """The journal of an output: clean.parquet and clean.detector have the same."""
    stem = path.stem if path.suffix.lower() in _TOGETHER else path.name
    return _hidden(path.with_name(stem), "switch")


def _hidden(path: Path, end: str) -> Path:
    """`.NAME.END` beside the path; of a long name a part and its hash."""
    name = path.name
    if len(os.fsencode(name)) > _LONGEST:
        name = f"{name[:40]}-{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}"
    return path.with_name(f".{name}.{end}")


def _temporary_name(path: Path) -> Path:
    """Another one each time; `sweep` knows them."""
    return _hidden(path, f"{secrets.token_hex(4)}.tmp")


# ---------------------------------------------------------------- the journal


@contextlib.contextmanager
def _alone(journal: Path, *, create: bool = True) -> Iterator[Any]:
    """The open journal, held by nobody else; waits for a run that makes its moves.

    One that is to be written is empty: what a run has left that was killed is finished first.
    """
    end = time.monotonic() + _PATIENCE
    while True:
        file = os.fdopen(os.open(journal, os.O_RDWR | (os.O_CREAT if create else 0), 0o666), "r+b")
        with file:
            try:
                if LOCKS is not None:
                    LOCKS.flock(file, LOCKS.LOCK_EX | LOCKS.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)
                continue
            with contextlib.suppress(FileNotFoundError):
                if journal.stat().st_ino == os.fstat(file.fileno()).st_ino:
                    if create and (left := _read_journal(file)) is not None:
                        _make_moves(journal, left)
                        continue  # it is gone now
                    yield file
                    return
        if not create:
            raise FileNotFoundError(journal)


def _write_journal(file: Any, journal: Path, text: str) -> None:
    """From here on the moves are made, whatever happens."""
    file.seek(0)
    file.truncate()
    file.write(text.encode() + b"\n")
    file.flush()
    os.fsync(file.fileno())
    _sync_folder(journal.parent)


def _read_journal(file: Any) -> dict[str, list[list[str]]] | None:
    """The moves; None where it was not written to its end.

    Raises:
        OSError: it is damaged, or leads elsewhere.
    """
    file.seek(0)
    text = file.read()
    if not text.endswith(b"\n"):
        return None
    try:
        said = json.loads(text)
        made = {kind: [[str(a), str(b)] for a, b in said[kind]] for kind in ("moves", "removed")}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise OSError(errno.EINVAL, "its journal is damaged") from error
    names = [name for pairs in made.values() for pair in pairs for name in pair]
    if any(Path(name).name != name or name in ("", "..") for name in names):
        raise OSError(errno.EINVAL, "its journal names places elsewhere")
    return made


def _make_moves(journal: Path, said: dict[str, list[list[str]]]) -> None:
    """Make the moves that are not made yet; the same whether a first or a second run does."""
    home, aside = journal.parent, []
    for made, name in said["moves"]:
        temporary, path = home / made, home / name
        old = home / f"{made.removesuffix('.tmp')}.old.tmp"
        aside.append(old)
        if not temporary.exists():
            continue  # moved already
        if path.exists() and (path.is_dir() or temporary.is_dir()):
            path.rename(old)  # a folder cannot be put over another
        temporary.replace(path)
    for name, hidden in said["removed"]:
        aside.append(home / hidden)
        if (home / name).exists():
            (home / name).rename(home / hidden)
    _sync_folder(home)
    for path in aside:
        discard(path)
    journal.unlink(missing_ok=True)  # last: until then the next run knows that this one had ended


# ---------------------------------------------------------------- small things


def _publish_file(temporary: Path, path: Path, overwrite: bool) -> None:
    if overwrite:
        temporary.replace(path)
        return
    try:
        os.link(temporary, path)  # unlike a rename, fails where the name is taken
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if path.exists():
            raise FileExistsError(path) from None
        temporary.replace(path)


def _sync_all(path: Path) -> None:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    if len(files) > _MANY and hasattr(os, "sync"):
        os.sync()  # waits once for all of them; thousands of waits, one each, take minutes
        return
    for each in files:
        with each.open("rb") as file:
            os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """So that names outlive a power cut; not every system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


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
