"""DEFT as a witness: two detectors, each trained on one half and asked about the other.

Together they take as many steps as one detector on the whole, and neither judges a picture whose
label it has learned from.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from deftclean.core.errors import CollapseError
from deftclean.detection.deft import Keeping, trained_detector
from deftclean.detection.task import Task
from deftclean.detection.train import EpochMetrics
from deftclean.evidence.witness import Linear, LinearWitness
from deftclean.features.pictures import RunPictures
from deftclean.features.scoring import DetectorScorer, DetectorScores, scores_of_all
from deftclean.models.detector import DualPromptDetector


@dataclass(frozen=True)
class CrossFitted:
    """Two detectors and what they say.

    Attributes:
        detectors: the two.
        epochs: their metrics, one detector's after the other's.
        scores: every readable row, scored by a detector that has not learned from its picture.
        witness: what they say of all K classes.
    """

    detectors: tuple[DualPromptDetector, ...]
    epochs: list[EpochMetrics]
    scores: DetectorScores
    witness: LinearWitness


def cross_fit(task: Task, halves: NDArray[np.int64], keeping: Sequence[Keeping]) -> CrossFitted:
    """Train both and judge every readable row.

    Args:
        task: the data.
        halves: (U,) 0 or 1, the half of each picture; labelled ones in both.
        keeping: of each training.

    Raises:
        CollapseError, UsageError: as `deftclean.detection.deft.detect_rows`.
    """
    try:
        return _cross_fit(task, halves, keeping)
    except CollapseError:
        for kept in keeping:  # going on would end the same way
            kept.checkpoint.remove()
        raise


def _cross_fit(task: Task, halves: NDArray[np.int64], keeping: Sequence[Keeping]) -> CrossFitted:
    pictures, rows = task.pictures, task.pictures.rows
    half_of_row = halves[rows.pictures[rows.trainable]]
    detectors, epochs = [], []
    for half, kept in enumerate(keeping):
        learned = rows.trainable[half_of_row == half]
        detector, metrics = trained_detector(task, learned, kept, f"Training, half {half + 1}")
        detectors.append(detector)
        epochs += metrics
    judged_by = 1 - halves
    scorers, spool = [], pictures.spool_of_features()
    with task.progress.stage("Scoring", len(halves)) as advance:
        for number, detector in enumerate(detectors):
            scorer = DetectorScorer(detector, pictures.by_picture, pictures.runtime)
            others = np.flatnonzero(judged_by == number)
            for batch, image in pictures.in_order(detector.image_features, others):
                scorer.add(batch, image)
                spool.put(batch.numpy(), image.float().cpu().numpy())
                advance(len(batch), "")
            scorers.append(scorer)
    parts = [positive_part(detector, pictures) for detector in detectors]
    witness = LinearWitness("deft", spool.take, parts, judged_by)
    return CrossFitted(tuple(detectors), epochs, scores_of_all(scorers), witness)


@torch.inference_mode()
def positive_part(detector: DualPromptDetector, pictures: RunPictures) -> Linear:
    """The positive prompts as a classifier of tuned features."""
    with pictures.runtime.autocast():
        texts = detector.positive_features()
    weight = texts.float().cpu() * float(detector.encoder.logit_scale)
    return Linear(weight, torch.zeros(len(weight)))
