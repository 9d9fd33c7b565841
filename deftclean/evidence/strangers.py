"""Pictures that fit no class: far from everything, and of which no class is likely.

A picture is far where it is so from the other pictures (its distance to the last of its neighbours,
so that a few strangers of one kind do not vouch for each other) or from the names of all classes,
each in the measure of these data: interquartile ranges above the upper quartile.
benchmarks/off_topic.py measures what that finds.

Shapes: U pictures.
"""

import numpy as np
from numpy.typing import NDArray

FAR = 2.4
"""Interquartile ranges above the upper quartile, of either distance."""

TOGETHER = 4.0
"""The same of the sum of both."""

UNLIKELY = 0.6
"""No class is foretold with this probability, the given label not heard."""

LEAST = 50
"""Of fewer pictures it cannot be told what is usual."""


def strangers(
    apart: NDArray[np.float32], unlike: NDArray[np.float32], likely: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """(U,) whether a picture fits no class.

    Args:
        apart: (U,) distance (1 - cosine) to the last of the most similar pictures.
        unlike: (U,) distance to the name of the class that is most similar.
        likely: (U,) probability of the class that is foretold, in [0, 1].
    """
    if len(apart) < LEAST:
        return np.zeros(len(apart), dtype=bool)
    others, names = _above(np.log(np.maximum(apart, 1e-6))), _above(unlike.astype(float))
    far = (np.maximum(others, names) > FAR) | (others + names > TOGETHER)
    found: NDArray[np.bool_] = far & (likely < UNLIKELY)
    return found


def _above(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Interquartile ranges above the upper quartile; 0 at it."""
    low, high = np.quantile(values, [0.25, 0.75])
    spread = float(high - low)
    return (values - high) / spread if spread > 0 else np.zeros(len(values))
