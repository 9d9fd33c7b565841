"""How much is wrong: the share of wrong labels, of all and of each class, with an interval.

The estimate is the mean of what is believed of the rows. Its interval has three sources: which rows
are wrong is not known even where the rate is; weights and noise, and the correction by people's
decisions, are fitted to a sample; and the pools differ. The second is a normal approximation at
each pool, with the curvature of the likelihood times `DOUBT`; the pools are mixed by their shares.
Where the witnesses know nothing, any rate may be true, and the interval says so.

Shapes: n labelled rows, K classes.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtr
from torch import Tensor

from deftclean.evidence.belief import Belief
from deftclean.evidence.pool import Pool, Testimony, penalties
from deftclean.evidence.weigh import DOUBT

LEVEL = 0.9
"""Probability that the true rate lies in the interval."""

_MOST_ROWS = 2000  # from which the curvature is taken
_GRID = np.linspace(0, 1, 2001)


@dataclass(frozen=True)
class Rate:
    """A share of wrong labels, and the interval that it lies in with probability `LEVEL`."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class NoiseRates:
    """Of all labelled rows, and of the rows of each of the K classes.

    Attributes:
        overall: of all.
        classes: of those whose given label is each class; None where there are none.
    """

    overall: Rate
    classes: tuple[Rate | None, ...]


def noise_rates(
    belief: Belief,
    testimony: Testimony,
    clean_prob: NDArray[np.float64],
    labels: NDArray[np.int64],
) -> NoiseRates:
    """Estimate them.

    Args:
        belief: what is believed.
        testimony: that it was fitted to; all witnesses that are heard.
        clean_prob: (n,) of every labelled row.
        labels: (n,) theirs.
    """
    classes = len(belief.marginal)
    counts = np.bincount(labels, minlength=classes)
    wrong = np.bincount(labels, weights=1 - clean_prob, minlength=classes)
    spread = np.bincount(labels, weights=clean_prob * (1 - clean_prob), minlength=classes)
    # The last one is of all rows.
    count = np.append(counts, counts.sum()).clip(min=1)
    mean = np.append(wrong, wrong.sum()) / count
    chance = np.append(spread, spread.sum()) / count**2
    chance = chance + _of_correction(belief, clean_prob, labels, count)
    centres, variances = _by_pool(belief, testimony)
    mixed = belief.shares @ centres
    rates = []
    for at in range(classes + 1):
        means = mean[at] + centres[:, at] - mixed[at]
        rates.append(_rate(mean[at], means, chance[at] + variances[:, at], belief))
    known = [rate if n else None for rate, n in zip(rates, counts, strict=False)]
    return NoiseRates(rates[-1], tuple(known[:classes]))


def _of_correction(
    belief: Belief,
    clean_prob: NDArray[np.float64],
    labels: NDArray[np.int64],
    count: NDArray[np.int64],
) -> NDArray[np.float64]:
    """(K + 1,) variance of each mean that what people decided about leaves; the last of all."""
    classes, correction = len(belief.marginal), belief.correction
    if correction is None:
        return np.zeros(classes + 1)
    open_rows = (clean_prob > 0) & (clean_prob < 1)
    slopes = correction.slopes(clean_prob) * open_rows[:, None]
    of_class = [np.bincount(labels, weights=column, minlength=classes) for column in slopes.T]
    sums = np.stack([np.append(column, column.sum()) for column in of_class], axis=1)
    means = sums / count[:, None]
    variances: NDArray[np.float64] = np.einsum("ki,ij,kj->k", means, correction.covariance, means)
    return variances


def _rate(
    estimate: float, means: NDArray[np.float64], variances: NDArray[np.float64], belief: Belief
) -> Rate:
    """The interval of a mixture of normals, cut at 0 and 1, and of anything."""
    deviations = np.sqrt(np.maximum(variances, 1e-12))
    below = ndtr((_GRID[:, None] - means) / deviations)
    cumulated = belief.informed * below @ belief.shares + (1 - belief.informed) * _GRID
    tail = (1 - LEVEL) / 2
    low = np.interp(tail, cumulated, _GRID)
    high = np.interp(1 - tail, cumulated, _GRID)
    return Rate(float(estimate), float(min(low, estimate)), float(max(high, estimate)))


def _by_pool(
    belief: Belief, testimony: Testimony
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(S, K + 1) rates at each pool, and the variance that the fit gives them; the last of all."""
    every = -(-len(testimony.labels) // _MOST_ROWS)
    some = testimony.every(every)
    found = [_at_pool(pool, some, len(testimony.labels)) for pool in belief.pools]
    return np.stack([centre for centre, _ in found]), np.stack([var for _, var in found])


def _at_pool(
    pool: Pool, some: Testimony, count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    classes, kept = len(pool.log_marginal), len(some.labels)

    def both(
        values: Tensor, log_probs: Tensor, label: Tensor, barred: Tensor, stratum: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Of one row: -log P(label), and the probability that it is wrong."""
        at = replace(pool, values=values)
        known = at.log_probs(log_probs[None])
        joint = known + at.noise_of(stratum[None]).log_chances(known, label[None]) + barred
        whole = torch.logsumexp(joint, dim=1)
        wrong = 1 - (joint.gather(1, label[None, None])[:, 0] - whole).exp()
        found = torch.cat([-whole, wrong])
        return found, found

    barred = torch.zeros(kept, classes, dtype=torch.float64)
    if some.impossible is not None:
        barred = some.impossible
    strata = torch.zeros_like(some.labels) if some.strata is None else some.strata
    rows = (pool.values, some.log_probs, some.labels, barred, strata)
    of_each = (None, 0, 0, 0, 0)
    slopes, values = torch.func.vmap(torch.func.jacrev(both, has_aux=True), of_each)(*rows)
    slopes, wrong = slopes[..., :-1], values[:, 1]  # τ is what the pools differ in
    of_loss, of_wrong = slopes[:, 0], slopes[:, 1]

    def prior(values: Tensor) -> Tensor:
        at = replace(pool, values=values)
        return penalties(at, count, some.taught, 0.0)

    curvature = torch.func.jacrev(torch.func.grad(prior))(pool.values)[:-1, :-1]
    information = DOUBT * of_loss.T @ of_loss * (count / kept) + curvature
    information += 1e-6 * torch.eye(len(information), dtype=torch.float64)
    member = torch.zeros(kept, classes + 1, dtype=torch.float64)
    member[torch.arange(kept), some.labels] = 1
    member[:, -1] = 1
    member /= member.sum(dim=0).clamp(min=1)
    gradients = member.T @ of_wrong
    solved = torch.linalg.solve(information, gradients.T)
    variances = (gradients * solved.T).sum(dim=1).clamp(min=0)
    centres: NDArray[np.float64] = (member.T @ wrong).numpy()
    return centres, variances.numpy()
