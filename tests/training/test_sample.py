"""The rows that are trained on: as many as asked, every label in its share, none twice."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deftclean.core.errors import UsageError
from deftclean.settings.detector import DetectorConfig
from deftclean.training.sample import refuse_small_sample, sampled_rows


def config(train_on: int | None, seed: int = 0) -> DetectorConfig:
    return DetectorConfig(train_on=train_on, seed=seed)


def test_each_label_in_its_share() -> None:
    """5 rows of 50, 30, 19 and 1: one each, and 16 as 49, 29, 18 and 0 of 96."""
    labels = np.repeat([0, 1, 3, 4], [50, 30, 19, 1])
    rows = sampled_rows(np.arange(100), labels, config(20))
    # 16 * 49 / 96 = 8.17, 16 * 29 / 96 = 4.83, 16 * 18 / 96 = 3: 8, 5, 3, and one each.
    assert np.bincount(labels[rows]).tolist() == [9, 6, 0, 4, 1]


@given(
    st.lists(st.integers(0, 5), min_size=6, max_size=200),
    st.integers(6, 250),
    st.integers(0, 3),
)
def test_what_holds_for_any_labels(given_labels: list[int], count: int, seed: int) -> None:
    labels = np.array([*given_labels, 9, 9, 9])
    rows = np.flatnonzero(labels != 9)
    chosen = sampled_rows(rows, labels, config(count, seed))
    assert len(chosen) == min(count, len(rows))
    assert np.isin(chosen, rows).all()
    assert (np.diff(chosen) > 0).all()
    there, picked = (np.bincount(labels[some], minlength=6) for some in (rows, chosen))
    np.testing.assert_array_equal(picked > 0, there > 0)
    exact = np.minimum(count * there / len(rows), there)
    assert (np.abs(picked - exact) <= 6).all()
    np.testing.assert_array_equal(chosen, sampled_rows(rows, labels, config(count, seed)))


def test_all_rows_where_nothing_is_asked_and_another_seed_draws_others() -> None:
    labels, rows = np.arange(100) % 4, np.arange(100)
    assert sampled_rows(rows, labels, config(None)) is rows
    one, other = (sampled_rows(rows, labels, config(20, seed)) for seed in (0, 1))
    assert one.tolist() != other.tolist()


def test_fewer_than_the_classes_are_refused() -> None:
    rows = SimpleNamespace(labels=np.arange(10), trainable=np.arange(10))
    refuse_small_sample(rows, config(10))
    with pytest.raises(UsageError, match="--train-on 9 is less than a row of each of 10 classes"):
        refuse_small_sample(rows, config(9))
