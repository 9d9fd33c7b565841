"""Arrow columns as NumPy arrays, read from their buffers.

`to_numpy` of Arrow would load pandas, which takes a third of a second.
"""

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


def codes(column: Column) -> tuple[NDArray[np.int64], pa.Array]:
    """(N,) place of each value among the distinct ones, -1 where null; and these, (L,)."""
    texts = whole(column)
    coded = texts if pa.types.is_dictionary(texts.type) else texts.dictionary_encode()
    places = _fixed(coded.indices, np.dtype(np.int32)).astype(np.int64)
    if coded.null_count:
        places[~valid(coded.indices)] = -1
    return places, coded.dictionary


def int_array(values: NDArray[np.int64]) -> pa.Array:
    """(N,) numbers as an Arrow array."""
    buffer = pa.py_buffer(np.ascontiguousarray(values, dtype=np.int64))
    return pa.Array.from_buffers(pa.int64(), len(values), [None, buffer])


def int_array_where(values: NDArray[np.int64], there: NDArray[np.bool_]) -> pa.Array:
    """(N,) numbers as an Arrow array, null where (N,) `there` is false."""
    buffers = [_bits(there), int_array(values).buffers()[1]]
    return pa.Array.from_buffers(pa.int64(), len(values), buffers)


def bool_array(values: NDArray[np.bool_]) -> pa.Array:
    """(N,) flags as an Arrow array."""
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, _bits(values)])


def _bits(values: NDArray[np.bool_]) -> pa.Buffer:
    return pa.py_buffer(np.packbits(values, bitorder="little"))


def whole(column: Column) -> pa.Array:
    """The column in one piece."""
    if not isinstance(column, pa.ChunkedArray):
        return column
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
