"""The final evaluation pass: every readable row scored once, in order, without augmentation."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from deftclean.detector import DualPromptDetector
from deftclean.encoder import Encoder
from deftclean.feeds import Features
from deftclean.losses import at_label, clean_probability
from deftclean.prompts import readable_name
from deftclean.runtime import Runtime

SCORING_BATCH = 64
"""Rows in a scoring batch: fixed, so that batch boundaries never change a score."""

ZERO_SHOT_PROMPT = "a photo of a {}"


@dataclass(frozen=True)
class DetectorScores:
    """Scores of n rows.

    Attributes:
        rows: (n,) ascending row indices.
        clean_prob: (n,) p_clean of the label asked about, in [0, 1]; higher = more likely right.
        clean_top: (n,) class with the highest p_clean.
        predicted: (n,) class with the highest positive similarity.
        predicted_prob: (n,) its softmax, in [0, 1].
    """

    rows: NDArray[np.int64]
    clean_prob: NDArray[np.float32]
    clean_top: NDArray[np.int64]
    predicted: NDArray[np.int64]
    predicted_prob: NDArray[np.float32]


@dataclass(frozen=True)
class ZeroShotScores:
    """What the untrained model says.

    Attributes:
        rows: (n,) ascending row indices.
        prob: (n,) softmax of the label asked about, in [0, 1].
        log_prob: (n,) its logarithm, in nats.
        predicted: (n,) most probable class.
    """

    rows: NDArray[np.int64]
    prob: NDArray[np.float32]
    log_prob: NDArray[np.float32]
    predicted: NDArray[np.int64]


@torch.inference_mode()
def score_rows(
    detector: DualPromptDetector, features: Features, labels: Tensor, runtime: Runtime
) -> DetectorScores:
    """Score tuned image features with the learned prompts.

    Args:
        detector: trained.
        features: batches of (rows, tuned image features), in row order.
        labels: (N,) int64 class of every row of the manifest, on the CPU; for a row without a
            label any class, its `clean_prob` then means nothing.
        runtime: device and precision.
    """
    with runtime.autocast():
        positive, negative = detector.text_features()
    columns: list[tuple[Tensor, ...]] = []
    for rows, image in features:
        output = detector.compare(image, positive, negative)
        probability = clean_probability(*output)
        predicted = output.positive.argmax(dim=1)
        columns.append(
            (
                rows,
                at_label(probability, labels[rows].to(runtime.device)).cpu(),
                # The margin decides where probabilities have saturated at 1.
                (output.positive - output.negative).argmax(dim=1).cpu(),
                predicted.cpu(),
                at_label(output.positive.softmax(dim=1), predicted).cpu(),
            )
        )
    return DetectorScores(*_joined(columns))


@torch.inference_mode()
def zero_shot_rows(
    encoder: Encoder, names: tuple[str, ...], features: Features, labels: Tensor, runtime: Runtime
) -> ZeroShotScores:
    """Classify untuned image features with "a photo of a {name}" (Eq. 1).

    Args:
        encoder: frozen CLIP.
        names: K class names.
        features: batches of (rows, untuned image features), in row order.
        labels: as in `score_rows`.
        runtime: device and precision.
    """
    texts = [ZERO_SHOT_PROMPT.format(readable_name(name)) for name in names]
    with runtime.autocast():
        text = encoder.text.encode(texts).float()
    columns: list[tuple[Tensor, ...]] = []
    for rows, image in features:
        logits = encoder.logit_scale * image.float() @ text.T
        log_prob = at_label(F.log_softmax(logits, dim=1), labels[rows].to(runtime.device))
        columns.append((rows, log_prob.exp().cpu(), log_prob.cpu(), logits.argmax(dim=1).cpu()))
    return ZeroShotScores(*_joined(columns))


def _joined(columns: list[tuple[Tensor, ...]]) -> list[Any]:
    return [torch.cat(parts).numpy() for parts in zip(*columns, strict=True)]
