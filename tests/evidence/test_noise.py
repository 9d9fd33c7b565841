import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deftclean.evidence.noise import LabelNoise


def noise(wrong, pairs=None, resemblance=0.0, marginal=None) -> LabelNoise:
    wrong = torch.tensor(wrong, dtype=torch.float64)
    classes = len(wrong)
    shares = torch.full((classes,), 1 / classes) if marginal is None else torch.tensor(marginal)
    return LabelNoise(
        wrong.log(),
        torch.log1p(-wrong),
        None if pairs is None else torch.as_tensor(pairs, dtype=torch.float64),
        shares.double().log(),
        torch.tensor(resemblance, dtype=torch.float64),
    )


def chances(model: LabelNoise, probs, labels) -> np.ndarray:
    log_probs = torch.tensor(probs, dtype=torch.float64).log()
    return model.log_chances(log_probs, torch.tensor(labels)).exp().numpy()


def test_two_classes_by_hand():
    """There is but one wrong label: the chances of label 0 are 1 - ε_0 and ε_1."""
    found = chances(noise([0.1, 0.3], resemblance=0.4), [[0.9, 0.1], [0.2, 0.8]], [0, 0])
    np.testing.assert_allclose(found, [[0.9, 0.3], [0.9, 0.3]], atol=1e-12)


def test_mistakes_follow_the_marginal_where_nothing_follows_resemblance():
    """Label 1, of m = (0.5, 0.3, 0.2): of true class 0, ε·0.3/(0.3 + 0.2); of 2, ε·0.3/0.8."""
    found = chances(noise([0.2] * 3, marginal=[0.5, 0.3, 0.2]), [[0.6, 0.3, 0.1]], [1])
    np.testing.assert_allclose(found, [[0.2 * 0.6, 0.8, 0.2 * 0.375]], atol=1e-12)


def test_mistakes_follow_resemblance_by_hand():
    """τ = 1/2, p = (0.64, 0.25, 0.11): of true class 0 label 1 has √0.25/(√0.25 + √0.11) of ε."""
    found = chances(noise([0.2] * 3, resemblance=0.5), [[0.64, 0.25, 0.11]], [1])
    share = 0.5 / (0.5 + math.sqrt(0.11))
    assert found[0, 0] == pytest.approx(0.2 * share, abs=1e-9)


@pytest.mark.parametrize("learned", [False, True])
@given(seed=st.integers(0, 10**6), resemblance=st.floats(0, 2))
@settings(max_examples=25, deadline=None)
def test_of_each_true_class_the_chances_of_all_labels_are_one(learned, seed, resemblance):
    random = np.random.default_rng(seed)
    classes = int(random.integers(2, 6))
    probs = random.dirichlet([0.3] * classes, size=3) + 1e-9
    pairs = random.normal(size=(classes, classes)) if learned else None
    model = noise(random.uniform(0.01, 0.9, classes).tolist(), pairs, resemblance)
    whole = sum(chances(model, probs, [label] * 3) for label in range(classes))
    np.testing.assert_allclose(whole, 1, atol=1e-6)


def test_both_ways_of_leaving_the_class_itself_out_agree():
    """With all q = 0 the kernel says what the shortcut for many classes says."""
    random = np.random.default_rng(0)
    probs, labels = random.dirichlet([0.2] * 7, size=50) + 1e-12, random.integers(0, 7, 50)
    short = chances(noise([0.2] * 7, resemblance=0.3), probs, labels)
    plain = chances(noise([0.2] * 7, np.zeros((7, 7)), 0.3), probs, labels)
    np.testing.assert_allclose(short, plain, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("learned", [False, True])
def test_the_expected_matrix_is_the_sum_of_all_chances(learned):
    """One product against one pass for each label."""
    random = np.random.default_rng(3)
    probs = random.dirichlet([0.2] * 6, size=40) + 1e-12
    pairs = random.normal(size=(6, 6)) if learned else None
    model = noise(random.uniform(0.01, 0.9, 6).tolist(), pairs, 0.3)
    plain = np.stack([(probs * chances(model, probs, [j] * 40)).sum(axis=0) for j in range(6)], 1)
    found = model.expected(torch.tensor(probs).log()).numpy()
    np.testing.assert_allclose(found, plain, rtol=1e-9)


@pytest.mark.parametrize("learned", [False, True])
def test_a_picture_is_judged_as_if_it_were_alone(learned):
    """With τ = 2000 the largest appeals of two pictures differ by (0.499 · 3)^2000 = e^807."""
    random = np.random.default_rng(4)
    probs = np.array([[0.499, 0.499, 0.002], [1 / 3, 1 / 3, 1 / 3]])
    pairs = random.normal(size=(3, 3)) if learned else None
    model = noise([0.2, 0.4, 0.6], pairs, 2000.0)
    for labels in ([0, 1], [1, 2], [2, 0]):
        alone = [chances(model, probs[[i]], [labels[i]])[0] for i in range(2)]
        np.testing.assert_allclose(chances(model, probs, labels), alone, rtol=1e-9)
    counts = [model.expected(torch.tensor(probs[[i]]).log()).numpy() for i in range(2)]
    found = model.expected(torch.tensor(probs).log()).numpy()
    np.testing.assert_allclose(found, sum(counts), rtol=1e-9)
    np.testing.assert_allclose(found.sum(axis=1), probs.sum(axis=0), rtol=1e-9)
