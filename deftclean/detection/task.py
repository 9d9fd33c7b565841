"""What every way of selecting rows is given, and what it gives back."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from deftclean.core.progress import Progress
from deftclean.data.manifest import Manifest
from deftclean.detection.judging import Verdict
from deftclean.detection.train import EpochMetrics
from deftclean.evidence.saved import KeptEvidence
from deftclean.features.pictures import RunPictures
from deftclean.features.scoring import DetectorScores, ZeroShotScores
from deftclean.models.detector import DualPromptDetector
from deftclean.settings.detector import DetectorConfig, ResolvedConfig, Rule


@dataclass(frozen=True)
class Task:
    """One data set, and what is known about it before anything is trained.

    Attributes:
        pictures: that are trained on; embedded already where the settings have no tuner.
        untuned: the same ones, embedded; None where the settings have a tuner and nobody asks.
        manifest: N rows and the K classes.
        resolved: settings.
        zero_shot: of every readable row.
        progress: told what happens.
    """

    pictures: RunPictures
    untuned: RunPictures | None
    manifest: Manifest
    resolved: ResolvedConfig
    zero_shot: ZeroShotScores
    progress: Progress

    @property
    def config(self) -> DetectorConfig:
        """The settings."""
        return self.resolved.config

    @property
    def classes(self) -> int:
        """K."""
        return len(self.manifest.class_names)

    @property
    def labels(self) -> NDArray[np.int64]:
        """(n,) class of the labelled readable rows, ascending by row."""
        rows = self.pictures.rows
        return rows.labels[rows.trainable]

    def labelled(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of some rows have a label."""
        return self.pictures.rows.labelled[rows]


@dataclass(frozen=True)
class Outcome:
    """What was found about every readable row.

    Attributes:
        scores: `clean_prob` is the score; that of a row without a label means nothing.
        rule, threshold: by which the score table decides what is kept.
        detectors: that were trained, of `deft` one and of `evidence` two.
        epochs: their metrics, one after the other.
        verdict: of `evidence`.
        kept: what `score` needs of it beside the detectors.
        warnings: what may make the result useless.
        near: groups of nearly identical pictures, where `evidence` has found them by the way.
    """

    scores: DetectorScores
    rule: Rule
    threshold: float
    detectors: tuple[DualPromptDetector, ...] = ()
    epochs: list[EpochMetrics] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    verdict: Verdict | None = None
    kept: KeptEvidence | None = None
    near: NDArray[np.int64] | None = None
