"""The package that opens a kind of URL, and how long it may take. fsspec does the work.

Credentials are found by these packages in their standard places; nothing of them passes through
here.
"""

from importlib.util import find_spec
from typing import Any, NamedTuple

from deftclean.core.errors import UsageError


class _Needed(NamedTuple):
    package: str
    extra: str  # of deftclean, that brings it; empty where all of deftclean needs it anyway


_PACKAGES = {
    "s3": _Needed("s3fs", "s3"),
    "gs": _Needed("gcsfs", "gcs"),
    "az": _Needed("adlfs", "azure"),
    "hf": _Needed("huggingface_hub", ""),
    "https": _Needed("aiohttp", "https"),
    "http": _Needed("aiohttp", "https"),
    "memory": _Needed("fsspec", ""),
}

CONNECT = 10.0
"""Seconds in which a store must answer at all."""

READ = 15.0
"""Seconds in which the next bytes of an answer must come."""

_INNER = 2  # tries that s3fs makes of each request; `retries` goes around them


def filesystem(scheme: str) -> Any:
    """What opens URLs of a scheme: a file system of fsspec's, the same for all of a process.

    Raises:
        UsageError: its package is not installed.
    """
    package, extra = _PACKAGES[scheme]
    install = f"pip install 'deftclean[{extra}]'" if extra else f"pip install {package}"
    missing = [each for each in (package, "fsspec") if find_spec(each) is None]
    if missing:
        raise UsageError(f"{scheme}:// needs {missing[0]}: {install}")
    import fsspec

    try:
        made = fsspec.filesystem(scheme, use_listings_cache=False, **_options(scheme))
    except ImportError as error:
        raise UsageError(
            f"{scheme}:// needs {package}, which cannot be loaded: {error}.",
            f"Install it anew: {install}",
        ) from error
    if scheme == "s3":
        made.retries = _INNER
    return made


def _options(scheme: str) -> dict[str, Any]:
    if scheme == "s3":
        patience = {"connect_timeout": CONNECT, "read_timeout": READ}
        return {"config_kwargs": {**patience, "retries": {"total_max_attempts": 1}}}
    if scheme in ("http", "https"):
        import aiohttp

        patience_of_all = aiohttp.ClientTimeout(None, sock_connect=CONNECT, sock_read=READ)
        return {"client_kwargs": {"timeout": patience_of_all}}
    return {}


def can_list(scheme: str) -> bool:
    """Whether one can ask what lies below a URL; a web server only shows pages."""
    return scheme not in ("http", "https")


def can_write(scheme: str) -> bool:
    """Whether something can be put there."""
    return scheme not in ("http", "https")
