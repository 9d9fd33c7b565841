"""Every readable row judged by all the evidence, a block of pictures at a time.

Shapes: U distinct pictures, M witnesses, K classes, n readable rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deftclean.evidence.belief import Belief, heard, labels_of
from deftclean.evidence.given_labels import GivenLabels
from deftclean.evidence.rates import NoiseRates
from deftclean.evidence.witness import Witness, WitnessName
from deftclean.features.scoring import RowsByPicture, joined
from deftclean.images.usable_rows import UsableRows

_MOST_NUMBERS = 2**21  # of (pictures, M, K) in a block
_BLOCK = 4096


@dataclass(frozen=True)
class Judged:
    """What is believed of n readable rows.

    Attributes:
        rows: (n,) ascending row indices.
        clean_prob: (n,) probability that the given label is right; of a row without a label it
            means nothing.
        suggested: (n,) most probable class, the given label heard.
        suggested_prob: (n,) its probability.
        said: (n,) probability of the given label, by each witness that there is.
    """

    rows: NDArray[np.int64]
    clean_prob: NDArray[np.float64]
    suggested: NDArray[np.int64]
    suggested_prob: NDArray[np.float64]
    said: dict[WitnessName, NDArray[np.float32]]


@dataclass(frozen=True)
class Verdict:
    """What all the evidence says of n readable rows, and of the data set.

    Attributes:
        judged: the rows.
        own: (n,) DEFT's own p_clean.
        rates: of the labelled rows; None where they were not estimated.
        weights: of the witnesses that are heard.
        informed: how much it is believed that they know something, in [0, 1].
    """

    judged: Judged
    own: NDArray[np.float32]
    rates: NoiseRates | None
    weights: dict[WitnessName, float]
    informed: float


def given_labels(rows: UsableRows, classes: int) -> GivenLabels:
    """What the labelled readable rows say of the distinct pictures."""
    return GivenLabels.of(
        rows.pictures[rows.trainable], rows.labels[rows.trainable], len(rows.distinct), classes
    )


def judge_rows(
    belief: Belief,
    witnesses: Sequence[Witness],
    given: GivenLabels,
    by_picture: RowsByPicture,
    on_block: Callable[[int], None],
) -> Judged:
    """Judge every readable row.

    Args:
        belief: what is believed of the witnesses that are heard.
        witnesses: these and others.
        given: labels of the pictures.
        by_picture: the readable rows.
        on_block: told how many pictures are done.
    """
    names = [each.name for each in witnesses]
    listened = torch.tensor([names.index(name) for name in belief.names])
    block = max(1, min(_BLOCK, _MOST_NUMBERS // (len(names) * given.classes)))
    columns: list[tuple[Tensor, ...]] = []
    for at in range(0, given.count, block):
        pictures = np.arange(at, min(at + block, given.count))
        log_probs = heard(witnesses, pictures)
        posterior = belief.posterior(log_probs[:, listened], *labels_of(given, pictures))
        best = posterior.max(dim=1)
        rows, places = by_picture.of(torch.from_numpy(pictures))
        labels = by_picture.labels[rows]
        said = log_probs[places, :, labels].exp().float()
        columns.append(
            (
                rows,
                posterior[places, labels],
                best.indices[places],
                best.values[places],
                *said.unbind(dim=1),
            )
        )
        on_block(len(pictures))
    rows_, clean, suggested, certainty, *spoken = joined(columns)
    return Judged(rows_, clean, suggested, certainty, dict(zip(names, spoken, strict=True)))
