"""Rows and their image features, batch by batch: what training and scoring run on.

A feed decides order, augmentation and decoding; its consumer sees ``(rows, features)`` only.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from deftclean.errors import RunError
from deftclean.images import ImageBatch, ImageSource, Pictures, PixelsOf, View, make_loader
from deftclean.runtime import Runtime, stream

Features = Iterator[tuple[Tensor, Tensor]]
"""Batches of (B,) int64 rows on the CPU and (B, D) features on the device of the model."""

Encode = Callable[[Tensor], Tensor]
"""(B, 3, S, S) uint8 pixels to (B, D) features."""


class EpochBatches:
    """A shuffled pass over rows, another for each epoch; a sampler of views.

    Every number depends on (seed, epoch, row) only.

    Args:
        rows: which rows of the manifest.
        batch_size: B; the last batch may be smaller.
        seed: of order and augmentation.
    """

    def __init__(self, rows: NDArray[np.int64], batch_size: int, seed: int) -> None:
        self.rows = rows
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    def row_batches(self) -> list[NDArray[np.int64]]:
        """The epoch's batches of rows."""
        order = stream(self.seed, "order", self.epoch).permutation(self.rows)
        return [order[at : at + self.batch_size] for at in range(0, len(order), self.batch_size)]

    def __iter__(self) -> Iterator[list[View]]:
        """The epoch's batches of views."""
        draws = stream(self.seed, "view", self.epoch).random((int(self.rows.max()) + 1, 3))
        for rows in self.row_batches():
            yield [View(row, *draws[row]) for row in rows.tolist()]

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch_size)


class PictureEpochs:
    """Training batches from pictures: decoded, augmented and encoded at every visit."""

    def __init__(
        self,
        source: ImageSource,
        pixels_of: PixelsOf,
        batches: EpochBatches,
        encode: Encode,
        runtime: Runtime,
    ) -> None:
        self._batches = batches
        self._encode = encode
        self._runtime = runtime
        self._loader = _loader(source, pixels_of, batches, runtime)

    def __call__(self, epoch: int) -> Features:
        """The batches of epoch 0, 1, ..."""
        self._batches.epoch = epoch
        return _encoded(self._loader, self._encode, self._runtime)


class EmbeddingEpochs:
    """Training batches from features that never change, computed once."""

    def __init__(self, embeddings: "Embeddings", batches: EpochBatches, runtime: Runtime) -> None:
        self._embeddings = embeddings
        self._batches = batches
        self._runtime = runtime

    def __call__(self, epoch: int) -> Features:
        """The batches of epoch 0, 1, ..."""
        self._batches.epoch = epoch
        for rows in self._batches.row_batches():
            features = self._embeddings.take(rows).to(self._runtime.device)
            yield torch.from_numpy(rows), features


class Embeddings:
    """(n, D) float32 features of n rows in a file, so that memory does not grow with n.

    Args:
        path: the file, made anew.
        rows: ascending row indices.
        size: D.
    """

    def __init__(self, path: Path, rows: NDArray[np.int64], size: int) -> None:
        self.rows = rows
        self._file = np.memmap(path, dtype=np.float32, mode="w+", shape=(len(rows), size))

    def put(self, rows: NDArray[np.int64], features: Tensor) -> None:
        """Store the features of some rows."""
        self._file[np.searchsorted(self.rows, rows)] = features.float().cpu().numpy()

    def take(self, rows: NDArray[np.int64]) -> Tensor:
        """The features of some rows, (len(rows), D), in the order asked."""
        return torch.from_numpy(self._file[np.searchsorted(self.rows, rows)])

    def in_order(self, batch_size: int, runtime: Runtime) -> Features:
        """All features, in row order."""
        for at in range(0, len(self.rows), batch_size):
            features = torch.from_numpy(self._file[at : at + batch_size].copy())
            yield torch.from_numpy(self.rows[at : at + batch_size]), features.to(runtime.device)


def pictures_in_order(
    source: ImageSource,
    pixels_of: PixelsOf,
    rows: NDArray[np.int64],
    batch_size: int,
    encode: Encode,
    runtime: Runtime,
) -> Features:
    """One unshuffled, un-augmented pass over `rows`, without gradients."""
    batches = [
        [View(row) for row in rows[at : at + batch_size].tolist()]
        for at in range(0, len(rows), batch_size)
    ]
    loader = _loader(source, pixels_of, batches, runtime)
    with torch.inference_mode():
        yield from _encoded(loader, encode, runtime)


def _loader(
    source: ImageSource, pixels_of: PixelsOf, batches: Any, runtime: Runtime
) -> "DataLoader[ImageBatch]":
    pin = runtime.device.type == "cuda"
    return make_loader(Pictures(source, pixels_of), batches, runtime.workers, pin)


def _encoded(loader: "DataLoader[ImageBatch]", encode: Encode, runtime: Runtime) -> Features:
    for batch in loader:
        if batch.failures:
            row, reason = batch.failures[0]
            raise RunError(
                f"{len(batch.failures)} image(s) could be read at the start of the run and not "
                f"any more; the first is row {row}: {reason}.",
                "Leave the data folder alone while deftclean runs, and start again.",
            )
        pixels = batch.pixels.to(runtime.device, non_blocking=True)
        with runtime.autocast():
            features = encode(pixels)
        yield batch.rows, features
