"""Rows or pictures and their image features, batch by batch: what training and scoring run on.

A feed decides order, augmentation and decoding; its consumer sees indices and features only.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deftclean.core.errors import RunError
from deftclean.core.run import ALONE, Ranks
from deftclean.core.runtime import Runtime, stream
from deftclean.images.loading import ImageBatch, ResizedPictures, Wanted
from deftclean.images.usable_rows import UsableRows
from deftclean.images.workers import Batches, Source
from deftclean.training.ahead import on_device
from deftclean.training.embeddings import Embeddings

Features = Iterator[tuple[Tensor, Tensor]]
"""Batches of (B,) int64 rows (or pictures) on the CPU and (B, D) features on the model's device."""

Encode = Callable[[Tensor], Tensor]
"""(B, 3, S, S) uint8 pixels to (B, D) features."""


class EpochBatches:
    """A shuffled pass over rows, another for each epoch; a sampler for the loader.

    Every number depends on (seed, epoch, row) only.

    Args:
        rows: which rows of the manifest.
        pictures: (N,) the distinct picture of each row of the manifest.
        batch_size: B; the last batch may be smaller.
        seed: of order and augmentation.
        ranks: the processes that share out each batch.
    """

    def __init__(
        self,
        rows: NDArray[np.int64],
        pictures: NDArray[np.int64],
        batch_size: int,
        seed: int,
        ranks: Ranks = ALONE,
    ) -> None:
        self.rows = rows
        self.pictures = pictures
        self.batch_size = batch_size
        self.seed = seed
        self.ranks = ranks
        self.epoch = 0

    def row_batches(self) -> Iterator[NDArray[np.int64]]:
        """The epoch's batches of rows; of each, what this process learns from."""
        order = stream(self.seed, "order", self.epoch).permutation(self.rows)
        for at in range(0, len(order), self.batch_size):
            batch = order[at : at + self.batch_size]
            yield batch[self.ranks.rows_of(len(batch))]

    def __iter__(self) -> Iterator[Wanted]:
        """The epoch's batches of rows, pictures and views."""
        draws = stream(self.seed, "view", self.epoch).random((int(self.rows.max()) + 1, 3))
        for rows in self.row_batches():
            yield Wanted(rows, self.pictures[rows], draws[rows])

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch_size)


class PixelEpochs:
    """Training batches of pixels: augmented at every visit."""

    def __init__(
        self,
        pictures: Source,
        batches: EpochBatches,
        workers: int,
        rows: UsableRows,
        runtime: Runtime,
    ) -> None:
        self._batches = batches
        self._rows = rows
        self._runtime = runtime
        self._loader = Batches(pictures, batches, min(workers, len(batches)), "training")

    def __call__(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The (B,) rows and (B, 3, S, S) uint8 pixels of epoch 0, 1, ..."""
        self._batches.epoch = epoch
        return _on_device(self._loader, self._rows, self._runtime)


class PictureEpochs:
    """Training batches of features from pictures: augmented and encoded at every visit."""

    def __init__(self, pixels: PixelEpochs, encode: Encode, runtime: Runtime) -> None:
        self._pixels = pixels
        self._encode = encode
        self._runtime = runtime
        self._last: Tensor | None = None

    def __call__(self, epoch: int) -> Features:
        """The batches of epoch 0, 1, ..."""
        for rows, pixels in self._pixels(epoch):
            self._last = pixels
            yield rows, self._encoded(pixels)

    def again(self) -> Tensor:
        """The features of the last batch once more, with a graph of their own."""
        assert self._last is not None  # noqa: S101 - there was a batch
        return self._encoded(self._last)

    def _encoded(self, pixels: Tensor) -> Tensor:
        with self._runtime.autocast():
            return self._encode(pixels)


class EmbeddingEpochs:
    """Training batches from features that never change, computed once."""

    def __init__(self, embeddings: Embeddings, batches: EpochBatches, runtime: Runtime) -> None:
        self._embeddings = embeddings
        self._batches = batches
        self._runtime = runtime

    def __call__(self, epoch: int) -> Features:
        """The batches of epoch 0, 1, ..."""
        self._batches.epoch = epoch
        for rows in self._batches.row_batches():
            features = self._embeddings.take(self._batches.pictures[rows])
            yield torch.from_numpy(rows), features.to(self._runtime.device)


class _InOrder:
    """Batches of pictures as they come, without augmentation."""

    def __init__(self, chosen: NDArray[np.int64], batch_size: int) -> None:
        self._chosen = chosen
        self._batch_size = batch_size

    def __iter__(self) -> Iterator[Wanted]:
        for at in range(0, len(self._chosen), self._batch_size):
            yield Wanted.plain(self._chosen[at : at + self._batch_size])


def pictures_in_order(
    pictures: ResizedPictures,
    chosen: NDArray[np.int64],
    batch_size: int,
    workers: int,
    rows: UsableRows,
    runtime: Runtime,
    doing: str,
) -> Iterator[tuple[Tensor, Tensor]]:
    """One un-augmented pass: batches of (B,) pictures and their (B, 3, S, S) uint8 pixels.

    Raises:
        RunError: a picture cannot be read any more.
    """
    workers = min(workers, -(-len(chosen) // batch_size))
    loader = Batches(pictures, _InOrder(chosen, batch_size), workers, doing)
    return _on_device(loader, rows, runtime)


def _on_device(
    loader: Iterable[ImageBatch], rows: UsableRows, runtime: Runtime
) -> Iterator[tuple[Tensor, Tensor]]:
    return on_device(_whole(loader, rows), runtime.device)


def _whole(loader: Iterable[ImageBatch], rows: UsableRows) -> Iterator[tuple[Tensor, Tensor]]:
    for batch in loader:
        if batch.failures:
            picture, reason = batch.failures[0]
            raise RunError(
                f"{len(batch.failures)} image(s) could be read at the start of the run and not "
                f"any more; the first is row {rows.first_row(picture)}: {reason}.",
                "Leave the data folder alone while deftclean runs, and start again.",
            )
        yield batch.rows, batch.pixels
