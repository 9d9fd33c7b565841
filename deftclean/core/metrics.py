"""How good a detector was, where the truth is known; all pooled over samples.

Knows nothing of models: arrays in, numbers out.
"""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class DetectionMetrics:
    """Shares in [0, 1]; higher is better.

    Attributes:
        precision: of the kept rows, the share whose label is right.
        recall: of the rows whose label is right, the share kept.
        f1_kept: harmonic mean of the two. Keeping everything scores high where noise is low, so
            never report it alone.
        f1_wrong: F1 of finding the wrong labels (a row not kept counts as found).
        auroc: probability that a right label has a higher `clean_prob` than a wrong one.
    """

    precision: float
    recall: float
    f1_kept: float
    f1_wrong: float
    auroc: float

    def as_dict(self) -> dict[str, float]:
        """Plain values."""
        return asdict(self)


def detection_metrics(right: ArrayLike, keep: ArrayLike, clean_prob: ArrayLike) -> DetectionMetrics:
    """Compare decisions with the truth.

    Args:
        right: (n,) bool, whether the given label is right.
        keep: (n,) bool, whether the row was kept.
        clean_prob: (n,) scores, higher = more likely right.
    """
    right, keep = np.asarray(right, dtype=bool), np.asarray(keep, dtype=bool)
    precision, recall = _share(right[keep]), _share(keep[right])
    found, real = _share(~right[~keep]), _share(~keep[~right])
    return DetectionMetrics(
        precision, recall, _f1(precision, recall), _f1(found, real), auroc(right, clean_prob)
    )


def auroc(positive: ArrayLike, score: ArrayLike) -> float:
    """Area under the ROC curve, ties counting half; NaN where only one class is there.

    Args:
        positive: (n,) bool.
        score: (n,) finite numbers, higher = more likely positive.
    """
    from sklearn.metrics import roc_auc_score

    truth = np.asarray(positive, dtype=bool)
    if truth.all() or not truth.any():
        return float("nan")
    return float(roc_auc_score(truth, np.asarray(score)))


def _share(flags: NDArray[np.bool_]) -> float:
    return float(flags.mean()) if len(flags) else 0.0


def _f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
