"""The folder that several processes fill: whole files under names that are agreed on."""

from pathlib import Path
from typing import Protocol

from deftclean.core.errors import RunError, UsageError
from deftclean.core.switch import whole_file


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
