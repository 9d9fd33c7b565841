"""Model folders and weights from URLs, kept in the user's cache for as long as they are the same.

What is kept is known by the URL, and by name, size and ETag of each file. Whether the weights are
those that a detector was trained with is seen by their hash, as with any others.
"""

import hashlib
import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deftclean.core.errors import InputError, RunError
from deftclean.core.files import cache_folder, discard
from deftclean.stores.filesystems import filesystem
from deftclean.stores.objects import NAMED, fetch
from deftclean.stores.retries import retried
from deftclean.stores.urls import Url, is_plain

SOURCE = ".deftclean-source.json"
"""In a kept folder: the URL that it came from."""


def kept_model(url: Url, folder: bool, say: Callable[[str], None]) -> str:
    """A local folder or file with what a URL holds, fetched where the cache has not the same.

    Args:
        url: a model folder, or a file of weights.
        folder: which of them.
        say: told before anything is fetched.

    Returns:
        `local-dir:FOLDER`, or the file

    Raises:
        InputError: there is nothing, or the store refuses.
        RunError: it does not answer, or nothing can be kept here.
    """
    files = _files(url, folder)
    named = json.dumps([str(url), files], sort_keys=True)
    home = _cache() / hashlib.sha256(named.encode()).hexdigest()[:32]
    if not (home / SOURCE).is_file():
        size = sum(entry["size"] or 0 for entry in files.values())
        say(f"fetching {url} ({size / 1e6:,.1f} MB, once)")
        _fetch(url, folder, files, home)
    return f"local-dir:{home}" if folder else str(home / url.name)


def source_of(path: Path) -> str | None:
    """The URL that a kept folder, or a file in one, came from; None of any other."""
    home = path if path.is_dir() else path.parent
    if not (home / SOURCE).is_file() or home.resolve().parent != _cache().resolve():
        return None
    return str(json.loads((home / SOURCE).read_text(encoding="utf-8"))["url"])


def _cache() -> Path:
    """Beside what else is kept for later runs."""
    return cache_folder() / "models-of-urls"


def _files(url: Url, folder: bool) -> dict[str, dict[str, Any]]:
    """Name, size and what else tells one content from another, of each file."""
    opened = filesystem(url.scheme)
    at = url.path_for_fsspec
    before = f"{opened._strip_protocol(str(url)).rstrip('/')}/"
    try:
        if folder:
            found = retried(url, "listed", lambda: opened.find(at, detail=True))
            entries = {path.removeprefix(before): entry for path, entry in found.items()}
        else:
            entries = {url.name: retried(url, "read", lambda: opened.info(at))}
    except FileNotFoundError:
        entries = {}
    files = {
        name: {"size": entry.get("size"), **{key: entry[key] for key in NAMED if key in entry}}
        for name, entry in sorted(entries.items())
        if all(is_plain(part) for part in name.split("/"))
    }
    if not files:
        raise InputError(f"{url} does not exist.", "Give a model folder or a file of weights.")
    return files


def _fetch(url: Url, folder: bool, files: dict[str, dict[str, Any]], home: Path) -> None:
    """Whole or not at all under its name, though it takes time."""
    making = home.with_name(f".{home.name}.{secrets.token_hex(4)}")
    try:
        making.mkdir(parents=True)
        for name, entry in files.items():
            fetch(url / name if folder else url, making / name, entry["size"])
        (making / SOURCE).write_text(json.dumps({"url": str(url)}), encoding="utf-8")
        if not home.exists():
            making.rename(home)
    except OSError as error:
        if not (home / SOURCE).is_file():  # another run has not done the same meanwhile
            raise RunError(
                f"{url} cannot be kept in {home.parent}: {error.strerror or error}.",
                "Free space there, or set DEFTCLEAN_CACHE_DIR.",
            ) from error
    finally:
        discard(making)
