import numpy as np
import pytest
import torch

from deftclean.evidence.given_labels import GivenLabels
from deftclean.evidence.neighbours import NEIGHBOURS, Index, find_neighbours

CPU = torch.device("cpu")


def data(count: int = 60, classes: int = 4, seed: int = 0):
    random = np.random.default_rng(seed)
    features = random.normal(size=(count, 8)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    labels = random.integers(0, classes, count)
    return torch.from_numpy(features), labels


def test_votes_are_those_of_plain_arithmetic():
    features, labels = data()
    given = GivenLabels.of(np.arange(60), labels, 60, 4)
    index = Index.of(lambda at: features[at], given, CPU)
    found = find_neighbours(index, lambda at: features[at], np.arange(60), lambda _: None)
    said = found.log_probs(np.arange(60)).exp().numpy()
    cosines = (features @ features.T).numpy().astype(float)
    np.fill_diagonal(cosines, -np.inf)
    for picture in range(60):
        near = np.argsort(-cosines[picture])[:NEIGHBOURS]
        weight = np.exp((cosines[picture, near] - 1) / 0.1)
        votes = np.bincount(labels[near], weights=weight / weight.sum(), minlength=4)
        np.testing.assert_allclose(said[picture], 0.95 * votes + 0.05 * given.marginal, atol=1e-5)


def test_a_pictures_own_label_does_not_count():
    features, labels = data()
    given = GivenLabels.of(np.arange(60), labels, 60, 4)
    other = labels.copy()
    other[7] = (labels[7] + 1) % 4
    changed = GivenLabels.of(np.arange(60), other, 60, 4)
    of_seven = []
    for each in (given, changed):
        index = Index.of(lambda at: features[at], each, CPU)
        found = find_neighbours(index, lambda at: features[at], np.arange(60), lambda _: None)
        share = found.log_probs(np.array([7])).exp().numpy() - 0.05 * each.marginal
        of_seven.append(share)
    np.testing.assert_allclose(of_seven[0], of_seven[1], atol=1e-6)


def test_a_neighbour_with_two_labels_votes_for_each_with_a_half():
    features = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    given = GivenLabels.of(np.array([0, 1, 1]), np.array([0, 0, 1]), 2, 2)
    index = Index.of(lambda at: features[at], given, CPU)
    found = find_neighbours(index, lambda at: features[at], np.arange(2), lambda _: None)
    said = found.log_probs(np.array([0])).exp().numpy()
    np.testing.assert_allclose(said, [0.95 * 0.5 + 0.05 * given.marginal], atol=1e-6)


def test_new_pictures_and_a_part_of_the_index():
    features, labels = data()
    given = GivenLabels.of(np.arange(60), labels, 60, 4)
    index = Index.of(lambda at: features[at], given, CPU).some(25, np.random.default_rng(0))
    assert len(index.pictures) == len(index.labels) == 25
    np.testing.assert_array_equal(index.labels, labels[index.pictures])
    new, _ = data(5, seed=1)
    found = find_neighbours(index, lambda at: new[at], np.full(5, -1), lambda _: None)
    assert found.log_probs(np.arange(5)).exp().sum(dim=1).numpy() == pytest.approx(np.ones(5))
