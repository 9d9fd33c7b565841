"""Selection rules against numbers worked by hand, and what holds for any input."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from deftclean.detection.strategies.rules import (
    above,
    class_wise,
    first_of_class,
    forget_rate,
    kept_first,
    margin,
    ranks,
    small_loss,
    uniform,
)

SIZES = st.integers(1, 60)


def shares(size):
    return arrays(np.float64, size, elements=st.floats(0, 1, allow_subnormal=False))


@st.composite
def labelled(draw):
    size, classes = draw(SIZES), draw(st.integers(2, 5))
    labels = draw(arrays(np.int64, size, elements=st.integers(0, classes - 1)))
    return draw(shares(size)), labels, classes


def test_small_loss_by_hand():
    choice = small_loss(np.array([0.1, 2.0, 0.5, 3.0]), 0.5)
    assert choice.score.tolist() == [1.0, 0.5, 0.75, 0.25]
    assert choice.keep.tolist() == [True, False, True, False]


@pytest.mark.parametrize(
    ("warmup", "rates"),
    [(0, [0.4, 0.4]), (1, [0, 0.4]), (2, [0, 0.4]), (5, [0, 0.1, 0.2, 0.3, 0.4, 0.4])],
)
def test_small_loss_forgets_more_with_every_epoch_of_warmup(warmup, rates):
    found = [forget_rate(epoch, warmup, 0.4) for epoch in range(1, len(rates) + 1)]
    assert found == pytest.approx(rates)


@given(SIZES, st.integers(0, 99))
def test_small_loss_keeps_the_share_that_it_is_told(size, percent):
    loss = np.random.default_rng(size).random(size)
    choice = small_loss(loss, percent / 100)
    # score > r  <=>  rank < (1 - r) n
    assert choice.keep.sum() == -(-(100 - percent) * size // 100)
    assert choice.keep[np.argsort(loss)].tolist() == sorted(choice.keep.tolist(), reverse=True)


def test_uniform_by_hand():
    choice = uniform(np.array([0.1, 0.2, 0.3, 0.9]), np.array([0, 0, 0, 1]))
    assert choice.keep.tolist() == [True, False, False, True]
    assert choice.score == pytest.approx([0.95, 0.4, 0.35, 0.55])


def test_uniform_lowers_its_cut_where_most_rows_diverge():
    # mean 0.8 > 0.7: cut = 0.8 - (0.8 - 0.4) / 5 = 0.72, so 1 of 4 rows is below; R n / K = 1.
    divergence = np.array([0.4, 0.75, 1.0, 1.05])
    labels = np.array([7, 7, 7, 7])  # classes without rows take no share
    assert uniform(divergence, labels).keep.tolist() == [True] + 3 * [False]
    # Below the plain mean there would have been two.
    assert uniform(divergence - 0.2, labels).keep.tolist() == [True, True, False, False]


def test_uniform_where_nothing_stands_out_by_hand():
    """d = 0.1 of all: kept, with (1 + 0.9) / 2 = 0.95."""
    choice = uniform(np.full(3, 0.1), np.array([0, 0, 1]))
    assert choice.keep.dtype == bool
    assert choice.score == pytest.approx([0.95] * 3)


def test_uniform_counts_what_is_below_its_cut_not_at_it():
    """Mean 0.5: of d = (0.25, 0.5, 0.75) one third is below, R n / K = 1. Mean 0.7 is not above
    0.7: of d = (0.25, 0.625, 0.675, 1.25) three are below it, two below 0.7 - 0.45 / 5 = 0.61.
    """
    assert uniform(np.array([0.25, 0.5, 0.75]), np.zeros(3, int)).keep.tolist() == [
        True, False, False,
    ]  # fmt: skip
    divergence = np.array([0.25, 0.625, 0.675, 1.25])
    assert divergence.mean() == 0.7
    assert uniform(divergence, np.zeros(4, int)).keep.tolist() == [True, True, True, False]


def test_uniform_keeps_a_row_of_every_class_and_all_where_none_stands_out():
    many = np.arange(100)  # R n / K < 1
    assert uniform(np.linspace(0, 0.5, 100), many).keep.all()
    for size, classes in ((60, 10), (1000, 5), (1000, 3)):
        labels = np.arange(size) % classes
        assert uniform(np.full(size, 0.1) + 1e-17 * labels, labels).keep.all()


@given(labelled())
def test_uniform_keeps_as_many_of_each_class_or_all_there_are(drawn):
    divergence, labels, _ = drawn
    keep = uniform(divergence, labels).keep
    if np.ptp(divergence) < 1e-12:
        assert keep.all()
        return
    mean = divergence.mean()
    cut = mean - (mean - divergence.min()) / 5 if mean > 0.7 else mean
    each = max(1, int((divergence < cut).mean() * (len(labels) / len(set(labels.tolist())))))
    assert keep.tolist() == first_of_class(divergence, labels, each).tolist()


def test_class_wise_by_hand():
    choice = class_wise(np.array([0.9, 0.8, 0.995, 0.2]), np.array([0, 0, 0, 1]), 0.5)
    assert choice.keep.tolist() == [False, False, True, True]
    assert choice.score == pytest.approx([0.45, 0.4, 0.9975, 0.6])


def test_class_wise_is_certain_above_99_percent_not_at_it():
    """⌈0.5 · 2⌉ = 1 of the class: the first. The second has 0.99."""
    assert class_wise(np.array([0.995, 0.99]), np.array([0, 0]), 0.5).keep.tolist() == [True, False]


@given(labelled(), st.integers(1, 10))
def test_class_wise_keeps_what_is_certain(drawn, tenths):
    prob, labels, classes = drawn
    keep = class_wise(prob, labels, tenths / 10).keep
    each = int(np.ceil(tenths / 10 * (len(labels) / len(set(labels.tolist())))))
    plain = [
        row
        for label in range(classes)
        for row in sorted(np.flatnonzero(labels == label), key=lambda row: -prob[row])[:each]
    ]
    assert set(np.flatnonzero(keep)) == set(plain) | set(np.flatnonzero(prob > 0.99))


@given(labelled(), st.integers(0, 20))
def test_first_of_class_against_a_loop(drawn, count):
    values, labels, classes = drawn
    keep = first_of_class(values, labels, count)
    for label in range(classes):
        own = np.flatnonzero(labels == label)
        assert sorted(own[np.argsort(values[own], kind="stable")][:count]) == [
            row for row in own if keep[row]
        ]


@given(SIZES.flatmap(lambda n: st.tuples(shares(n), arrays(np.bool_, n))))
def test_kept_rows_come_first_and_order_stays(drawn):
    score, keep = drawn
    lifted = kept_first(score, keep)
    assert ((lifted.score >= 0) & (lifted.score <= 1)).all()
    # As the score table stores and compares it.
    assert ((lifted.score.astype(np.float32) > np.float32(0.5)) == keep).all()
    for part in (keep, ~keep):
        order = np.argsort(score[part], kind="stable")
        assert (np.diff(lifted.score[part][order]) >= 0).all()


def test_ranks_of_equal_values_follow_the_rows():
    assert ranks(np.array([3.0, 1.0, 1.0])).tolist() == [2, 0, 1]
    assert ranks(np.array([])).tolist() == []
    assert (
        ranks(np.tile([0.0, 1.0], 500)).tolist()
        == np.arange(1000).reshape(2, 500).T.flatten().tolist()
    )
    assert ranks(np.array([1.0])).dtype == np.int64


def test_no_rows():
    assert small_loss(np.array([]), 0.5).score.tolist() == []


def test_margin_by_hand_and_far_apart():
    choice = margin(np.array([np.log(3), 0.0, 800.0]), np.array([0.0, np.log(3), 0.0]))
    assert choice.score == pytest.approx([0.75, 0.25, 1.0])
    assert choice.keep.tolist() == [True, False, True]
    assert margin(np.array([0.0]), np.array([0.0])).keep.tolist() == [False]  # a tie is no lead


def test_above_is_strict():
    assert above(np.array([0.5, 0.6]), 0.5).keep.tolist() == [False, True]
