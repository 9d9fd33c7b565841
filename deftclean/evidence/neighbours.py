"""A witness: the given labels of the pictures that look most alike.

No more than a block of comparisons is in memory at once; see `search` for how many are made.

Shapes: U pictures, L of them labelled, D joint size, K classes, B a block of pictures.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deftclean.core.runs import members
from deftclean.evidence.given_labels import GivenLabels
from deftclean.evidence.search import Search, searcher
from deftclean.evidence.witness import Take, WitnessName

NEIGHBOURS = 20
_TEMPERATURE = 0.1  # a neighbour weighs exp((cosine - 1) / this)
_SMOOTHING = 0.05  # of the vote goes to the share of each class among all labels
_MOST_PAIRS = 2**27  # compared at once: half a gigabyte
_BLOCK = 1024


@dataclass(frozen=True)
class Index:
    """Labelled pictures and their features.

    Attributes:
        pictures: (L,) ascending.
        features: (L, D) unit vectors, float32, on the device that searches.
        starts: (L + 1,) where each one's labels begin among all.
        labels: (P,) given labels, by picture.
        marginal: (K,) share of each class among all labels.
    """

    pictures: NDArray[np.int64]
    features: Tensor
    starts: NDArray[np.int64]
    labels: NDArray[np.int64]
    marginal: NDArray[np.float64]

    @classmethod
    def of(cls, features: Take, given: GivenLabels, device: torch.device) -> "Index":
        """Of all labelled pictures."""
        pictures, starts = np.unique(given.pictures, return_index=True)
        return cls(
            pictures,
            features(pictures).to(device),
            np.append(starts, len(given)),
            given.labels,
            given.marginal,
        )

    @cached_property
    def search(self) -> Search:
        """Among the features; made at its first use."""
        return searcher(self.features)

    def nearest(self, features: Tensor, themselves: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """The most similar labelled pictures of a block, by cosine, without the picture itself.

        Args:
            features: (B, D) unit vectors.
            themselves: (B,) pictures; -1 for one that is not in the index.

        Returns:
            (B, k) places in the index, and (B, k) cosines, -inf where there are fewer.
        """
        places, cosines = self.search(features, NEIGHBOURS + 1)
        itself = torch.from_numpy(self.pictures)[places] == torch.from_numpy(themselves)[:, None]
        cosines = cosines.masked_fill(itself, -torch.inf)
        best = cosines.topk(min(NEIGHBOURS, len(self.pictures)), dim=1)
        return places.gather(1, best.indices), best.values

    def votes(self, places: Tensor, cosines: Tensor) -> Tensor:
        """(B, k) neighbours -> (B, K) log-probabilities.

        A neighbour that was given several labels votes for each with its share.
        """
        weight = ((cosines.double() - 1) / _TEMPERATURE).exp()
        weight = weight / weight.sum(dim=1, keepdim=True).clamp(min=1e-300)
        flat = places.numpy().ravel()
        counts = self.starts[flat + 1] - self.starts[flat]
        at, given = members(self.starts[flat], counts)
        labels = torch.from_numpy(self.labels[given])
        share = weight.flatten() / torch.from_numpy(counts).double()
        marginal = torch.from_numpy(self.marginal)
        votes = torch.zeros(len(places), len(marginal), dtype=torch.float64)
        rows = torch.from_numpy(at // places.shape[1])
        votes.index_put_((rows, labels), share[torch.from_numpy(at)], accumulate=True)
        return ((1 - _SMOOTHING) * votes + _SMOOTHING * marginal).log().float()

    def some(self, most: int, generator: np.random.Generator) -> "Index":
        """At most so many of the pictures, drawn at random; all where there are no more."""
        if len(self.pictures) <= most:
            return self
        chosen = np.sort(generator.choice(len(self.pictures), most, replace=False))
        counts = self.starts[chosen + 1] - self.starts[chosen]
        starts = np.append(0, np.cumsum(counts))
        labels = self.labels[members(self.starts[chosen], counts)[1]]
        features = self.features[torch.from_numpy(chosen).to(self.features.device)]
        return Index(self.pictures[chosen], features, starts, labels, self.marginal)

    @property
    def block(self) -> int:
        """Pictures that are compared at once."""
        return min(_BLOCK, max(1, _MOST_PAIRS // len(self.pictures)))


@dataclass(frozen=True)
class NeighbourWitness:
    """What neighbours say of U pictures, found already.

    Attributes:
        index: labelled pictures.
        places: (U, k) neighbours, as places in the index.
        cosines: (U, k).
    """

    index: Index
    places: Tensor
    cosines: Tensor

    @property
    def name(self) -> WitnessName:
        """See `Witness`."""
        return "neighbours"

    @property
    def apart(self) -> NDArray[np.float32]:
        """(U,) distance (1 - cosine) to the last neighbour that was found; 2 without any."""
        there = self.cosines.masked_fill(self.cosines.isinf(), 1.0).amin(dim=1)
        apart: NDArray[np.float32] = (1 - there).numpy()
        return np.where(self.cosines.isinf().all(dim=1).numpy(), np.float32(2), apart)

    def log_probs(self, pictures: NDArray[np.int64]) -> Tensor:
        """See `Witness`."""
        chosen = torch.from_numpy(pictures)
        return self.index.votes(self.places[chosen].long(), self.cosines[chosen])


def find_neighbours(
    index: Index,
    features: Take,
    themselves: NDArray[np.int64],
    on_block: Callable[[int], None],
    at_once: int | None = None,
) -> NeighbourWitness:
    """Compare every picture with every labelled one.

    Args:
        index: the labelled ones, two at least.
        features: unit vectors of any of the U pictures.
        themselves: (U,) the picture of the index that each one is; -1 for none of them.
        on_block: told how many pictures are done.
        at_once: pictures that are compared at once; None for as many as are quick.
    """
    size = min(at_once or index.block, index.block)
    count, nearest = len(themselves), min(NEIGHBOURS, len(index.pictures))
    places = torch.empty(count, nearest, dtype=torch.int32)
    cosines = torch.empty(count, nearest)
    for at in range(0, count, size):
        block = np.arange(at, min(at + size, count))
        places[at : at + len(block)], cosines[at : at + len(block)] = index.nearest(
            features(block), themselves[block]
        )
        on_block(len(block))
    return NeighbourWitness(index, places, cosines)
