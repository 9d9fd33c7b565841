"""The pool against numbers worked by hand, and what its fit promises."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from deftclean.evidence import pool as pools
from deftclean.evidence.pool import (
    LEARNED_PAIRS,
    Pool,
    fit,
    penalties,
    starting_values,
    surprise,
)

EVEN = torch.tensor([0.5, 0.5], dtype=torch.float64).log()


def values(weights, bias, common, apart, pairs, resemblance) -> torch.Tensor:
    """The numbers of a pool, in their order; weights and τ before their softplus."""
    flat = [math.log(math.expm1(w)) for w in weights] + [*bias, common, *apart]
    flat += [q for row in pairs for q in row] + [math.log(math.expm1(resemblance))]
    return torch.tensor(flat, dtype=torch.float64)


def pool(
    weights=(1.0,), bias=(0.0, 0.0), common=0.0, apart=(0.0, 0.0), pairs=((0.0, 0.0),) * 2
) -> Pool:
    numbers = values(weights, bias, common, apart, pairs, 0.5)
    return Pool(numbers, len(weights), EVEN, 0.0)


def told(probs, labels, impossible=None, taught=None) -> pools.Testimony:
    """Of (n, M, K) probabilities."""
    table = torch.tensor(probs, dtype=torch.float64)
    return pools.Testimony(
        table.log(),
        torch.tensor(labels),
        EVEN,
        torch.tensor(taught or [False] * table.shape[1]),
        None if impossible is None else torch.tensor(impossible, dtype=torch.float64),
    )


@pytest.mark.parametrize("classes", [3, LEARNED_PAIRS - 1, LEARNED_PAIRS])
def test_starting_values(classes):
    """Weights, biases of 0, ε = σ(-1) = 0.27 in all classes, q = 0, τ."""
    start = starting_values(np.array([0.6, 0.0]), classes, 0.1)
    begun = Pool(start, 2, torch.full((classes,), -math.log(classes)).double(), 0.0)
    assert begun.weights.tolist() == pytest.approx([0.6, 1e-3])
    assert begun.bias.tolist() == [0.0] * classes
    assert begun.noise.log_wrong.exp().tolist() == pytest.approx([0.2689414] * classes)
    assert begun.noise.log_right.exp().tolist() == pytest.approx([0.7310586] * classes)
    assert float(begun.noise.resemblance) == pytest.approx(0.1, rel=1e-12)
    learned = begun.noise.pairs
    assert (learned is None) == (classes >= LEARNED_PAIRS)
    assert learned is None or torch.equal(learned, torch.zeros(classes, classes).double())
    squares = 0 if learned is None else classes**2
    assert start.shape == (2 + classes + 1 + classes + squares + 1,)
    assert float(F.softplus(starting_values(np.ones(1), 3, 0.0)[-1])) == pytest.approx(1e-4)


def test_what_stands_where_in_the_values():
    """ε_0 = σ(-1 + 0.5), ε_1 = σ(-1 - 0.25); q and τ as they were written."""
    made = pool((0.5, 1.5), (0.1, -0.2), -1.0, (0.5, -0.25), ((1.0, 2.0), (3.0, 4.0)))
    assert made.weights.tolist() == pytest.approx([0.5, 1.5])
    assert made.bias.tolist() == [0.1, -0.2]
    noise = made.noise
    wrong = [1 / (1 + math.exp(0.5)), 1 / (1 + math.exp(1.25))]
    assert noise.log_wrong.exp().tolist() == pytest.approx(wrong)
    assert noise.log_right.exp().tolist() == pytest.approx([1 - each for each in wrong])
    assert noise.pairs.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert noise.log_marginal is EVEN
    assert float(noise.resemblance) == pytest.approx(0.5)


def test_the_pool_by_hand():
    """w = (1, 2), b = (0, ln 2): 0.4 · 0.5² and 0.6 · 0.5² · 2 are as 0.1 and 0.3."""
    made = pool((1.0, 2.0), (0.0, math.log(2)))
    heard = torch.tensor([[[0.4, 0.6], [0.5, 0.5]]], dtype=torch.float64).log()
    assert made.log_probs(heard).exp().tolist() == [pytest.approx([0.25, 0.75])]


def test_penalties_by_hand():
    """w = (0.5, 1.5), the second taught, b = (0.1, -0.2), logit of ε -1, apart (0.1, 0.3).

    20 (0.1² + 0.3²) + 0.1² + 0.2² = 2.05; -ln σ(-1) - ln σ(1) = 1.626523; q = (0.1, 0.2; 0, 0.4):
    50/2 · 0.21 = 5.25. Of ten labels: Σ w = 2, three quarters of it taught, so that (ln 2)² costs
    0.06 - 0.75 · 0.03 = 0.0375 each, and the taught weight 0.05 · 1.5: 10 (0.018017 + 0.075).
    """
    made = pool((0.5, 1.5), (0.1, -0.2), -1.0, (0.1, 0.3), ((0.1, 0.2), (0.0, 0.4)))
    cost = penalties(made, 10, torch.tensor([False, True]), 0.05)
    assert float(cost) == pytest.approx(2.05 + 1.626523 + 5.25 + 0.930170, abs=1e-6)


def test_weights_that_vanish_cost_a_finite_penalty():
    """Softplus of -1000 is 0: ln 1e-9 = -20.723266, 0.06 · 429.453750 = 25.767225 a label."""
    numbers = pool().values.clone()
    numbers[0] = -1000.0
    cost = penalties(Pool(numbers, 1, EVEN, 0.0), 2, torch.tensor([True]), 0.05)
    assert float(cost) == pytest.approx(2 * math.log(2) + 2 * 25.767225, rel=1e-6)


@pytest.mark.parametrize(
    ("impossible", "expected"),
    [(None, 0.7), ([[0.0, 0.0]], 0.7), ([[-math.inf, 0.0]], 0.1), ([[0.0, -math.inf]], 0.6)],
)
def test_surprise_by_hand(impossible, expected):
    """p = (0.8, 0.2), ε = (1/4, 1/2), label 0: 0.8 · 3/4 + 0.2 · 1/2 = 0.6 + 0.1."""
    made = pool(apart=(-math.log(3), 0.0))
    heard = told([[[0.8, 0.2]]], [0], impossible)
    assert surprise(made, heard).tolist() == pytest.approx([-math.log(expected)])


def test_some_of_the_witnesses_and_some_of_the_labels():
    probs = [[[0.5, 0.5], [0.1, 0.9]], [[0.2, 0.8], [0.3, 0.7]], [[0.6, 0.4], [0.9, 0.1]]]
    barred = [[0.0, -math.inf], [0.0, 0.0], [-math.inf, 0.0]]
    whole = told(probs, [1, 0, 1], barred, taught=[False, True])
    second = whole.of(np.array([False, True]))
    assert second.log_probs.exp()[:, 0, 0].tolist() == pytest.approx([0.1, 0.3, 0.9])
    assert second.taught.tolist() == [True]
    assert second.labels is whole.labels
    assert second.impossible is whole.impossible
    others = whole.every(2)
    assert others.log_probs.exp()[:, 1, 1].tolist() == pytest.approx([0.9, 0.1])
    assert others.labels.tolist() == [1, 1]
    assert others.impossible.tolist() == [barred[0], barred[2]]
    assert others.taught is whole.taught
    assert told(probs, [1, 0, 1]).every(2).impossible is None


@pytest.fixture(scope="module")
def drawn() -> pools.Testimony:
    """Two witnesses of 300 pictures of three classes; the second was taught by the labels."""
    random = np.random.default_rng(7)
    true = random.integers(0, 3, 300)
    labels = np.where(random.random(300) < 0.2, (true + 1) % 3, true)
    odds = 2.0 * np.eye(3)[np.stack([true, labels], 1)] + random.normal(size=(300, 2, 3))
    probs = np.exp(odds) / np.exp(odds).sum(axis=2, keepdims=True)
    made = told(probs, labels, taught=[False, True])
    return replace(made, log_marginal=torch.full((3,), -math.log(3), dtype=torch.float64))


@pytest.mark.parametrize("price", [0.0, 0.05])
@pytest.mark.parametrize("resemblance", [None, 0.0, 0.3])
def test_a_fit_stands_still_where_it_may_move(drawn, price, resemblance):
    """No gradient is left but of a τ that was given; the loss is that at the values."""
    start = starting_values(np.array([0.5, 0.5]), 3, 0.1)
    before = start.clone()
    fitted = fit(drawn, start, price=price, resemblance=resemblance)
    assert torch.equal(start, before)
    if resemblance is not None:
        assert float(fitted.noise.resemblance) == pytest.approx(max(resemblance, 1e-4), abs=1e-9)
    numbers = fitted.values.clone().requires_grad_(True)
    at = Pool(numbers, 2, drawn.log_marginal, 0.0)
    total = surprise(at, drawn).sum() + penalties(at, 300, drawn.taught, price)
    assert fitted.loss == pytest.approx(float(total.detach()), rel=1e-12)
    (slope,) = torch.autograd.grad(total, numbers)
    free = slope if resemblance is None else slope[:-1]
    assert float(free.abs().max()) < 0.01
    if resemblance == 0.3:
        assert float(slope[-1].abs()) > 0.01
    assert not fitted.values.requires_grad
    assert fitted.log_marginal is drawn.log_marginal


def test_a_price_is_paid_by_the_taught_witness(drawn):
    start = starting_values(np.array([0.5, 0.5]), 3, 0.1)
    free, dear = fit(drawn, start), fit(drawn, start, price=0.05)
    assert float(dear.weights[1]) < float(free.weights[1]) - 0.1
