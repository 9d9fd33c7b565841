"""The line that people's decisions draw through the model's own probabilities."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, logit

from deftclean.evidence.correction import fit_correction


def world(shift, slope, rows, seed=0):
    """Probabilities of being right that are off by a line, and what is true."""
    random = np.random.default_rng(seed)
    odds = random.normal(0, 3, rows)
    wrong = random.random(rows) < expit(shift + slope * odds)
    return expit(-odds), wrong


def test_it_is_the_most_probable_line():
    clean, wrong = world(0.5, 0.7, 300)
    found = fit_correction(clean, wrong)

    def cost(values):
        z = values[0] + values[1] * logit(1 - clean)
        likely = np.logaddexp(0, z) - wrong * z
        return likely.sum() + values[0] ** 2 / 0.08 + (values[1] - 1) ** 2 / 0.18

    best = minimize(cost, [0.0, 1.0], tol=1e-10).x
    assert (found.shift, found.slope) == pytest.approx(tuple(best), abs=1e-4)


def test_where_the_model_is_right_hardly_anything_changes():
    clean, wrong = world(0, 1, 2000)
    found = fit_correction(clean, wrong)
    np.testing.assert_allclose(found.of(clean), clean, atol=0.03)


def test_few_decisions_change_little_and_many_decide():
    few, many = (fit_correction(*world(1.0, 0.4, rows)) for rows in (10, 3000))
    assert abs(few.shift) < 0.35
    assert (many.shift, many.slope) == pytest.approx((1.0, 0.4), abs=0.12)
    assert many.covariance[0, 0] < few.covariance[0, 0] < 0.04 + 1e-9


def test_which_rows_are_looked_at_does_not_bias_it():
    """The most suspicious fifth alone leads to the line of all."""
    clean, wrong = world(0.3, 0.6, 20_000)
    worst = np.argsort(clean)[:10_000]
    found = fit_correction(clean[worst], wrong[worst])
    assert (found.shift, found.slope) == pytest.approx((0.3, 0.6), abs=0.1)


@pytest.mark.parametrize("wrong", [True, False])
def test_certain_and_mistaken_it_stays_finite(wrong):
    clean = np.full(200, 0.0 if not wrong else 1.0)
    found = fit_correction(clean, np.full(200, wrong))
    assert np.isfinite(found.of(np.array([0, 1e-9, 0.5, 1]))).all()
    assert found.slope > 0  # the order stays


def test_the_slopes_are_those_of_the_line():
    clean, wrong = world(0.5, 0.7, 300)
    found = fit_correction(clean, wrong)
    inner = clean[(clean > 1e-4) & (clean < 1 - 1e-4)]
    h = 1e-6
    by_hand = np.stack(
        [
            (expit(found.shift + h + found.slope * logit(1 - inner)) - (1 - found.of(inner))) / h,
            (expit(found.shift + (found.slope + h) * logit(1 - inner)) - (1 - found.of(inner))) / h,
        ],
        axis=1,
    )
    np.testing.assert_allclose(found.slopes(found.of(inner)), by_hand, atol=1e-4)
