"""Batches of pixels, from the cache or decoded anew."""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deftclean.images.cache import PictureFolder
from deftclean.images.decoding import ImageError
from deftclean.images.resizing import Pixels, Preparation, Resize, View, seen
from deftclean.images.sources import DistinctPictures


class Wanted(NamedTuple):
    """What one batch is to hold.

    Attributes:
        rows: (B,) int64, of the manifest or whatever the pictures are asked for; carried along.
        pictures: (B,) int64 index among the distinct pictures.
        views: (B, 3) float64: x, y and mirror of a `View`.
    """

    rows: NDArray[np.int64]
    pictures: NDArray[np.int64]
    views: NDArray[np.float64]

    @classmethod
    def plain(cls, pictures: NDArray[np.int64]) -> "Wanted":
        """Pictures for their own sake, without augmentation."""
        return cls(pictures, pictures, np.tile(View(), (len(pictures), 1)))


class ImageBatch(NamedTuple):
    """Pictures of one batch.

    Attributes:
        rows: (B,) int64, as asked.
        pixels: (B, 3, S, S) uint8.
        failures: (picture, reason) of those that could be read in the first pass and no longer
            can; they are not in the batch.
    """

    rows: Tensor
    pixels: Tensor
    failures: list[tuple[int, str]]

    def __reduce__(self) -> tuple[Any, ...]:
        # As arrays: between processes PyTorch puts tensors into shared memory.
        return _batch_of, (self.rows.numpy(), self.pixels.numpy(), self.failures)


def _batch_of(
    rows: NDArray[np.int64], pixels: NDArray[np.uint8], failures: list[tuple[int, str]]
) -> ImageBatch:
    return ImageBatch(torch.from_numpy(rows), torch.from_numpy(pixels), failures)


class ResizedPictures:
    """Views of resized pictures, a batch at a time; a class, so that it can go to workers.

    Args:
        distinct: the encoded pictures.
        preparation: how they are decoded, and the model's size.
        resize: one of its resizes.
        folder: of the pictures in the cache that were resized so; None without a cache.
        flip: mirror where the view says so.
    """

    def __init__(
        self,
        distinct: DistinctPictures,
        preparation: Preparation,
        resize: Resize,
        folder: PictureFolder | None,
        flip: bool = False,
    ) -> None:
        self.distinct = distinct
        self.preparation = preparation
        self.resize = resize
        self.folder = folder
        self.flip = flip

    def __getitems__(self, wanted: Wanted) -> ImageBatch:
        """One batch."""
        height, width = self.preparation.scoring.height, self.preparation.scoring.width
        pixels = np.empty((len(wanted.rows), 3, height, width), np.uint8)
        rows: list[int] = []
        failures = []
        for row, picture, draws in zip(*(part.tolist() for part in wanted), strict=True):
            view = View(*draws) if self.flip else View(*draws[:2])
            try:
                pixels[len(rows)] = seen(self.pixels(picture), view, height, width)
                rows.append(row)
            except ImageError as error:
                failures.append((picture, error.reason))
        return ImageBatch(
            torch.tensor(rows, dtype=torch.int64), torch.from_numpy(pixels[: len(rows)]), failures
        )

    def pixels(self, picture: int) -> Pixels:
        """One resized picture: what the cache holds, or else the same made anew.

        Raises:
            ImageError: it cannot be read any more.
        """
        if self.folder is not None:
            kept = self.folder.read(self.distinct.digest(picture))
            if kept is not None:
                return kept
        return self.resize(self.preparation.picture(self.distinct.read(picture)))
