"""A folder of named pieces of data, behind a URL: made once, replaced whole, listed.

What several processes on several machines agree by. Knows nothing of what is in the pieces.
"""

from dataclasses import dataclass

from deftclean.core.errors import UsageError
from deftclean.stores.contents import list_url
from deftclean.stores.filesystems import filesystem
from deftclean.stores.retries import retried
from deftclean.stores.urls import Url, is_plain, url_of


@dataclass(frozen=True)
class UrlFolder:
    """A folder behind a URL.

    Attributes:
        url: of the folder; nothing need be there.
    """

    url: Url

    @classmethod
    def at(cls, text: str) -> "UrlFolder":
        """The folder that a user named.

        Raises:
            UsageError: it is no URL, or one that is not opened.
        """
        url = url_of(text)
        if url is None:
            raise UsageError(f"{text!r} is no URL.")
        return cls(url)

    def create(self, name: str, data: bytes) -> bool:
        """Put a piece where none is; False where one is there already, which stays.

        Of several that try it at once, one gets True.

        Raises:
            InputError, RunError: the store refuses, or does not answer.
        """
        url, opened = self._at(name), filesystem(self.url.scheme)
        tries: list[bool] = []

        def put() -> None:
            tries.append(True)
            opened.pipe_file(url.path_for_fsspec, data, mode="create")

        try:
            retried(url, "written", put)
        except FileExistsError:
            # The answer to an earlier try may have been lost, not the data.
            return len(tries) > 1 and self.read(name) == data
        return True

    def write(self, name: str, data: bytes) -> None:
        """Put a piece, whole or not at all, in the place of any other.

        Raises:
            InputError, RunError: the store refuses, or does not answer.
        """
        url, opened = self._at(name), filesystem(self.url.scheme)
        retried(url, "written", lambda: opened.pipe_file(url.path_for_fsspec, data))

    def read(self, name: str) -> bytes:
        """A piece.

        Raises:
            FileNotFoundError: there is none of this name.
            InputError, RunError: the store refuses, or does not answer.
        """
        url, opened = self._at(name), filesystem(self.url.scheme)
        return bytes(retried(url, "read", lambda: opened.cat_file(url.path_for_fsspec)))

    def names(self, prefix: str) -> list[str]:
        """The pieces whose names begin so, sorted, relative to the folder.

        Raises:
            InputError, RunError: the store refuses, or does not answer.
        """
        inner = prefix.rpartition("/")[0]
        below = list_url(self.url / inner).names
        names = [f"{inner}/{name}" if inner else name for name in below]
        return [name for name in names if name.startswith(prefix)]

    def size(self, name: str) -> int:
        """Bytes of a piece.

        Raises:
            FileNotFoundError: there is none of this name.
            InputError, RunError: the store refuses, or does not answer.
        """
        url, opened = self._at(name), filesystem(self.url.scheme)
        return int(retried(url, "read", lambda: opened.info(url.path_for_fsspec))["size"])

    def _at(self, name: str) -> Url:
        if not all(is_plain(part) for part in name.split("/")):
            raise ValueError(f"{name!r} is no name of a piece")
        return self.url / name
