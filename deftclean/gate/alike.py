"""Pictures of two tables that look nearly the same, by their perceptual hashes.

Two pictures look alike where few bits of their hashes differ, as they are or mirrored, whether both
are compared whole, or one whole and of the other its middle. Where pictures are all of one kind,
many have few bits between them: then a copy has to be clearly nearer than what is around it, as in
`deftclean.evidence.near_copies`. All limits stand here; benchmarks/look_alikes.py measures what
they find.

Shapes: n pictures that are asked about, m others; a hash is four words of 64 bits, see
`deftclean.images.look.hash_of`: of the whole and of its middle, those that a mirrored picture has
too and those that it has the other way round.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

CERTAIN = 3
"""Bits of 128 at most that differ between nearly identical pictures, whatever is around them."""

LEAST = 12
"""With more between them, pictures never are."""

SHARE = 0.3
"""Between the two, they are where their distance is at most this part of the distance to the
picture that comes `AROUND`th among the others."""

AROUND = 10

MOST_PAIRS = 10**11
"""Of pictures that are compared: ten minutes of one core."""

Words = NDArray[np.uint64]

_WHOLE, _MIDDLE = 0, 2  # places of their first words
_PAIRS = ((_WHOLE, _WHOLE), (_MIDDLE, _WHOLE), (_WHOLE, _MIDDLE))
_ROWS, _COLUMNS = 64, 4096  # compared at once: what is computed of them stays near the processor
_ONES = np.array([f"{byte:b}".count("1") for byte in range(256)], dtype=np.uint8)


def words_of(hashes: NDArray[np.uint8]) -> Words:
    """(n, 32) bytes as (n, 4) words."""
    return np.ascontiguousarray(hashes).view(np.uint64)


def alike(mine: Words, others: Words, on_block: Callable[[int], None]) -> NDArray[np.int64]:
    """(n,) place of the other picture that looks nearly the same, the nearest and first; or -1.

    Every picture is compared with every other one, a block at a time, by as many threads as there
    are cores.

    Args:
        mine: (n, 4) of different pictures.
        others: (m, 4) of different pictures.
        on_block: told how many of the n are done.
    """
    blocks = [mine[first : first + _ROWS] for first in range(0, len(mine), _ROWS)]
    places = [np.zeros(0, dtype=np.int64)]
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for found in threads.map(lambda some: _alike(some, others), blocks):
            places.append(found)
            on_block(len(found))
    return np.concatenate(places)


def _alike(some: Words, others: Words) -> NDArray[np.int64]:
    """As `alike`, of a block."""
    found, distance = _nearest(some, others)
    unsure = np.flatnonzero((found >= 0) & (distance > CERTAIN))
    found[unsure[~_apart(some[unsure], distance[unsure], others)]] = -1
    return found


def _nearest(some: Words, others: Words) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(n,) places of the nearest others, -1 where none is near enough; and their distances."""
    far = (LEAST + 1) * len(others)
    best = np.full(len(some), far, dtype=np.int64)  # distance, and place among those as near
    for here, there in _PAIRS:
        for start, block in _blocks(others):
            steady = ones(some[:, None, here] ^ block[None, :, there])
            # Waves that a mirrored picture has too differ as much whether it is mirrored or not.
            # One axis: NumPy finds a few among many forty times as fast as on two.
            one, other = np.divmod(np.flatnonzero(steady <= LEAST), len(block))
            distance = steady[one, other] + _turned(some[one, here + 1], block[other, there + 1])
            near = distance <= LEAST
            key = distance[near].astype(np.int64) * len(others) + start + other[near]
            np.minimum.at(best, one[near], key)
    size = max(1, len(others))
    return np.where(best < far, best % size, -1), best // size


def _apart(some: Words, distance: NDArray[np.int64], others: Words) -> NDArray[np.bool_]:
    """(n,) whether fewer than `AROUND` others are so near that a copy would not stand out."""
    limit = distance[:, None] / SHARE
    around = np.zeros(len(some), dtype=np.int64)
    for _, block in _blocks(others if len(some) else others[:0]):
        steady = ones(some[:, None, _WHOLE] ^ block[None, :, _WHOLE])
        between = steady + _turned(some[:, None, _WHOLE + 1], block[None, :, _WHOLE + 1])
        around += np.count_nonzero(between < limit, axis=1)
    return around < AROUND


def _blocks(others: Words) -> Iterator[tuple[int, Words]]:
    for start in range(0, len(others), _COLUMNS):
        yield start, others[start : start + _COLUMNS]


def _turned(one: Words, other: Words) -> NDArray[np.uint8]:
    """How many of the other bits differ, mirrored or not, whichever are fewer."""
    differing = ones(one ^ other)
    return np.minimum(differing, 64 - differing)


def ones(words: Words) -> NDArray[np.uint8]:
    """How many bits of each word are set."""
    if hasattr(np, "bitwise_count"):
        return np.asarray(np.bitwise_count(words), dtype=np.uint8)
    # NumPy before 2.0.
    counted = _ONES[np.ascontiguousarray(words).view(np.uint8)].reshape(*words.shape, 8)
    return np.asarray(counted.sum(axis=-1, dtype=np.uint8))
