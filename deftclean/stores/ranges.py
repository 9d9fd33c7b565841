"""Large files behind URLs of which parts are read, and nothing is stored here.

Such a file has a place in the mirror too: an empty one of its size, and beside it what says where
its bytes are.
"""

import io
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deftclean.core.errors import RunError
from deftclean.stores.filesystems import filesystem
from deftclean.stores.objects import NAMED, THREADS, groups
from deftclean.stores.retries import each_retried, retried
from deftclean.stores.urls import Url, mirrored

_PROBE = 512  # bytes that are asked for to see whether a store gives parts
_LEAST, _MOST = 1 << 16, 1 << 23  # bytes that are read ahead, or at once
_GAP = 1 << 16  # bytes between two parts that are read with them


@dataclass(frozen=True)
class Far:
    """A file that is not here.

    Attributes:
        url: of it.
        size: bytes.
        version: what tells it from another of the same name, as JSON.
    """

    url: Url
    size: int
    version: str


def keep_far(url: Url, place: Path) -> bool:
    """Give a file its place without fetching it; False where the store gives no parts of it.

    Raises:
        InputError, RunError: the store refuses, or does not answer.
    """
    opened = filesystem(url.scheme)
    info: dict[str, Any] = retried(url, "read", lambda: opened.info(url.path_for_fsspec))
    size = info.get("size")
    web = url.scheme in ("http", "https")
    if size is None or size < _PROBE or (web and not info.get("partial")):
        return False  # a web server that gives no parts would answer with all of it
    probe = retried(url, "read", lambda: opened.cat_file(url.path_for_fsspec, start=0, end=_PROBE))
    if len(probe) != _PROBE:
        return False
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("wb") as file:
        file.truncate(size)
    told = {name: str(info[name]) for name in NAMED if name in info}
    version = json.dumps(told, sort_keys=True) if told else ""
    _beside(place).write_text(json.dumps(asdict(Far(url, size, version))), encoding="utf-8")
    return True


def far(place: Path) -> Far | None:
    """What is not at a place of a mirror, though it seems so; None of any other path."""
    real = place.resolve()
    if mirrored(real) is None or not _beside(real).is_file():
        return None
    said = json.loads(_beside(real).read_text(encoding="utf-8"))
    return Far(Url(**said["url"]), said["size"], said["version"])


def _beside(place: Path) -> Path:
    return place.with_name(f".{place.name}.far")


def read_ranges(parts: Sequence[tuple[Far, int, int]]) -> Iterator[bytes]:
    """Some bytes of each, in order; as many at once as memory may hold.

    Args:
        parts: a file, and where its bytes begin and end.

    Raises:
        InputError, RunError: the store refuses, does not answer, or has another file by now.
    """
    sizes = np.array([end - start for _, start, end in parts], dtype=np.int64)
    for first, last in groups(sizes):
        some = parts[first:last]
        spans, span_of = _joined(some)
        found = _read_group(spans)
        for (_, start, end), at in zip(some, span_of, strict=True):
            before = spans[at][1]
            yield found[at][start - before : end - before]


def _joined(
    parts: Sequence[tuple[Far, int, int]],
) -> tuple[list[tuple[Far, int, int]], list[int]]:
    """Parts that lie near each other as one, since a request costs more than some bytes.

    Returns:
        what to ask for; of each part, the place of that in which it is
    """
    spans: list[tuple[Far, int, int]] = []
    span_of = [0] * len(parts)
    for at in sorted(range(len(parts)), key=lambda at: (str(parts[at][0].url), parts[at][1])):
        away, start, end = parts[at]
        if spans:
            last, low, high = spans[-1]
            if last == away and start <= high + _GAP and max(end, high) - low <= _MOST:
                spans[-1] = (last, low, max(end, high))
                span_of[at] = len(spans) - 1
                continue
        spans.append((away, start, end))
        span_of[at] = len(spans) - 1
    return spans, span_of


def _read_group(parts: Sequence[tuple[Far, int, int]]) -> list[bytes]:
    asked = [at for at, (_, start, end) in enumerate(parts) if start < end]

    def ask(left: Sequence[int]) -> Iterator[bytes | Exception]:
        for at, answer in zip(left, _ask([parts[at] for at in left]), strict=True):
            _, start, end = parts[at]
            less = isinstance(answer, bytes) and len(answer) != end - start
            yield OSError("less came than asked for") if less else answer

    found = each_retried(asked, lambda at: parts[at][0].url, "read", ask)
    gone = next((at for at, data in found.items() if data is None), None)
    if gone is not None:
        url = parts[gone][0].url
        raise RunError(f"{url} has been removed since it was listed.", "Run again.")
    return [found.get(at) or b"" for at in range(len(parts))]


def _ask(parts: Sequence[tuple[Far, int, int]]) -> list[bytes | Exception]:
    if not parts:
        return []
    opened = filesystem(parts[0][0].url.scheme)
    paths = [each.url.path_for_fsspec for each, _, _ in parts]
    starts, ends = ([part[at] for part in parts] for at in (1, 2))
    if opened.async_impl:
        answers: list[bytes | Exception] = opened.cat_ranges(paths, starts, ends, on_error="return")
        return answers
    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(_read_one, [opened] * len(paths), paths, starts, ends))


def _read_one(opened: Any, path: str, start: int, end: int) -> bytes | Exception:
    try:
        return bytes(opened.cat_file(path, start=start, end=end))
    except Exception as error:  # noqa: BLE001 - given back to who asked
        return error


class FarFile(io.RawIOBase):
    """A far file to be read from its beginning on, with leaps: more is read ahead the fewer."""

    def __init__(self, of: Far) -> None:
        super().__init__()
        self._of, self._at, self._step = of, 0, _LEAST
        self._start, self._held = 0, b""

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """From the beginning alone."""
        if whence != io.SEEK_SET:
            raise io.UnsupportedOperation("seek from elsewhere than the beginning")
        self._at = offset
        return offset

    def read(self, size: int = -1) -> bytes:
        """As any file."""
        end = self._of.size if size < 0 else min(self._at + size, self._of.size)
        if not self._start <= self._at <= end <= self._start + len(self._held):
            near = self._at <= self._start + len(self._held) + self._step
            self._step = min(2 * self._step, _MOST) if near else _LEAST
            self._start = self._at
            last = min(max(end, self._at + self._step), self._of.size)
            (self._held,) = read_ranges([(self._of, self._at, last)])
        data = self._held[self._at - self._start : end - self._start]
        self._at += len(data)
        return data
