"""The distinct pictures of some rows as batches of pixels: in order, or augmented for training."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from deftclean.core.runtime import Runtime
from deftclean.images.cache import Cache
from deftclean.images.loading import ResizedPictures
from deftclean.images.resizing import Preparation, Resize
from deftclean.images.usable_rows import UsableRows
from deftclean.images.workers import Source
from deftclean.training.feeds import EpochBatches, PixelEpochs, pictures_in_order

SCORING_BATCH = 64
"""ResizedPictures in a scoring batch: fixed, so that batch boundaries never change a score."""


def filled(batch: torch.Tensor) -> torch.Tensor:
    """(B, ...) of at most `SCORING_BATCH` with zeros after them, so that there are as many.

    In a batch of another size numbers may round differently, and it would show which pictures
    stood together, or whether features came from the cache.
    """
    zeros = batch.new_zeros(SCORING_BATCH - len(batch), *batch.shape[1:])
    return torch.cat([batch, zeros]) if len(zeros) else batch


@dataclass(frozen=True)
class PictureSet:
    """What a run does with its pictures, wherever they come from.

    Attributes:
        rows: and which picture each shows.
        preparation: how pictures are decoded and resized.
        cache: of resized pictures, or None.
        runtime: device and workers.
    """

    rows: UsableRows
    preparation: Preparation
    cache: Cache | None
    runtime: Runtime

    def resized(self, resize: Resize, flip: bool = False) -> ResizedPictures:
        """The pictures by one resize."""
        cache = self.cache
        folder = cache.pictures(self.preparation.spec(resize)) if cache is not None else None
        return ResizedPictures(self.rows.distinct, self.preparation, resize, folder, flip)

    def in_order(
        self, chosen: NDArray[np.int64] | None = None, doing: str = "reading pictures"
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """All pictures, or those chosen, by the scoring preprocessing: (B,) and their pixels.

        Args:
            chosen: of these pictures only.
            doing: what for, in messages.
        """
        return pictures_in_order(
            self.resized(self.preparation.scoring),
            np.arange(len(self.rows.distinct)) if chosen is None else chosen,
            SCORING_BATCH,
            self._workers(),
            self.rows,
            self.runtime,
            doing,
        )

    def epochs(self, pictures: Source, batches: EpochBatches) -> PixelEpochs:
        """Training batches of some view of the pictures."""
        return PixelEpochs(pictures, batches, self._workers(), self.rows, self.runtime)

    def _workers(self) -> int:
        kept = self.cache is not None and self.cache.accepts
        return self.runtime.readers if kept else self.runtime.decoders


def spec_of(preprocess: Mapping[str, Any]) -> dict[str, Any]:
    """A preprocessing as plain JSON values."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in preprocess.items()
    }
