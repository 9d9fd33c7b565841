"""The mixture that tells low losses from high ones: by hand, against scikit-learn, at the edges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from deftclean.core.errors import RunError
from deftclean.training.mixture import low_component
from tests.support.processes import run_code

VALUES = hnp.arrays(np.float64, st.integers(2, 40), elements=st.floats(0, 20, width=16))


def two_heaps(seed: int = 0) -> np.ndarray:
    draws = np.random.default_rng(seed)
    return np.concatenate([draws.gamma(2, 0.1, 300), draws.normal(4, 0.7, 100)])


def fitted(values: np.ndarray, **settings: object) -> tuple[np.ndarray, GaussianMixture]:
    """Scikit-learn's own answer, begun at the two ends."""
    scaled = ((values - values.min()) / (values.max() - values.min()))[:, None]
    mixture = GaussianMixture(2, means_init=[[0.0], [1.0]], reg_covar=5e-4, **settings)
    return mixture.fit(scaled).predict_proba(scaled)[:, mixture.means_.argmin()], mixture


def test_two_points_twice_by_hand():
    """k-means gives heaps {0, 0} and {1, 1}: means 0 and 1, variances 5e-4, weights 1/2.

    The posterior of the other heap's point is 1 / (1 + exp(1 / (2 · 5e-4))) = 1 / (1 + e^1000).
    """
    found = low_component(np.array([5.0, 1.0, 5.0, 1.0]), 0)
    assert found.tolist() == [0.0, 1.0, 0.0, 1.0]


def test_separate_heaps_are_told_apart():
    values = two_heaps()
    found = low_component(values, 0) > 0.5
    assert found[:300].mean() > 0.95
    assert found[300:].mean() < 0.02


def test_against_scikit_learn_from_another_beginning():
    values = two_heaps()
    expected, mixture = fitted(values, tol=1e-2, max_iter=100)
    assert mixture.converged_
    found = low_component(values, 0)
    assert ((found > 0.5) == (expected > 0.5)).mean() > 0.99
    assert np.abs(found - expected).mean() < 0.02


@given(VALUES, st.integers(0, 2**70))
def test_probabilities_the_same_each_time(values, seed):
    found = low_component(values, seed)
    assert found.shape == values.shape
    assert np.all((found >= 0) & (found <= 1))
    assert np.array_equal(found, low_component(values.copy(), seed))


@given(VALUES, st.integers(0, 5), st.randoms(use_true_random=False))
def test_the_order_of_the_values_does_not_matter(values, seed, random):
    order = np.array(random.sample(range(len(values)), len(values)))
    assert np.array_equal(low_component(values, seed)[order], low_component(values[order], seed))


def test_shift_and_scale_do_not_matter():
    values = two_heaps()
    assert np.array_equal(low_component(values * 2.0**-40, 0), low_component(values, 0))
    assert low_component(values * 7 - 3, 0) == pytest.approx(low_component(values, 0), abs=1e-6)


@pytest.mark.parametrize("seed", range(10))
def test_falls_between_the_heaps(seed):
    values = np.sort(two_heaps(seed))
    found = low_component(values, 0)
    between = found[(values > 0.5) & (values < 3.5)]
    assert len(between) > 10
    assert np.all(np.diff(between) <= 0)


def test_far_out_the_wider_heap_wins():
    """What the docstring says: the lowest value of all is not always the likeliest clean one."""
    draws = np.random.default_rng(0)
    values = np.concatenate([[-6.0], draws.normal(0, 0.1, 400), draws.normal(3, 2, 400)])
    found = low_component(values, 0)
    assert found[0] < 0.5 < found[1:401].mean()


def test_ten_steps_and_no_word_about_them():
    """Scikit-learn warns about some of these; warnings are errors in tests."""
    draws = np.random.default_rng(5)
    samples = [draws.exponential(1, 300) ** 3 for _ in range(100)]
    scaled = [np.sort(values / values.max())[:, None] for values in samples]
    mixture = GaussianMixture(2, max_iter=10, tol=1e-2, reg_covar=5e-4, random_state=0)
    with pytest.warns(ConvergenceWarning):
        list(map(mixture.fit, scaled))
    for values in samples:
        low_component(values, 0)


@pytest.mark.parametrize(
    "values", [[], [3.0], [2.0] * 5, [0.0, -0.0], [1.0, 1.0 + 2**-52], [5e3, 5e3 + 1e-9, 5e3]]
)
def test_one_where_nothing_can_be_told_apart(values):
    assert low_component(np.array(values), 0).tolist() == [1.0] * len(values)


@pytest.mark.parametrize("values", [[1.0, 1.0 + 1e-8], [-1.7e308, 1.7e308], [0.0, 5e-324]])
def test_close_and_far_apart(values):
    assert low_component(np.array(values), 0).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(wrong):
    with pytest.raises(RunError, match="2 of 4 losses are not finite"):
        low_component(np.array([1.0, wrong, 2.0, wrong]), 0)


def test_torch_and_scikit_learn_are_not_loaded_with_it():
    code = "import sys, deftclean.training.mixture; print({'torch', 'sklearn'} & set(sys.modules))"
    done = run_code(code)
    assert done.stdout.strip() == "set()"
