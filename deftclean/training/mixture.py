"""Clean or wrong? Losses of all rows as a mixture of two normal distributions.

Knows nothing of models: numbers in, probabilities out.
"""

import warnings

import numpy as np
from numpy.typing import NDArray

from deftclean.core.errors import RunError

_SAME = 1e-9  # values that differ by a smaller share of the largest differ by rounding


def low_component(values: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """How likely each value belongs to the lower of two heaps.

    A mixture of two normal distributions is fitted to the values, scaled to [0, 1] by their
    minimum and maximum. Li et al., ICLR 2020 (DivideMix), https://arxiv.org/abs/2002.07394; with
    at most 10 steps of EM, tolerance 1e-2 and 5e-4 added to each variance, as there.

    The order of the values does not matter. Between the two means a higher value is never more
    likely clean. Beyond them it may be: at a distance the wider component always wins.

    Args:
        values: (n,) finite, lower = cleaner; losses as a rule.
        seed: 0 or more, of the k-means that EM begins with.

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
    posterior[order] = _low_of_two((near_one[order] - low)[:, None] / (high - low), seed)
    return posterior


def _refuse_infinite(values: NDArray[np.float64]) -> None:
    if wrong := int((~np.isfinite(values)).sum()):
        raise RunError(
            f"{wrong:,} of {len(values):,} losses are not finite: training has diverged.",
            "Lower --lr, or limit gradients with --clip-grad 1.",
        )


def _low_of_two(scaled: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    state = int(np.random.SeedSequence(seed).generate_state(1)[0])  # scikit-learn takes 32 bits
    mixture = GaussianMixture(2, max_iter=10, tol=1e-2, reg_covar=5e-4, random_state=state)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # ten steps are the method
        mixture.fit(scaled)
    found: NDArray[np.float64] = mixture.predict_proba(scaled)[:, mixture.means_.argmin()]
    return found
