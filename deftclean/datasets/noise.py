"""Label noise: clean labels in, noisy labels out. NumPy alone; reads no file.

N rows, K classes. Every draw belongs to a row and is made from (seed, row): neither the order in
which rows are looked at, nor blocks, nor which other rows there are changes a row's numbers.
"""

from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deftclean.core.errors import UsageError

Labels = NDArray[np.int64]

SPREAD = 0.1
"""Standard deviation of the flip rates in instance-dependent noise."""

# Each purpose has its own stream, so that no draw can be used twice.
_STREAMS = {"order": 0, "symmetric": 1, "flip": 2, "rate": 3, "weights": 4}
_GRID = 2.0**24  # see `projection`


def check_ratio(ratio: float) -> None:
    """Refuse a ratio that is none.

    Raises:
        UsageError: it is not in [0, 1].
    """
    if not 0 <= ratio <= 1:
        raise UsageError(f"--ratio is {ratio}; it must be from 0 to 1.")


def symmetric(labels: Labels, classes: int, ratio: float, seed: int) -> Labels:
    """round(ratio · N) randomly chosen rows get a uniformly random label.

    The new label may be the true one, as in the code of DEFT's authors: of K classes, about
    ratio · (1 − 1/K) of the rows end up wrong.

    Args:
        labels: (N,) true class, 0..K-1.
        classes: K.
        ratio: in [0, 1].
        seed: of the draw.

    Raises:
        UsageError: the ratio is not in [0, 1].
    """
    check_ratio(ratio)
    count = len(labels)
    keys = _stream(seed, "order").random(count)
    chosen = np.argsort(keys, kind="stable")[: round(ratio * count)]
    drawn = _stream(seed, "symmetric").random(count)
    noisy = labels.copy()
    noisy[chosen] = _whole(drawn[chosen] * classes, classes)
    return noisy


def class_conditional(labels: Labels, transition: NDArray[np.float64], seed: int) -> Labels:
    """Every row's label is drawn from its true class's row of the matrix.

    Args:
        labels: (N,) true class, 0..K-1.
        transition: (K, K), rows sum to 1: `transition[true, noisy]`.
        seed: of the draw.
    """
    drawn = _stream(seed, "flip").random(len(labels))
    noisy = labels.copy()
    for true in np.unique(labels):
        rows = np.flatnonzero(labels == true)
        ends = np.cumsum(transition[true])
        found = np.searchsorted(ends, drawn[rows] * ends[-1], side="right")
        noisy[rows] = np.minimum(found, np.flatnonzero(transition[true])[-1])
    return noisy


# ---------------------------------------------------------------- instance-dependent


class Instances(NamedTuple):
    """Pictures of rows of one true class.

    Attributes:
        true: that class.
        rows: (n,) int64, of the N.
        pixels: (n, D) uint8: flattened pictures, 0-255, channel first.
    """

    true: int
    rows: NDArray[np.int64]
    pixels: NDArray[np.uint8]


def instance_dependent(
    labels: Labels, classes: int, ratio: float, seed: int, pictures: Iterable[Instances]
) -> Labels:
    """Noise that depends on what a picture shows (Xia et al. 2020, arXiv:2006.07836).

    Row i is flipped with probability q_i ~ N(ratio, 0.1²) truncated to [0, 1]; to which class is
    drawn from the softmax, without the true class, of its pixels times a random W of that class.

    Args:
        labels: (N,) true class, 0..K-1.
        classes: K, at least 2.
        ratio: mean of the flip rates before truncation, in [0, 1].
        seed: of all draws.
        pictures: blocks of rows, one class after the other, all of D pixels. Rows that are in none
            keep their label. One class's W, (D, K), is held at a time.

    Raises:
        UsageError: the ratio is not in [0, 1].
    """
    check_ratio(ratio)
    rates = flip_rates(len(labels), ratio, seed)
    drawn = _stream(seed, "flip").random(len(labels))
    noisy = labels.copy()
    for true, blocks in groupby(pictures, key=lambda block: block.true):
        weights = None
        for _, rows, pixels in blocks:
            if weights is None:
                weights = projection(pixels.shape[1], classes, true, seed)
            chances = flip_chances(pixels, weights, true, rates[rows])
            noisy[rows] = _sampled(chances, drawn[rows])
    return noisy


def flip_rates(count: int, ratio: float, seed: int) -> NDArray[np.float64]:
    """(N,) draws from N(ratio, 0.1²) truncated to [0, 1]; row by row, whatever N is."""
    rates = np.full(count, -1.0)
    attempt = 0
    while (outside := (rates < 0) | (rates > 1)).any():
        # Drawn for all rows again, so that a row's number does not depend on other rows' luck.
        again = _stream(seed, "rate", attempt).normal(ratio, SPREAD, count)
        rates[outside] = again[outside]
        attempt += 1
    return rates


def projection(pixels: int, classes: int, true: int, seed: int) -> NDArray[np.float64]:
    """W of one true class, (D, K), standard normal.

    Rounded to multiples of 2⁻²⁴. Pixels are whole numbers, so sums of their products with it are
    exact in float64, and scores are the same on every machine and in blocks of any size.
    """
    drawn = _stream(seed, "weights", true).standard_normal((pixels, classes), dtype=np.float32)
    drawn *= _GRID
    np.rint(drawn, out=drawn)
    drawn /= _GRID
    return drawn.astype(np.float64)


def flip_chances(
    pixels: NDArray[np.uint8],
    weights: NDArray[np.float64],
    true: int,
    rates: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(n, K) probabilities of the noisy label; 1 − q_i in the true class's column.

    Args:
        pixels: (n, D).
        weights: (D, K) of the true class.
        true: that class.
        rates: (n,) q_i, in [0, 1].
    """
    scores = pixels.astype(np.float64) @ weights
    scores[:, true] = -np.inf
    scores -= scores.max(axis=1, keepdims=True)
    chances = np.exp(scores)
    chances *= (rates / chances.sum(axis=1))[:, None]
    chances[:, true] = 1 - rates
    return chances


# ---------------------------------------------------------------- draws


def _stream(seed: int, purpose: str, part: int = 0) -> np.random.Generator:
    return np.random.default_rng([seed, _STREAMS[purpose], part])


def _whole(values: NDArray[np.float64], limit: int) -> Labels:
    """Rounded down, and below `limit` even where rounding has reached it."""
    return np.minimum(values.astype(np.int64), limit - 1)


def _sampled(chances: NDArray[np.float64], drawn: NDArray[np.float64]) -> Labels:
    """(n,) classes: for each row the one in whose share of [0, 1) its number falls.

    Args:
        chances: (n, K), not all 0 in a row.
        drawn: (n,) in [0, 1).
    """
    ends = np.cumsum(chances, axis=1)
    found = (drawn[:, None] * ends[:, -1:] >= ends).sum(axis=1)
    # Rounding may carry a number to the very end, behind the last class that has any chance.
    last = chances.shape[1] - 1 - np.argmax(chances[:, ::-1] > 0, axis=1)
    classes: Labels = np.minimum(found, last).astype(np.int64)
    return classes
