"""What `predict` keeps of each batch is what all probabilities together would give."""

from types import SimpleNamespace

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from deftclean.adaptation.predict import _Predictions


@given(st.integers(1, 40), st.integers(2, 6), st.integers(1, 7), st.integers(0, 2**32 - 1))
def test_batch_by_batch_as_all_at_once(count: int, classes: int, size: int, seed: int) -> None:
    """Rows show pictures in any order, several may show one, and some show none."""
    random = np.random.default_rng(seed)
    distinct = int(random.integers(1, count + 1))
    pictures = np.concatenate([np.arange(distinct), random.integers(0, distinct, count - distinct)])
    pictures = np.concatenate([random.permutation(pictures), [0, 0]])  # two that cannot be read
    readable = np.delete(np.arange(count + 2), [count, count + 1])
    labels = random.integers(0, classes, count + 2)
    rows = SimpleNamespace(labels=labels, readable=readable, pictures=pictures)
    every = torch.from_numpy(random.dirichlet(np.ones(classes), distinct).astype(np.float32))

    batches = zip(torch.arange(distinct).split(size), every.split(size), strict=True)
    found = _Predictions.of(rows, batches)

    of_row = every.numpy()[pictures[readable]]
    np.testing.assert_array_equal(found.best[readable], of_row.argmax(axis=1))
    np.testing.assert_array_equal(found.best_prob[readable], of_row.max(axis=1))
    places = np.arange(len(readable))
    np.testing.assert_array_equal(found.given_prob[readable], of_row[places, labels[readable]])
