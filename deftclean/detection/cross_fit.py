"""DEFT as a witness: two detectors, each trained on one half and asked about the other.

Together they take as many steps as one detector on the whole, and neither judges a picture whose
label it has learned from.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from deftclean.core.errors import CollapseError
from deftclean.detection.deft import Keeping, trained_detector
from deftclean.detection.task import Task
from deftclean.detection.train import EpochMetrics
from deftclean.detection.warnings import warned
from deftclean.evidence.known import Known
from deftclean.evidence.witness import Linear, LinearWitness
from deftclean.features.pictures import RunPictures
from deftclean.features.scoring import DetectorScorer, DetectorScores
from deftclean.models.detector import DualPromptDetector
from deftclean.training.sample import sampled_rows

_COLLAPSED = (
    "training of half {} collapsed (features became the same for all); it was trained again with a "
    "tenth of --lr and --clip-grad 1"
)


@dataclass(frozen=True)
class KeptHalf:
    """What becomes of the training of one half, and of its second attempt, if it is stopped."""

    first: Keeping
    second: Keeping

    def remove(self) -> None:
        """Nothing is to be gone on with."""
        for attempt in (self.first, self.second):
            attempt.checkpoint.remove()


@dataclass(frozen=True)
class CrossFitted:
    """Two detectors and what they say.

    Attributes:
        detectors: the two.
        epochs: their metrics, one detector's after the other's.
        scores: every readable row, scored by a detector that has not learned from its picture.
        witness: what they say of all K classes.
        warnings: of trainings that collapsed.
    """

    detectors: tuple[DualPromptDetector, ...]
    epochs: list[EpochMetrics]
    scores: DetectorScores
    witness: LinearWitness
    warnings: list[str]


def cross_fit(
    task: Task, halves: NDArray[np.int64], known: Known, keeping: Sequence[KeptHalf]
) -> CrossFitted:
    """Train both and judge every readable row.

    Args:
        task: the data.
        halves: (U,) 0 or 1, the half of each picture; labelled ones in both.
        known: what people know of the pictures.
        keeping: of each half's training, and of its second attempt.

    Raises:
        CollapseError, UsageError: as `deftclean.detection.deft.detect_rows`.
    """
    try:
        return _cross_fit(task, halves, known, keeping)
    except CollapseError:
        for kept in keeping:  # going on would end the same way
            kept.remove()
        raise


def _cross_fit(
    task: Task, halves: NDArray[np.int64], known: Known, keeping: Sequence[KeptHalf]
) -> CrossFitted:
    pictures, rows = task.pictures, task.pictures.rows
    half_of_row = halves[rows.pictures]
    right, usable = known.of_rows(rows.pictures, rows.labels)
    labels = torch.from_numpy(right)
    trainable = sampled_rows(rows.trainable[usable[rows.trainable]], rows.labels, task.config)
    detectors, epochs = [], []
    warnings = []
    for half, kept in enumerate(keeping):
        learned = trainable[half_of_row[trainable] == half]
        title = f"Training, half {half + 1}"
        try:
            detector, metrics = trained_detector(task, learned, labels, kept.first, title)
        except CollapseError:
            warnings += warned(task.progress, [_COLLAPSED.format(half + 1)])
            gentler = _gentler(task)
            detector, metrics = trained_detector(gentler, learned, labels, kept.second, title)
        detectors.append(detector)
        epochs += metrics
    judged_by = 1 - halves
    asked = [np.flatnonzero(judged_by == number) for number in range(len(detectors))]
    rows_of, spool = pictures.by_own_picture, pictures.spool_of_features()
    columns = rows_of.columns()
    with task.progress.stage("Scoring", sum(len(pictures.own(each)) for each in asked)) as advance:
        for detector, others in zip(detectors, asked, strict=True):
            scorer = DetectorScorer(detector, rows_of, pictures.runtime, columns)
            for batch, image in pictures.in_order(detector.image_features, others):
                scorer.add(batch, image)
                spool.put(batch.numpy(), image.float().cpu().numpy())
                advance(len(batch), "")
            pictures.share_spool(others)
    parts = [positive_part(detector, pictures) for detector in detectors]
    witness = LinearWitness("deft", spool.take, parts, judged_by)
    scores = DetectorScores(*columns.by_row())
    return CrossFitted(tuple(detectors), epochs, scores, witness, warnings)


def _gentler(task: Task) -> Task:
    """The same data, trained on with smaller steps."""
    config = task.config
    gentle = replace(config, lr=config.lr / 10, clip_grad=min(config.clip_grad or 1.0, 1.0))
    return replace(task, resolved=replace(task.resolved, config=gentle))


@torch.inference_mode()
def positive_part(detector: DualPromptDetector, pictures: RunPictures) -> Linear:
    """The positive prompts as a classifier of tuned features."""
    with pictures.runtime.autocast():
        texts = detector.positive_features()
    weight = texts.float().cpu() * float(detector.encoder.logit_scale)
    return Linear(weight, torch.zeros(len(weight)))
