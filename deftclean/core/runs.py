"""Runs of unequal length, kept end to end in one array."""

import numpy as np
from numpy.typing import NDArray


def members(
    starts: NDArray[np.int64], counts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every member of some runs: which of the runs it belongs to, and its place in the array.

    >>> members(np.array([5, 0]), np.array([2, 1]))
    (array([0, 0, 1]), array([5, 6, 0]))

    Args:
        starts, counts: (n,) where each run begins, and its length.
    """
    run = np.repeat(np.arange(len(counts)), counts)
    within = np.arange(len(run)) - np.repeat(np.cumsum(counts) - counts, counts)
    return run, starts[run] + within
