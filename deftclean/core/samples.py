"""Random rows that hold classes in proportion, as often as each other, or but for a share.

Knows nothing of pictures or tables: class numbers in, rows out.
"""

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


def stratified_sample(classes: Rows, size: int, seed: int) -> Rows:
    """Rows of a random sample, ascending: of every class about the same share.

    All rows are put into one order in which every beginning holds the classes in proportion; the
    sample is its first `size` rows, so a larger one contains a smaller one.

    Args:
        classes: (N,) class of each row, from 0.
        size: of the sample; N where there are fewer rows.
        seed: of the draw.
    """
    order, rank = _shuffled(classes, seed)
    drawn = classes[order]
    place = (rank + 0.5) / np.bincount(classes)[drawn]
    return np.sort(order[np.lexsort((drawn, place))][:size])


def balanced_sample(classes: Rows, count: int, size: int, seed: int) -> Rows:
    """Rows of a random sample, ascending: in random order, until a class has its share.

    Args:
        classes: (N,) class of each row, from 0.
        count: K.
        size: of the sample; a class's share is size / K, rounded up.
        seed: of the draw.
    """
    order, rank = _shuffled(classes, seed)
    return np.sort(order[rank < size / count][:size])


def stratified_holdout(classes: Rows, share: float, seed: int) -> NDArray[np.bool_]:
    """(N,) which rows to test on and not to train on: about `share` of every class.

    Of a class of n rows ``round(share · n)`` are held out, but never all.

    Args:
        classes: (N,) class of each row, from 0.
        share: in [0, 1).
        seed: of the draw.
    """
    order, rank = _shuffled(classes, seed)
    sizes = np.bincount(classes)
    taken = np.minimum(np.round(share * sizes), np.maximum(sizes - 1, 0))
    held = np.zeros(len(classes), dtype=bool)
    held[order[rank < taken[classes[order]]]] = True
    return held


def _shuffled(classes: Rows, seed: int) -> tuple[Rows, Rows]:
    """(N,) all rows in random order, and of each how many of its class come before it.

    By hand: of classes 0, 1, 0 in the order of rows 2, 1, 0 the ranks are 0, 0, 1.
    """
    order = np.random.default_rng(seed).permutation(len(classes))
    by_class = np.argsort(classes[order], kind="stable")
    sizes = np.bincount(classes)
    firsts = np.cumsum(sizes) - sizes
    rank = np.empty(len(classes), np.int64)
    rank[by_class] = np.arange(len(classes)) - np.repeat(firsts, sizes)
    return order, rank
