"""A loaded model at work on the readable pictures of one run."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from deftclean import __version__
from deftclean.checkpoint import FORMAT_VERSION, DetectorCard, build_detector, portable_name
from deftclean.config import DetectorConfig
from deftclean.detector import DualPromptDetector
from deftclean.feeds import (
    EmbeddingEpochs,
    Embeddings,
    EpochBatches,
    Features,
    PictureEpochs,
    pictures_in_order,
)
from deftclean.images import ImageSource, Pictures, View, scoring_pixels, training_pixels
from deftclean.manifest import Manifest
from deftclean.progress import Progress
from deftclean.rows import UsableRows
from deftclean.runtime import Runtime, stream
from deftclean.scoring import (
    SCORING_BATCH,
    DetectorScores,
    ZeroShotScores,
    score_rows,
    zero_shot_rows,
)
from deftclean.training import EpochMetrics
from deftclean.weights import LoadedModel, load_model

_PROBE = 32  # pictures that the watch for a collapse looks at


@dataclass(frozen=True)
class Session:
    """A loaded model on a device."""

    model: str
    weights: str | None
    loaded: LoadedModel
    runtime: Runtime

    @classmethod
    def load(
        cls, model: str, weights: str | None, offline: bool, runtime: Runtime, progress: Progress
    ) -> "Session":
        """Load a model and put it on the run's device."""

        loaded = load_model(model, weights, offline, progress.say)
        loaded.encoder.to(runtime.device)
        return cls(model, weights, loaded, runtime)

    def detector_for(
        self, class_names: tuple[str, ...], config: DetectorConfig
    ) -> DualPromptDetector:
        """An untrained detector around the model."""
        return build_detector(self.loaded.encoder, class_names, config).to(self.runtime.device)

    def card(
        self,
        manifest: Manifest,
        config: DetectorConfig,
        threshold: float,
        epochs: list[EpochMetrics],
        warnings: list[str],
        folder: Path,
    ) -> DetectorCard:
        """What the detector folder will say of itself."""
        model, weights = portable_name(self.model, self.weights, folder)
        return DetectorCard(
            format_version=FORMAT_VERSION,
            tool_version=__version__,
            model=model,
            weights=weights,
            weights_sha256=self.loaded.sha256,
            label_names=manifest.label_names,
            config=config,
            threshold=threshold,
            epochs=[metrics.as_dict() for metrics in epochs],
            warnings=warnings,
        )


class RunPictures:
    """The readable pictures of a run, as features.

    Without a tuner features never change: the zero-shot pass keeps them in a file, and training
    and scoring read them from there.
    """

    def __init__(
        self,
        source: ImageSource,
        session: Session,
        rows: UsableRows,
        folder: Path,
        keep_features: bool,
    ) -> None:

        self.source = source
        self.session = session
        self.runtime = session.runtime
        self.rows = rows
        self.labels = torch.from_numpy(rows.labels)
        self.preprocess = session.loaded.encoder.preprocess
        self._folder = folder
        self._keep = keep_features
        self._embeddings: Embeddings | None = None

    def in_order(self, encode: Callable[[torch.Tensor], torch.Tensor]) -> Features:
        """All readable rows, by the scoring preprocessing."""

        return pictures_in_order(
            self.source,
            scoring_pixels(self.preprocess),
            self.rows.readable,
            SCORING_BATCH,
            encode,
            self.runtime,
        )

    def zero_shot(
        self, class_names: tuple[str, ...], progress: Progress, on_batch: Callable[[], None]
    ) -> ZeroShotScores:
        """What the untrained model says of every readable row."""

        encoder = self.session.loaded.encoder
        features = self.in_order(encoder.image)
        if self._keep:
            features = self._stored(features)
        count = len(self.rows.readable)
        with progress.stage("Embedding (zero-shot)", count) as advance:
            counted = _counted(_watched(features, on_batch), advance)
            return zero_shot_rows(encoder, class_names, counted, self.labels, self.runtime)

    def epochs(
        self, detector: DualPromptDetector, config: DetectorConfig
    ) -> Callable[[int], Features]:
        """Training batches."""

        batches = EpochBatches(self.rows.trainable, config.batch_size, config.seed)
        if self._embeddings is not None:
            return EmbeddingEpochs(self._embeddings, batches, self.runtime)
        pixels_of = training_pixels(self.preprocess, config.crop, config.flip)
        return PictureEpochs(self.source, pixels_of, batches, detector.image_features, self.runtime)

    def probe(self, seed: int) -> torch.Tensor:
        """A few trainable pictures, always the same ones, as uint8 pixels."""

        count = min(_PROBE, len(self.rows.trainable))
        chosen = stream(seed, "probe").choice(self.rows.trainable, size=count, replace=False)
        pictures = Pictures(self.source, scoring_pixels(self.preprocess))
        return pictures.__getitems__([View(int(row)) for row in chosen]).pixels

    def score(self, detector: DualPromptDetector, progress: Progress) -> DetectorScores:
        """Every readable row scored once, in order."""

        features = (
            self.in_order(detector.image_features)
            if self._embeddings is None
            else self._embeddings.in_order(SCORING_BATCH, self.runtime)
        )
        with progress.stage("Scoring", len(self.rows.readable)) as advance:
            return score_rows(detector, _counted(features, advance), self.labels, self.runtime)

    def _stored(self, features: Features) -> Features:

        for rows, image in features:
            if self._embeddings is None:
                path = self._folder / "embeddings"
                self._embeddings = Embeddings(path, self.rows.readable, image.shape[1])
            self._embeddings.put(rows.numpy(), image)
            yield rows, image


def _counted(features: Features, advance: Callable[[int, str], None]) -> Features:
    for rows, image in features:
        yield rows, image
        advance(len(rows), "")


def _watched(features: Features, on_batch: Callable[[], None]) -> Features:
    for rows, image in features:
        yield rows, image
        on_batch()
