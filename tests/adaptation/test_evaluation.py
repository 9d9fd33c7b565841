"""Figures of a classifier, by hand and against a plain loop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deftclean.adaptation.evaluation import calibration_error, evaluate


def test_by_hand():
    probabilities = np.array([[0.9, 0.1, 0.0], [0.9, 0.1, 0.0], [0.2, 0.6, 0.2]], dtype=np.float32)
    found = evaluate(probabilities, np.array([0, 1, 1]))
    assert found.rows == 3
    assert found.accuracy == pytest.approx(2 / 3)
    assert found.per_class[:2].tolist() == [1.0, 0.5]
    assert np.isnan(found.per_class[2])
    assert found.confusion.tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 0]]
    assert found.calibration_error == pytest.approx(0.4, abs=1e-6)
    values = found.as_dict(("a", "b", "c"))
    assert values["per_class"] == {"a": 1.0, "b": 0.5, "c": None}


def test_certain_and_right_is_calibrated():
    assert calibration_error(np.ones(5, np.float32), np.ones(5, bool)) == 0
    assert calibration_error(np.ones(5, np.float32), np.zeros(5, bool)) == 1


rows = st.lists(
    st.tuples(st.integers(0, 3), st.lists(st.integers(1, 9), min_size=4, max_size=4)), min_size=1
)


@given(rows)
def test_all_rows_at_once_as_one_by_one(drawn):
    labels = np.array([label for label, _ in drawn])
    weights = np.array([each for _, each in drawn], dtype=np.float64)
    probabilities = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    found = evaluate(probabilities, labels)
    confusion = np.zeros((4, 4), dtype=int)
    bins = [[] for _ in range(15)]
    for label, p in zip(labels, probabilities, strict=True):
        best = int(p.argmax())
        confusion[label, best] += 1
        bins[min(int(p[best] * 15), 14)].append((float(p[best]), float(best == label)))
    assert (found.confusion == confusion).all()
    assert found.accuracy == pytest.approx(np.trace(confusion) / len(labels))
    expected = sum(
        len(b) / len(labels) * abs(np.mean([r for _, r in b]) - np.mean([c for c, _ in b]))
        for b in bins
        if b
    )
    assert found.calibration_error == pytest.approx(expected, abs=1e-6)
