"""What people's decisions say of the model's own: that it is too sure, or leans to one side.

    logit p'(wrong) = a + b · logit p(wrong)

Platt's scaling (1999, "Probabilistic Outputs for Support Vector Machines"), fitted to the labels
that people have decided about, with p as it is believed without their decisions. They choose what
to look at by p, most suspicious first or at random: a regression on p is right either way, a mere
share of wrong labels would not be. Before anything is decided, a = 0 and b = 1 are believed, give
or take 0.2 and 0.3: some ten decisions change little, some hundred decide.

Shapes: n labels.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

_SPREAD = np.array([0.2, 0.3])  # of a and b, before anybody has decided
_SURE = 1e-6  # no nearer to certain is anything believed
_STEPS = 50


@dataclass(frozen=True)
class Correction:
    """A line on the scale of log-odds.

    Attributes:
        shift: a.
        slope: b, above 0.
        covariance: (2, 2) of the two.
    """

    shift: float
    slope: float
    covariance: NDArray[np.float64]

    def of(self, clean_prob: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) corrected probability that a label is right."""
        right: NDArray[np.float64] = expit(self.slope * _odds(clean_prob) - self.shift)
        return right

    def slopes(self, corrected: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 2) by how much the probability of being wrong grows with a and with b."""
        before = (_odds(1 - corrected) - self.shift) / self.slope
        steep = corrected * (1 - corrected)
        return np.stack([steep, steep * before], axis=1)


def fit_correction(clean_prob: NDArray[np.float64], wrong: NDArray[np.bool_]) -> Correction:
    """The most probable one, by Newton's method; its covariance is that of a normal around it.

    Args:
        clean_prob: (n,) as it is believed without the decisions.
        wrong: (n,) what was decided.
    """
    odds = _odds(1 - clean_prob)
    columns = np.stack([np.ones(len(odds)), odds], axis=1)
    prior = np.diag(_SPREAD**-2)
    usual = np.array([0.0, 1.0])
    values = usual.copy()
    for _ in range(_STEPS):
        believed = expit(columns @ values)
        gradient = columns.T @ (wrong - believed) - prior @ (values - usual)
        curvature = (columns.T * (believed * (1 - believed))) @ columns + prior
        step = np.linalg.solve(curvature, gradient)
        # Far from the top a whole step may overshoot; none is larger than what is believed before.
        values = values + step / max(1.0, np.abs(step / _SPREAD).max())
        if np.abs(step).max() < 1e-9:
            break
    slope = max(float(values[1]), 0.05)
    return Correction(float(values[0]), slope, np.linalg.inv(curvature))


def _odds(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    odds: NDArray[np.float64] = logit(np.clip(probability, _SURE, 1 - _SURE))
    return odds
