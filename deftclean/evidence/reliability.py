"""Whether what was foretold happened as often as it was foretold.

Shapes: n rows.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PARTS = 10
"""Of [0, 1], equally wide."""


@dataclass(frozen=True)
class Reliability:
    """Rows by what was foretold of them; parts of [0, 1] without a row are left out.

    Attributes:
        rows: how many.
        foretold: the mean of what was foretold, in [0, 1].
        happened: how many of the rows turned out so.
    """

    rows: tuple[int, ...]
    foretold: tuple[float, ...]
    happened: tuple[int, ...]

    @classmethod
    def of(cls, foretold: NDArray[np.float64], happened: NDArray[np.bool_]) -> "Reliability":
        """Count.

        Args:
            foretold: (n,) probabilities.
            happened: (n,) whether it did.
        """
        part = np.minimum((foretold * PARTS).astype(np.int64), PARTS - 1)
        rows = np.bincount(part, minlength=PARTS)
        there = np.flatnonzero(rows)
        mean = np.bincount(part, weights=foretold, minlength=PARTS)[there] / rows[there]
        turned_out = np.bincount(part[happened], minlength=PARTS)[there]
        return cls(tuple(rows[there].tolist()), tuple(mean.tolist()), tuple(turned_out.tolist()))
