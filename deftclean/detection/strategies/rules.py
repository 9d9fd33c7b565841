"""Which rows a strategy keeps: pure rules from what a classifier says of n labelled rows.

Every rule gives a score in [0, 1], higher = more likely right; a row is kept where its score is
above the threshold that the rule's docstring names. NumPy only; knows neither models nor files.

Shapes: n rows, K classes.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Classes = NDArray[np.int64]

UNIFORM_TAU = 5.0
UNIFORM_MU = 0.7
MATCHED_CONFIDENCE = 0.99
CLASS_SHARE = 0.6
_SAME = 1e-12  # divergences that differ by less differ by rounding


@dataclass(frozen=True)
class Choice:
    """What a rule says of n rows.

    Attributes:
        score: (n,) in [0, 1]; higher = more likely right.
        keep: (n,) whether the rule keeps the row.
    """

    score: Floats
    keep: Flags


def above(score: Floats, threshold: float) -> Choice:
    """Keep rows whose score is above a threshold."""
    return Choice(score, score > threshold)


def kept_first(score: Floats, keep: Flags) -> Choice:
    """A score that agrees with a decision which is no threshold on it: kept rows above 1/2.

    ``s' = (1 + s) / 2`` where kept (and above 1/2), ``s / 2`` elsewhere: order within both parts
    stays.

    >>> kept_first(np.array([0.2, 0.9, 0.0]), np.array([True, False, True])).score
    array([0.6       , 0.45      , 0.50000006])
    """
    just_above = float(np.nextafter(np.float32(0.5), np.float32(1)))
    lifted = np.maximum((1 + score) / 2, just_above)
    return Choice(np.where(keep, lifted, score / 2), keep)


def ranks(values: Floats) -> Classes:
    """(n,) place in ascending order, from 0; equal values in the order of the rows.

    >>> ranks(np.array([3.0, 1.0, 1.0]))
    array([2, 0, 1])
    """
    places = np.empty(len(values), dtype=np.int64)
    places[np.argsort(values, kind="stable")] = np.arange(len(values))
    return places


def forget_rate(epoch: int, warmup: int, noise_ratio: float) -> float:
    """Share of every batch that small-loss does not learn from: r after warm-up.

    It grows evenly in warm-up, from 0 in the first epoch to r in the last. Han et al. 2018,
    https://arxiv.org/abs/1804.06872.

    >>> [forget_rate(epoch, 3, 0.4) for epoch in (1, 2, 3, 4)]
    [0.0, 0.2, 0.4, 0.4]
    >>> [forget_rate(epoch, 1, 0.4) for epoch in (1, 2)]
    [0.0, 0.4]

    Args:
        epoch: from 1.
        warmup: epochs of it.
        noise_ratio: r in [0, 1).
    """
    if epoch > warmup:
        return noise_ratio
    return float(np.linspace(0, noise_ratio, warmup)[epoch - 1])


def small_loss(loss: Floats, noise_ratio: float) -> Choice:
    """The (1 - r)·n rows of smallest loss: ``score = 1 - rank / n``, kept where it is above r.

    Han et al. 2018, https://arxiv.org/abs/1804.06872.

    By hand, losses (0.1, 2, 0.5, 3), r = 0.5: ranks (0, 2, 1, 3), scores (1, 0.5, 0.75, 0.25); the
    first and the third are kept.

    Args:
        loss: (n,) any order-preserving measure, lower = more likely right.
        noise_ratio: r in [0, 1).
    """
    score = 1 - ranks(loss) / len(loss)
    # As a table holds them, so that its own rule finds the same rows.
    return Choice(score, score.astype(np.float32) > np.float32(noise_ratio))


def uniform(divergence: Floats, labels: Classes) -> Choice:
    """As many rows of every class, those of smallest Jensen-Shannon divergence (UNICON).

    Karim et al. 2022, https://arxiv.org/abs/2203.14542. With d the divergence between what is
    predicted and the given label, the cut is its mean, or ``mean - (mean - min) / 5`` where the
    mean is above 0.7; R is the share of rows below the cut, and of each class the R·n/K rows of
    smallest d are kept, at least one, or all there are; K counts classes with rows. Where no row
    diverges more than another, all are kept. Score: 1 - d, `kept_first`; kept where above 1/2.

    By hand, d = (0.1, 0.2, 0.3, 0.9) with labels (0, 0, 0, 1): mean 0.375, R = 3/4,
    R·n/K = 1.5, so one row of each class: the first and the last.

    Args:
        divergence: (n,) in [0, 1], lower = more likely right.
        labels: (n,) given class.
    """
    if divergence.max() - divergence.min() < _SAME:
        return kept_first(1 - divergence, np.ones(len(labels), dtype=bool))
    mean = divergence.mean()
    cut = mean - (mean - divergence.min()) / UNIFORM_TAU if mean > UNIFORM_MU else mean
    share = float((divergence < cut).mean())
    each = max(1, int(share * _rows_of_a_class(labels)))
    return kept_first(1 - divergence, first_of_class(divergence, labels, each))


def first_of_class(values: Floats, labels: Classes, count: int) -> Flags:
    """(n,) whether a row is among the `count` of its class with the smallest values.

    >>> first_of_class(np.array([0.3, 0.1, 0.2]), np.array([0, 0, 1]), 1)
    array([False,  True,  True])
    """
    order = np.lexsort((values, labels))
    grouped = labels[order]
    within = np.arange(len(labels)) - np.searchsorted(grouped, grouped)
    keep = np.empty(len(labels), dtype=bool)
    keep[order] = within < count
    return keep


def class_wise(given_prob: Floats, labels: Classes, share: float) -> Choice:
    """Small losses class by class, and whatever is predicted as given with certainty (ProMix).

    Xiao et al. 2023, https://arxiv.org/abs/2207.10276: of every class the ``⌈share · n/K⌉`` rows of
    smallest loss, and all rows with a probability of the given label above 0.99. Score: that
    probability, `kept_first`; kept where above 1/2.

    By hand, p = (0.9, 0.8, 0.995, 0.2), labels (0, 0, 0, 1), share 0.5: ⌈0.5 · 2⌉ = 1 of each
    class, the third and the last; no other is above 0.99.

    Args:
        given_prob: (n,) softmax of the given label, in [0, 1]; the loss is ``-ln`` of it.
        labels: (n,) given class; K counts those with rows.
        share: in (0, 1], 0.6 at the end in its authors' code.
    """
    each = math.ceil(share * _rows_of_a_class(labels))
    keep = first_of_class(-given_prob, labels, each) | (given_prob > MATCHED_CONFIDENCE)
    return kept_first(given_prob, keep)


def margin(given: Floats, other: Floats) -> Choice:
    """``score = σ(given - other)``: how far the given label is ahead of the best other one.

    Kept where it is ahead, that is above 1/2.

    By hand, ln 3 ahead: 3/4; ln 3 behind: 1/4.

    Args:
        given: (n,) logit of the given label.
        other: (n,) highest logit of another class.
    """
    ahead = np.exp(-np.logaddexp(0, other - given))  # does not overflow
    return above(ahead, 0.5)


def _rows_of_a_class(labels: Classes) -> float:
    """n/K, over classes that have rows."""
    return len(labels) / len(np.unique(labels))
