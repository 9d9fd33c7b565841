"""Image features that never change: in a file of the run, and beyond it in the cache.

In the cache they lie in blocks of sorted keys and their vectors. A block is written once and whole,
so that runs may share them and be killed at any time; what its checksum does not fit is not used.
"""

import contextlib
import hashlib
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deftclean.core.files import make_sized, opened_regular
from deftclean.core.run import Ranks
from deftclean.core.runs import members
from deftclean.images.cache import Cache

_BLOCK = 16_384  # vectors in a block at most: some tens of megabytes
_SMALL_BLOCKS = 16  # so many blocks that are not half full are joined
_HEADER = np.dtype([("magic", "S8"), ("count", "<u8"), ("size", "<u8"), ("crc", "<u4")])
_CHECKED = _HEADER.itemsize - 4  # bytes before the checksum
_MAGIC = b"deftvec2"


class Embeddings:
    """(U, D) float32 features of U pictures in a file, so that memory does not grow with U.

    Args:
        path: the file, made anew, as large as it will be.
        count: U.
        size: D.

    Raises:
        RunError: there is no room for it.
    """

    def __init__(self, path: Path, count: int, size: int) -> None:
        make_sized(path, count * size * 4)
        self._path = path
        self._file = np.memmap(path, dtype=np.float32, mode="r+", shape=(count, size))

    def put(self, pictures: NDArray[np.int64], features: NDArray[np.float32]) -> None:
        """Store the features of some pictures."""
        self._file[pictures] = features

    def take(self, pictures: NDArray[np.int64]) -> Tensor:
        """The features of some pictures, (len(pictures), D), in the order asked."""
        return torch.from_numpy(self._file[pictures])

    def keep(self, chosen: NDArray[np.int64]) -> None:
        """Of these features only some, in that order; the file becomes as large as they are.

        Args:
            chosen: (V,) ascending, at least one of the U.
        """
        count, size = self._file.shape
        if len(chosen) == count:
            return  # all of them
        for at in range(0, len(chosen), _BLOCK):
            part = chosen[at : at + _BLOCK]
            # None of them stands before its new place: what is written over was read before.
            self._file[at : at + len(part)] = self._file[part]
        shape = len(chosen), size
        del self._file  # a map of more than the file holds must not be touched
        os.truncate(self._path, len(chosen) * size * 4)
        self._file = np.memmap(self._path, dtype=np.float32, mode="r+", shape=shape)

    def share(self, pictures: NDArray[np.int64], ranks: Ranks, batch_size: int) -> None:
        """Give every process what each of them has computed.

        Args:
            pictures: (n,) that were computed, `ranks.part(n, batch_size)` of them here.
            ranks: the processes.
            batch_size: of the computation.
        """
        if ranks.size == 1:
            return
        for source, part in enumerate(ranks.parts(len(pictures), batch_size)):
            theirs = pictures[part]
            for at in range(0, len(theirs), _BLOCK):
                block = theirs[at : at + _BLOCK]
                self.put(block, ranks.sent(self.take(block), source).numpy())

    def in_order(
        self, batch_size: int, chosen: NDArray[np.int64] | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """All pictures, or those chosen, and their features."""
        pictures = np.arange(len(self._file)) if chosen is None else chosen
        for at in range(0, len(pictures), batch_size):
            batch = pictures[at : at + batch_size]
            yield torch.from_numpy(batch), self.take(batch)


@dataclass(frozen=True)
class _Block:
    """(n,) sorted 32-byte keys in memory, and on disk their (n, D) vectors."""

    path: Path
    keys: NDArray[np.bytes_]
    size: int

    def vectors(self) -> NDArray[np.float32] | None:
        """All of them; None where the file is no longer there, or not what was written.

        Read whole and not mapped: a mapped file that is cut short meanwhile ends the process.
        """
        try:
            with opened_regular(self.path) as file:
                head, body = file.read(_HEADER.itemsize), file.read()
        except OSError:
            return None
        at = len(self.keys) * 32
        if _checksum(self.path, head, body) != head[_CHECKED:] or body[:at] != self.keys.tobytes():
            return None
        return np.frombuffer(body, np.float32, offset=at).reshape(len(self.keys), self.size)


class StoredEmbeddings:
    """Vectors of one model at one precision on one kind of device, by the picture's SHA-256.

    Args:
        cache: where they are kept.
        folder: theirs; need not exist.
        size: D.
    """

    def __init__(self, cache: Cache, folder: Path, size: int) -> None:
        self._cache = cache
        self._folder = folder
        self._size = size
        self._blocks = list(self._open())

    def fill(self, embeddings: Embeddings, digests: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Copy what is known of U pictures; returns those that are not, ascending."""
        wanted = _Sought(_keys(digests))
        missing = np.ones(len(digests), dtype=bool)
        for block in self._blocks:
            found, place = wanted.among(block.keys)
            new = missing[found]
            found, place = found[new], place[new]
            vectors = block.vectors() if len(found) else None
            if vectors is None:
                continue
            embeddings.put(found, vectors[place])
            missing[found] = False
            with contextlib.suppress(OSError):
                os.utime(block.path)
        return np.flatnonzero(missing)

    def add(
        self, digests: NDArray[np.uint8], missing: NDArray[np.int64], embeddings: Embeddings
    ) -> None:
        """Keep the vectors of those of U pictures that were not known."""
        for at in range(0, len(missing), _BLOCK):
            pictures = missing[at : at + _BLOCK]
            self._write(_keys(digests[pictures]), embeddings.take(pictures).numpy())
        self._join_small()

    def _join_small(self) -> None:
        """Many runs with few new pictures each leave many small blocks; make few of them."""
        small = [block for block in self._open() if len(block.keys) < _BLOCK // 2]
        if len(small) <= _SMALL_BLOCKS:
            return
        known = [(block, block.vectors()) for block in small]
        whole = [(block.keys, vectors) for block, vectors in known if vectors is not None]
        if not whole:
            return
        keys = np.concatenate([keys for keys, _ in whole])
        _, first = np.unique(keys, return_index=True)
        vectors = np.concatenate([vectors for _, vectors in whole])
        written = [
            self._write(keys[part], vectors[part])
            for part in np.array_split(first, -(-len(first) // _BLOCK))
        ]
        if all(written):
            for block in small:
                self._cache.remove(block.path)

    def _write(self, keys: NDArray[np.bytes_], vectors: NDArray[np.float32]) -> bool:
        order = np.argsort(keys)
        head = np.array([(_MAGIC, len(keys), self._size, 0)], _HEADER).tobytes()
        body = keys[order].tobytes() + vectors[order].tobytes()
        # By content: a second run that adds the same writes the same file.
        name = hashlib.sha256(head + body).hexdigest()[:32]
        path = self._folder / f"{name}.vectors"
        return self._cache.store(path, head[:_CHECKED] + _checksum(path, head, body) + body)

    def _open(self) -> Iterator[_Block]:
        names: list[str] = []
        with contextlib.suppress(OSError):  # it need not exist, or may be another user's
            names = sorted(os.listdir(self._folder))  # noqa: PTH208 - names are all that is wanted
        for name in names:
            block = _read(self._folder / name, self._size) if name.endswith(".vectors") else None
            if block is not None:
                yield block


def _read(path: Path, size: int) -> _Block | None:
    """A block, or None where the file is not a whole one."""
    try:
        with opened_regular(path) as file:
            header = np.frombuffer(file.read(_HEADER.itemsize), _HEADER)
            if len(header) != 1 or header[0]["magic"] != _MAGIC or header[0]["size"] != size:
                return None
            count = int(header[0]["count"])
            body = count * (32 + size * 4)
            if not count or os.fstat(file.fileno()).st_size != _HEADER.itemsize + body:
                return None
            keys = np.frombuffer(file.read(count * 32), "S32")
    except (OSError, ValueError):  # removed, or cut short, meanwhile
        return None
    return _Block(path, keys, size)


class _Sought:
    """Keys that are looked for in many blocks: sorted once, so that a block costs its own size.

    They are hashes: the first eight bytes, compared as one number, hardly ever are those of two.

    Args:
        keys: (U,) of 32 bytes.
    """

    def __init__(self, keys: NDArray[np.bytes_]) -> None:
        starts = _starts(keys)
        self._keys = keys
        self._order = np.argsort(starts)
        self._sorted = starts[self._order]

    def among(self, keys: NDArray[np.bytes_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Which of the U keys are among the (n,) of a block, and where in it they stand."""
        starts = _starts(keys)
        first = np.searchsorted(self._sorted, starts)
        alike = np.searchsorted(self._sorted, starts, side="right") - first
        place, at = members(first, alike)
        found = self._order[at]
        same = self._keys[found] == keys[place]
        return found[same], place[same]


def _starts(keys: NDArray[np.bytes_]) -> NDArray[np.uint64]:
    """The first eight bytes of (n,) keys, each as a number that sorts as they do."""
    return keys.view(np.uint8).reshape(len(keys), 32)[:, :8].copy().view(">u8").ravel().astype("u8")


def _checksum(path: Path, head: bytes, body: bytes) -> bytes:
    """Of all but itself, and of the folder: what a model's vectors are is said by its name."""
    seed = zlib.crc32(head[:_CHECKED], zlib.crc32(path.parent.name.encode()))
    return zlib.crc32(body, seed).to_bytes(4, "little")


def _keys(digests: NDArray[np.uint8]) -> NDArray[np.bytes_]:
    return np.ascontiguousarray(digests).view("S32").ravel()
