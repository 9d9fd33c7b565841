"""Which witnesses are heard, and what is believed when they are: witnesses in, `Belief` out.

A witness that was taught by the labels learns the annotators' habits with them, and then speaks for
the labels that it should doubt. So each of them has to earn its place: in a first fit a unit of its
weight costs 0.05 nats a label, and one whose weight stays small is left out of the second.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deftclean.evidence.agreement import differ
from deftclean.evidence.belief import Belief, heard, ignorance
from deftclean.evidence.given_labels import GivenLabels
from deftclean.evidence.known import Known
from deftclean.evidence.pool import Pool, Testimony, fit, starting_values
from deftclean.evidence.witness import UNTAUGHT, Witness

_PRICE = 0.05  # nats a label that a unit of a taught witness's weight costs
_HEARD = 0.15  # weight from which on a taught witness is heard
_RESEMBLANCES = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4)  # the values of τ that are averaged over
_FIRST_RESEMBLANCE = 0.1
_HOPELESS = 12.0  # a pool so many nats behind has no share worth counting

DOUBT = 0.25
"""What a label counts in deciding between models: all of them are wrong somewhere, and in the same
places, so that labels are not as many independent observations as there are (a coarsened
posterior; Miller & Dunson 2019, "Robust Bayesian Inference via Coarsening")."""

_WORTH_HEARING = 0.02  # nats a label by which a pool must be better than no witness at all
_MOST_NUMBERS = 4 * 10**6  # of (n, K) that is fitted to


def testify(
    witnesses: Sequence[Witness],
    given: GivenLabels,
    known: Known,
    generator: np.random.Generator,
) -> Testimony:
    """What witnesses say of the labelled pictures, of a part of them where they are very many.

    Args:
        witnesses: M of them.
        given: P labels.
        known: what people know of the pictures.
        generator: draws the part.
    """
    some = given.some(max(_MOST_NUMBERS // given.classes, 1), generator)
    strata = some.strata if differ(some.strata) else None
    return Testimony(
        heard(witnesses, some.pictures),
        torch.from_numpy(some.labels),
        torch.from_numpy(np.log(given.marginal)),
        torch.tensor([each.name != UNTAUGHT for each in witnesses]),
        known.impossible(some.pictures),
        None if strata is None else torch.from_numpy(strata),
    )


def _start(testimony: Testimony, weights: NDArray[np.float64], resemblance: float) -> Tensor:
    classes = testimony.log_probs.shape[2]
    return starting_values(weights, classes, resemblance, strata=testimony.strata is not None)


def first_noise(testimony: Testimony) -> NDArray[np.float64]:
    """(K, K) P(given | true) as it looks before a head is there to say more.

    Args:
        testimony: of the witnesses that need no noise matrix.
    """
    witnesses = testimony.log_probs.shape[1]
    start = _start(testimony, np.full(witnesses, 0.6), _FIRST_RESEMBLANCE)
    return mean_noise(fit(testimony, start, resemblance=_FIRST_RESEMBLANCE), testimony)


def priced(testimony: Testimony) -> tuple[Pool, NDArray[np.bool_]]:
    """The first fit, in which taught witnesses have their price, and who is heard after it."""
    taught = testimony.taught.numpy()
    start = _start(testimony, np.where(taught, 0.3, 0.8), 0.1)
    pool = fit(testimony, start, price=_PRICE)
    weights = pool.weights.numpy()
    chosen = ~taught | (weights > _HEARD)
    if not chosen.any():  # without a model there is nobody to fall back on
        chosen[weights.argmax()] = True
    return pool, chosen


def weigh(
    testimony: Testimony, names: Sequence[str], first: Pool, chosen: NDArray[np.bool_]
) -> Belief:
    """How much each pool of the witnesses that are heard is believed.

    Args:
        testimony: of all witnesses.
        names: theirs.
        first, chosen: what `priced` said of this testimony.
    """
    remaining = testimony.of(chosen)
    weights = np.maximum(first.weights.numpy()[chosen], 0.05)
    values = _start(testimony, weights, 0.0)
    pools: list[Pool] = []
    for resemblance in _RESEMBLANCES:
        pools.append(fit(remaining, values, resemblance=resemblance))
        values = pools[-1].values
        if pools[-1].loss > min(pool.loss for pool in pools) + _HOPELESS / DOUBT:
            break  # the loss only rises from here on
    losses = np.array([pool.loss for pool in pools])
    shares = np.exp(-DOUBT * (losses - losses.min()))
    return Belief(
        tuple(name for name, one in zip(names, chosen, strict=True) if one),  # type: ignore[misc]
        tuple(pools),
        shares / shares.sum(),
        _informed(testimony, float(losses.min())),
        testimony.log_marginal.exp().numpy(),
    )


def _informed(testimony: Testimony, loss: float) -> float:
    """How much it is believed that the best pool knows more than the frequencies of the labels."""
    count = len(testimony.labels)
    ignorant = -float(testimony.log_marginal[testimony.labels].sum())
    if testimony.impossible is not None:
        every = torch.arange(count)
        blind = ignorance(testimony.log_marginal.exp(), count, every, testimony.labels)
        ignorant -= float((blind * testimony.impossible.exp()).sum(dim=1).log().sum())
    gain = DOUBT * (ignorant - loss - _WORTH_HEARING * count)
    return float(1 / (1 + np.exp(-np.clip(gain, -50, 50))))


def mean_noise(pool: Pool, testimony: Testimony) -> NDArray[np.float64]:
    """(K, K) P(given | true), the mean over the pictures that are believed to be of each class."""
    matrix = pool.noise.expected(pool.log_probs(testimony.log_probs))
    shares: NDArray[np.float64] = (matrix / matrix.sum(dim=1, keepdim=True)).numpy()
    return shares
