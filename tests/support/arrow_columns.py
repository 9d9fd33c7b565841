"""Arrow columns of several layouts, all with the same values."""

from typing import Literal, get_args

import pyarrow as pa

Layout = Literal["string", "large_string", "dictionary", "chunked"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)


def column_of(values: list[str | None], layout: Layout) -> pa.Array | pa.ChunkedArray:
    """The values as a column.

    Raises:
        UnicodeEncodeError: a text is no Unicode; no table holds it.
    """
    plain = pa.array(values, pa.string())
    match layout:
        case "string":
            return plain
        case "large_string":
            return plain.cast(pa.large_string())
        case "dictionary":
            return plain.dictionary_encode()
        case "chunked":
            return pa.chunked_array([plain[:2], plain[2:3], plain[3:]])
