"""What a command has made in a mirror, put to its URLs when it has ended well.

A store replaces an object whole or not at all, and knows no folders: of a folder, new files are put
first and old ones removed then; the output itself, which readers look for, comes last.
"""

import contextlib
import secrets
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deftclean.core.errors import RunError, UsageError
from deftclean.stores.contents import LISTING, list_url
from deftclean.stores.filesystems import can_write, filesystem
from deftclean.stores.objects import kind_of
from deftclean.stores.retries import retried
from deftclean.stores.urls import Url, mirrored

_BESIDE = (".detector", ".truth.csv", ".changes.csv")
"""Endings that take the place of the output's own, of what commands write beside it."""


@dataclass(frozen=True)
class Upload:
    """An output behind a URL.

    Attributes:
        url: of the output.
        place: where the command makes it.
        overwrite: what is there may be replaced.
    """

    url: Url
    place: Path
    overwrite: bool

    def prepare(self) -> None:
        """Make room for it, and refuse now what would be refused at the end.

        Of what may be replaced, the names get a place: that a folder is ours is seen by them.

        Raises:
            UsageError: it is there already, or cannot be there.
            InputError, RunError: the store refuses, or does not answer.
        """
        if not can_write(self.url.scheme):
            raise UsageError(f"-o {self.url}: nothing can be written there.", "Choose another -o.")
        self.place.parent.mkdir(parents=True, exist_ok=True)
        if kind_of(Url(self.url.scheme, self.url.root)) is None and self.url.scheme != "memory":
            raise UsageError(f"-o {self.url}: there is no {self.url.root}.", "Make it first.")
        if kind_of(self.url) is not None and not self.overwrite:
            raise UsageError(
                f"{self.url} exists already.", "Choose another -o, or give --overwrite."
            )
        for place in self.places:
            self._prepare(self.url.parent / place.name, place)

    @property
    def places(self) -> tuple[Path, ...]:
        """Of all that commands make for it; of itself last."""
        beside = (self.place.with_name(f"{self.place.stem}{ending}") for ending in _BESIDE)
        return (*beside, self.place)

    def _prepare(self, url: Url, place: Path) -> None:
        kind = kind_of(url)
        if kind is None or place.exists():
            return
        if kind == "file":
            place.touch()
            return
        place.mkdir()
        for name in list_url(url).names:
            if "/" not in name:
                (place / name).touch()


def snapshot(mirror: Path) -> dict[Path, tuple[int, int, int]]:
    """Every file of a mirror, and by what another one is told from it."""
    found = {}
    for path in mirror.rglob("*"):
        if path.is_file() and path.name != LISTING:
            status = path.stat()
            found[path] = (status.st_ino, status.st_size, status.st_mtime_ns)
    return found


def upload(outputs: Iterable[Upload], mirror: Path, before: dict[Path, Any]) -> None:
    """Put what is new in a mirror to its URLs.

    Args:
        outputs: beside which files count.
        mirror: where a command has worked.
        before: `snapshot` of it.

    Raises:
        UsageError: something has come there meanwhile, and may not be replaced.
        InputError, RunError: the store refuses, or does not answer; what was made is kept, and the
            message says where.
    """
    after = snapshot(mirror)
    new = [path for path, said in after.items() if before.get(path) != said]
    for output in outputs:
        made = {
            place: here
            for place in output.places
            if (here := [path for path in new if path.is_relative_to(place)])
        }
        try:
            for place in made:
                _put(place, output.overwrite)
        except (UsageError, RunError) as error:
            kept = _keep(output, [path for paths in made.values() for path in paths])
            hint = f"What was made is kept: {kept}"
            raise type(error)(error.message, f"{error.hint} {hint}".strip()) from error


def _put(place: Path, overwrite: bool) -> None:
    url = mirrored(place)
    if url is None:
        return
    if place.is_file():
        put_file(place, url, overwrite)
        return
    old = set(list_url(url).names) if kind_of(url) == "directory" else set()
    files = sorted(path for path in place.rglob("*") if path.is_file() and path.name != LISTING)
    for path in files:
        put_file(path, url / path.relative_to(place).as_posix(), overwrite)
    gone = old - {path.relative_to(place).as_posix() for path in files}
    if overwrite and gone:
        for name in sorted(gone):
            _remove(url / name)


def _remove(url: Url) -> None:
    """One object; not by `rm`, which takes [ and * in names for patterns."""
    opened = filesystem(url.scheme)
    with contextlib.suppress(FileNotFoundError):
        retried(url, "removed", lambda: opened.rm_file(url.path_for_fsspec))


def put_file(path: Path, url: Url, overwrite: bool) -> None:
    """One file, whole or not at all.

    Raises:
        UsageError: something is there, and `overwrite` is false.
        InputError, RunError: the store refuses, or does not answer.
    """
    opened = filesystem(url.scheme)
    mode = "overwrite" if overwrite else "create"
    tried: list[bool] = []

    def put() -> None:
        # A try whose answer was lost may have put it: then ours is there.
        if tried and not overwrite and kind_of(url) == "file" and _is_same(opened, url, path):
            return
        tried.append(True)
        opened.put_file(str(path), url.path_for_fsspec, mode=mode)

    try:
        retried(url, "written", put)
    except FileExistsError as error:
        raise UsageError(
            f"{url} is there already; it was left as it is.",
            "Choose another -o, or give --overwrite.",
        ) from error


def _is_same(opened: Any, url: Url, path: Path) -> bool:
    if int(opened.info(url.path_for_fsspec)["size"]) != path.stat().st_size:
        return False
    return bool(opened.cat_file(url.path_for_fsspec) == path.read_bytes())


def _keep(output: Upload, new: list[Path]) -> Path:
    """Where what could not be uploaded stays, since it may have taken hours."""
    home = Path(tempfile.gettempdir()) / f"deftclean-kept-{secrets.token_hex(4)}"
    home.mkdir(mode=0o700)
    for path in new:
        target = home / path.relative_to(output.place.parent)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, target)
    return home / output.place.name
