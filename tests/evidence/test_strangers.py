"""Pictures that fit no class."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deftclean.evidence.strangers import FAR, LEAST, UNLIKELY, strangers


def usual(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return (
        random.uniform(0.1, 0.2, count).astype(np.float32),
        random.uniform(0.7, 0.8, count).astype(np.float32),
        random.uniform(0.1, 0.5, count),
    )


def test_far_from_pictures_or_from_names_and_no_class_likely() -> None:
    apart, unlike, likely = usual(100)
    apart[[3, 4]] = 0.9
    unlike[[5, 6]] = 0.99
    likely[[4, 6]] = 0.9  # one class fits all the same
    assert np.flatnonzero(strangers(apart, unlike, likely)).tolist() == [3, 5]


def test_limits_by_hand() -> None:
    """Quartiles are 25.5 and 76.5: far begins at 76.5 + 2.4 x 51."""
    unlike = np.append(np.arange(101), [198, 199]).astype(np.float32)
    low, high = np.quantile(unlike, [0.25, 0.75])
    assert high + FAR * (high - low) == pytest.approx(198.9)
    found = strangers(np.ones(103, np.float32), unlike, np.full(103, UNLIKELY - 0.01))
    assert np.flatnonzero(found).tolist() == [102]
    both = np.where(unlike > 101, 180, unlike)  # 2.03 and 2.03: together more than 4
    found = strangers(np.exp(both / 10), both, np.full(103, UNLIKELY - 0.01))
    assert np.flatnonzero(found).tolist() == [101, 102]


def test_of_few_pictures_nothing_is_said() -> None:
    apart, unlike, likely = usual(LEAST - 1)
    apart[0] = 2
    assert not strangers(apart, unlike, likely).any()
    assert not strangers(apart[:0], unlike[:0], likely[:0]).any()


@given(st.integers(LEAST, 200), st.floats(0.01, 100))
def test_pictures_that_are_all_alike_hold_no_stranger(count: int, at: float) -> None:
    same = np.full(count, at, np.float32)
    assert not strangers(same, same, np.zeros(count)).any()
