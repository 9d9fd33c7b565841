"""Whether what was foretold happened as often as it was foretold.

Shapes: n rows.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deftclean.core.metrics import by_parts


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
        found = by_parts(foretold, happened)
        times = found.total.astype(np.int64)
        return cls(tuple(found.rows.tolist()), tuple(found.mean.tolist()), tuple(times.tolist()))
