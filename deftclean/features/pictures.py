"""The distinct readable pictures of a run, as features."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from deftclean.core.errors import RunError
from deftclean.core.progress import Progress
from deftclean.core.run import ALONE, Ranks
from deftclean.core.runtime import stream
from deftclean.features.class_texts import ClassTexts
from deftclean.features.early import EarlyFeatures
from deftclean.features.embedding import embed_pictures, stored_embeddings
from deftclean.features.scoring import (
    DetectorScorer,
    DetectorScores,
    RowsByPicture,
    ZeroShotScorer,
    ZeroShotScores,
)
from deftclean.features.session import Session
from deftclean.images.cache import Cache
from deftclean.images.loading import Wanted
from deftclean.images.resizing import Preparation
from deftclean.images.usable_rows import UsableRows
from deftclean.models.detector import DualPromptDetector
from deftclean.settings.detector import DetectorConfig
from deftclean.training.collapse import CollapseWatch, Watched
from deftclean.training.embeddings import Embeddings
from deftclean.training.feeds import EmbeddingEpochs, Encode, EpochBatches, Features, PictureEpochs
from deftclean.training.picture_sets import SCORING_BATCH, PictureSet
from deftclean.training.pieces import Again, no_more

_NO_SECOND_TRY = (
    "A training step does not fit into the device's memory; of several processes, none can try "
    "again by itself."
)
_PROBE = 32  # pictures that the watch for a collapse looks at


@dataclass(frozen=True)
class ChosenEpochs:
    """Training batches of rows that may change.

    Attributes:
        batches: what the feed asks for the rows of an epoch.
        feed: epoch from 0 -> rows and features.
        again: the features of its last batch once more, such that they take less memory.
    """

    batches: EpochBatches
    feed: Callable[[int], Features]
    again: Again

    def __call__(self, epoch: int, chosen: NDArray[np.int64]) -> Features:
        """The batches of some rows, at least one."""
        self.batches.rows = chosen  # the workers of the loader outlive an epoch
        return self.feed(epoch)


class RunPictures:
    """The distinct readable pictures of a run, as features.

    Without a tuner features never change: each picture is embedded once into a file, and training
    and scoring read them from there.

    Args:
        rows: of the run.
        preparation: how pictures are decoded and resized.
        session: the model at work.
        folder: of the run's own files.
        cache: of pictures and embeddings, or None.

    Attributes:
        by_picture: the rows, for who sees every picture.
        by_own_picture: for who sees those of `own`, as `in_order` and `of` give them.
    """

    def __init__(
        self,
        rows: UsableRows,
        preparation: Preparation,
        session: Session,
        folder: Path,
        cache: Cache | None,
    ) -> None:
        self.rows = rows
        self.session = session
        self.runtime = session.runtime
        self.labels = torch.from_numpy(rows.labels)
        self.by_picture = RowsByPicture(rows)
        self.by_own_picture = self.by_picture.divided(session.runtime.ranks)
        self._pictures = PictureSet(rows, preparation, cache, session.runtime)
        self._folder = folder
        self._embeddings: Embeddings | None = None
        self._spooled: Embeddings | None = None

    def embed(
        self,
        progress: Progress,
        on_batch: Callable[[], None],
        early: EarlyFeatures | None = None,
    ) -> None:
        """Compute the untuned features of every picture, or take them from the cache.

        Args:
            progress: told what happens.
            on_batch: called after each batch that was computed.
            early: features that were computed while the pictures were read.
        """
        encoder, count = self.session.loaded.encoder, len(self.rows.distinct)
        size = encoder.text.joint_size
        known = None if early is None else early.of(self.rows.distinct)
        if known is None:
            embeddings = Embeddings(self._folder / "embeddings", count, size)
            done = np.zeros(count, dtype=bool)
        else:
            embeddings, done = known
        sha256 = self.session.loaded.sha256
        stored = stored_embeddings(self._pictures, sha256, encoder.preprocess, size)
        stage = "Embedding (zero-shot)"
        image = self.session.pieces.of(encoder.image)
        embed_pictures(self._pictures, image, embeddings, done, stored, stage, progress, on_batch)
        self._embeddings = embeddings

    def zero_shot(
        self, texts: ClassTexts, progress: Progress, on_batch: Callable[[], None]
    ) -> ZeroShotScores:
        """What the untrained model says of every readable row."""
        encoder = self.session.loaded.encoder
        scorer = ZeroShotScorer(encoder, texts, self.by_own_picture, self.runtime)
        if self._embeddings is not None:
            for pictures, image in self.of(self._embeddings):
                scorer.add(pictures, image)
            return scorer.scores()
        own = self.own()
        with progress.stage("Embedding (zero-shot)", len(own)) as advance:
            for pictures, pixels in self._pictures.in_order(own, "embedding"):
                scorer.add(pictures, self.session.features(encoder.image, pixels))
                advance(len(pictures), "")
                on_batch()
        return scorer.scores()

    @property
    def embedded(self) -> bool:
        """Whether there are untuned features of every picture."""
        return self._embeddings is not None

    @property
    def embeddings(self) -> Embeddings:
        """The untuned features; `embed` comes first."""
        assert self._embeddings is not None  # noqa: S101 - callers have embedded
        return self._embeddings

    def spool_of_features(self) -> Embeddings:
        """A file for features of every picture; that of the untuned ones if there is any."""
        if self._embeddings is not None:
            return self._embeddings
        size = self.session.loaded.encoder.text.joint_size
        self._spooled = self._spooled or Embeddings(
            self._folder / "tuned", len(self.rows.distinct), size
        )
        return self._spooled

    def spool(self, encode: Encode, on_batch: Callable[[int], None]) -> Embeddings:
        """Features of every picture, un-augmented, in a file; the untuned ones if any.

        Several processes compute some of them each, and have all of them then. The next call writes
        over what the last one gave.

        Args:
            encode: of pixels.
            on_batch: told how many pictures are done.
        """
        if self._embeddings is not None:
            on_batch(len(self.rows.distinct))
            return self._embeddings
        spool = self.spool_of_features()
        for pictures, image in self.in_order(encode):
            spool.put(pictures.numpy(), image.float().cpu().numpy())
            on_batch(len(pictures))
        self.share_spool()
        return spool

    def share_spool(self, chosen: NDArray[np.int64] | None = None) -> None:
        """Give every process the features that each of them has put into the spool.

        Args:
            chosen: of these pictures only, as `in_order` was asked.
        """
        if self._spooled is not None:
            pictures = self._every() if chosen is None else chosen
            self._spooled.share(pictures, self.runtime.ranks, SCORING_BATCH)

    def _every(self) -> NDArray[np.int64]:
        return np.arange(len(self.rows.distinct))

    def own(self, chosen: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """Of every picture, or those chosen, what this process looks at: whole batches."""
        pictures = self._every() if chosen is None else chosen
        return pictures[self.runtime.ranks.part(len(pictures), SCORING_BATCH)]

    def of(self, embeddings: Embeddings, chosen: NDArray[np.int64] | None = None) -> Features:
        """Every picture of `own`, and features out of a file, on the run's device."""
        for pictures, image in embeddings.in_order(SCORING_BATCH, self.own(chosen)):
            yield pictures, image.to(self.runtime.device)

    def in_order(self, encode: Encode, chosen: NDArray[np.int64] | None = None) -> Features:
        """Every picture of `own` and its features, un-augmented; from embeddings if there are any.

        Args:
            encode: of pixels, where there are none.
            chosen: of these pictures only.
        """
        if self._embeddings is not None:
            yield from self.of(self._embeddings, chosen)
            return
        for pictures, pixels in self._pictures.in_order(self.own(chosen), "scoring"):
            yield pictures, self.session.features(encode, pixels)

    def score(self, detector: DualPromptDetector, progress: Progress) -> DetectorScores:
        """Every readable row scored once, in order."""
        scorer = DetectorScorer(detector, self.by_own_picture, self.runtime)
        with progress.stage("Scoring", len(self.own())) as advance:
            for pictures, image in self.in_order(detector.image_features):
                scorer.add(pictures, image)
                advance(len(pictures), "")
        return scorer.scores()

    def zero_shot_and_score(
        self,
        detector: DualPromptDetector,
        texts: ClassTexts,
        progress: Progress,
        early: EarlyFeatures | None = None,
    ) -> tuple[ZeroShotScores, DetectorScores]:
        """Both at one visit of each picture, where nothing has to happen in between."""
        if detector.tuner is None:
            self.embed(progress, lambda: None, early)
            zero_shot = self.zero_shot(texts, progress, lambda: None)
            return zero_shot, self.score(detector, progress)
        encoder = self.session.loaded.encoder
        untuned = ZeroShotScorer(encoder, texts, self.by_own_picture, self.runtime)
        tuned = DetectorScorer(detector, self.by_own_picture, self.runtime)
        own = self.own()
        with progress.stage("Scoring", len(own)) as advance:
            for pictures, pixels in self._pictures.in_order(own, "scoring"):
                untuned.add(pictures, self.session.features(encoder.image, pixels))
                tuned.add(pictures, self.session.features(detector.image_features, pixels))
                advance(len(pictures), "")
        return untuned.scores(), tuned.scores()

    def epochs_of_chosen(
        self, encode: Encode, config: DetectorConfig, ranks: Ranks = ALONE
    ) -> "ChosenEpochs":
        """Training batches of epoch 0, 1, ... of some rows, at least one, which may change.

        Args:
            encode: of pixels, where there are no embeddings.
            config: batch size, mirroring, seed.
            ranks: the processes that share out each batch.
        """
        rows = self.rows
        batches = EpochBatches(rows.trainable, rows.pictures, config.batch_size, config.seed, ranks)
        pieces = self.session.pieces
        if self._embeddings is not None:
            return ChosenEpochs(
                batches, EmbeddingEpochs(self._embeddings, batches, self.runtime), no_more
            )
        view = self._pictures.resized(self._pictures.preparation.training, config.flip)
        pixels = self._pictures.epochs(view, batches)
        feed = PictureEpochs(pixels, pieces.of(encode), self.runtime)

        def again(error: torch.OutOfMemoryError) -> torch.Tensor:
            if ranks.size > 1:  # the others are in the middle of the step
                raise RunError(_NO_SECOND_TRY, "Give --micro-batch N, so many at once.") from error
            pieces.halve(config.batch_size, error)
            return feed.again()

        return ChosenEpochs(batches, feed, again)

    def watch(self, model: Watched, seed: int) -> CollapseWatch:
        """For a collapse of an untrained model."""
        return CollapseWatch(model, self.probe(seed), self.runtime, self.session.pieces)

    def probe(self, seed: int) -> torch.Tensor:
        """ResizedPictures of a few trainable rows, always the same ones, as uint8 pixels."""
        count = min(_PROBE, len(self.rows.trainable))
        chosen = stream(seed, "probe").choice(self.rows.trainable, size=count, replace=False)
        wanted = Wanted.plain(self.rows.pictures[chosen])
        view = self._pictures.resized(self._pictures.preparation.scoring)
        return view.__getitems__(wanted).pixels
