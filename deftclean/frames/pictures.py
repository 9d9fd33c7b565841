"""Pictures that lie in no file, such as torchvision's CIFAR10, written to a table for a scan."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from deftclean.core.errors import InputError
from deftclean.frames.inputs import Rows, plain_label

PICTURES = "pictures.parquet"
AT_ONCE = 256
"""Encoded pictures in memory at the same time."""

_SCHEMA = pa.schema([("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())]))])


def write_pictures(data: Any, path: Path) -> Rows:
    """Write every picture of a data set as PNG, which loses nothing.

    Args:
        data: gives (PIL image, label) by index, from 0 to its length.
        path: a Parquet file to be made, with one column, `image`.

    Raises:
        InputError: an item is none; its number is told.
    """
    labels: list[Any] = []
    with pq.ParquetWriter(path, _SCHEMA) as writer:
        for start in range(0, len(data), AT_ONCE):
            places = range(start, min(start + AT_ONCE, len(data)))
            batch = [{"bytes": content, "path": None} for content in _encoded(data, places, labels)]
            writer.write_batch(pa.RecordBatch.from_pydict({"image": batch}, schema=_SCHEMA))
    names = getattr(data, "classes", None)
    return Rows(None, labels, None, None if names is None else list(map(str, names)))


def _encoded(data: Any, places: range, labels: list[Any]) -> Iterator[bytes]:
    from PIL import Image

    for at in places:
        item = data[at]
        pair = isinstance(item, tuple | list) and len(item) == 2
        if not pair or not isinstance(item[0], Image.Image):
            kind = type(item[0]).__name__ if pair else type(item).__name__
            raise InputError(
                f"Item {at} of the data set is no pair of a PIL image and a label, but {kind}.",
                "Make the data set without transform=, so that it gives PIL images.",
            )
        labels.append(plain_label(item[1]))
        buffer = io.BytesIO()
        try:
            item[0].save(buffer, "PNG")
        except OSError as error:
            raise InputError(
                f"Item {at} of the data set cannot be written as PNG: {error}.",
                'Give pictures of mode RGB or L: transform=lambda each: each.convert("RGB").',
            ) from error
        yield buffer.getvalue()
