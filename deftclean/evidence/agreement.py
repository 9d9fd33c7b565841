"""Labels by how far their annotators agreed: a label that all chose is wrong less often.

Shapes: n labels, S strata.
"""

import numpy as np
from numpy.typing import NDArray

STRATA = 4
"""All agree; more than half of the votes; half of them or fewer; not known."""


def strata_of(agreement: NDArray[np.float64]) -> NDArray[np.int64]:
    """(n,) stratum of each label, below `STRATA`.

    Args:
        agreement: (n,) share of the votes that are for the label, in (0, 1]; NaN where unknown.
    """
    half, one = np.float32(0.5), np.float32(1.0)
    strata = np.where(agreement >= one, 0, np.where(agreement > half, 1, 2))
    return np.where(np.isnan(agreement), STRATA - 1, strata).astype(np.int64)


def differ(strata: NDArray[np.int64] | None) -> bool:
    """Whether labels are of more than one stratum: else there is nothing to learn."""
    return strata is not None and len(np.unique(strata)) > 1
