"""What people know of pictures, and what follows for labels, rows and beliefs."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deftclean.evidence.given_labels import GivenLabels
from deftclean.evidence.known import Known


def pairs(*entries):
    array = np.array(entries, dtype=np.int64).reshape(-1, 2)
    return array[:, 0], array[:, 1]


def test_by_hand():
    """Picture 0 is of class 1; 1 is not of class 0; 2 is not of class 1, and of 2 it is;
    3 was confirmed as two classes; of 4 all classes were denied; 5 was confirmed and denied."""
    known = Known.of(
        right=pairs((0, 1), (2, 2), (3, 0), (3, 1), (5, 0)),
        wrong=pairs((1, 0), (2, 1), (4, 0), (4, 1), (4, 2), (5, 0)),
        classes=3,
    )
    assert known.contradicted == 3
    assert len(known) == 3
    barred = known.impossible(np.arange(6))
    inf = -torch.inf
    assert barred.tolist() == [
        [inf, 0, inf], [inf, 0, 0], [inf, inf, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0],
    ]  # fmt: skip
    assert known.impossible(np.array([3, 4, 5])) is None
    assert known.impossible(np.array([1, 1])).tolist() == [[inf, 0, 0]] * 2

    labels = GivenLabels.of(np.arange(6), np.array([0, 0, 1, 0, 0, 0]), 6, 3)
    corrected = known.corrected(labels)
    assert corrected.pictures.tolist() == [0, 2, 3, 4, 5]
    assert corrected.labels.tolist() == [1, 2, 0, 0, 0]
    assert corrected.sure.tolist() == [True, True, False, False, False]

    learned, usable = known.of_rows(np.arange(6), np.array([0, 0, 1, 0, 0, 0]))
    assert learned[[0, 2, 3]].tolist() == [1, 2, 0]
    assert usable.tolist() == [True, False, True, True, True, True]

    at, wrong = known.decided(labels)
    assert at.tolist() == [0, 1, 2]
    assert wrong.tolist() == [True, True, True]
    assert known.leaves_open(np.arange(6)).tolist() == [False, False, False, True, True, True]


def test_nothing_is_known():
    known = Known.nothing(3)
    labels = GivenLabels.of(np.arange(4), np.array([0, 1, 2, 0]), 4, 3)
    assert known.impossible(np.arange(4)) is None
    assert np.array_equal(known.corrected(labels).labels, labels.labels)
    assert not known.corrected(labels).sure.any()
    learned, usable = known.of_rows(labels.pictures, labels.labels)
    assert np.array_equal(learned, labels.labels)
    assert usable.all()
    assert not len(known.decided(labels)[0])


decisions = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), max_size=12)


@given(decisions, decisions)
@settings(max_examples=200)
def test_every_picture_may_be_of_some_class_and_contradictions_say_nothing(right, wrong):
    known = Known.of(pairs(*right), pairs(*wrong), classes=4)
    barred = known.impossible(np.arange(10))
    for picture in range(10):
        said = {k for p, k in right if p == picture}
        denied = {k for p, k in wrong if p == picture}
        possible = (said or set(range(4))) - denied if len(said) < 2 else set()
        expected = [k in (possible or set(range(4))) for k in range(4)]
        row = [True] * 4 if barred is None else (barred[picture] == 0).tolist()
        assert row == expected
