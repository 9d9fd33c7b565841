"""The pool: what witnesses say, weighed together, and the noise of the labels, fitted jointly.

    log p(k | x) = Σ_m w_m · witness_m(k | x) + b_k - log Z,   w ≥ 0

A logarithmic opinion pool (Genest & Zidek 1986). Weights, bias and label noise are those that make
the given labels most likely: they maximise Σ_i log Σ_k p(k | x_i) P(y_i | k, x_i). No witness has
been fitted to a picture's own label, so a witness that only repeats labels gains nothing. Where
people know the class of a picture, the sum over k is over what they leave possible: of a confirmed
label log p(y | x) + log(1 - ε_y).

Where annotators voted, each stratum s of agreement has noise of its own:
logit ε_ks = logit ε_k + δ_s.

Shapes: n labels, M witnesses, K classes, S strata.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from deftclean.evidence.agreement import STRATA
from deftclean.evidence.noise import LabelNoise

LEARNED_PAIRS = 50
"""Classes from which on it is not learned what two of them have to do with each other."""

# What is believed before a label is seen. Penalties on noise are those of so many labels; the two
# on weights grow with n, since what they stand against, a wrong model, does not shrink with it.
_SHRINK_CLASS = 20.0  # ε_k to a common ε, on its logit
_SHRINK_PAIRS = 50.0  # q to 0, over K
_SHRINK_BIAS = 1.0
_SHRINK_STRATA = 0.1  # δ to 0; labels that all chose may be wrong a hundredth as often as others
# Beside them, of ε: one wrong label and one right one, so that no rate is certain to be 0.
# Each witness is a probability already, so that Σ w should be near 1; of a taught one this is known
# less well, for what keeps it from learning every label by heart also makes it less sure.
_CALIBRATED, _CALIBRATED_TAUGHT = 0.06, 0.03  # nats a label times (log Σ w)²
_STEPS = 200


@dataclass(frozen=True)
class Testimony:
    """What is fitted to: n labels and what M witnesses say of their pictures.

    Attributes:
        log_probs: (n, M, K) float64.
        labels: (n,) given class.
        log_marginal: (K,) of the labels.
        taught: (M,) bool, whether a witness has learned from labels of this data set.
        impossible: (n, K) 0, or -inf for a class that people know a picture not to be of; None
            where they know nothing.
        strata: (n,) of agreement; None where there is but one.
    """

    log_probs: Tensor
    labels: Tensor
    log_marginal: Tensor
    taught: Tensor
    impossible: Tensor | None = None
    strata: Tensor | None = None

    def of(self, chosen: NDArray[np.bool_]) -> "Testimony":
        """Of some of the witnesses."""
        heard = torch.from_numpy(chosen)
        return replace(self, log_probs=self.log_probs[:, heard], taught=self.taught[heard])

    def every(self, step: int) -> "Testimony":
        """Of one label in so many."""
        barred = None if self.impossible is None else self.impossible[::step]
        return replace(
            self,
            log_probs=self.log_probs[::step],
            labels=self.labels[::step],
            impossible=barred,
            strata=None if self.strata is None else self.strata[::step],
        )

    @property
    def mix(self) -> Tensor | None:
        """(S,) share of each stratum; None where there is but one."""
        if self.strata is None:
            return None
        return self.strata.bincount(minlength=STRATA).double() / len(self.strata)


@dataclass(frozen=True)
class Pool:
    """Weights and label noise, from one vector of numbers.

    Attributes:
        values: the numbers: softplus⁻¹(w) of M witnesses, b of K classes, the common logit of ε and
            each class's distance from it, q (where K is below `LEARNED_PAIRS`), δ of S strata
            (where there are more than one), softplus⁻¹(τ).
        witnesses: M.
        log_marginal: (K,) of the labels.
        loss: negative log-likelihood and penalties at the values, in nats over all n labels.
        mix: (S,) share of the labels in each stratum; None where there is but one.
    """

    values: Tensor
    witnesses: int
    log_marginal: Tensor
    loss: float
    mix: Tensor | None = None

    @property
    def weights(self) -> Tensor:
        """(M,) w, 0 or more."""
        return F.softplus(self.values[: self.witnesses])

    @property
    def bias(self) -> Tensor:
        """(K,) b."""
        return self.values[self.witnesses :][: len(self.log_marginal)]

    @property
    def noise(self) -> LabelNoise:
        """How labels come to be wrong; the mean over the strata of agreement."""
        logits = self._logits
        if self.mix is None:
            return self._noise(F.logsigmoid(logits), F.logsigmoid(-logits))
        each, shares = logits + self.shifts[:, None], self.mix.log()[:, None]
        wrong = (F.logsigmoid(each) + shares).logsumexp(dim=0)
        return self._noise(wrong, (F.logsigmoid(-each) + shares).logsumexp(dim=0))

    def noise_of(self, strata: Tensor | None) -> LabelNoise:
        """The same of (B,) labels whose stratum is known; the mean where it is not."""
        if self.mix is None or strata is None:
            return self.noise
        logits = self._logits + self.shifts[strata][:, None]
        return self._noise(F.logsigmoid(logits), F.logsigmoid(-logits))

    @property
    def _logits(self) -> Tensor:
        """(K,) of ε."""
        return _noise_values(self.values, self.witnesses, len(self.log_marginal))[1]

    @property
    def shifts(self) -> Tensor:
        """(S,) δ; without strata, of no meaning."""
        return self.values[-1 - STRATA : -1]

    def _noise(self, log_wrong: Tensor, log_right: Tensor) -> LabelNoise:
        classes = len(self.log_marginal)
        _, _, pairs, resemblance = _noise_values(self.values, self.witnesses, classes)
        return LabelNoise(log_wrong, log_right, pairs, self.log_marginal, F.softplus(resemblance))

    def log_probs(self, heard: Tensor) -> Tensor:
        """(B, M, K) of the witnesses -> (B, K) log p(k | x)."""
        return (torch.einsum("m,bmk->bk", self.weights, heard) + self.bias).log_softmax(dim=1)


def _noise_values(
    values: Tensor, witnesses: int, classes: int
) -> tuple[Tensor, Tensor, Tensor | None, Tensor]:
    """Each class's distance from the common logit, its logit, q, and τ before its softplus."""
    rest = values[witnesses + classes :]
    apart = rest[1 : 1 + classes]
    pairs = None
    if classes < LEARNED_PAIRS:
        pairs = rest[1 + classes :][: classes * classes].view(classes, classes)
    return apart, rest[0] + apart, pairs, rest[-1]


