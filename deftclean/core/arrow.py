"""Arrow columns as NumPy arrays, read from their buffers.

`to_numpy` of Arrow would load pandas, which takes a third of a second.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Column: TypeAlias = pa.Array | pa.ChunkedArray


def bool_values(column: Column) -> NDArray[np.bool_]:
    """(N,) bool, false where null."""
    flags = pc.and_kleene(whole(column), pc.is_valid(whole(column)))
    _, data = flags.buffers()
    if not len(flags):
        return np.zeros(0, dtype=bool)
    bits = np.frombuffer(data, np.uint8)
    unpacked = np.unpackbits(bits, bitorder="little", count=flags.offset + len(flags))
    return unpacked[flags.offset :].view(bool)


def valid(column: Column) -> NDArray[np.bool_]:
    """(N,) bool, where the value is not null."""
    return bool_values(pc.is_valid(whole(column)))


def float_values(column: Column) -> NDArray[np.float32]:
    """(N,) float32, NaN where null."""
    values = _fixed(whole(column).cast(pa.float32()), np.dtype(np.float32)).copy()
    values[~valid(column)] = np.nan
    return values


def int_values(column: Column) -> NDArray[np.int64]:
    """(N,) int64, 0 where null."""
    return _fixed(whole(column).cast(pa.int64()), np.dtype(np.int64))


def codes(column: Column) -> tuple[NDArray[np.int64], pa.Array]:
    """(N,) place of each value among the distinct ones, -1 where null; and these, (L,)."""
    texts = whole(column)
    if pa.types.is_fixed_size_binary(texts.type):
        return _codes_of_pairs(texts)
    coded = texts if pa.types.is_dictionary(texts.type) else texts.dictionary_encode()
    places = _fixed(coded.indices.cast(pa.int32()), np.dtype(np.int32)).astype(np.int64)
    if coded.null_count:
        places[~valid(coded.indices)] = -1
    return places, coded.dictionary


def pairs(column: Column) -> NDArray[np.uint64]:
    """(N, 2) halves of values of 16 bytes; anything where null."""
    values = whole(column)
    if not len(values):
        return np.zeros((0, 2), dtype=np.uint64)
    _, data = values.buffers()
    return np.frombuffer(data, np.uint64, 2 * len(values), 16 * values.offset).reshape(-1, 2)


def groups(half: Callable[[int], NDArray[np.uint64]]) -> NDArray[np.int32]:
    """(N,) numbers from 0, the same for equal pairs; sorted, which takes less than a hash table.

    Args:
        half: gives the (N,) first or second halves, 0 or 1; one of them is held at a time.
    """
    order = np.argsort(half(0))
    other = _steps(half(0)[order])
    lower = _steps(half(1)[order])
    if (lower & ~other).any():  # the same first half with several second ones: by chance, never
        order = np.lexsort((half(1), half(0)))
        other, lower = _steps(half(0)[order]), _steps(half(1)[order])
    other |= lower
    found = np.empty(len(order), dtype=np.int32)
    found[order] = np.cumsum(other, dtype=np.int32)
    return found


def _steps(ordered: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """(N,) whether a value is another than the one before."""
    found = np.zeros(len(ordered), dtype=bool)
    found[1:] = ordered[1:] != ordered[:-1]
    return found


def _codes_of_pairs(values: pa.Array) -> tuple[NDArray[np.int64], pa.Array]:
    rows = np.flatnonzero(valid(values)) if values.null_count else np.arange(len(values))
    halves = pairs(values)
    number = groups(lambda half: halves[rows, half])
    places = np.full(len(values), -1, dtype=np.int64)
    places[rows] = number
    one_of = np.zeros(int(number.max(initial=-1)) + 1, dtype=np.int64)
    one_of[number] = rows
    return places, values.take(int_array(one_of))


def narrow(column: pa.Array) -> pa.Array:
    """A dictionary with numbers of as few bytes as it has values for."""
    size = len(column.dictionary)
    kind = pa.int8() if size <= 2**7 else pa.int16() if size <= 2**15 else pa.int32()
    return pa.DictionaryArray.from_arrays(column.indices.cast(kind), column.dictionary)


def int_array(values: NDArray[np.int64]) -> pa.Array:
    """(N,) numbers as an Arrow array."""
    buffer = pa.py_buffer(np.ascontiguousarray(values, dtype=np.int64))
    return pa.Array.from_buffers(pa.int64(), len(values), [None, buffer])


def int_array_where(values: NDArray[np.int64], there: NDArray[np.bool_]) -> pa.Array:
    """(N,) numbers as an Arrow array, null where (N,) `there` is false."""
    buffers = [bit_buffer(there), int_array(values).buffers()[1]]
    return pa.Array.from_buffers(pa.int64(), len(values), buffers)


def bool_array(values: NDArray[np.bool_]) -> pa.Array:
    """(N,) flags as an Arrow array."""
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, bit_buffer(values)])


def bit_buffer(values: NDArray[np.bool_]) -> pa.Buffer:
    """(N,) flags as Arrow holds them."""
    return pa.py_buffer(np.packbits(values, bitorder="little"))


def hex_texts(values: NDArray[np.uint8], there: NDArray[np.bool_]) -> pa.Array:
    """(N, B) bytes as (N,) strings of 2 B hexadecimal digits, null where (N,) `there` is false."""
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)
    count, length = len(values), 2 * values.shape[1]
    text = digits[np.stack([values >> 4, values & 15], axis=2)].reshape(-1, length)[there]
    offsets = np.concatenate([[0], np.cumsum(np.where(there, length, 0))]).astype(np.int64)
    buffers = [bit_buffer(there), pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(text))]
    large = pa.LargeStringArray.from_buffers(count, buffers[1], buffers[2], buffers[0])
    return large.cast(pa.string())


def hex_bytes(column: Column, length: int) -> NDArray[np.uint8]:
    """(N,) strings of hexadecimal digits as (N, length) bytes; zeros where null.

    Raises:
        ValueError: some are no such strings, or of other lengths.
    """
    texts = whole(column).drop_null().cast(pa.large_string())
    found = np.zeros((len(column), length), dtype=np.uint8)
    if not len(texts):
        return found
    if not pc.all(pc.match_substring_regex(texts, f"^[0-9a-f]{{{2 * length}}}$")).as_py():
        raise ValueError(f"no strings of {2 * length} hexadecimal digits")
    _, ends, data = texts.buffers()
    first = int(np.frombuffer(ends, np.int64, 1, 8 * texts.offset)[0])
    text = np.frombuffer(data, np.uint8, 2 * length * len(texts), first).reshape(-1, length, 2)
    nibbles = np.where(text < ord("a"), text - ord("0"), text - (ord("a") - 10))
    found[valid(column)] = nibbles[..., 0] << 4 | nibbles[..., 1]
    return found


def whole(column: Column) -> pa.Array:
    """The column in one piece."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    if column.num_chunks == 1:
        return column.chunk(0)  # `combine_chunks` would copy it
    joined = column.combine_chunks()
    # Of a table without rows, a column stays in pieces: none.
    return joined if isinstance(joined, pa.Array) else pa.concat_arrays(joined.chunks)


def _fixed(array: pa.Array, kind: np.dtype[Any]) -> NDArray[Any]:
    if not len(array):
        return np.zeros(0, dtype=kind)
    values = np.frombuffer(array.buffers()[1], kind, len(array), kind.itemsize * array.offset)
    if array.null_count:
        # Arrow leaves anything in the place of a null.
        return np.where(valid(array), values, kind.type(0))
    return values
