"""Files behind URLs: fetched whole, or many small ones read at once.

Knows nothing of tables and pictures.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deftclean.core.errors import RunError
from deftclean.stores.filesystems import filesystem
from deftclean.stores.retries import each_retried, hidden_in, retried
from deftclean.stores.urls import Url

AT_ONCE = 64
"""Objects that are asked for at once."""

MOST_BYTES = 64 * 2**20
"""Bytes that are held at once, where it is known how large objects are; one may be larger."""

UNKNOWN = -1
"""In place of a size."""

THREADS = 16
"""For packages that ask for one object at a time."""

NAMED = ("ETag", "etag", "md5Hash", "content_md5", "blob_id", "crc32c")
"""What stores call that which tells a content from another."""


def kind_of(url: Url) -> str | None:
    """`file`, `directory`, or None where there is nothing.

    Raises:
        InputError, RunError: the store refuses, or does not answer.
    """
    opened = filesystem(url.scheme)

    def info() -> dict[str, Any]:
        found: dict[str, Any] = opened.info(url.path_for_fsspec)
        return found

    try:
        return str(retried(url, "read", info)["type"])
    except FileNotFoundError:
        return None


def fetch(url: Url, place: Path, size: int | None = None) -> None:
    """One object, whole, to a local place.

    Raises:
        FileNotFoundError: it is not there.
        InputError, RunError: as `retried`, or what came is not as long as the store said.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    opened = filesystem(url.scheme)
    retried(url, "read", lambda: opened.get_file(url.path_for_fsspec, str(place)))
    _check_size(url, place, size)


def fetch_all(base: Url, names: Sequence[str], sizes: Sequence[int], home: Path) -> None:
    """Objects below a URL, whole, to a local folder.

    Raises:
        FileNotFoundError, InputError, RunError: as `fetch`.
    """
    opened = filesystem(base.scheme)
    for start in range(0, len(names), AT_ONCE):
        some = names[start : start + AT_ONCE]
        places = [home / name for name in some]
        for folder in {place.parent for place in places}:
            folder.mkdir(parents=True, exist_ok=True)
        far = [(base / name).path_for_fsspec for name in some]
        near = [str(place) for place in places]
        retried(base, "read", lambda far=far, near=near: opened.get(far, near))  # type: ignore[misc]
        for name, place, size in zip(some, places, sizes[start:], strict=False):
            _check_size(base / name, place, size)


def _check_size(url: Url, place: Path, size: int | None) -> None:
    if size is not None and size != UNKNOWN and place.stat().st_size != size:
        raise RunError(
            f"{url}: {place.stat().st_size:,} bytes came, where the store said {size:,}.",
            "It may have been replaced meanwhile; run again.",
        )


def read_many(
    base: Url, names: Sequence[str], sizes: NDArray[np.int64], most: int
) -> Iterator[bytes | None]:
    """The bytes of n objects below a URL, in order; None where there is no such object.

    Args:
        base: the folder.
        names: n names relative to it.
        sizes: (n,) bytes; `UNKNOWN` where nobody knows.
        most: bytes of an object of unknown size that are read; one more says that it is larger.

    Raises:
        InputError, RunError: as `retried`, never for want of an object; or one has changed since
            it was listed.
    """
    for first, last in groups(sizes):
        yield from _read_group(base, names[first:last], sizes[first:last], most)


def groups(sizes: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Ranges of objects that are held at once."""
    start, held = 0, 0
    for index, size in enumerate(np.where(sizes < 0, MOST_BYTES // 16, sizes).tolist()):
        if index > start and (index - start == AT_ONCE or held + size > MOST_BYTES):
            yield start, index
            start, held = index, 0
        held += size
    if start < len(sizes):
        yield start, len(sizes)


def _read_group(
    base: Url, names: Sequence[str], sizes: NDArray[np.int64], most: int
) -> list[bytes | None]:
    asked = [at for at, size in enumerate(sizes.tolist()) if size != 0]
    # One more than there are: then the end was seen.
    ends = [(most if size < 0 else size) + 1 for size in sizes.tolist()]

    def ask(left: Sequence[int]) -> Iterator[bytes | Exception]:
        answers = _ask(base, [names[at] for at in left], [ends[at] for at in left])
        for at, answer in zip(left, answers, strict=True):
            yield _seen(base / names[at], answer, int(sizes[at]))

    found = each_retried(asked, lambda at: base / names[at], "read", ask)
    return [found.get(at, b"") for at in range(len(names))]


def _seen(url: Url, answer: bytes | Exception, size: int) -> bytes | Exception:
    """An answer; no bytes where its error only says that there are none."""
    if isinstance(answer, bytes):
        if size != UNKNOWN and len(answer) != size:
            raise RunError(f"{url} has changed since it was listed.", "Run again.")
        return answer
    error = hidden_in(answer) or answer
    return b"" if not isinstance(error, FileNotFoundError) and _is_empty(url, error) else answer


def _ask(base: Url, names: Sequence[str], ends: Sequence[int]) -> list[bytes | Exception]:
    """Bytes, or an error, of each; asked for together."""
    if not names:
        return []
    opened, paths = filesystem(base.scheme), [(base / name).path_for_fsspec for name in names]
    if opened.async_impl:
        # Not `cat`, which takes [ and * in names for patterns.
        answers: list[bytes | Exception] = opened.cat_ranges(
            paths, [0] * len(paths), list(ends), on_error="return"
        )
        return answers
    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(_read_one, [opened] * len(paths), paths, ends))


def _read_one(opened: Any, path: str, end: int) -> bytes | Exception:
    try:
        return bytes(opened.cat_file(path, start=0, end=end))
    except Exception as error:  # noqa: BLE001 - given back to who asked
        return error


def _is_empty(url: Url, error: Exception) -> bool:
    """Whether an object has no bytes, which a store may call a wrong range."""
    if "range" not in str(error).lower():
        return False
    opened = filesystem(url.scheme)
    return bool(retried(url, "read", lambda: opened.info(url.path_for_fsspec))["size"] == 0)
