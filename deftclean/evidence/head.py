"""A witness: a linear head on frozen features, fitted to noisy labels and cross-fitted.

Its logits are those of zero-shot times a learned factor, plus what the head learns from zero on.
Labels are taken as noisy: the head is fitted through the noise matrix (forward correction; Patrini
et al. 2017, "Making Deep Neural Networks Robust to Label Noise", Theorem 2).

The loss is convex without the matrix and nearly so with it. Features are turned to their principal
directions and stretched so that its curvature is about the same in all of them: L-BFGS then takes
some tens of steps, whatever the features.

Shapes: P pairs, D joint size, K classes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deftclean.evidence.given_labels import GivenLabels
from deftclean.evidence.witness import Linear, LinearWitness, Take, beside

_SCALE = 10.0  # of features, which have length one
_RIDGE = 3.0  # squared weights count as much as a third of a nat of one row
_STEPS = 25
_BLOCK = 2**21  # numbers in a block of (rows, K) at most
_KEPT = 2**28  # numbers of (n, K) at most that are kept: a gigabyte; of more, a block at a time
_PARTS = ((2e5, 10), (5e6, 5), (math.inf, 2))  # P·K at most, and into how many parts


@dataclass(frozen=True)
class _Rows:
    """What one part learns from.

    Attributes:
        turned: (n, D) features.
        anchor: (n, K) logits that the head starts from, of some of them; (1, 1) zero where there
            are none.
        said: (n,) row of `chances`: of a given label, or K later of one that is sure.
    """

    turned: Tensor
    anchor: Callable[[slice], Tensor]
    said: Tensor


def fit_head(
    features: Take,
    anchor: LinearWitness | None,
    given: GivenLabels,
    noise: NDArray[np.float64],
    generator: np.random.Generator,
    device: torch.device,
) -> LinearWitness:
    """Fit a head to every part's complement.

    Args:
        features: untuned, of any of the U pictures.
        anchor: what the untrained model says, from the same features or from others; None where
            there is no such model.
        given: P labels.
        noise: (K, K) P(given | true), rows sum to one.
        generator: draws the parts.
        device: where to compute.

    Returns:
        A witness that looks at `head_features` of the two.
    """
    parts = next(parts for most, parts in _PARTS if len(given) * given.classes <= most)
    parts = min(parts, len(np.unique(given.pictures)))
    folds = given.folds(parts, generator)
    # log P(given j | true k), by j: a row of it is what one label says of all true classes. The K
    # rows below are of labels that are known to be right.
    said = np.concatenate([noise.T, np.eye(given.classes)]) if given.sure.any() else noise.T.copy()
    chances = torch.from_numpy(said).float().clamp(min=1e-12).log().to(device)
    heads = [_fit(features, anchor, given, folds != part, chances, device) for part in range(parts)]
    return LinearWitness("head", head_features(features, anchor), heads, folds)


def head_features(features: Take, anchor: LinearWitness | None) -> Take:
    """What the head looks at: the anchor's features and its own, where those are others."""
    if anchor is None or anchor.features == features:
        return features
    return beside(anchor.features, features)


def _fit(
    features: Take,
    anchor: LinearWitness | None,
    given: GivenLabels,
    learned: NDArray[np.bool_],
    chances: Tensor,
    device: torch.device,
) -> Linear:
    chosen = learned[given.pictures]
    pictures = given.pictures[chosen]
    image = features(pictures).float().to(device)
    count, size = image.shape
    second = image.T @ image / max(count, 1)
    # Of a symmetric matrix, on the CPU: not every device has this decomposition.
    spread, axes = torch.linalg.eigh(second.double().cpu())
    curvature = _SCALE**2 * spread.clamp(min=0) / 4 + 2 * _RIDGE / max(count, 1)
    turn = (axes * curvature.rsqrt()).float().to(device)
    said = torch.from_numpy((given.labels + given.classes * given.sure)[chosen]).to(device)
    start = _start(features, image, anchor, pictures, count * given.classes <= _KEPT)
    rows = _Rows(_SCALE * (image @ turn), start, said)

    weight = torch.zeros(size, given.classes, device=device, requires_grad=True)
    bias = torch.zeros(given.classes, device=device, requires_grad=True)
    factor = torch.ones((), device=device, requires_grad=True)
    shrink = (_RIDGE / max(count, 1)) / curvature.float().to(device)[:, None]
    optimiser = torch.optim.LBFGS(
        [weight, bias, factor],
        max_iter=_STEPS,
        history_size=10,
        tolerance_grad=1e-5,
        tolerance_change=1e-7,
        line_search_fn="strong_wolfe",
    )
    block = max(1, _BLOCK // given.classes)

    def loss() -> Tensor:
        optimiser.zero_grad()
        total = (shrink * weight**2).sum()
        total.backward()
        value: Tensor = total.detach()
        for at in range(0, count, block):
            part = slice(at, at + block)
            logits = factor * rows.anchor(part) + rows.turned[part] @ weight + bias
            likely = torch.logsumexp(logits.log_softmax(dim=1) + chances[rows.said[part]], dim=1)
            share = -likely.sum() / count
            share.backward()
            value = value + share.detach()
        return value

    optimiser.step(loss)
    with torch.no_grad():
        learned_weight = _SCALE * (turn @ weight).T
        if anchor is None:
            return Linear(learned_weight.cpu(), bias.detach().cpu())
        linear, a = anchor.parts[0], factor.detach()
        first = a * linear.weight.to(device)
        same = anchor.features == features
        whole = first + learned_weight if same else torch.cat([first, learned_weight], dim=1)
        offset = a * linear.bias.to(device) + bias
    return Linear(whole.cpu(), offset.cpu())


def _start(
    features: Take,
    image: Tensor,
    anchor: LinearWitness | None,
    pictures: NDArray[np.int64],
    kept: bool,
) -> Callable[[slice], Tensor]:
    """Logits of the anchor for some of the n rows, or (1, 1) zero, on the device of the features.

    Looked up where all of them are kept, else computed when asked.
    """
    if anchor is None:
        nothing = image.new_zeros(1, 1)
        return lambda _part: nothing
    linear, device = anchor.parts[0], image.device
    seen = image if anchor.features == features else anchor.features(pictures).float()
    if kept:
        return linear.logits(seen).float().to(device).__getitem__
    return lambda part: linear.logits(seen[part]).float().to(device)
