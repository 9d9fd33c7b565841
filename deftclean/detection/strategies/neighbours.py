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
from deftclean.features.scoring import RowsByPicture
from deftclean.images.usable_rows import UsableRows
from deftclean.training.embeddings import Embeddings
from deftclean.training.feeds import Features
from deftclean.training.mixture import EM, low_component
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
    columns = by_picture.columns()
    for pictures, asked in embeddings.in_order(block):
        similar = asked.to(runtime.device) @ features.T
        itself = themselves == pictures.to(runtime.device)[:, None]
        similar.masked_fill_(itself, -torch.inf)
        nearest = similar.topk(min(NEIGHBOURS, len(ballots)), dim=1)
        voters = torch.from_numpy(ballots)[nearest.indices.cpu()]
        shares = labels.mean(voters, ~nearest.values.isneginf().cpu())
        columns.add(*_answers(pictures, shares, by_picture))
        on_block(len(pictures))
    return Vote(*columns.by_row())


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


def near_prototypes(
    features: Embeddings, pictures: RunPictures, classes: int
) -> NDArray[np.float64]:
    """RoLT's selection: how likely each row belongs to the nearer heap around its class's mean.

    Wei et al. 2021, https://arxiv.org/abs/2108.11569, as in their code: features less their mean
    over all rows, at unit length again; squared distances from the means of the classes; in each
    class a mixture of two normal distributions, with scikit-learn's defaults. Then, once, means
    anew over the rows of the nearer heaps alone (over all rows of a class that has none), and
    mixtures anew.

    Args:
        features: (U, D), of every distinct picture.
        pictures: whose rows are asked about.
        classes: K.

    Returns:
        (n,) in [0, 1], by ascending row; higher = more likely right. All 1.0 in a class of one or
        two rows.
    """
    labels = pictures.rows.labels[pictures.rows.trainable]
    centred = _Centred(features, pictures)

    def nearer(counted: NDArray[np.bool_]) -> NDArray[np.float64]:
        return _nearer(centred.distances(centred.class_means(classes, counted)), labels)

    near = nearer(np.ones(len(labels), dtype=bool)) > 0.5
    lost = ~np.isin(labels, labels[near])
    return nearer(near | lost)


def _nearer(distances: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n,) posterior of the lower of two heaps of distances, class by class."""
    posterior = np.ones(len(distances))
    for label in np.unique(labels):
        own = labels == label
        # Two rows are equally far from their mean but for rounding.
        if own.sum() > 2:
            posterior[own] = low_component(distances[own], 0, EM())
    return posterior


class _Centred:
    """Features of n labelled rows less their mean, at unit length.

    On the CPU, where the file is: sums in float64, which not every device has.
    """

    def __init__(self, features: Embeddings, pictures: RunPictures) -> None:
        self._features = features
        self._pictures = pictures
        total = torch.stack([image.sum(dim=0) for _, image in self._of_rows()]).sum(dim=0)
        self._mean = total / len(pictures.rows.trainable)

    def class_means(self, classes: int, counted: NDArray[np.bool_]) -> Tensor:
        """(K, D), not at unit length; over the rows that count, (n,) by ascending row."""
        labels, chosen = self._pictures.labels, self._pictures.rows.trainable[counted]
        weight = torch.zeros(len(labels), 1, dtype=torch.float64)
        weight[torch.from_numpy(chosen)] = 1
        sums = torch.zeros(classes, len(self._mean), dtype=torch.float64)
        for row, image in self._in_order():
            sums.index_add_(0, labels[row], image * weight[row])
        counts = torch.bincount(labels[torch.from_numpy(chosen)], minlength=classes)
        return sums / counts.clamp(min=1)[:, None]

    def distances(self, means: Tensor) -> NDArray[np.float64]:
        """Squared distance of each row from the mean of its class, (n,) in [0, 4]."""
        columns = self._pictures.by_picture.columns()
        for row, image in self._in_order():
            own = means[self._pictures.labels[row]]
            columns.add(row, (image - own).square().sum(dim=1))
        found: NDArray[np.float64] = columns.by_row()[1]
        return found

    def _in_order(self) -> Features:
        for row, image in self._of_rows():
            yield row, torch.nn.functional.normalize(image - self._mean, dim=1)

    def _of_rows(self) -> Features:
        """Labelled rows, and the features of what each shows."""
        for batch, image in self._features.in_order(SCORING_BATCH):
            rows, places = self._pictures.by_picture.labelled_of(batch)
            yield rows, image.double()[places]
