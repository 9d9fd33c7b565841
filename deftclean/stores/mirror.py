"""The local places of what a command reads: files are fetched, folders listed.

Of a folder of images only its tables of metadata are fetched; the images are read from where they
are, as are the members of tar files. Any other folder (a detector, Parquet files) is fetched whole.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deftclean.core.errors import InputError
from deftclean.core.files import IMAGE_SUFFIXES, METADATA
from deftclean.stores.contents import keep_listing, list_url
from deftclean.stores.filesystems import can_list
from deftclean.stores.objects import THREADS, fetch, fetch_all, kind_of
from deftclean.stores.ranges import keep_far
from deftclean.stores.urls import Url, is_plain, mirrored


def bring(
    url: Url, place: Path, whole: bool = False, say: Callable[[str], None] = lambda _text: None
) -> None:
    """Fetch a file, or list a folder and fetch what has to be here; nothing where there is nothing.

    Args:
        url: of it.
        place: where it is to be.
        whole: all of a folder is needed, images too: it is no data set.
        say: told how much is fetched.

    Raises:
        InputError, RunError: the store refuses, or does not answer.
    """
    kind = kind_of(url)
    if kind == "file":
        _bring_file(url, place)
    elif kind == "directory":
        _bring_folder(url, place, whole, say)


def _bring_file(url: Url, place: Path) -> None:
    if not (_is_tar(url.name) and keep_far(url, place)):
        fetch(url, place)


def bring_named(root: Path, name: str) -> bool:
    """Give a file its place that a table names, below a folder that is open; False where none is.

    Args:
        root: of the folder.
        name: relative to it.

    Raises:
        InputError, RunError: as `bring`.
    """
    url = mirrored(root.resolve())
    if url is None or not all(is_plain(part) for part in name.split("/")):
        return False
    if kind_of(url / name) != "file":
        return False
    _bring_file(url / name, root / name)
    return True


def _bring_folder(url: Url, place: Path, whole: bool, say: Callable[[str], None]) -> None:
    if not can_list(url.scheme):
        raise InputError(
            f"{url} is a folder, and a web server does not say what lies in it.",
            "Give a table that names its files: deftclean scan https://host/data/labels.csv",
        )
    listing = list_url(url)
    keep_listing(listing, place)
    images = not whole and any(map(_is_image, listing.names))
    wanted = {
        name: size
        for name, size in zip(listing.names, listing.sizes, strict=True)
        if not images or _is_metadata(name)
    }
    if len(listing.names) > len(wanted):
        say(f"{len(listing.names):,} files are listed in {url}")
    if not whole and (tars := _keep_tars(url, place, wanted)):
        say(f"{tars:,} tar files of {url} are read from where they are")
    if wanted:
        size = sum(max(each, 0) for each in wanted.values())
        say(f"fetching {len(wanted):,} files of {url} ({size / 1e6:,.1f} MB)")
    fetch_all(url, list(wanted), list(wanted.values()), place)


def _keep_tars(url: Url, place: Path, wanted: dict[str, int]) -> int:
    """Give tar files their places, and take those that need not be fetched off; how many."""
    tars = list(filter(_is_tar, wanted))
    with ThreadPoolExecutor(THREADS) as threads:
        kept = list(threads.map(lambda name: keep_far(url / name, place / name), tars))
    for name, is_kept in zip(tars, kept, strict=True):
        if is_kept:
            del wanted[name]
    return sum(kept)


def _is_tar(name: str) -> bool:
    return name.lower().endswith(".tar")


def _is_image(name: str) -> bool:
    stem, dot, ending = name.rpartition("/")[2].rpartition(".")
    return bool(stem) and f"{dot}{ending.lower()}" in IMAGE_SUFFIXES


def _is_metadata(name: str) -> bool:
    """Whether it is a table that says what the images beside it are."""
    folder, _, last = name.rpartition("/")
    return "/" not in folder and last in METADATA


# ---------------------------------------------------------------- what tables name


def brought(place: Path, beside: Path) -> Path:
    """A file or folder that a table names, fetched where the table came from a URL.

    Args:
        place: as the way from the table leads to it.
        beside: the table; what it names is opened in its own bucket alone.

    Returns:
        where it is, or where nothing is

    Raises:
        InputError, RunError: as `bring`.
    """
    url, real = _named(place, beside)
    if url is not None and not real.exists():
        bring(url, real, whole=True)
    return real if url is not None else place


def image_folder(place: Path, beside: Path) -> Path:
    """The same of a folder of images, which are read from where they are: nothing is fetched."""
    url, real = _named(place, beside)
    if url is not None and not real.exists() and kind_of(url) == "directory":
        real.mkdir(parents=True)
    return real if url is not None else place


def _named(place: Path, beside: Path) -> tuple[Url | None, Path]:
    """The URL that is opened for a table's sake, and its place; None for any other path."""
    home = mirrored(beside.resolve())
    if home is None:
        return None, place
    real = place.resolve()
    url = mirrored(real)
    allowed = url is not None and (url.scheme, url.root) == (home.scheme, home.root)
    return (url if allowed else None), real
