"""Noise models: rates, seeds, and that a row's draw belongs to the row."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deftclean.core.errors import UsageError
from deftclean.datasets.noise import (
    Instances,
    class_conditional,
    flip_chances,
    flip_rates,
    instance_dependent,
    projection,
    symmetric,
)

seeds = st.integers(0, 2**32)
ratios = st.floats(0, 1)
PIXELS = 27  # a picture of 3 x 3


def some_labels(count, classes, seed=0):
    return np.random.default_rng(seed).integers(0, classes, count)


def some_pictures(count, seed=0):
    """Mostly dark: what all pictures share would else decide where all flips go."""
    random = np.random.default_rng(seed)
    lit = random.random((count, PIXELS)) < 0.2
    return np.where(lit, random.integers(0, 256, (count, PIXELS)), 0).astype(np.uint8)


def blocks(labels, pixels, size=1000):
    for true in np.unique(labels):
        rows = np.flatnonzero(labels == true)
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            yield Instances(int(true), part, pixels[part])


def by_instance(labels, pixels, classes, ratio, seed=0, size=1000):
    return instance_dependent(labels, classes, ratio, seed, blocks(labels, pixels, size))


# ---------------------------------------------------------------- symmetric


@settings(max_examples=50, deadline=None)
@given(count=st.integers(0, 300), classes=st.integers(2, 12), ratio=ratios, seed=seeds)
def test_symmetric_noise_touches_no_more_rows_than_asked(count, classes, ratio, seed):
    labels = some_labels(count, classes)
    noisy = symmetric(labels, classes, ratio, seed)
    assert (noisy != labels).sum() <= round(ratio * count)
    assert noisy.min(initial=0) >= 0
    assert noisy.max(initial=0) < classes
    assert (noisy == symmetric(labels, classes, ratio, seed)).all()


def test_symmetric_noise_may_draw_the_true_label():
    labels = some_labels(40_000, 4)
    noisy = symmetric(labels, 4, 0.4, seed=3)
    # 0.4 · (1 − 1/4); the standard deviation of the share is 0.001.
    assert (noisy != labels).mean() == pytest.approx(0.3, abs=0.006)
    assert np.bincount(noisy[noisy != labels]) / 12_000 == pytest.approx([0.25] * 4, abs=0.02)


def test_symmetric_noise_of_everything_forgets_the_labels():
    noisy = symmetric(np.zeros(40_000, np.int64), 4, 1.0, seed=0)
    assert np.bincount(noisy) / 40_000 == pytest.approx([0.25] * 4, abs=0.01)


def test_other_seeds_give_other_noise():
    labels = some_labels(1000, 10)
    assert (symmetric(labels, 10, 0.5, 0) != symmetric(labels, 10, 0.5, 1)).any()


@pytest.mark.parametrize("ratio", [-0.1, 1.1, float("nan")])
def test_a_ratio_that_is_none_is_refused(ratio):
    with pytest.raises(UsageError, match="from 0 to 1"):
        symmetric(some_labels(3, 2), 2, ratio, 0)


# ---------------------------------------------------------------- class-conditional


@st.composite
def transitions(draw):
    classes = draw(st.integers(2, 6))
    rows = st.lists(st.integers(0, 5), min_size=classes, max_size=classes).filter(any)
    weights = np.array(draw(st.lists(rows, min_size=classes, max_size=classes)), np.float64)
    return weights / weights.sum(axis=1, keepdims=True)


@settings(max_examples=50, deadline=None)
@given(matrix=transitions(), seed=seeds)
def test_rows_of_the_matrix_are_respected(matrix, seed):
    labels = some_labels(200, len(matrix))
    noisy = class_conditional(labels, matrix, seed)
    assert (matrix[labels, noisy] > 0).all()  # what has no chance never happens
    assert (noisy == class_conditional(labels, matrix, seed)).all()


def test_frequencies_are_those_of_the_matrix():
    matrix = np.array([[0.5, 0.2, 0.3], [0.0, 1.0, 0.0], [0.1, 0.0, 0.9]])
    labels = some_labels(60_000, 3)
    noisy = class_conditional(labels, matrix, seed=1)
    for true in range(3):
        found = np.bincount(noisy[labels == true], minlength=3) / (labels == true).sum()
        assert found == pytest.approx(matrix[true], abs=0.015)


# ---------------------------------------------------------------- instance-dependent


@settings(max_examples=30, deadline=None)
@given(count=st.integers(1, 200), classes=st.integers(2, 8), ratio=ratios, seed=seeds)
def test_neither_blocks_nor_other_rows_change_a_rows_label(count, classes, ratio, seed):
    labels, pixels = some_labels(count, classes), some_pictures(count)
    whole = by_instance(labels, pixels, classes, ratio, seed)
    assert (whole == by_instance(labels, pixels, classes, ratio, seed, size=7)).all()
    half = count // 2
    assert (by_instance(labels[:half], pixels[:half], classes, ratio, seed) == whole[:half]).all()
    assert whole.min() >= 0
    assert whole.max() < classes


@pytest.mark.parametrize("ratio", [0.2, 0.4])
def test_the_share_of_flips_is_the_ratio(ratio):
    labels, pixels = some_labels(20_000, 10), some_pictures(20_000)
    noisy = by_instance(labels, pixels, 10, ratio)
    assert (noisy != labels).mean() == pytest.approx(ratio, abs=0.02)


def test_where_a_flip_goes_depends_on_the_picture():
    pixels = np.repeat(some_pictures(8), 500, axis=0)
    labels = np.zeros(len(pixels), np.int64)
    for seed in range(3):
        noisy = by_instance(labels, pixels, 10, 0.5, seed)
        targets = [set(part[part != 0].tolist()) for part in np.split(noisy, 8)]
        assert all(len(each) == 1 for each in targets)  # the softmax of such sums is nearly hard
        assert len(set.union(*targets)) > 2


def test_a_picture_changed_changes_its_label():
    labels, pixels = np.zeros(400, np.int64), some_pictures(400)
    before = by_instance(labels, pixels, 10, 0.9)
    after = by_instance(labels, 255 - pixels, 10, 0.9)
    flipped = (before != 0) & (after != 0)
    assert (before == 0).sum() == (after == 0).sum()  # whether it flips is the row's matter
    assert (before[flipped] != after[flipped]).mean() > 0.5


def test_rows_without_a_picture_keep_their_label():
    labels, pixels = some_labels(300, 4), some_pictures(300)
    seen = np.arange(300) % 3 > 0
    shown = [
        Instances(true, rows[seen[rows]], part[seen[rows]])
        for true, rows, part in blocks(labels, pixels)
    ]
    noisy = instance_dependent(labels, 4, 1.0, 0, shown)
    assert (noisy[~seen] == labels[~seen]).all()
    assert (noisy[seen] == by_instance(labels, pixels, 4, 1.0)[seen]).all()


def test_chances_worked_by_hand():
    # Scores 2·1, 2·0.5, 2·0 with the true class masked: softmax over 1 and 0.
    pixels, weights = np.array([[2]], np.uint8), np.array([[1.0, 0.5, 0.0]])
    chances = flip_chances(pixels, weights, 0, np.array([0.4]))
    e = np.exp(1)
    assert chances[0] == pytest.approx([0.6, 0.4 * e / (e + 1), 0.4 / (e + 1)])


@settings(max_examples=20, deadline=None)
@given(ratio=ratios, seed=seeds)
def test_flip_rates_lie_between_0_and_1_and_belong_to_rows(ratio, seed):
    rates = flip_rates(500, ratio, seed)
    assert ((rates >= 0) & (rates <= 1)).all()
    assert (flip_rates(200, ratio, seed) == rates[:200]).all()


def test_flip_rates_are_a_truncated_normal():
    middle = flip_rates(50_000, 0.5, 0)
    assert middle.mean() == pytest.approx(0.5, abs=0.003)
    assert middle.std() == pytest.approx(0.1, abs=0.003)
    # Half of a normal: its mean is 0.1 · sqrt(2/π).
    assert flip_rates(50_000, 0.0, 0).mean() == pytest.approx(0.1 * np.sqrt(2 / np.pi), abs=0.003)


def test_scores_are_exact_in_any_order_of_summing():
    weights, pixels = projection(3072, 5, 2, 0), np.full((1, 3072), 255, np.uint8)
    backward = pixels[:, ::-1].astype(float) @ weights[::-1]
    assert (pixels.astype(float) @ weights == backward).all()
    assert weights.std() == pytest.approx(1, abs=0.02)
    assert (projection(3072, 5, 1, 0) != weights).any()
