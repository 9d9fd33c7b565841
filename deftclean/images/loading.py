"""Batches of pixels, from the cache or decoded anew."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deftclean.images.decoding import ImageError
from deftclean.images.packs import PictureFolder
from deftclean.images.resizing import Pixels, Preparation, Resize, View, seen
from deftclean.images.sources import DistinctPictures
from deftclean.images.stored import Encoded, encoded


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
        resized = self.pixels(wanted.pictures.tolist())
        columns = (part.tolist() for part in wanted)
        for row, picture, draws, found in zip(*columns, resized, strict=True):
            view = View(*draws) if self.flip else View(*draws[:2])
            if isinstance(found, ImageError):
                failures.append((picture, found.reason))
                continue
            pixels[len(rows)] = seen(found, view, height, width)
            rows.append(row)
        return ImageBatch(
            torch.tensor(rows, dtype=torch.int64), torch.from_numpy(pixels[: len(rows)]), failures
        )

    def pixels(self, pictures: list[int]) -> Iterator[Pixels | ImageError]:
        """Resized pictures, in order: what the cache holds, or else the same made anew.

        In the place of one that cannot be read any more, why that is.
        """
        kept = [self._kept(picture) for picture in pictures]
        lost = [at for at, found in enumerate(kept) if found is None]
        files = self.distinct.files[[pictures[at] for at in lost]].tolist()
        anew = encoded(self.distinct.source, files)
        for picture, found in zip(pictures, kept, strict=True):
            yield self._made(picture, next(anew)) if found is None else found

    def _kept(self, picture: int) -> Pixels | None:
        return None if self.folder is None else self.folder.read(self.distinct.digest(picture))

    def _made(self, picture: int, data: Encoded) -> Pixels | ImageError:
        if isinstance(data, ImageError):
            return data
        try:
            return self.resize(self.preparation.picture(self.distinct.same(picture, data)))
        except ImageError as error:
            return error
