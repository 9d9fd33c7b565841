"""What lies below a URL: names and sizes, listed once and kept beside its place in the mirror.

Everyone who looks into a data folder asks here, for a place in a mirror; of any other folder the
answer is None, and the disk is asked.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deftclean.stores.filesystems import can_list, filesystem
from deftclean.stores.objects import UNKNOWN, kind_of
from deftclean.stores.retries import retried
from deftclean.stores.urls import Url, is_plain, mirrored

LISTING = ".deftclean-listing.json"
"""Beside the fetched files of a folder: what else there is."""


@dataclass(frozen=True)
class Listing:
    """Files below a URL.

    Attributes:
        names: n POSIX names relative to it, sorted.
        sizes: n bytes; `UNKNOWN` where the store does not say.
        odd: names that no file can have, or that lead elsewhere; nobody reads them.
    """

    names: list[str]
    sizes: list[int]
    odd: list[str] = field(default_factory=list)

    def sizes_of(self, names: Sequence[str]) -> NDArray[np.int64]:
        """(n,) bytes of files by name; `UNKNOWN` of one that is not listed."""
        known = dict(zip(self.names, self.sizes, strict=True))
        return np.array([known.get(name, UNKNOWN) for name in names], dtype=np.int64)


def list_url(url: Url) -> Listing:
    """Everything below a URL, in one call.

    Raises:
        InputError, RunError: as `retried`.
    """
    opened = filesystem(url.scheme)
    before = f"{opened._strip_protocol(str(url)).rstrip('/')}/"

    def find() -> dict[str, Any]:
        found: dict[str, Any] = opened.find(url.path_for_fsspec, detail=True)
        return found

    found = {
        path.removeprefix(before): entry.get("size")
        for path, entry in retried(url, "listed", find).items()
        if path.startswith(before) and entry.get("type") != "directory"
    }
    names = sorted(name for name in found if name and not name.endswith("/"))
    plain = [name for name in names if all(is_plain(part) for part in name.split("/"))]
    sizes = [UNKNOWN if found[name] is None else int(found[name]) for name in plain]
    return Listing(plain, sizes, sorted(set(names) - set(plain)))


def keep_listing(listing: Listing, place: Path) -> None:
    """Keep what was listed, for everyone who works on the mirror."""
    place.mkdir(parents=True, exist_ok=True)
    said = {"names": listing.names, "sizes": listing.sizes, "odd": listing.odd}
    (place / LISTING).write_text(json.dumps(said), encoding="utf-8")


def listed(place: Path) -> Listing | None:
    """What was listed of a place in a mirror; None where nothing was."""
    if mirrored(place) is None or not (place / LISTING).is_file():
        return None
    said = json.loads((place / LISTING).read_text(encoding="utf-8"))
    return Listing(said["names"], said["sizes"], said["odd"])


@dataclass
class Contents:
    """What lies below a folder, on disk or behind a URL, as far as it is asked for.

    Attributes:
        root: a folder, or the place of a URL.
    """

    root: Path

    @cached_property
    def url(self) -> Url | None:
        """What it is the place of; None of a folder on disk."""
        return mirrored(self.root)

    def has(self, name: str) -> bool:
        """Whether there is a file (or on disk anything) of this name.

        Raises:
            InputError, RunError: as `retried`.
        """
        if self.url is None:
            return os.path.lexists(self.root / name)
        if self._known is not None:
            return name in self._names or name in self._folders
        if not all(is_plain(part) for part in name.split("/")):
            return False
        # Not `exists`, which takes a network error for an answer.
        return kind_of(self.url / name) is not None

    def names(self, folder: str) -> list[str]:
        """What lies directly in a folder, sorted; nothing where it cannot be listed.

        Raises:
            InputError, RunError: as `retried`.
        """
        if self.url is None:
            try:
                return sorted(path.name for path in (self.root / folder).iterdir())
            except (OSError, ValueError):
                return []
        self.known()
        return sorted(self._folders.get(folder, ()))

    @cached_property
    def _known(self) -> Listing | None:
        return listed(self.root)

    @cached_property
    def _names(self) -> set[str]:
        return set(self._known.names) if self._known is not None else set()

    @cached_property
    def _folders(self) -> dict[str, set[str]]:
        """The names in each folder."""
        found: dict[str, set[str]] = {}
        for name in self._names:
            while name:
                folder, _, last = name.rpartition("/")
                here = found.setdefault(folder, set())
                if last in here:
                    break
                here.add(last)
                name = folder
        return found

    def known(self) -> bool:
        """List it, if it was not; whether its names are known now without asking for each.

        Raises:
            InputError, RunError: as `retried`.
        """
        url = self.url
        if url is None or self._known is not None:
            return True
        if not can_list(url.scheme):
            return False
        keep_listing(list_url(url), self.root)
        for each in ("_known", "_names", "_folders"):
            self.__dict__.pop(each, None)
        return True
