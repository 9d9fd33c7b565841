"""The folder that several processes fill: whole files under names that are agreed on."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from deftclean.core.errors import RunError, UsageError
from deftclean.core.switch import whole_file
from deftclean.stores.folder import UrlFolder
from deftclean.stores.urls import Url, place_of_no_run


class PartsFolder(Protocol):
    """Where parts are kept; names are relative to it."""

    def create(self, name: str, data: bytes) -> bool:
        """Write a file that is not there yet; false, and nothing written, where it is."""

    def write(self, name: str, data: bytes) -> None:
        """Write a file, whole or not at all, whether it is there or not."""

    def read(self, name: str) -> bytes | None:
        """All of a file; None where there is none."""

    def size(self, name: str) -> int | None:
        """Bytes of a file; None where there is none."""

    def names(self, prefix: str) -> list[str]:
        """The files whose names begin so, sorted."""


class LocalFolder:
    """A folder of a file system that all processes see.

    Args:
        root: made with its sub-folders where it is not there.

    Raises:
        RunError: it cannot be made.
    """

    def __init__(self, root: Path, inner: tuple[str, ...]) -> None:
        self.root = root
        try:
            root.mkdir(exist_ok=True)
            for name in inner:
                (root / name).mkdir(exist_ok=True)
        except OSError as error:
            raise RunError(
                f"The folder {root} cannot be made: {error.strerror or error}.",
                "Choose another -o.",
            ) from error

    def create(self, name: str, data: bytes) -> bool:
        """See `PartsFolder`."""
        path = self.root / name
        try:
            with whole_file(path, overwrite=False) as temporary:
                temporary.write_bytes(data)
        except UsageError:  # it has appeared
            return False
        return True

    def write(self, name: str, data: bytes) -> None:
        """See `PartsFolder`."""
        with whole_file(self.root / name, overwrite=True) as temporary:
            temporary.write_bytes(data)

    def read(self, name: str) -> bytes | None:
        """See `PartsFolder`."""
        try:
            return (self.root / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RunError(f"{self.root / name} cannot be read: {error.strerror}.") from error

    def size(self, name: str) -> int | None:
        """See `PartsFolder`."""
        try:
            return (self.root / name).stat().st_size
        except OSError:
            return None

    def names(self, prefix: str) -> list[str]:
        """See `PartsFolder`."""
        inner = prefix.rpartition("/")[0]
        with os.scandir(self.root / inner) as entries:
            found = [f"{inner}/{each.name}" if inner else each.name for each in entries]
        return sorted(name for name in found if name.startswith(prefix))


@dataclass(frozen=True)
class FolderOfUrl:
    """A folder behind a URL.

    Attributes:
        folder: the same; it raises where nothing is.
    """

    folder: UrlFolder

    def create(self, name: str, data: bytes) -> bool:
        """See `PartsFolder`."""
        return self.folder.create(name, data)

    def write(self, name: str, data: bytes) -> None:
        """See `PartsFolder`."""
        self.folder.write(name, data)

    def read(self, name: str) -> bytes | None:
        """See `PartsFolder`."""
        try:
            return self.folder.read(name)
        except FileNotFoundError:
            return None

    def size(self, name: str) -> int | None:
        """See `PartsFolder`."""
        try:
            return self.folder.size(name)
        except FileNotFoundError:
            return None

    def names(self, prefix: str) -> list[str]:
        """See `PartsFolder`."""
        return self.folder.names(prefix)


@dataclass(frozen=True)
class Place:
    """Where a folder of parts is: on this machine, or behind a URL.

    Attributes:
        path: of the folder; of a URL, a place that nothing is at, for the ways in metadata.
        url: None on this machine.
    """

    path: Path
    url: Url | None = None

    @classmethod
    def of(cls, url: Url) -> "Place":
        """Behind a URL."""
        return cls(place_of_no_run(url), url)

    def __str__(self) -> str:
        """As the user knows it."""
        return str(self.path if self.url is None else self.url)

    def folder(self, inner: tuple[str, ...]) -> PartsFolder:
        """The folder, made where it is not there.

        Args:
            inner: sub-folders.

        Raises:
            RunError: it cannot be made.
        """
        return (
            LocalFolder(self.path, inner) if self.url is None else FolderOfUrl(UrlFolder(self.url))
        )
