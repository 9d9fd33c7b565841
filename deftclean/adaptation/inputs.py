"""What a classifier is shown: pictures at every visit, or features that are computed once.

Knows neither losses nor which rows are tested.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from deftclean.adaptation.classifiers import FineTuned
from deftclean.adaptation.fine_tuning import Batches
from deftclean.core.progress import Progress
from deftclean.core.runtime import Runtime
from deftclean.images.augmenting import StrongPictures
from deftclean.images.workers import Source
from deftclean.settings.adaptation import AdaptConfig
from deftclean.training.embeddings import Embeddings
from deftclean.training.feeds import EmbeddingEpochs, EpochBatches
from deftclean.training.picture_sets import SCORING_BATCH, PictureSet


class Inputs(Protocol):
    """What a classifier is shown of some pictures."""

    def feed(self, batches: EpochBatches) -> Callable[[int], Batches]:
        """Training batches of epoch 0, 1, ..."""

    def in_order(self, chosen: NDArray[np.int64]) -> Batches:
        """Some pictures, un-augmented."""


@dataclass(frozen=True)
class PictureInputs:
    """Pixels, decoded or from the cache at every visit."""

    pictures: PictureSet
    preprocess: dict[str, Any]
    config: AdaptConfig

    def feed(self, batches: EpochBatches) -> Callable[[int], Batches]:
        """Training batches of epoch 0, 1, ..."""
        return self.pictures.epochs(self._view(), batches)

    def in_order(self, chosen: NDArray[np.int64]) -> Batches:
        """Some pictures, un-augmented."""
        return self.pictures.in_order(chosen)

    def _view(self) -> Source:
        resize = self.pictures.preparation.training
        if self.config.augmentation == "strong":
            return StrongPictures(self.pictures.resized(resize), self.preprocess, self.config.flip)
        return self.pictures.resized(resize, self.config.flip)


@dataclass(frozen=True)
class FeatureInputs:
    """What the head sees, computed once."""

    embeddings: Embeddings
    runtime: Runtime

    @classmethod
    def of(
        cls,
        classifier: FineTuned,
        pictures: PictureSet,
        chosen: NDArray[np.int64],
        path: Path,
        progress: Progress,
    ) -> "FeatureInputs":
        """Compute the features of some pictures into a file."""
        classifier.eval()
        runtime = pictures.runtime
        ranks = runtime.ranks
        own = chosen[ranks.part(len(chosen), SCORING_BATCH)]
        found = Embeddings(path, len(pictures.rows.distinct), classifier.width)
        with progress.stage("Embedding", len(own)) as advance:
            for batch, pixels in pictures.in_order(own):
                with torch.inference_mode(), runtime.autocast():
                    features = classifier.features(pixels).float().cpu().numpy()
                found.put(batch.numpy(), features)
                advance(len(batch), "")
        found.share(chosen, ranks, SCORING_BATCH)
        return cls(found, runtime)

    def feed(self, batches: EpochBatches) -> Callable[[int], Batches]:
        """Training batches of epoch 0, 1, ..."""
        return EmbeddingEpochs(self.embeddings, batches, self.runtime)

    def in_order(self, chosen: NDArray[np.int64]) -> Batches:
        """Some pictures."""
        for at in range(0, len(chosen), SCORING_BATCH):
            part = chosen[at : at + SCORING_BATCH]
            features = self.embeddings.take(part)
            yield torch.from_numpy(part), features.to(self.runtime.device)
