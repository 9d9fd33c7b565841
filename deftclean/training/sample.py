"""A part of the rows to train on, with every given label in the share that it has among all.

For sets that would take too long to train on: prompts and a visual prompt have few numbers, which a
part of the rows settles; every row is judged all the same.
"""

import numpy as np
from numpy.typing import NDArray

from deftclean.core.errors import UsageError
from deftclean.core.runtime import stream
from deftclean.images.usable_rows import UsableRows
from deftclean.settings.detector import DetectorConfig


def refuse_small_sample(rows: UsableRows, config: DetectorConfig) -> None:
    """Stop before anything is trained where a class would not be trained on.

    Raises:
        UsageError: `train_on` is less than one row of every given label.
    """
    count = len(np.unique(rows.labels[rows.trainable]))
    if config.train_on is not None and config.train_on < count:
        raise UsageError(
            f"--train-on {config.train_on:,} is less than a row of each of {count:,} classes.",
            f"Give at least {count:,}; some hundred rows of each class are better.",
        )


def sampled_rows(
    rows: NDArray[np.int64], labels: NDArray[np.int64], config: DetectorConfig
) -> NDArray[np.int64]:
    """The rows to train on.

    Args:
        rows: (n,) that may be trained on, ascending.
        labels: (N,) given class of every row.
        config: with `train_on`, `m` below, and the seed.

    Returns:
        (min(m, n),) of `rows`, ascending. Each label that there is has one row, and its share of
        the others, rounded by the largest remainders (Hamilton's method).
    """
    count = config.trained_of(len(rows))
    if count == len(rows):
        return rows
    of_class = labels[rows]
    counts = np.bincount(of_class)
    quotas = _quotas(counts, count)
    order = stream(config.seed, "training sample").permutation(len(rows))
    by_class = order[np.argsort(of_class[order], kind="stable")]
    rank = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    chosen = by_class[rank < np.repeat(quotas, counts)]
    found: NDArray[np.int64] = rows[np.sort(chosen)]
    return found


def _quotas(counts: NDArray[np.int64], total: int) -> NDArray[np.int64]:
    """(K,) how many of each class, `total` in all, none more than there are.

    One of each class that there is comes first; the rest is shared out by what is left of it.
    """
    first = (counts > 0).astype(np.int64)
    left, rest = counts - first, max(0, total - int(first.sum()))
    exact = left * (rest / max(1, int(left.sum())))
    quotas = np.floor(exact).astype(np.int64)
    missing = rest - int(quotas.sum())
    largest = np.argsort(quotas - exact, kind="stable")[:missing]
    quotas[largest] += 1
    found: NDArray[np.int64] = first + quotas
    return found
