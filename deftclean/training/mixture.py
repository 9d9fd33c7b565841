"""Clean or wrong? Losses of all rows as a mixture of two normal distributions.

Knows nothing of models: numbers in, probabilities out.
"""

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deftclean.core.errors import RunError

_SAME = 1e-9  # values that differ by a smaller share of the largest differ by rounding


class EM(NamedTuple):
    """How a mixture is fitted by expectation and maximisation; scikit-learn's defaults.

    Attributes:
        max_iter: steps at most.
        tol: gain in mean log-likelihood below which it ends.
        reg_covar: added to each variance.
    """

    max_iter: int = 100
    tol: float = 1e-3
    reg_covar: float = 1e-6


DIVIDEMIX = EM(max_iter=10, tol=1e-2, reg_covar=5e-4)
"""Li et al., ICLR 2020, https://arxiv.org/abs/2002.07394."""


def low_component(
    values: NDArray[np.float64], seed: int, em: EM = DIVIDEMIX
) -> NDArray[np.float64]:
    """How likely each value belongs to the lower of two heaps.

    A mixture of two normal distributions is fitted to the values, scaled to [0, 1] by their
    minimum and maximum.

    The order of the values does not matter. Between the two means a higher value is never more
    likely clean. Beyond them it may be: at a distance the wider component always wins.

    Args:
        values: (n,) finite, lower = cleaner; losses as a rule.
        seed: 0 or more, of the k-means that EM begins with.
        em: when it ends, and what it adds to variances.

    Returns:
        (n,) in [0, 1], posterior of the component with the lower mean. All 1.0 where there are no
        two heaps to tell apart: fewer than two values, or all of them the same but
        for rounding.

    Raises:
        RunError: values that are not finite; says how many.
    """
    _refuse_infinite(values)
    if len(values) < 2:
        return np.ones(len(values))
    # In units of a power of two, which changes no digit: the difference of two finite numbers may
    # be none.
    near_one = np.ldexp(values, -int(np.frexp(np.abs(values).max())[1]))
    low, high = near_one.min(), near_one.max()
    if high - low <= _SAME:
        return np.ones(len(values))
    # k-means draws by place: sorted, so that it draws the same whatever the order.
    order = np.argsort(values, kind="stable")
    posterior = np.empty(len(values))
    posterior[order] = _low_of_two((near_one[order] - low)[:, None] / (high - low), seed, em)
    return posterior


def _refuse_infinite(values: NDArray[np.float64]) -> None:
    if wrong := int((~np.isfinite(values)).sum()):
        raise RunError(
            f"{wrong:,} of {len(values):,} losses are not finite: training has diverged.",
            "Lower --lr, or limit gradients with --clip-grad 1.",
        )


def _low_of_two(scaled: NDArray[np.float64], seed: int, em: EM) -> NDArray[np.float64]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    state = int(np.random.SeedSequence(seed).generate_state(1)[0])  # scikit-learn takes 32 bits
    mixture = GaussianMixture(2, random_state=state, **em._asdict())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # so many steps are the method
        mixture.fit(scaled)
    found: NDArray[np.float64] = mixture.predict_proba(scaled)[:, mixture.means_.argmin()]
    return found
