"""Image features that never change: in a file of the run, and beyond it in the cache.

In the cache they lie in blocks of sorted keys and their vectors. A block is written once and whole,
so that runs may share them and be killed at any time.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deftclean.images.cache import Cache

_BLOCK = 16_384  # vectors in a block at most: some tens of megabytes
_SMALL_BLOCKS = 16  # so many blocks that are not half full are joined
_HEADER = np.dtype([("magic", "S8"), ("count", "<u8"), ("size", "<u8")])
_MAGIC = b"deftvec1"


class Embeddings:
    """(U, D) float32 features of U pictures in a file, so that memory does not grow with U.

    Args:
        path: the file, made anew.
        count: U.
        size: D.
    """

    def __init__(self, path: Path, count: int, size: int) -> None:
        self._file = np.memmap(path, dtype=np.float32, mode="w+", shape=(count, size))

    def put(self, pictures: NDArray[np.int64], features: NDArray[np.float32]) -> None:
        """Store the features of some pictures."""
        self._file[pictures] = features

    def take(self, pictures: NDArray[np.int64]) -> Tensor:
        """The features of some pictures, (len(pictures), D), in the order asked."""
        return torch.from_numpy(self._file[pictures])

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
    """(n,) sorted 32-byte keys and their (n, D) unit vectors."""

    path: Path
    keys: NDArray[np.bytes_]
    vectors: NDArray[np.float32]


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
        wanted = _keys(digests)
        missing = np.ones(len(wanted), dtype=bool)
        for block in self._blocks:
            left = np.flatnonzero(missing)
            place = np.searchsorted(block.keys, wanted[left]).clip(max=len(block.keys) - 1)
            same = block.keys[place] == wanted[left]
            found, place = left[same], place[same]
            for at in range(0, len(found), _BLOCK):
                vectors = block.vectors[place[at : at + _BLOCK]]
                whole = np.abs(np.linalg.norm(vectors, axis=1) - 1) < 0.01
                embeddings.put(found[at : at + _BLOCK][whole], vectors[whole])
                missing[found[at : at + _BLOCK][whole]] = False
            if len(found):
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
        keys = np.concatenate([block.keys for block in small])
        _, first = np.unique(keys, return_index=True)
        vectors = np.concatenate([block.vectors for block in small])
        written = [
            self._write(keys[part], vectors[part])
            for part in np.array_split(first, -(-len(first) // _BLOCK))
        ]
        if all(written):
            for block in small:
                self._cache.remove(block.path)

    def _write(self, keys: NDArray[np.bytes_], vectors: NDArray[np.float32]) -> bool:
        order = np.argsort(keys)
        header = np.array([(_MAGIC, len(keys), self._size)], _HEADER)
        data = header.tobytes() + keys[order].tobytes() + vectors[order].tobytes()
        # By content: a second run that adds the same writes the same file.
        name = hashlib.sha256(data).hexdigest()[:32]
        return self._cache.store(self._folder / f"{name}.vectors", data)

    def _open(self) -> Iterator[_Block]:
        for path in sorted(self._folder.glob("*.vectors")):
            block = _read(path, self._size)
            if block is not None:
                yield block


def _read(path: Path, size: int) -> _Block | None:
    """A block, or None where the file is not a whole one."""
    try:
        with path.open("rb") as file:
            header = np.frombuffer(file.read(_HEADER.itemsize), _HEADER)
            if len(header) != 1 or header[0]["magic"] != _MAGIC or header[0]["size"] != size:
                return None
            count = int(header[0]["count"])
            body = _HEADER.itemsize + count * 32
            if not count or os.fstat(file.fileno()).st_size != body + count * size * 4:
                return None
            keys = np.frombuffer(file.read(count * 32), "S32")
        vectors = np.memmap(path, np.float32, "r", body, (count, size))
    except (OSError, ValueError):  # removed, or cut short, meanwhile
        return None
    return _Block(path, keys, vectors)


def _keys(digests: NDArray[np.uint8]) -> NDArray[np.bytes_]:
    return np.ascontiguousarray(digests).view("S32").ravel()
