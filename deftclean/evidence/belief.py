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

from deftclean.evidence.given_labels import GivenLabels
from deftclean.evidence.pool import Pool
from deftclean.evidence.witness import Witness, WitnessName


@dataclass(frozen=True)
class Belief:
    """Pools, and how much each is believed.

    Attributes:
        names: of the M witnesses that are heard.
        pools: of these witnesses.
        shares: (S,) of each pool, summing to one.
        informed: how much it is believed that the witnesses know something, in [0, 1].
        marginal: (K,) share of each class among the labels.
    """

    names: tuple[WitnessName, ...]
    pools: tuple[Pool, ...]
    shares: NDArray[np.float64]
    informed: float
    marginal: NDArray[np.float64]

    @property
    def weights(self) -> dict[WitnessName, float]:
        """How much each witness is heard, the mean over the pools."""
        mean = sum(
            share * pool.weights.numpy()
            for share, pool in zip(self.shares, self.pools, strict=True)
        )
        return dict(zip(self.names, np.asarray(mean).tolist(), strict=True))

    def posterior(self, heard: Tensor, pictures: Tensor, labels: Tensor) -> Tensor:
        """What is believed of pictures and the labels that they were given.

        Several labels of one picture are as many observations of one true class.

        Args:
            heard: (B, M, K) log-probabilities, float64.
            pictures: (P,) the place in the block of each given label; a picture may have none.
            labels: (P,) given.

        Returns:
            (B, K) probability of each class; rows sum to one.
        """
        known = torch.zeros(heard.shape[0], heard.shape[2], dtype=torch.float64)
        for share, pool in zip(self.shares, self.pools, strict=True):
            log_probs = pool.log_probs(heard)
            chances = pool.noise.log_chances(log_probs[pictures], labels)
            joint = log_probs.index_add(0, pictures, chances)
            known += share * joint.softmax(dim=1)
        return self.informed * known + (1 - self.informed) * self._unknown(known, pictures, labels)

    def _unknown(self, known: Tensor, pictures: Tensor, labels: Tensor) -> Tensor:
        """Of one who knows nothing: a given label is as likely right as wrong."""
        marginal = torch.from_numpy(self.marginal)
        given = torch.zeros_like(known).index_put_(
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


def labels_of(given: GivenLabels, pictures: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """The given labels of ascending pictures: place of the picture in the block, and class."""
    first, last = np.searchsorted(given.pictures, [pictures[0], pictures[-1] + 1])
    places = np.searchsorted(pictures, given.pictures[first:last])
    return torch.from_numpy(places), torch.from_numpy(given.labels[first:last])