def starting_values(
    weights: NDArray[np.float64], classes: int, resemblance: float, *, strata: bool = False
) -> Tensor:
    """Numbers to begin with: these weights, a quarter of the labels wrong, no pairs.

    Args:
        weights: (M,).
        classes: K.
        resemblance: τ.
        strata: there is more than one.
    """
    more = (classes * classes if classes < LEARNED_PAIRS else 0) + (STRATA if strata else 0)
    values = torch.zeros(len(weights) + classes + 1 + classes + more + 1, dtype=torch.float64)
    values[: len(weights)] = _before_softplus(torch.from_numpy(weights).clamp(min=1e-3))
    values[len(weights) + classes] = -1.0
    values[-1] = _before_softplus(torch.tensor(max(resemblance, 1e-4), dtype=torch.float64))
    return values


def _before_softplus(positive: Tensor) -> Tensor:
    return positive + torch.log(-torch.expm1(-positive))


def penalties(pool: Pool, count: int, taught: Tensor, price: float) -> Tensor:
    """What the values cost whatever the labels, in nats.

    Args:
        pool: the values.
        count: n.
        taught: (M,) bool, see `Testimony`.
        price: nats a label that a unit of a taught witness's weight costs.
    """
    classes = len(pool.log_marginal)
    apart, _, pairs, _ = _noise_values(pool.values, pool.witnesses, classes)
    weights = pool.weights
    common = pool.values[pool.witnesses + classes]
    total = _SHRINK_CLASS * (apart**2).sum() + _SHRINK_BIAS * (pool.bias**2).sum()
    total = total - F.logsigmoid(common) - F.logsigmoid(-common)
    if pairs is not None:
        total = total + _SHRINK_PAIRS / classes * (pairs**2).sum()
    if pool.mix is not None:
        # Of each stratum that there is, too, one wrong label and one right one.
        logits = (common + pool.shifts)[pool.mix > 0]
        total = total + _SHRINK_STRATA * (pool.shifts**2).sum()
        total = total - (F.logsigmoid(logits) + F.logsigmoid(-logits)).sum()
    of_taught = (taught * weights).sum()
    share = of_taught / (weights.sum() + 1e-9)
    strength = _CALIBRATED + share * (_CALIBRATED_TAUGHT - _CALIBRATED)
    pooled = (weights.sum() + 1e-9).log()
    return total + count * (strength * pooled**2 + price * of_taught)


def surprise(pool: Pool, testimony: Testimony) -> Tensor:
    """(n,) -log P(given label, and what people know | picture), in nats."""
    log_probs = pool.log_probs(testimony.log_probs)
    noise = pool.noise_of(testimony.strata)
    joint = log_probs + noise.log_chances(log_probs, testimony.labels)
    if testimony.impossible is not None:
        joint = joint + testimony.impossible
    return -torch.logsumexp(joint, dim=1)


def fit(
    testimony: Testimony,
    start: Tensor,
    *,
    price: float = 0.0,
    resemblance: float | None = None,
) -> Pool:
    """The most likely pool, by L-BFGS from some values.

    Args:
        testimony: n labels.
        start: values; see `starting_values`.
        price: nats a label that a unit of a taught witness's weight costs.
        resemblance: τ; None to fit it.
    """
    count, witnesses, _ = testimony.log_probs.shape
    mix = testimony.mix
    fixed = torch.zeros_like(start, dtype=torch.bool)
    values = start.clone()
    if resemblance is not None:
        fixed[-1] = True
        values[-1] = _before_softplus(torch.tensor(max(resemblance, 1e-4), dtype=torch.float64))
    values.requires_grad_(True)
    optimiser = torch.optim.LBFGS(
        [values],
        max_iter=_STEPS,
        history_size=20,
        tolerance_grad=1e-6,
        tolerance_change=1e-9,
        line_search_fn="strong_wolfe",
    )

    def loss() -> Tensor:
        optimiser.zero_grad()
        pool = Pool(values, witnesses, testimony.log_marginal, math.nan, mix)
        total = surprise(pool, testimony).sum() + penalties(pool, count, testimony.taught, price)
        mean: Tensor = total / count
        mean.backward()
        assert values.grad is not None  # noqa: S101 - `backward` made it
        values.grad[fixed] = 0.0
        return mean

    optimiser.step(loss)
    reached = float(loss().detach()) * count
    return Pool(values.detach().clone(), witnesses, testimony.log_marginal, reached, mix)
