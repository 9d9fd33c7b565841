"""How good a selection was, where the truth is known; all pooled over rows.

Knows neither files nor models: arrays in, numbers out.
"""

import math
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class SelectionMetrics:
    """Shares in [0, 1].

    Attributes:
        judged: n, rows that have a score and a known truth.
        precision: of the kept rows, the share whose label is right; 0 where none is kept.
        recall: of the rows whose label is right, the share kept; None where none is right.
        f1: harmonic mean of the two; None where no label is right. Keeping everything scores high
            where noise is low: never report it alone.
        wrong_precision: of the rows not kept, the share whose label is wrong; 0 where all are kept.
        wrong_recall: of the rows whose label is wrong, the share not kept; None where none is.
        wrong_f1: harmonic mean of the two; None where no label is wrong.
        auroc: probability that a right label has a higher score than a wrong one; None where all
            labels are right or all are wrong.
        missed_at_budget: of the wrong labels, the share that a person misses who reviews as many
            rows as there are wrong ones, lowest scores first; lower is better. None where no label
            is wrong.
        noise_rate: share of the labels that are wrong.
        estimated_noise_rate: share of the rows that were not kept.
    """

    judged: int
    precision: float
    recall: float | None
    f1: float | None
    wrong_precision: float
    wrong_recall: float | None
    wrong_f1: float | None
    auroc: float | None
    missed_at_budget: float | None
    noise_rate: float
    estimated_noise_rate: float

    def as_dict(self) -> dict[str, float | int | None]:
        """Plain values."""
        return asdict(self)


def selection_metrics(right: ArrayLike, keep: ArrayLike, score: ArrayLike) -> SelectionMetrics:
    """Compare decisions and scores with the truth.

    By hand: labels right, right, right, wrong, wrong; kept: the first, second and fourth; scores
    0.9, 0.8, 0.3, 0.6, 0.1. Of 3 kept 2 are right (precision 2/3), of 3 right 2 are kept (recall
    2/3, F1 2/3); of 2 not kept 1 is wrong and of 2 wrong 1 is not kept (all 1/2). Of 6 pairs of a
    right and a wrong label 5 are in order (AUROC 5/6). The 2 lowest scores, 0.1 and 0.3, find 1 of
    2 wrong labels (missed 1/2). Noise 2/5, estimated 2/5.

    Args:
        right: (n,) bool, whether the given label is right; n ≥ 1.
        keep: (n,) bool, whether the row was kept.
        score: (n,) finite numbers, higher = more likely right.
    """
    right, keep = np.asarray(right, dtype=bool), np.asarray(keep, dtype=bool)
    scores = np.asarray(score, dtype=np.float64)
    precision, recall = _share(right[keep]) or 0.0, _share(keep[right])
    found, real = _share(~right[~keep]) or 0.0, _share(~keep[~right])
    area = auroc(right, scores)
    return SelectionMetrics(
        len(right),
        precision,
        recall,
        _f1(precision, recall),
        found,
        real,
        _f1(found, real),
        None if math.isnan(area) else area,
        missed_at_budget(right, scores),
        float((~right).mean()),
        float((~keep).mean()),
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


def missed_at_budget(right: ArrayLike, score: ArrayLike) -> float | None:
    """Share of the wrong labels not among the lowest scores, as many as labels are wrong.

    Rows of the same score come in random order; this is the mean over all orders. By hand: two of
    four labels are wrong, and one score of all four: two of four rows are reviewed, so each wrong
    one is missed with probability 1/2.

    Args:
        right: (n,) bool.
        score: (n,) finite numbers, higher = more likely right.

    Returns:
        In [0, 1], lower is better; None where no label is wrong.
    """
    wrong, scores = ~np.asarray(right, dtype=bool), np.asarray(score, dtype=np.float64)
    budget = int(wrong.sum())
    if not budget:
        return None
    last = np.partition(scores, budget - 1)[budget - 1]
    below, tied = scores < last, scores == last
    places = (budget - below.sum()) / tied.sum()  # for each of the rows that share the last score
    found = wrong[below].sum() + places * wrong[tied].sum()
    return float(1 - found / budget)


def beyond_chance(agreed: int, labelled: int, both: int) -> float:
    """Cohen's kappa of two who name a class for each of n rows: 1 always agree, 0 as by chance.

    ``(a - c) / (1 - c)`` with ``a = agreed / n`` and ``c = Σ_k n1_k n2_k / n²``.

    Args:
        agreed: rows of which both say the same.
        labelled: n.
        both: ``Σ_k n1_k n2_k``, how often each of the two names class k.

    Returns:
        NaN where n is 0; 0 where chance leaves nothing to agree about.

    >>> round(beyond_chance(70, 100, 50 * 60 + 50 * 40), 9)
    0.4
    """
    if not labelled:
        return math.nan
    chance = both / labelled**2
    return (agreed / labelled - chance) / (1 - chance) if chance < 1 else 0.0


def _share(flags: NDArray[np.bool_]) -> float | None:
    return float(flags.mean()) if len(flags) else None


def _f1(precision: float, recall: float | None) -> float | None:
    if recall is None:  # there is nothing to find
        return None
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@dataclass(frozen=True)
class Parts:
    """Rows by their probability; parts of [0, 1] without a row are left out.

    Attributes:
        rows: (p,) how many.
        mean: (p,) of their probabilities.
        total: (p,) of their outcomes.
    """

    rows: NDArray[np.int64]
    mean: NDArray[np.float64]
    total: NDArray[np.float64]


def by_parts(probability: ArrayLike, outcome: ArrayLike, parts: int = 10) -> Parts:
    """Sort rows into equally wide parts of [0, 1].

    By hand: probabilities 0.1, 0.3, 1 with outcomes 0, 1, 1 in two parts: two rows of mean 0.2, of
    whose outcomes one is in all, and one row of mean 1.

    Args:
        probability: (n,) in [0, 1].
        outcome: (n,) what came of it, numbers or whether it did.
        parts: how many.
    """
    values = np.asarray(probability)
    part = np.minimum((values * parts).astype(np.int64), parts - 1)
    rows = np.bincount(part, minlength=parts)
    there = np.flatnonzero(rows)
    mean = np.bincount(part, weights=values, minlength=parts)[there] / rows[there]
    weights = np.asarray(outcome, dtype=np.float64)
    total = np.bincount(part, weights=weights, minlength=parts)[there].astype(np.float64)
    return Parts(rows[there], mean, total)
