import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deftclean.evidence.given_labels import GivenLabels


def test_copies_of_a_row_say_it_once_and_contradictions_stay():
    found = GivenLabels.of(np.array([2, 0, 2, 2]), np.array([1, 0, 1, 0]), count=4, classes=3)
    assert (found.pictures.tolist(), found.labels.tolist()) == ([0, 2, 2], [0, 0, 1])
    np.testing.assert_allclose(found.marginal, [3 / 6, 2 / 6, 1 / 6])


@given(
    labels=st.lists(st.integers(0, 4), min_size=2, max_size=60),
    parts=st.integers(2, 5),
    seed=st.integers(0, 99),
)
def test_parts_have_as_many_of_each_class_give_or_take_one(labels, parts, seed):
    count = len(labels)
    made = GivenLabels.of(np.arange(count), np.array(labels), count + 3, 5)
    folds = made.folds(parts, np.random.default_rng(seed))
    assert folds.shape == (count + 3,)
    sizes = np.bincount(folds[:count], minlength=parts)
    assert sizes.max() - sizes.min() <= 1
    for label in set(labels):
        of_class = np.bincount(folds[:count][np.array(labels) == label], minlength=parts)
        assert of_class.max() - of_class.min() <= 1


def test_some_of_them_are_drawn_alike_and_all_where_there_are_no_more():
    made = GivenLabels.of(np.arange(50), np.arange(50) % 3, 50, 3)
    one, two = (made.some(20, np.random.default_rng(1)) for _ in range(2))
    assert len(one) == 20
    np.testing.assert_array_equal(one.pictures, two.pictures)
    assert made.some(50, np.random.default_rng(1)) is made
