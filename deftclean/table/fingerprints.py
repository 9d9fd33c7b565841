"""Texts as keyed numbers of 128 bits, which take the place of texts that are only told apart.

NumPy and pyarrow only, and no Python object for a text.
"""

import hashlib

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deftclean.core.arrow import Column, bit_buffer, whole

LANES = 4  # of 32 bits
_LONG = 512  # bytes of a text that is hashed alone
_STEP = 8192  # texts at a time: what is computed of them stays near the processor

_MASKS = np.array([0, 0xFF, 0xFFFF, 0xFFFFFF, 0xFFFFFFFF], dtype=np.uint64)


class Fingerprints:
    """A function from texts to 16 bytes, drawn at random when it is made.

    Each 32 bits are the upper half of a sum of the text's 32-bit words, and of its length, each
    times a random number of 64 bits: two texts, whatever they are, have the same 16 bytes with a
    probability of 2 ** -128 (Lemire and Kaser, "Strongly universal string hashing is
    fast", 2014). Who does not know the numbers, which are nowhere written, cannot make such texts.
    A longer text goes through BLAKE2 with a random key.
    """

    def __init__(self) -> None:
        draw = np.random.default_rng()  # from the system's entropy
        words = _LONG // 4 + 2
        self._factors = draw.integers(0, 2**64, (words, LANES), dtype=np.uint64)
        self._key = draw.bytes(32)

    def put(self, texts: Column, into: NDArray[np.uint32]) -> None:
        """Compute them; anything where there is no text.

        Args:
            texts: (N,) strings.
            into: (N, 4), where they are put.
        """
        column = whole(texts).cast(pa.large_string())
        if not len(column):
            return
        offsets, data = _layout(column)
        for start in range(0, len(column), _STEP):
            into[start : start + _STEP] = self._some(offsets[start : start + _STEP + 1], data)

    def _some(self, offsets: NDArray[np.int64], data: NDArray[np.uint8]) -> NDArray[np.uint64]:
        """(n, 4) numbers below 2 ** 32 of n texts."""
        starts, lengths = offsets[:-1], np.diff(offsets)
        short = np.minimum(lengths, _LONG)
        sums = self._factors[0] + self._factors[1] * lengths[:, None].astype(np.uint64)
        words = np.ndarray(len(data) - 3, "<u4", data, strides=(1,))  # one begins at each byte
        for place in range(-(-int(short.max()) // 4)):
            left = np.clip(short - 4 * place, 0, 4)
            word = words[np.where(left > 0, starts + 4 * place, 0)] & _MASKS[left]
            sums += word[:, None] * self._factors[2 + place]
        found: NDArray[np.uint64] = sums >> np.uint64(32)
        for at in np.flatnonzero(lengths > _LONG):
            text = data[starts[at] : starts[at] + lengths[at]].tobytes()
            digest = hashlib.blake2b(text, digest_size=4 * LANES, key=self._key).digest()
            found[at] = np.frombuffer(digest, "<u4")
        return found


def empty(rows: int) -> NDArray[np.uint32]:
    """(N, 4) room for as many."""
    return np.zeros((rows, LANES), dtype="<u4")


def as_column(found: NDArray[np.uint32], there: NDArray[np.bool_]) -> pa.Array:
    """(N,) binary of 16 bytes, null where (N,) `there` is false."""
    bits = None if there.all() else bit_buffer(there)
    return pa.Array.from_buffers(pa.binary(4 * LANES), len(found), [bits, pa.py_buffer(found)])


def _layout(column: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """(N + 1,) where texts begin and end among the bytes; these, and three more."""
    _, ends, data = column.buffers()
    offsets = np.frombuffer(ends, np.int64, len(column) + 1, 8 * column.offset)
    first, last = int(offsets[0]), int(offsets[-1])
    held = np.zeros(last - first + 4, dtype=np.uint8)
    if last > first:
        held[: last - first] = np.frombuffer(data, np.uint8, last - first, first)
    return offsets - first, held
