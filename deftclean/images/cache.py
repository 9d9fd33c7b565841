"""What outlives a run: resized pictures and embeddings, found by the hash of their content.

Pictures lie in packs (`packs.py`); other files are written whole or not at all. So runs may share a
folder and be killed at any time; what is not whole, of another key or in no regular file is not
used. Only files that this module named are ever deleted.
"""

import contextlib
import hashlib
import json
import math
import multiprocessing
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deftclean.core.errors import UsageError
from deftclean.core.files import cache_folder, expanded
from deftclean.core.progress import Progress
from deftclean.core.run import RunOptions
from deftclean.images.packs import INDEX, LARGEST, MAX_STORED, PACK, PictureFolder
from deftclean.images.resizing import Pixels

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized

_SUFFIXES = (PACK, ".vectors", ".pixels")  # the last of older versions, a file for each picture
_TEMPORARY = ".deftclean-tmp"
_SMALLEST = 256 * 1024  # bytes of a pack, however small the cache is
_ABANDONED = 3600.0  # seconds after which a temporary file belongs to no living run
_AHEAD = 365 * 86400.0  # seconds: a file dated later than that was written by a wrong clock


@dataclass(frozen=True)
class Cache:
    """The folder at work in one run; it may go to worker processes when they start.

    Attributes:
        root: the folder.
        limit: bytes that all its files together may take.
        started: when this run began, in ns, by the clock of the folder's file system. Files used
            later are this run's own, or those of one beside it, and are not evicted.
        room: bytes that may still be added.
        full: nothing could be evicted, so nothing more is added.
        broken: the disk refused a file, so nothing more is added.
    """

    root: Path
    limit: int
    started: int
    room: "Synchronized[int]"
    full: "Synchronized[bool]"
    broken: "Synchronized[bool]"

    @classmethod
    def open(cls, root: Path, limit: int) -> "Cache":
        """Make the folder where it is missing, sweep it, and bring it under the limit.

        Raises:
            OSError: the folder cannot be used.
        """
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = root / f"{secrets.token_hex(8)}{_TEMPORARY}"
        try:
            probe.write_bytes(b"x")
            started = probe.stat().st_mtime_ns
        finally:
            probe.unlink(missing_ok=True)
        _sweep(root, started)
        room = limit - sum(size for size, _, _ in _files(root))
        cache = cls(
            root,
            limit,
            started,
            multiprocessing.Value("q", room),
            multiprocessing.Value("b", False),
            multiprocessing.Value("b", False),
        )
        if room < 0:
            cache.room.value += _evict(root, started, -room)
        return cache

    def pictures(self, spec: Mapping[str, Any]) -> PictureFolder:
        """The pictures made in the way that `spec` says."""
        # Of a small cache, packs are small: what is not used goes a pack at a time.
        largest = max(_SMALLEST, min(LARGEST, self.limit // 64))
        return PictureFolder(self.folder("pictures", spec), largest)

    def folder(self, kind: str, spec: Mapping[str, Any]) -> Path:
        """A folder for what `spec`, plain JSON values, decides."""
        text = json.dumps(spec, sort_keys=True)
        return self.root / kind / hashlib.sha256(text.encode()).hexdigest()[:24]

    def put(self, folder: PictureFolder, digest: bytes, pixels: Pixels, look: bytes) -> None:
        """Keep a picture and its look, if there is room and the disk takes it."""
        size = folder.size_of(pixels)
        if pixels.nbytes > MAX_STORED or not self._take(size):
            return
        try:
            folder.add(digest, pixels, look)
        except OSError:
            with self.room.get_lock():
                self.room.value += size
                self.broken.value = True

    def store(self, path: Path, data: bytes) -> bool:
        """Write a file whole or not at all; says whether it was written."""
        if not self._take(len(data)):
            return False
        # Beside the file: a rename within one folder is atomic.
        temporary = path.with_name(f"{secrets.token_hex(8)}{_TEMPORARY}")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            temporary.write_bytes(data)
            temporary.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            with self.room.get_lock():
                self.room.value += len(data)
                # Windows refuses to replace a file that another run is reading: it is there then.
                # os.path: another user's folder may not even be looked into.
                self.broken.value = self.broken.value or not os.path.isfile(path)  # noqa: PTH113
            return False
        return True

    def _take(self, size: int) -> bool:
        with self.room.get_lock():
            if not self.accepts:
                return False
            if self.room.value < size:
                # More than is needed now: each search walks through the whole folder.
                self.room.value += _evict(self.root, self.started, size + self.limit // 20)
            if self.room.value < size:
                self.full.value = True
                return False
            self.room.value -= size
            return True

    def remove(self, path: Path) -> None:
        """Delete a file that is not needed any more."""
        with contextlib.suppress(OSError):
            size = path.stat().st_size
            path.unlink()
            with self.room.get_lock():
                self.room.value += size

    @property
    def accepts(self) -> bool:
        """Whether more may be added, as far as is known."""
        return not (self.full.value or self.broken.value)

    def size(self) -> int:
        """Bytes that its files take now."""
        return self.limit - self.room.value

    def say(self, progress: Progress) -> None:
        """Tell how large it is, and what went wrong."""
        if self.broken.value:
            progress.warn(
                f"the cache in {self.root} could not be written to, so pictures are decoded anew "
                "in every pass; is the disk full? (--cache-dir moves it, --no-cache turns it off)"
            )
        taken = f"{_amount(self.size())} of at most {_amount(self.limit)}"
        more = "; full, the rest was decoded in every pass" if self.full.value else ""
        progress.say(f"cache of pictures and embeddings: {taken} in {self.root}{more}")


def _amount(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def open_cache(folder: Path | None, gigabytes: float, progress: Progress) -> Cache | None:
    """The user's cache, or the default one; None where the default one cannot be used.

    Raises:
        UsageError: the folder that was asked for cannot be used.
    """
    try:
        root = folder or cache_folder()
        return Cache.open(root, int(gigabytes * 1e9))
    except OSError as error:
        reason = error.strerror or str(error)
        if folder is not None:
            raise UsageError(
                f"--cache-dir {folder} cannot be used: {reason}.",
                "Give a folder that can be written to, or --no-cache.",
            ) from error
        progress.warn(
            f"the cache {error.filename or ''} cannot be used ({reason}), so pictures are decoded "
            "anew in every pass; --cache-dir moves it"
        )
        return None


def used_bytes(root: Path) -> int:
    """Bytes that the cache in a folder takes now; 0 where there is none. Nothing is changed."""
    return sum(size for size, _, _ in _files(root))


def _entries(root: Path) -> Iterator[os.DirEntry[str]]:
    # Not all of it: the folder may be one that the user keeps other things in.
    for kind in ("pictures", "embeddings"):
        yield from _walk(root / kind)


def _walk(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from _walk(Path(entry.path))
                else:
                    yield entry
    except OSError:  # another run removed it
        return


def _files(root: Path) -> Iterator[tuple[int, int, str]]:
    """Size, time of last use in ns, and path of every file of ours; of a pack with its index."""
    for entry in _entries(root):
        if entry.name.endswith(_SUFFIXES):
            with contextlib.suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                size = status.st_size + (_size(_index_of(entry.path)) if _is_pack(entry) else 0)
                yield size, status.st_mtime_ns, entry.path


def _is_pack(entry: os.DirEntry[str]) -> bool:
    return entry.name.endswith(PACK)


def _index_of(pack: str) -> Path:
    return Path(pack).with_suffix(INDEX)


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _evict(root: Path, before: int, wanted: int) -> int:
    """Delete files last used before a time, the oldest first, until `wanted` bytes are free.

    Before all of these go files from the future, which would never be old.
    """
    freed = 0
    future = before + int(_AHEAD * 1e9)
    dated = ((used if used < future else 0, size, path) for size, used, path in _files(root))
    old = sorted(each for each in dated if each[0] < before)
    for _, size, path in old:
        if freed >= wanted:
            break
        with contextlib.suppress(OSError):
            if path.endswith(PACK):  # first what leads to it
                _index_of(path).unlink(missing_ok=True)
            Path(path).unlink()
            freed += size
    return freed


def _sweep(root: Path, now: int) -> None:
    """Delete temporary files of runs that were killed, and what is left of packs that are gone."""
    for entry in _entries(root):
        alone = entry.name.endswith(INDEX) and not Path(entry.path).with_suffix(PACK).exists()
        if alone or entry.name.endswith(_TEMPORARY):
            with contextlib.suppress(OSError):
                age = (now - entry.stat().st_mtime_ns) / 1e9
                if age > _ABANDONED or age < -_AHEAD:
                    Path(entry.path).unlink()


def open_run_cache(run: RunOptions, progress: Progress) -> Cache | None:
    """The cache that a run may use, or None.

    Raises:
        UsageError: its size is no size.
    """
    if not run.cache:
        return None
    if not (math.isfinite(run.cache_size) and run.cache_size >= 0):
        raise UsageError(f"--cache-size is {run.cache_size}; it must be 0 GB or more.")
    folder = expanded(run.cache_dir) if run.cache_dir is not None else None
    return open_cache(folder, run.cache_size, progress)
