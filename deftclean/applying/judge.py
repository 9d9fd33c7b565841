"""A saved detector at work: loaded once, asked about the rows of one manifest or of many."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deftclean.applying.new_rows import Heard, hear_new_rows, verdict_on
from deftclean.core.errors import InputError
from deftclean.core.progress import Progress
from deftclean.core.run import RunOptions
from deftclean.core.runtime import Runtime, choose_runtime
from deftclean.data.manifest import Manifest
from deftclean.data.options import ManifestOptions
from deftclean.detection.assembly import Said, near_copies
from deftclean.evidence.saved import KeptEvidence
from deftclean.features.backbone import check_features
from deftclean.features.early import EarlyFeatures
from deftclean.features.pictures import RunPictures
from deftclean.features.scoring import DetectorScores, ZeroShotScores
from deftclean.features.session import Session
from deftclean.hearing.brought import Brought
from deftclean.hearing.judging import Verdict, agreement_of, known_of, strangers_of
from deftclean.hearing.own_numbers import OwnNumbers, own_numbers, seen_by
from deftclean.images.prepared import ImageReader, PreparedRows, opened_reader
from deftclean.images.resizing import Preparation
from deftclean.images.usable_rows import UsableRows
from deftclean.models.backbones import BackboneName
from deftclean.models.detector import DualPromptDetector
from deftclean.models.detector_card import DetectorCard
from deftclean.models.saved_detector import load_detectors, load_evidence, local_name
from deftclean.models.weights import preprocess_of


@dataclass(frozen=True)
class Opinion:
    """What is to be said of the readable rows of a manifest.

    Attributes:
        said: row by row.
        zero_shot: what the untrained model says.
        verdict: of all the evidence; None where the detector judges alone.
        near: (U,) see `deftclean.detection.assembly.near_copies`; None where nobody looked.
    """

    said: Said
    zero_shot: ZeroShotScores
    verdict: Verdict | None
    near: NDArray[np.int64] | None


@dataclass(frozen=True)
class Looked:
    """Every readable picture of a manifest, after all models have seen it.

    Attributes:
        untuned: pictures, with their untuned features where there are any.
        zero_shot: what the untrained model says of the rows.
        scores: of the one detector that judges alone; None where the evidence does.
        heard: what is said of the pictures; None where one detector judges alone.
    """

    untuned: RunPictures
    zero_shot: ZeroShotScores
    scores: DetectorScores | None
    heard: Heard | None


@dataclass(frozen=True)
class Judge:
    """A detector folder, its model and how its pictures are read.

    Attributes:
        home: the folder.
        card: what it says of itself.
        brought: what the user brought beside the model.
        chosen: the backbone among it, looked up; None for none.
        run: `offline`, `compile`.
        clip: model and weights.
        preprocess: the model's.
        reader: of pictures; its runtime is that of all.
        progress: told what happens.
    """

    home: Path
    card: DetectorCard
    brought: Brought
    chosen: BackboneName | None
    run: RunOptions
    clip: tuple[str, str | None]
    preprocess: dict[str, Any]
    reader: ImageReader
    progress: Progress

    @property
    def runtime(self) -> Runtime:
        """Device and precision."""
        return self.reader.runtime

    @cached_property
    def _session(self) -> Session:
        """Loaded when the first pictures are there: data can be refused before it."""
        return Session.load(
            *self.clip, self.run.offline, self.preprocess, self.runtime, self.progress
        )

    @cached_property
    def _detectors(self) -> Sequence[DualPromptDetector]:
        detectors = load_detectors(self.home, self.card, self._session.loaded)
        for detector in detectors:
            detector.to(self.runtime.device)
            if self.run.compile:
                detector.compile_images()
        return detectors

    @cached_property
    def kept(self) -> KeptEvidence:
        """What the scan kept of its evidence, beside the detectors."""
        tensors, facts = load_evidence(self.home), self.card.evidence or {}
        try:
            return KeptEvidence.from_file(facts, tensors, self.runtime.device)
        except (KeyError, ValueError, TypeError) as error:
            raise InputError(f"{self.home} is damaged: of its evidence, {error}.") from error

    def prepare(
        self, manifest: Manifest, reading: ManifestOptions, early: EarlyFeatures | None
    ) -> PreparedRows:
        """Look at the picture of every row.

        Args:
            manifest: N rows.
            reading: with which it was read.
            early: from `early`.

        Raises:
            InputError: none of the pictures can be read.
        """
        return self.reader.prepare(manifest, reading, self.card.class_names, early)

    def early(self, folder: Path) -> EarlyFeatures | None:
        """Who embeds the pictures of a manifest while others of it are read, where it pays."""
        embeds = self.card.evidence is not None or self.card.config.tuner == "none"
        if not (embeds and self.runtime.looks_on):
            return None
        return EarlyFeatures(lambda: self._session, folder / "early")

    def load(self) -> None:
        """Load everything, so that what is missing is told before the first picture."""
        _ = self._detectors
        if self.card.evidence is not None:
            _ = self.kept

    def look_at(
        self,
        manifest: Manifest,
        reading: ManifestOptions,
        folder: Path,
        early: EarlyFeatures | None,
    ) -> PreparedRows:
        """The same, though none can be read; files of these rows go to a folder."""
        return self.reader.look_at(manifest, reading, self.card.class_names, folder, early)

    def of_set(self, prepared: PreparedRows, early: EarlyFeatures | None) -> Opinion:
        """Judge the rows as one data set: nearly identical pictures and strangers are told too."""
        rows, looked = prepared.rows, self._look(prepared, self.reader.folder, early)
        near = near_copies(looked.untuned, self.progress)
        if looked.heard is None:
            return self._alone(looked, near)
        every = np.arange(len(rows.distinct))
        scores, verdict = self._weighed(looked.heard, prepared.manifest, rows, every)
        odd = strangers_of(verdict.judged, looked.heard.found, looked.zero_shot, rows)
        verdict = replace(verdict, strangers=odd)
        said = Said.of(scores, looked.zero_shot, verdict, is_deft=False)
        return Opinion(said, looked.zero_shot, verdict, near)

    def of_each(self, prepared: PreparedRows, folder: Path, early: EarlyFeatures | None) -> Opinion:
        """Judge every row by itself, as if it were alone: what is said depends on no other row.

        Args:
            prepared: the rows.
            folder: for files of these rows alone.
            early: who saw the pictures while they were read.
        """
        looked = self._look(prepared, folder, early)
        if looked.heard is None:
            return self._alone(looked, None)
        rows, picture_of = prepared.rows.apart()
        scores, verdict = self._weighed(looked.heard, prepared.manifest, rows, picture_of)
        said = Said.of(scores, looked.zero_shot, verdict, is_deft=False)
        return Opinion(said, looked.zero_shot, verdict, None)

    def _weighed(
        self, heard: Heard, manifest: Manifest, rows: UsableRows, picture_of: NDArray[np.int64]
    ) -> tuple[DetectorScores, Verdict]:
        known = known_of(rows, manifest)
        voted = agreement_of(manifest)
        return verdict_on(self.kept, heard, rows, picture_of, known, voted, self.progress)

    def _alone(self, looked: Looked, near: NDArray[np.int64] | None) -> Opinion:
        assert looked.scores is not None  # noqa: S101 - nobody else was heard
        said = Said.of(looked.scores, looked.zero_shot, None, is_deft=True)
        return Opinion(said, looked.zero_shot, None, near)

    def _look(self, prepared: PreparedRows, folder: Path, early: EarlyFeatures | None) -> Looked:
        texts = self.brought.texts
        untuned = self._pictures(prepared, folder)
        if self.card.evidence is None:
            both = untuned.zero_shot_and_score(self._detectors[0], texts, self.progress, early)
            return Looked(untuned, *both, None)
        untuned.embed(self.progress, lambda: None, early)
        zero_shot = untuned.zero_shot(texts, self.progress, lambda: None)
        # Both spool their features: into the same file, the second would write over the first.
        looking = [
            untuned
            if detector.tuner is None
            else self._pictures(prepared, folder / f"half-{number}")
            for number, detector in enumerate(self._detectors)
        ]
        own = self._own(prepared, folder)
        judges = list(zip(self._detectors, looking, strict=True))
        heard = hear_new_rows(untuned, judges, self.kept, own, texts, self.progress)
        return Looked(untuned, zero_shot, None, heard)

    def _own(self, prepared: PreparedRows, folder: Path) -> OwnNumbers:
        rows, decode = prepared.rows, self.card.config.decode
        sha256 = ((self.card.evidence or {}).get("features") or {}).get("sha256")
        reader = replace(self.reader, folder=folder)
        sight = seen_by(self.chosen, decode, self.run.offline, sha256, rows, reader)
        return own_numbers(self.brought, rows, folder, sight)

    def _pictures(self, prepared: PreparedRows, folder: Path) -> RunPictures:
        folder.mkdir(exist_ok=True)
        preparation, cache = self.reader.preparation, self.reader.cache
        return RunPictures(prepared.rows, preparation, self._session, folder, cache)


@contextmanager
def opened_judge(
    home: Path, card: DetectorCard, brought: Brought, run: RunOptions, progress: Progress
) -> Iterator[Judge]:
    """A judge, for as long as one command works.

    Args:
        home, card: the detector's folder and what it says of itself.
        brought: what the user brought beside the model.
        run: device, model, cache.
        progress: told what happens.

    Raises:
        InputError, RunError: the model cannot be had, or the cache has no size.
    """
    runtime = choose_runtime(run.device, run.precision, run.workers, run.ranks)
    model, weights = clip_of(home, card, run)
    preprocess = preprocess_of(model, weights, run.offline, progress.say)
    preparation = Preparation.of(preprocess, card.config.decode, crop=False)
    chosen = None if brought.features is None else check_features(*brought.features)
    with opened_reader(preparation, runtime, run, progress) as reader:
        clip = model, weights
        yield Judge(home, card, brought, chosen, run, clip, preprocess, reader, progress)
        reader.say_cache()


def clip_of(home: Path, card: DetectorCard, run: RunOptions) -> tuple[str, str | None]:
    """Model and weights: the user's, or those that the detector was trained with."""
    if run.model is not None:
        same = run.weights is None and run.model == card.model
        return run.model, card.weights if same else run.weights
    return local_name(card.model, card.weights if run.weights is None else run.weights, home)
