import sys

import numpy as np
import pytest
import torch

from deftclean.core.errors import RunError
from deftclean.evidence import search
from deftclean.evidence.search import exact_search, inverted_search, searcher


def vectors(count: int, centres: int = 40, seed: int = 0) -> torch.Tensor:
    """Around some centres, as features of pictures are."""
    random = np.random.default_rng(seed)
    middle = random.normal(size=(centres, 32))
    made = middle[random.integers(0, centres, count)] + 0.5 * random.normal(size=(count, 32))
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    return torch.from_numpy(made.astype(np.float32))


def test_exactly_is_plain_sorting():
    searched, asked = vectors(200), vectors(7, seed=1)
    places, cosines = exact_search(searched)(asked, 5)
    plain = (asked @ searched.T).numpy()
    np.testing.assert_array_equal(places.numpy(), np.argsort(-plain, axis=1)[:, :5])
    np.testing.assert_allclose(cosines.numpy(), -np.sort(-plain, axis=1)[:, :5])


def test_the_index_finds_nearly_all_of_them_and_the_same_ones_again():
    pytest.importorskip("faiss")
    searched, asked = vectors(20_000), vectors(500, seed=1)
    exact = exact_search(searched)(asked, 20)[0].numpy()
    found, again = (inverted_search(searched)(asked, 20)[0].numpy() for _ in range(2))
    np.testing.assert_array_equal(found, again)
    recall = np.mean([len(set(a) & set(b)) / 20 for a, b in zip(exact, found, strict=True)])
    assert recall > 0.95


def test_fewer_than_asked_for():
    pytest.importorskip("faiss")
    searched = vectors(30)
    places, cosines = inverted_search(searched)(searched[:3], 40)
    assert places.shape == cosines.shape == (3, 30)
    assert int(places.min()) >= 0


def test_an_index_is_made_only_where_it_is_needed(monkeypatch):
    """What it needs, and how to get it, is said where it is not there."""
    monkeypatch.setattr(search, "MOST_EXACT", 10)
    monkeypatch.setitem(sys.modules, "faiss", None)
    searcher(vectors(10))
    with pytest.raises(RunError, match="11 labelled pictures are too many") as refused:
        searcher(vectors(11))
    assert "deftclean[index]" in str(refused.value.hint)
