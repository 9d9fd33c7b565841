"""What is believed when all witnesses are heard: a few pools, each as much as its data support it.

One thing data may hardly decide: how much mistakes follow resemblance (τ). It is not chosen but
averaged over: a pool for each of some values, weighted by how likely it makes the labels. Against
them stands the belief that the witnesses know nothing, which is what is left where no pool explains
the labels better than their frequencies do.

Shapes: B pictures, M witnesses, K classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deftclean.evidence.correction import Correction
from deftclean.evidence.given_labels import GivenLabels
from deftclean.evidence.pool import Pool
from deftclean.evidence.witness import Witness, WitnessName

_CERTAIN = 1e-12


@dataclass(frozen=True)
class Belief:
    """Pools, and how much each is believed.

    Attributes:
        names: of the M witnesses that are heard.
        pools: of these witnesses.
        shares: (S,) of each pool, summing to one.
        informed: how much it is believed that the witnesses know something, in [0, 1].
        marginal: (K,) share of each class among the labels.
        correction: what people's decisions say of all this; None where they say nothing.
    """

    names: tuple[WitnessName, ...]
    pools: tuple[Pool, ...]
    shares: NDArray[np.float64]
    informed: float
    marginal: NDArray[np.float64]
    correction: Correction | None = None

    @property
    def weights(self) -> dict[WitnessName, float]:
        """How much each witness is heard, the mean over the pools."""
        mean = sum(
            share * pool.weights.numpy()
            for share, pool in zip(self.shares, self.pools, strict=True)
        )
        return dict(zip(self.names, np.asarray(mean).tolist(), strict=True))

    def posterior(
        self,
        heard: Tensor,
        pictures: Tensor,
        labels: Tensor,
        strata: Tensor | None = None,
        impossible: Tensor | None = None,
    ) -> Tensor:
        """What is believed of pictures and the labels that they were given.

        Several labels of one picture are as many observations of one true class.

        Args:
            heard: (B, M, K) log-probabilities, float64.
            pictures: (P,) the place in the block of each given label; a picture may have none.
            labels: (P,) given.
            strata: (P,) of the agreement of annotators; None where nothing is known of it.
            impossible: (B, K) 0, or -inf for a class that people know a picture not to be of.

        Returns:
            (B, K) probability of each class; rows sum to one.
        """
        barred = torch.zeros((), dtype=torch.float64) if impossible is None else impossible
        known = torch.zeros(heard.shape[0], heard.shape[2], dtype=torch.float64)
        for share, pool in zip(self.shares, self.pools, strict=True):
            log_probs = pool.log_probs(heard)
            chances = pool.noise_of(strata).log_chances(log_probs[pictures], labels)
            joint = log_probs.index_add(0, pictures, chances) + barred
            known += share * joint.softmax(dim=1)
        marginal = torch.from_numpy(self.marginal)
        unknown = ignorance(marginal, heard.shape[0], pictures, labels) * barred.exp()
        unknown = unknown / unknown.sum(dim=1, keepdim=True)
        return self.informed * known + (1 - self.informed) * unknown


def foretold(belief: Belief, heard: Tensor) -> tuple[Tensor, Tensor]:
    """Which label a picture will be given, and how likely, before any is heard.

    P(given j | x) = Σ_k p(k | x) P(given j | true k, x), of the j = argmax_k p(k | x). That labels
    are given as often as foretold can be seen without knowing a single true one.

    Args:
        belief: what is believed.
        heard: (B, M, K) log-probabilities, float64.

    Returns:
        (B,) class, (B,) probability.
    """
    opinions = [pool.log_probs(heard) for pool in belief.pools]
    shares = belief.shares.tolist()
    mean = torch.stack([s * o.exp() for s, o in zip(shares, opinions, strict=True)]).sum(dim=0)
    top = mean.argmax(dim=1)
    likely = torch.zeros(len(top), dtype=torch.float64)
    for share, pool, log_probs in zip(shares, belief.pools, opinions, strict=True):
        joint = log_probs + pool.noise.log_chances(log_probs, top)
        likely += share * joint.logsumexp(dim=1).exp()
    ignorant = torch.from_numpy(belief.marginal)[top]
    return top, belief.informed * likely + (1 - belief.informed) * ignorant


def certain_of(
    posterior: Tensor, labels: Tensor, correction: Correction | None
) -> tuple[Tensor, Tensor, Tensor]:
    """What is believed of labels, and what of the best class beside them.

    Args:
        posterior: (n, K) of the pictures that were given the labels.
        labels: (n,).
        correction: of how likely the labels are right; other classes share what is left.

    Returns:
        (n,) probability that the label is right, (n,) most probable class, (n,) its probability.
    """
    own = posterior.gather(1, labels[:, None])[:, 0]
    if correction is None:
        best = posterior.max(dim=1)
        return own, best.indices, best.values
    known = (own <= 0) | (own >= 1 - _CERTAIN)  # people have said so, but for rounding
    corrected = torch.from_numpy(correction.of(own.numpy()))
    right = torch.where(known, own.round(), corrected)
    left = ((1 - right) / (1 - own).clamp(min=1e-300)).nan_to_num(0.0)
    best = (posterior * left[:, None]).scatter(1, labels[:, None], right[:, None]).max(dim=1)
    return right, best.indices, best.values


def ignorance(marginal: Tensor, count: int, pictures: Tensor, labels: Tensor) -> Tensor:
    """What one believes who knows nothing: a given label is as likely right as wrong.

    Args:
        marginal: (K,) share of each class among the labels.
        count: B.
        pictures, labels: (P,) as of `Belief.posterior`.

    Returns:
        (B, K) probability of each class.
    """
    given = marginal.new_zeros(count, len(marginal)).index_put_(
        (pictures, labels), torch.ones(len(labels), dtype=torch.float64), accumulate=True
    )
    counts = given.sum(dim=1, keepdim=True)
    others = marginal * (given == 0)
    others = others / others.sum(dim=1, keepdim=True).clamp(min=1e-300)
    of_labelled = (given / counts.clamp(min=1) + others) / 2
    return torch.where(counts > 0, of_labelled, marginal)


def heard(witnesses: Sequence[Witness], pictures: NDArray[np.int64]) -> Tensor:
    """(B, M, K) of some pictures, float64."""
    return torch.stack([each.log_probs(pictures).double() for each in witnesses], dim=1)


def labels_of(
    given: GivenLabels, pictures: NDArray[np.int64]
) -> tuple[Tensor, Tensor, Tensor | None]:
    """The given labels of ascending pictures: place of the picture in the block, class, stratum."""
    first, last = np.searchsorted(given.pictures, [pictures[0], pictures[-1] + 1])
    shown = given.pictures[first:last]
    places = np.searchsorted(pictures, shown)
    among = pictures[places] == shown
    strata = None
    if given.strata is not None:
        strata = torch.from_numpy(given.strata[first:last][among])
    labels = torch.from_numpy(given.labels[first:last][among])
    return torch.from_numpy(places[among]), labels, strata
