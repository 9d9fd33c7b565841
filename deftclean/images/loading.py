"""PyTorch's loader over pictures: batches of pixels, from the cache or decoded anew."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from deftclean.core.signals import leave_to_the_parent
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


class ResizedPictures(Dataset[ImageBatch]):
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
        """One batch; called by PyTorch's loader with what its sampler yielded."""
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


def make_loader(
    dataset: Dataset[Any], batches: Iterable[Any], workers: int, pin: bool = False
) -> "DataLoader[Any]":
    """PyTorch's loader over ready-made batches; each iteration goes through `batches` anew."""
    return DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=_as_it_is,
        pin_memory=pin,
        persistent_workers=workers > 0,
        worker_init_fn=leave_to_the_parent if workers else None,
    )


def _as_it_is(batch: Any) -> Any:
    return batch
