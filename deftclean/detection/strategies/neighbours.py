"""What features say without a classifier: nearest pictures' labels, distances from class means.

The vote is SimiFeat's on frozen features: Zhu et al. 2022, "Detecting Corrupted Labels Without
Training a Model to Predict", https://arxiv.org/abs/2110.06283. Every picture is compared with every
other: time grows with U².

Shapes: U distinct pictures, D joint size, K classes, n rows.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deftclean.core.runtime import Runtime
from deftclean.features.pictures import RunPictures
from deftclean.features.scoring import RowsByPicture, joined
from deftclean.images.usable_rows import UsableRows
from deftclean.training.embeddings import Embeddings
from deftclean.training.feeds import Features
from deftclean.training.picture_sets import SCORING_BATCH

NEIGHBOURS = 10
_MOST_PAIRS = 2**28  # compared at once: about a gigabyte
_BLOCK = 1024  # pictures compared at once, at most


@dataclass(frozen=True)
class Vote:
    """What neighbours say of n readable rows.

    Attributes:
        rows: (n,) ascending row indices.
        score: (n,) ``q_given / ||q||`` with q the neighbours' mean label, in [0, 1]; higher = more
            of them have the row's label, and the rest is spread wider.
        top: (n,) class with most votes; the given label where it has as many.
        top_share: (n,) its share of the votes, in [0, 1].
    """

    rows: NDArray[np.int64]
    score: NDArray[np.float32]
    top: NDArray[np.int64]
    top_share: NDArray[np.float32]


def vote(
    embeddings: Embeddings,
    rows: UsableRows,
    by_picture: RowsByPicture,
    classes: int,
    runtime: Runtime,
    on_block: Callable[[int], None],
) -> Vote:
    """Ask the ten nearest other pictures (by cosine, among those with a label) of every row.

    A picture that several rows label votes with the mean of their labels; rows that show the same
    picture do not vote on each other.

    Args:
        embeddings: (U, D) unit features.
        rows: N rows.
        by_picture: the same rows.
        classes: K.
        runtime: device.
        on_block: told how many pictures are done.
    """
    ballots = np.unique(rows.pictures[rows.trainable])
    features = embeddings.take(ballots).to(runtime.device)
    labels = _Ballots(by_picture, classes)
    themselves = torch.from_numpy(ballots).to(runtime.device)
    block = min(_BLOCK, max(1, _MOST_PAIRS // len(ballots)))
    parts = []
    for pictures, asked in embeddings.in_order(block):
        similar = asked.to(runtime.device) @ features.T
        itself = themselves == pictures.to(runtime.device)[:, None]
        similar.masked_fill_(itself, -torch.inf)
        nearest = similar.topk(min(NEIGHBOURS, len(ballots)), dim=1)
        voters = torch.from_numpy(ballots)[nearest.indices.cpu()]
        shares = labels.mean(voters, ~nearest.values.isneginf().cpu())
        parts.append(_answers(pictures, shares, by_picture))
        on_block(len(pictures))
    return Vote(*joined(parts))


class _Ballots:
    """The labels of pictures, as many rows give them."""

    def __init__(self, by_picture: RowsByPicture, classes: int) -> None:
        self._by_picture = by_picture
        self._classes = classes

    def mean(self, pictures: Tensor, counted: Tensor) -> Tensor:
        """(B, k) pictures, and which of them count -> (B, K) mean of their labels."""
        flat = pictures.flatten()
        found, places = self._by_picture.labelled_of(flat)
        given = self._by_picture.labels[found]
        weight = counted.flatten().double() / torch.bincount(places, minlength=len(flat)).clamp(1)
        each = len(pictures)
        votes = torch.zeros(each, self._classes, dtype=torch.float64)
        votes.index_put_((places // pictures.shape[1], given), weight[places], accumulate=True)
        return votes / counted.sum(dim=1).clamp(min=1)[:, None]


def _answers(pictures: Tensor, shares: Tensor, by_picture: RowsByPicture) -> tuple[Tensor, ...]:
    """Of the rows that show (B,) pictures with (B, K) votes: row, score, top class, its share."""
    rows, places = by_picture.of(pictures)
    votes, given = shares[places], by_picture.labels[rows]
    own = votes.gather(1, given[:, None]).squeeze(1)
    most = votes.max(dim=1)
    # Votes are sums of the same shares in another order: equal but for rounding.
    top = torch.where(own >= most.values - 1e-9, given, most.indices)
    score = own / votes.norm(dim=1).clamp(min=1e-12)
    return rows, score.clamp(0, 1).float(), top, most.values.float()


def prototype_distances(
    features: Embeddings, pictures: RunPictures, classes: int
) -> NDArray[np.float64]:
    """Euclidean distance of every row's unit features from the unit mean of its class's rows.

    Args:
        features: of every distinct picture.
        pictures: whose rows are asked about.
        classes: K.

    Returns:
        (n,) in [0, 2], by ascending row.
    """
    # On the CPU, where the file is: sums in float64, which not every device has.
    prototypes = _class_means(features.in_order(SCORING_BATCH), pictures, classes)
    columns: list[tuple[Tensor, ...]] = []
    for batch, image in features.in_order(SCORING_BATCH):
        rows, places = pictures.by_picture.labelled_of(batch)
        means = prototypes[pictures.labels[rows]]
        columns.append((rows, (image.double()[places] - means).norm(dim=1)))
    found: NDArray[np.float64] = joined(columns)[1]
    return found


def _class_means(batches: Features, pictures: RunPictures, classes: int) -> Tensor:
    """(K, D) unit vectors; zero for a class without rows."""
    sums: Tensor | None = None
    for batch, features in batches:
        rows, places = pictures.by_picture.labelled_of(batch)
        if sums is None:
            sums = features.new_zeros(classes, features.shape[1], dtype=torch.float64)
        sums.index_add_(0, pictures.labels[rows], features.double()[places])
    assert sums is not None  # noqa: S101 - a data set without pictures is refused
    return torch.nn.functional.normalize(sums, dim=1)
