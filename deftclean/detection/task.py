"""What every way of selecting rows is given, and what it gives back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deftclean.core.progress import Progress
from deftclean.core.run import RunOptions
from deftclean.data.manifest import Manifest
from deftclean.data.options import ManifestOptions
from deftclean.detection.train import EpochMetrics
from deftclean.evidence.saved import KeptEvidence
from deftclean.features.backbone import check_features
from deftclean.features.pictures import RunPictures
from deftclean.features.scoring import DetectorScores, ZeroShotScores
from deftclean.hearing.brought import Brought
from deftclean.hearing.judging import Verdict
from deftclean.hearing.own_numbers import OwnNumbers, own_numbers, seen_by
from deftclean.images.prepared import ImageReader
from deftclean.images.usable_rows import UsableRows
from deftclean.models.backbones import BackboneName
from deftclean.models.detector import DualPromptDetector
from deftclean.models.detector_card import Texts
from deftclean.settings.detector import DetectorConfig, Noise, ResolvedConfig, Rule
from deftclean.settings.strategies import StrategyOptions
from deftclean.settings.training import Decode


@dataclass(frozen=True)
class ScanRequest:
    """What is to be scanned, how, and where it goes; checked already.

    Attributes:
        manifest: N rows and the K classes.
        reading: with which it was read.
        noise: preset.
        given: settings that differ from it.
        options: how rows are selected.
        threshold: in [0, 1]; None for the recipe to choose.
        output: score table; the detector folder goes beside it.
        overwrite: replace both.
        resume: go on where a stopped scan left off.
        model: as `--model` names it.
        run: weights, device, cache.
        brought: what the user brought beside the model.
        progress: told what happens.
    """

    manifest: Manifest
    reading: ManifestOptions
    noise: Noise
    given: Mapping[str, Any]
    options: StrategyOptions
    threshold: float | None
    output: Path
    overwrite: bool
    resume: bool
    model: str
    run: RunOptions
    brought: Brought
    progress: Progress

    def chosen_backbone(self) -> BackboneName | None:
        """What `--features` names; asked before any picture is read.

        Raises:
            UsageError: there is no such model.
        """
        named = self.brought.features
        return None if named is None else check_features(*named)

    def own(
        self,
        chosen: BackboneName | None,
        decode: Decode,
        rows: UsableRows,
        reader: ImageReader,
    ) -> OwnNumbers:
        """What the user brought, for the pictures that can be read.

        Args:
            chosen: from `chosen_backbone`.
            decode: how pictures are decoded.
            rows: of the run.
            reader: its folder and cache.
        """
        sight = seen_by(chosen, decode, self.run.offline, None, rows, reader)
        return own_numbers(self.brought, rows, reader.folder, sight)


@dataclass(frozen=True)
class Task:
    """One data set, and what is known about it before anything is trained.

    Attributes:
        pictures: that are trained on; embedded already where the settings have no tuner.
        untuned: the same ones, embedded; None where the settings have a tuner and nobody asks.
        manifest: N rows and the K classes.
        resolved: settings.
        zero_shot: of every readable row.
        prompt_texts: of each class, that DEFT's prompts are made around; None for its name.
        progress: told what happens.
    """

    pictures: RunPictures
    untuned: RunPictures | None
    manifest: Manifest
    resolved: ResolvedConfig
    zero_shot: ZeroShotScores
    prompt_texts: Texts | None
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
