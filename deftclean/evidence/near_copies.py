"""Nearly identical pictures: resized, recompressed, a little cropped, mirrored.

Two pictures are linked where their untuned features are nearly the same, or clearly more alike than
either is to the pictures around it. All distances (1 - cosine) are compared with others of the same
data: one cosine would be too low for pictures of one kind of thing, and too high for all kinds.
benchmarks/near_duplicates.py measures what that finds.

Shapes: U pictures, D joint size.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from deftclean.evidence.neighbours import NeighbourWitness
from deftclean.evidence.search import Search, searcher
from deftclean.evidence.witness import Take

CERTAIN = 0.02
"""Pictures this near are nearly identical, whatever is around them; of the distance of two pictures
at random."""

LEAST = 0.1
"""Pictures farther apart never are; of the same distance."""

SHARE = 0.3
"""Between the two, they are where their distance is at most this part of the distance of either one
to the picture that comes `AROUND`th."""

AROUND = 10

_MOST_PAIRS = 2**27  # compared at once: half a gigabyte
_BLOCK = 1024


def near_groups(
    features: Take, count: int, device: torch.device, on_block: Callable[[int], None]
) -> NDArray[np.int64]:
    """(U,) number of each picture's group, from 0 in the order of first pictures; -1 outside any.

    Pictures are of one group where links lead from one to the other.

    Args:
        features: unit vectors of any of the U pictures.
        count: U.
        device: that searches.
        on_block: told how many pictures are done.

    Raises:
        RunError: an index is needed and faiss is not installed.
    """
    pictures = np.arange(count)
    vectors = features(pictures).to(device)
    search, links = searcher(vectors), _Links(count, _usual(vectors))
    block = min(_BLOCK, max(1, _MOST_PAIRS // max(1, count)))
    for at in range(0, count, block):
        some = pictures[at : at + block]
        links.add(some, *_nearest(search, features(some), some))
        on_block(len(some))
    return links.groups()


def near_groups_among(found: NeighbourWitness) -> NDArray[np.int64] | None:
    """The same from neighbours that have been found already; None where some pictures are missing.

    Args:
        found: the neighbours of U pictures, all of which have to be in the index.
    """
    index, count = found.index, len(found.places)
    if len(index.pictures) != count:
        return None
    links = _Links(count, _usual(index.features))
    for at in range(0, count, _BLOCK):
        some = np.arange(at, min(at + _BLOCK, count))
        near = (found.places[some, :AROUND].long().numpy(), found.cosines[some, :AROUND].numpy())
        links.add(some, *near)
    return links.groups()


def _usual(features: Tensor) -> float:
    """The distance of two pictures at random, from (U, D) unit vectors."""
    return 1 - float(features.mean(dim=0).square().sum())


class _Links:
    """Pairs of U pictures that are nearly identical, a block of pictures at a time.

    Args:
        count: U.
        usual: the distance of two pictures at random.
    """

    def __init__(self, count: int, usual: float) -> None:
        self._usual = usual
        self._around = np.zeros(count, dtype=np.float32)
        self._found: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]] = []

    def add(
        self, some: NDArray[np.int64], places: NDArray[np.int64], cosines: NDArray[np.float32]
    ) -> None:
        """(B,) pictures and their (B, k) nearest others, the most similar first."""
        distances = 1 - cosines
        self._around[some] = _farthest(distances)
        mine, which = np.nonzero(_linked(distances, self._around[some, None], self._usual))
        self._found.append((some[mine], places[mine, which], distances[mine, which]))

    def groups(self) -> NDArray[np.int64]:
        """(U,) groups, so far as both pictures of a pair agree."""
        one, other, distance = (np.concatenate(part) for part in zip(*self._found, strict=True))
        both = _linked(distance, self._around[other], self._usual)
        return _numbered(one[both], other[both], len(self._around))


def _nearest(
    search: Search, features: Tensor, themselves: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """(B, k) the most similar other pictures, and their cosines; -inf where there are fewer."""
    places, cosines = search(features, AROUND + 1)
    itself = places == torch.from_numpy(themselves)[:, None]
    best = cosines.masked_fill(itself, -torch.inf).topk(min(AROUND, places.shape[1]), dim=1)
    return places.gather(1, best.indices).numpy(), best.values.numpy()


def _farthest(distances: NDArray[np.float32]) -> NDArray[np.float32]:
    """(B, k) -> (B,) the largest that is one; 0 where there is none."""
    there = np.isfinite(distances)
    farthest: NDArray[np.float32] = np.max(distances, axis=1, initial=0, where=there)
    return farthest


def _linked(
    distance: NDArray[np.float32], around: NDArray[np.float32], usual: float
) -> NDArray[np.bool_]:
    """Whether pairs are nearly identical, so far as one of the two says."""
    apart = (distance <= LEAST * usual) & (distance <= SHARE * around)
    return (distance <= CERTAIN * usual) | apart


def _numbered(one: NDArray[np.int64], other: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """(U,) groups of linked pictures."""
    links = coo_array((np.ones(len(one), dtype=np.int8), (one, other)), shape=(count, count))
    _, part = connected_components(links, directed=False)
    _, first, part, size = np.unique(
        part, return_index=True, return_inverse=True, return_counts=True
    )
    groups = np.flatnonzero(size > 1)
    number = np.full(len(size), -1, dtype=np.int64)
    number[groups[np.argsort(first[groups])]] = np.arange(len(groups))
    return number[part]
