"""How good a classifier is on rows whose labels are believed: arrays in, numbers out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BINS = 15


@dataclass(frozen=True)
class Evaluation:
    """Figures of m rows and K classes.

    Attributes:
        rows: m.
        accuracy: share of rows whose likeliest class is the label, in [0, 1].
        per_class: (K,) the same by class; NaN where a class has no row.
        confusion: (K, K) int64, rows by label and likeliest class.
        calibration_error: expected difference between the probability of the likeliest class and
            how often it is right, in [0, 1]; lower is better. 15 bins; Guo et al. 2017,
            https://arxiv.org/abs/1706.04599.
    """

    rows: int
    accuracy: float
    per_class: NDArray[np.float64]
    confusion: NDArray[np.int64]
    calibration_error: float

    def as_dict(self, class_names: Sequence[str]) -> dict[str, Any]:
        """Plain values, for JSON; a class without rows is null."""
        shares = [None if np.isnan(value) else float(value) for value in self.per_class]
        return {
            "tested_on": self.rows,
            "accuracy": self.accuracy,
            "calibration_error": self.calibration_error,
            "per_class": dict(zip(class_names, shares, strict=True)),
        }


def evaluate(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> Evaluation:
    """Compare predictions with labels.

    Args:
        probabilities: (m, K), each row sums to 1; m ≥ 1.
        labels: (m,) classes.
    """
    count, classes = probabilities.shape
    predicted = probabilities.argmax(axis=1)
    right = predicted == labels
    confusion = np.bincount(labels * classes + predicted, minlength=classes**2)
    confusion = confusion.reshape(classes, classes).astype(np.int64)
    of_class = confusion.sum(axis=1)
    hits = np.where(of_class > 0, confusion.diagonal(), np.nan)
    return Evaluation(
        count,
        float(right.mean()),
        hits / np.maximum(of_class, 1),
        confusion,
        calibration_error(probabilities.max(axis=1), right),
    )


def calibration_error(confidence: NDArray[np.float32], right: NDArray[np.bool_]) -> float:
    """Expected calibration error, ``Σ_b (n_b / n) |right_b - confidence_b|``, in [0, 1].

    By hand: confidences 0.9, 0.9, 0.6, of which the first two are right and wrong, the third right:
    2/3 · |0.5 - 0.9| + 1/3 · |1 - 0.6| = 0.4.

    Args:
        confidence: (n,) probability of the likeliest class.
        right: (n,) bool, whether it is the label.
    """
    bins = np.minimum((confidence * _BINS).astype(np.int64), _BINS - 1)
    gap = np.bincount(bins, weights=right.astype(np.float64) - confidence, minlength=_BINS)
    return float(np.abs(gap).sum() / len(confidence))
