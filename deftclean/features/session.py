"""A loaded model at work on the readable pictures of one run."""

from dataclasses import dataclass
from typing import Any

import torch

from deftclean import __version__
from deftclean.core.progress import Progress
from deftclean.core.runtime import Runtime
from deftclean.images.usable_rows import UsableRows
from deftclean.models.detector import DualPromptDetector
from deftclean.models.detector_card import Texts
from deftclean.models.saved_detector import build_detector
from deftclean.models.weights import LoadedModel, load_model
from deftclean.settings.detector import DetectorConfig
from deftclean.training.checkpoint import rows_digest
from deftclean.training.feeds import Encode
from deftclean.training.picture_sets import filled
from deftclean.training.pieces import Pieces


@dataclass(frozen=True)
class Session:
    """A loaded model on a device, and how many pictures go through it at once."""

    model: str
    weights: str | None
    loaded: LoadedModel
    runtime: Runtime
    pieces: Pieces

    @classmethod
    def load(
        cls,
        model: str,
        weights: str | None,
        offline: bool,
        foretold: dict[str, Any],
        runtime: Runtime,
        progress: Progress,
        micro_batch: int | None = None,
    ) -> "Session":
        """Load a model and put it on the run's device.

        Args:
            model, weights, offline: see `deftclean.models.weights.load_model`.
            foretold: the preprocessing by which pictures were resized before the model was loaded.
            runtime, progress: of the run.
            micro_batch: pictures that pass through it at once; None for as many as fit.
        """
        loaded = load_model(model, weights, offline, progress.say)
        if loaded.encoder.preprocess != foretold:  # pictures in the cache would be wrong
            raise RuntimeError(f"preprocessing {loaded.encoder.preprocess}, foretold {foretold}")
        runtime.place(loaded.encoder)
        return cls(model, weights, loaded, runtime, Pieces(micro_batch, runtime, progress.say))

    def features(self, encode: Encode, pixels: torch.Tensor) -> torch.Tensor:
        """(B, D) features of (B, 3, h, w) uint8 pixels on the run's device, without gradients.

        Args:
            encode: of pixels.
            pixels: at most `SCORING_BATCH` of them.
        """
        with torch.inference_mode(), self.runtime.autocast():
            return self.pieces.of(encode)(filled(pixels))[: len(pixels)]

    def detector_for(
        self, class_names: tuple[str, ...], config: DetectorConfig, texts: Texts | None
    ) -> DualPromptDetector:
        """An untrained detector around the model."""
        made = build_detector(self.loaded.encoder, class_names, config, texts)
        return made.to(self.runtime.device)

    def identity(
        self, class_names: tuple[str, ...], config: DetectorConfig, rows: UsableRows
    ) -> dict[str, Any]:
        """What decides every number of a training run, by name."""
        ranks = self.runtime.ranks
        return {
            "version of deftclean": __version__,
            "settings": config.as_dict(),
            "class names": list(class_names),
            "model": self.loaded.sha256,
            "data": rows_digest(rows, rows.trainable),
            "device": self.runtime.device.type,
            "precision": self.runtime.precision,
            **({"processes": ranks.size} if ranks.size > 1 else {}),
        }
