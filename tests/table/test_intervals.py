"""Exact intervals: by hand, against SciPy's distributions, and how often they hold the truth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, hypergeom

from deftclean.table.intervals import of_endless, of_finite


def test_by_hand():
    assert of_finite(1, 2, 4, 0.95) == (1, 3)
    assert of_finite(0, 4, 4, 0.95) == (0, 0)
    # 0 of 5 of 10: with 3 the sample misses all with C(7,5)/C(10,5) = 21/252 = 0.083; with 4 with
    # 6/252 = 0.024, which is less than 0.025.
    assert of_finite(0, 5, 10, 0.95) == (0, 3)


@st.composite
def samples(draw):
    population = draw(st.integers(1, 300))
    drawn = draw(st.integers(1, population))
    return draw(st.integers(0, drawn)), drawn, population


@given(samples(), st.sampled_from([0.8, 0.95, 0.999]))
def test_both_tests_are_inverted(sample, level):
    found, drawn, population = sample
    low, high = of_finite(found, drawn, population, level)
    kinds = np.arange(found, population - (drawn - found) + 1)
    more = hypergeom.sf(found - 1, population, kinds, drawn)
    fewer = hypergeom.cdf(found, population, kinds, drawn)
    tail = (1 - level) / 2
    possible = kinds[(more > tail + 1e-9) & (fewer > tail + 1e-9)]
    # A number at the very edge may fall on either side of it.
    edge = kinds[(np.abs(more - tail) <= 1e-9) | (np.abs(fewer - tail) <= 1e-9)]
    assert low in {possible.min(), *edge}
    assert high in {possible.max(), *edge}


@given(samples())
def test_a_population_without_end_leaves_more_open(sample):
    found, drawn, population = sample
    low, high = of_finite(found, drawn, population, 0.95)
    wide = of_endless(found, drawn, 0.95)
    assert wide[0] <= low / population + 1 / population
    assert high / population - 1 / population <= wide[1]
    assert wide[0] <= found / drawn <= wide[1]


def test_against_the_beta_distribution():
    low, high = of_endless(7, 50, 0.95)
    assert low == pytest.approx(beta.ppf(0.025, 7, 44))
    assert high == pytest.approx(beta.ppf(0.975, 8, 43))
    assert of_endless(0, 3, 0.95)[0] == 0
    assert of_endless(3, 3, 0.95)[1] == 1


@given(data=st.data(), drawn=st.integers(1, 10**7), level=st.sampled_from([0.5, 0.9, 0.975]))
def test_beta_quantiles_are_scipys(data, drawn, level):
    found = data.draw(st.integers(0, drawn))
    low, high = of_endless(found, drawn, level)
    tail = (1 - level) / 2
    if found:
        assert low == pytest.approx(beta.ppf(tail, found, drawn - found + 1), rel=1e-7)
    if found < drawn:
        assert high == pytest.approx(beta.ppf(1 - tail, found + 1, drawn - found), rel=1e-7)
    assert 0 <= low <= found / drawn <= high <= 1


@pytest.mark.parametrize("wrong", [0, 3, 40, 199, 200])
def test_the_truth_is_inside_as_often_as_promised(wrong):
    """Over all samples of 20 of 200, by their probabilities."""
    inside = 0.0
    for found in range(min(20, wrong) + 1):
        low, high = of_finite(found, 20, 200, 0.95)
        inside += hypergeom.pmf(found, 200, wrong, 20) * (low <= wrong <= high)
    assert inside >= 0.95


def test_of_a_billion_rows():
    low, high = of_finite(30, 1000, 10**9, 0.95)
    wide = of_endless(30, 1000, 0.95)
    assert low / 10**9 == pytest.approx(wide[0], rel=1e-3)
    assert high / 10**9 == pytest.approx(wide[1], rel=1e-3)
