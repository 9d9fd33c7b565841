"""The pixels that instance-dependent noise looks at: small square pictures, class by class.

Pictures that cannot be read are left out; who asks counts them. No torch here.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deftclean.core.progress import Progress
from deftclean.core.run import cores, most_workers
from deftclean.datasets.noise import Instances
from deftclean.images.decoding import ImageError, decode
from deftclean.images.sources import ImageSource, RowImages
from deftclean.images.stored import encoded
from deftclean.images.workers import Batches, say_workers

_BLOCK = 256  # rows; with 64 pixels a side 25 MB as float64
_FEW = 16 * _BLOCK  # rows that one process reads sooner than others start

Block = tuple[int, NDArray[np.int64]]  # a class and some of its rows
Decoded = tuple[NDArray[np.uint8], NDArray[np.bool_]]  # (F, D) pixels; (F,) which could be read


def picture_side(images: RowImages, rows: NDArray[np.int64], limit: int) -> int | None:
    """The longer side of the first picture that can be read, at most `limit`; None without one.

    Args:
        images: of the rows.
        rows: that count, in order.
        limit: in pixels.
    """
    for row in rows.tolist():
        with contextlib.suppress(ImageError):
            return min(limit, max(decode(images.source.read(int(images.of_row[row]))).size))
    return None


def read_instances(
    images: RowImages,
    labels: NDArray[np.int64],
    rows: NDArray[np.int64],
    side: int,
    workers: int | None,
    progress: Progress,
) -> Iterator[Instances]:
    """Pictures of rows, one class after the other.

    Args:
        images: of the N rows.
        labels: (n,) class of each of `rows`.
        rows: (n,) of the N.
        side: of the squares that all pictures become, in pixels.
        workers: processes that decode; None for the number of cores where rows are many.
        progress: told how far it is.

    Yields:
        Blocks; their `rows` are places in `labels`.
    """
    say_workers(workers, progress)
    of_row = images.of_row[rows]
    blocks = list(_blocks(labels, of_row))
    with progress.stage("Reading images", len(rows)) as advance:
        asked = [np.unique(of_row[part], return_inverse=True) for _, part in blocks]
        found = Batches(
            _Reader(images.source, side),
            [files for files, _ in asked],
            _processes(workers, len(rows)),
            "reading images",
        )
        for (true, part), (_, which), (pixels, fine) in zip(blocks, asked, found, strict=True):
            readable = fine[which]
            if readable.any():
                yield Instances(true, part[readable], pixels[which[readable]])
            advance(len(part), "")


def _blocks(labels: NDArray[np.int64], of_row: NDArray[np.int64]) -> Iterator[Block]:
    # Rows that show the same file come together, so that it is decoded once.
    order = np.lexsort((of_row, labels))
    edges = np.flatnonzero(np.diff(labels[order])) + 1
    for members in np.split(order, edges):
        for start in range(0, len(members), _BLOCK):
            part = members[start : start + _BLOCK]
            yield int(labels[part[0]]), part


@dataclass(frozen=True)
class _Reader:
    """Small square pictures of some files; a class, so that it can go to workers."""

    source: ImageSource
    side: int

    def __getitems__(self, files: NDArray[np.int64]) -> Decoded:
        """One block."""
        side = self.side
        pixels = np.zeros((len(files), 3 * side * side), np.uint8)
        fine = np.zeros(len(files), bool)
        for place, data in enumerate(encoded(self.source, files.tolist())):
            with contextlib.suppress(ImageError):
                if isinstance(data, ImageError):
                    continue
                picture = decode(data, lambda _width, _height: (2 * side, 2 * side))
                if picture.size != (side, side):
                    picture = picture.resize((side, side), Image.Resampling.BICUBIC)
                pixels[place] = np.asarray(picture).transpose(2, 0, 1).reshape(-1)
                fine[place] = True
        return pixels, fine


def _processes(workers: int | None, rows: int) -> int:
    if workers is not None:
        return min(workers, most_workers(), -(-rows // _BLOCK))
    return min(16, cores()) if cores() > 1 and rows > _FEW else 0
