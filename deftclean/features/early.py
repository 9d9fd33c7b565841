"""Untuned features of pictures while others are still being read: the first two passes in one.

Who reads hands over what it had to decode; the model is loaded when the first batch is full. What
was not shown (it lay in the cache of pictures, or in another process) is computed later.
"""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from deftclean.features.session import Session
from deftclean.images.sources import DistinctPictures
from deftclean.training.embeddings import Embeddings
from deftclean.training.picture_sets import SCORING_BATCH

_MEASURED = range(2, 6)  # batches by which the pace is told: the first ones are slow


class EarlyFeatures:
    """Features of images by their index, made meanwhile; an `Onlooker` of the first pass.

    A batch is as large as any other, so that features are the same bytes as of a later pass.

    Args:
        session: loads the model.
        path: the file of the features.

    Attributes:
        batches: that were computed.
        pace: seconds that a batch takes; None where there were too few to tell.
    """

    def __init__(self, session: Callable[[], Session], path: Path) -> None:
        self._session = session
        self._path = path
        self._embeddings: Embeddings | None = None
        self._done = np.zeros(0, dtype=bool)
        self._images: list[NDArray[np.int64]] = []
        self._pixels: list[NDArray[np.uint8]] = []
        self._waiting = 0
        self.batches = 0
        self._computing: tuple[NDArray[np.int64], torch.Tensor] | None = None
        self.pace: float | None = None

    def expect(self, count: int) -> None:
        """There are F images."""
        self._done = np.zeros(count, dtype=bool)

    def see(self, images: NDArray[np.int64], pixels: NDArray[np.uint8]) -> None:
        """Some pictures as scoring sees them, (n,) and (n, 3, h, w)."""
        while len(images):
            taken = min(len(images), SCORING_BATCH - self._waiting)
            self._images.append(images[:taken])
            self._pixels.append(pixels[:taken])
            self._waiting += taken
            images, pixels = images[taken:], pixels[taken:]
            if self._waiting == SCORING_BATCH:
                self._encode()

    def of(self, pictures: DistinctPictures) -> tuple[Embeddings, NDArray[np.bool_]] | None:
        """What is known of U pictures of the F images, once all of them were read.

        Returns:
            A file for the features of all of them, and (U,) whether a picture's are in it; None
            where nothing was shown.
        """
        if self._waiting:
            self._encode()
        self._collect()
        if self._embeddings is None:
            return None
        self._embeddings.keep(pictures.files)
        return self._embeddings, self._done[pictures.files]

    def _encode(self) -> None:
        session = self._session()
        images, pixels = np.concatenate(self._images), np.concatenate(self._pixels)
        self._images, self._pixels, self._waiting = [], [], 0
        began = time.monotonic()
        moved = torch.from_numpy(pixels).to(session.runtime.device)
        features = session.features(session.loaded.encoder.image, moved)
        self._collect()  # the batch before: a device works while the next pictures come in
        self._computing = images, features
        self.batches += 1
        if self.batches in _MEASURED:
            self._collect()
            seconds = time.monotonic() - began
            self.pace = seconds if self.pace is None else min(self.pace, seconds)

    def _collect(self) -> None:
        if self._computing is None:
            return
        images, features = self._computing
        self._computing = None
        if self._embeddings is None:
            self._embeddings = Embeddings(self._path, len(self._done), features.shape[1])
        self._embeddings.put(images, features.float().cpu().numpy())
        self._done[images] = True
