"""What is a URL, which are refused, and the place of each in a mirror.

Nothing is opened here. Credentials never stand in a URL: it is shown in messages and written into
tables.
"""

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath

from deftclean.core.errors import UsageError

SCHEMES = ("s3", "gs", "az", "hf", "https", "http", "memory")

_ROOT_PARTS = {"hf": 3}  # hf://datasets/ORG/NAME; elsewhere a bucket, a container or a host
_WRITTEN = re.compile(r"([A-Za-z][A-Za-z0-9+.]+)://(.*)", re.DOTALL)
_AS_PATH = re.compile(r"([A-Za-z][A-Za-z0-9+.]+):/+([^/].*)", re.DOTALL)
_RUN = r"deftclean-run-[0-9a-f]{16}"
_PLACES = "urls"
_NO_RUN = f"deftclean-run-{0:016x}"  # a folder that no run makes
_HOME = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")


@dataclass(frozen=True)
class Url:
    """A place behind a scheme.

    Attributes:
        scheme: one of `SCHEMES`.
        path: bucket and key, without a slash at either end.
    """

    scheme: str
    path: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.path}"

    @property
    def path_for_fsspec(self) -> str:
        """As fsspec takes it; in a web address, ? and # of a name are no query."""
        if self.scheme not in ("http", "https"):
            return str(self)
        return str(self).replace("?", "%3F").replace("#", "%23")

    @property
    def name(self) -> str:
        """Its last part."""
        return self.path.rpartition("/")[2]

    @property
    def root(self) -> str:
        """What no way of a table may leave: a bucket, a container, a host or a data set."""
        return "/".join(self.path.split("/")[: _ROOT_PARTS.get(self.scheme, 1)])

    @property
    def parent(self) -> "Url":
        """The folder around it."""
        return Url(self.scheme, self.path.rpartition("/")[0])

    def __truediv__(self, name: str) -> "Url":
        return Url(self.scheme, f"{self.path}/{name}" if name else self.path)


def url_of(value: str | PurePath) -> Url | None:
    """The URL that a user gave; None where it is none, as `C:\\data` and `local-dir:/data`.

    Args:
        value: as it was written, or the path that was made of it, which has one slash less.

    Raises:
        UsageError: it holds credentials, a query, or no plain place, or nobody opens such a URL.
    """
    text = str(value)
    form = _AS_PATH if isinstance(value, PurePath) else _WRITTEN
    found = form.fullmatch(text.replace("\\", "/") if isinstance(value, PurePath) else text)
    if found is None:
        return None
    scheme, rest = found[1].lower(), found[2]
    if scheme not in SCHEMES:
        if isinstance(value, PurePath) and Path(value).exists():
            return None
        raise UsageError(
            f"{scheme}:// is no place that is opened.",
            f"Give a local path, or one of {', '.join(f'{each}://' for each in SCHEMES[:-2])}.",
        )
    _refuse_secrets(scheme, rest)
    made = Url(scheme, rest.strip("/"))
    _refuse_odd(made)
    return made


def forbidden(url: Url) -> UsageError:
    """What `--offline` says of a URL."""
    return UsageError(
        f"--offline forbids opening {url}.", "Leave --offline out, or give local paths."
    )


def _refuse_secrets(scheme: str, rest: str) -> None:
    """Nothing of what might be secret is repeated."""
    if "@" in rest.split("/")[0]:
        raise UsageError(
            f"A {scheme}:// URL with a user name or a password in it is not opened: it would stand "
            "in logs and tables.",
            "Credentials are taken from the environment and the usual files; leave them out.",
        )
    if "?" in rest or "#" in rest:
        raise UsageError(
            f"A {scheme}:// URL with a query (? or #) is not opened: signatures stand there, and "
            "URLs are shown in logs and tables.",
            "Give the plain URL, with credentials in the environment; or download the file first.",
        )


def _refuse_odd(url: Url) -> None:
    parts = url.path.split("/")
    if not all(is_plain(part) for part in parts):
        raise UsageError(f"{str(url)!r} is no plain place.", "Leave out . and .. and empty names.")
    if url.scheme == "http" and not _HOME.fullmatch(parts[0]):
        raise UsageError(
            f"{url} is not opened: http:// neither keeps a secret nor what was sent.",
            "Give it as https://.",
        )


def is_plain(part: str) -> bool:
    """Whether a part of a key can be a file's name, and leads nowhere else."""
    return part not in ("", ".", "..") and not any(ord(each) < 32 or each == "\\" for each in part)


# ---------------------------------------------------------------- places in a mirror


def mirror_of(run: Path) -> Path:
    """Where the places of URLs are, in a private folder of a run."""
    return run / _PLACES


def place_of(url: Url, mirror: Path) -> Path:
    """Where a URL has its place."""
    return mirror / url.scheme / url.path


def place_of_no_run(url: Url) -> Path:
    """A place for a URL that nothing is kept at: what ways and messages are made of."""
    return place_of(url, mirror_of(Path(tempfile.gettempdir()).resolve() / _NO_RUN))


def mirrored(path: PurePath) -> Url | None:
    """The URL whose place this is; None for any other path.

    Only a private folder of a run that lies directly in the folder of temporary things is taken for
    a mirror: no data set can bring one.
    """
    home = re.escape(Path(tempfile.gettempdir()).resolve().as_posix())
    found = re.fullmatch(rf"{home}/{_RUN}/{_PLACES}/([a-z0-9]+)/(.+)", path.as_posix())
    return None if found is None else Url(found[1], found[2])


def shown_place(path: PurePath) -> Url | None:
    """The URL that a path stands for, whether as a place in a mirror or as a user wrote it."""
    if (found := mirrored(path)) is not None:
        return found
    written = _AS_PATH.fullmatch(path.as_posix())
    if written is None or written[1] not in SCHEMES:
        return None
    return Url(written[1], written[2])


def without_places(text: str, mirror: Path) -> str:
    """A message with URLs in the place of their places."""
    before = re.escape(mirror.as_posix())
    return re.sub(rf"{before}/([a-z0-9]+)/", r"\1://", text)


class UrlPath(PurePosixPath):
    """A URL where others expect a path: in results. It shows itself as the URL."""

    def exists(self) -> bool:
        """Nothing on this machine is there."""
        return False

    is_dir = is_file = exists

    def __str__(self) -> str:
        found = shown_place(PurePosixPath(super().__str__()))
        return super().__str__() if found is None else str(found)
