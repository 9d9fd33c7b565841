"""Nearly identical pictures, against a plain loop over all pairs."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from deftclean.evidence import near_copies
from deftclean.evidence.given_labels import GivenLabels
from deftclean.evidence.near_copies import (
    AROUND,
    CERTAIN,
    LEAST,
    SHARE,
    near_groups,
    near_groups_among,
)
from deftclean.evidence.neighbours import Index, find_neighbours

CPU = torch.device("cpu")


def features_of(centres: int, copies: int, spread: float, seed: int) -> NDArray[np.float32]:
    """Unit vectors, every centre with some copies around it, in no order."""
    random = np.random.default_rng(seed)
    middle = random.normal(size=(centres, 16))
    made = np.concatenate([middle, middle[random.integers(0, centres, copies)]])
    made[centres:] += spread * random.normal(size=(copies, 16))
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    return random.permutation(made).astype(np.float32)


def groups_of(features: NDArray[np.float32]) -> NDArray[np.int64]:
    vectors = torch.from_numpy(features)
    return near_groups(lambda some: vectors[some], len(vectors), CPU, lambda _done: None)


def plain(features: NDArray[np.float32]) -> list[int]:
    """The same by comparing every pair, and passing numbers on until nothing changes."""
    count = len(features)
    vectors = torch.from_numpy(features)
    distance = 1 - (vectors @ vectors.T).numpy()
    usual = 1 - float(vectors.mean(dim=0).square().sum())
    order = [sorted(set(range(count)) - {i}, key=lambda j: distance[i, j]) for i in range(count)]
    best = [others[:AROUND] for others in order]
    around = [distance[i, best[i][-1]] if best[i] else np.float32(0) for i in range(count)]

    def linked(i: int, j: int) -> bool:
        d = distance[i, j]
        apart = d <= LEAST * usual and all(d <= SHARE * around[k] for k in (i, j))
        return j in best[i] and (d <= CERTAIN * usual or apart)

    part = list(range(count))
    pairs = [(i, j) for i in range(count) for j in range(count) if i != j and linked(i, j)]
    changed = True
    while changed:
        changed = False
        for i, j in pairs:
            low = min(part[i], part[j])
            changed |= part[i] != part[j]
            part[i] = part[j] = low
    numbers: dict[int, int] = {}
    for each in part:
        if part.count(each) > 1:
            numbers.setdefault(each, len(numbers))
    return [numbers.get(each, -1) for each in part]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 20),
    st.integers(0, 15),
    st.sampled_from([0.0, 0.02, 0.1, 0.3]),
    st.integers(0, 99),
)
def test_all_pairs_say_the_same(centres: int, copies: int, spread: float, seed: int) -> None:
    features = features_of(centres, copies, spread, seed)
    assert groups_of(features).tolist() == plain(features)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    features = features_of(60, 30, 0.1, seed=1)
    whole = groups_of(features)
    assert whole.max() > 5
    monkeypatch.setattr(near_copies, "_BLOCK", 7)
    np.testing.assert_array_equal(groups_of(features), whole)


def test_more_copies_than_are_looked_at_are_one_group() -> None:
    features = features_of(30, 0, 0, seed=2)
    many = np.repeat(features[:1], 3 * AROUND, axis=0)
    many += 1e-3 * np.random.default_rng(0).normal(size=many.shape).astype(np.float32)
    many /= np.linalg.norm(many, axis=1, keepdims=True)
    found = groups_of(np.concatenate([many, features[1:]]))
    assert set(found[: len(many)]) == {0}
    assert set(found[len(many) :]) == {-1}


@pytest.mark.parametrize("spread", [0.01, 0.15, 0.5])
def test_what_is_alike_among_what_is_all_alike_is_no_copy(spread: float) -> None:
    """Pictures of one kind of thing: their cosines are high, and say nothing."""
    random = np.random.default_rng(3)
    made = random.normal(size=16) + spread * random.normal(size=(200, 16))
    made = (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)
    made[50] = made[20]
    found = groups_of(made)
    assert found[20] == found[50] >= 0
    assert np.mean(found >= 0) < 0.05


def test_neighbours_that_are_found_already_say_the_same() -> None:
    features = features_of(60, 30, 0.1, seed=1)
    vectors, everyone = torch.from_numpy(features), np.arange(90)

    def among(labelled: NDArray[np.int64]) -> NDArray[np.int64] | None:
        given = GivenLabels.of(labelled, labelled % 2, 90, 2)
        index = Index.of(lambda some: vectors[some], given, CPU)
        found = find_neighbours(index, lambda some: vectors[some], everyone, lambda _done: None)
        return near_groups_among(found)

    np.testing.assert_array_equal(among(everyone), groups_of(features))
    assert among(everyone[1:]) is None
