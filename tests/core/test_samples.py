"""Random rows by class: shares, sizes, and the very rows that earlier versions drew."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from deftclean.core.samples import balanced_sample, stratified_holdout, stratified_sample


def test_the_rows_that_a_seed_draws_stay_the_same():
    """Kept results and published figures were made on them."""
    classes = np.arange(40) ** 2 % 7
    assert stratified_sample(classes, 8, 3).tolist() == [11, 17, 20, 21, 23, 29, 30, 32]
    assert balanced_sample(classes, 7, 8, 3).tolist() == [0, 17, 20, 21, 23, 29, 30, 32]
    held = np.flatnonzero(stratified_holdout(classes, 0.3, 3))
    assert held.tolist() == [
        0,
        3,
        11,
        17,
        20,
        21,
        22,
        23,
        29,
        30,
        32,
        33,
    ]


def test_a_sample_holds_classes_in_proportion_and_grows():
    labels = np.array([0] * 60 + [1] * 30 + [2] * 10)
    chosen = [set(stratified_sample(labels, size, 0).tolist()) for size in (10, 20, 200)]
    for size, rows in zip((10, 20), chosen[:2], strict=True):
        shares = np.bincount([0 if row < 60 else 1 if row < 90 else 2 for row in rows])
        assert shares.tolist() == [6 * size // 10, 3 * size // 10, size // 10]
    assert chosen[0] < chosen[1] < chosen[2] == set(range(100))
    assert chosen[0] != set(stratified_sample(labels, 10, 1).tolist())


@settings(max_examples=50, deadline=None)
@given(
    classes=st.lists(st.integers(0, 3), max_size=200),
    size=st.integers(1, 60),
    seed=st.integers(0, 2**32),
)
def test_a_balanced_sample_holds_each_class_as_often(classes, size, seed):
    given_classes = np.array(classes, np.int64)
    chosen = balanced_sample(given_classes, 4, size, seed)
    assert (np.diff(chosen) > 0).all()
    assert len(chosen) <= size
    share = -(-size // 4)
    full = np.minimum(np.bincount(given_classes, minlength=4), share)
    taken = np.bincount(given_classes[chosen], minlength=4)
    assert (taken <= full).all()
    assert len(chosen) == min(size, full.sum())
    assert (chosen == balanced_sample(given_classes, 4, size, seed)).all()


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.floats(0, 0.99), st.integers(0, 9))
def test_a_holdout_takes_its_share_of_every_class_and_never_all(labels, share, seed):
    labels = np.array(labels)
    held = stratified_holdout(labels, share, seed)
    for name in np.unique(labels):
        count, taken = int((labels == name).sum()), int(held[labels == name].sum())
        assert taken == min(round(share * count), count - 1)
    assert (held == stratified_holdout(labels, share, seed)).all()


def test_another_seed_is_another_holdout():
    labels = np.zeros(100, dtype=np.int64)
    assert (stratified_holdout(labels, 0.5, 0) != stratified_holdout(labels, 0.5, 1)).any()
