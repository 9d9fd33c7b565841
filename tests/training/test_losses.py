"""Losses against numbers worked by hand from literal logits."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deftclean.training.losses import (
    clean_by_agreement,
    clean_probability,
    dual_prompt_loss,
    similarity_loss,
    symmetric_cross_entropy,
)

LN3 = math.log(3)


def test_clean_probability_is_the_sigmoid_of_the_margin():
    p = clean_probability(torch.tensor([[2.0, 0.0]]), torch.tensor([[2.0, LN3]]))
    assert p.tolist() == [[pytest.approx(0.5), pytest.approx(0.25)]]


def test_clean_probability_equals_the_softmax_over_the_two_prompts():
    pos, neg = torch.randn(5, 7), torch.randn(5, 7)
    pair = torch.stack([pos, neg]).softmax(dim=0)[0]
    torch.testing.assert_close(clean_probability(pos, neg), pair)


def test_dual_prompt_loss_by_hand():
    loss = dual_prompt_loss(torch.tensor([0.5]), torch.tensor([0.25]))
    assert loss.item() == pytest.approx(math.log(2) + math.log(4 / 3), abs=1e-6)


def test_positive_weight_scales_the_first_term_only():
    loss = dual_prompt_loss(torch.tensor([0.5]), torch.tensor([0.25]), positive_weight=0.25)
    assert loss.item() == pytest.approx(0.25 * math.log(2) + math.log(4 / 3), abs=1e-6)


def test_dual_prompt_loss_is_the_mean_over_samples():
    loss = dual_prompt_loss(torch.tensor([0.5, 0.25]), torch.tensor([0.5, 0.5]))
    first, second = math.log(2) + math.log(2), math.log(4) + math.log(2)
    assert loss.item() == pytest.approx((first + second) / 2, abs=1e-6)


def test_a_certain_detector_that_is_right_costs_nothing():
    """p_clean[ŷ] = 1, p_clean[ȳ] = 0: -ln 1 - ln 1 = 0; nothing is clamped at the upper end."""
    assert dual_prompt_loss(torch.tensor([1.0]), torch.tensor([0.0])).item() == 0


def test_what_is_above_the_least_probability_is_not_clamped():
    """p_clean[ŷ] = 2e-5, p_clean[ȳ] = 0: -ln 2e-5 = 10.819778; below 1e-5, -ln 1e-5 = 11.512925."""
    for p, expected in ((2e-5, 10.819778), (1e-5, 11.512925), (1e-9, 11.512925)):
        loss = dual_prompt_loss(torch.tensor([p]), torch.tensor([0.0]))
        assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_probabilities_are_clamped_so_that_the_loss_stays_finite():
    loss = dual_prompt_loss(torch.tensor([0.0]), torch.tensor([1.0]))
    assert loss.item() == pytest.approx(-2 * math.log(1e-5), rel=1e-5)


def test_similarity_loss_by_hand():
    pos = torch.tensor([[LN3, 0.0], [0.0, 5.0]])
    selected = torch.tensor([True, False])
    loss = similarity_loss(pos, torch.tensor([0, 0]), selected)
    assert loss.item() == pytest.approx(-math.log(3 / 4), abs=1e-6)


def test_similarity_loss_is_the_mean_over_the_selected():
    """pos = (ln 3, 0) twice, y = 0 and 1: (-ln 3/4 - ln 1/4) / 2 = (0.287682 + 1.386294) / 2."""
    pos = torch.tensor([[LN3, 0.0], [LN3, 0.0], [9.0, 0.0]])
    loss = similarity_loss(pos, torch.tensor([0, 1, 1]), torch.tensor([True, True, False]))
    assert loss.item() == pytest.approx(0.836988, abs=1e-6)


def test_an_empty_selection_contributes_zero_and_zero_gradient():
    pos = torch.randn(3, 4, requires_grad=True)
    loss = similarity_loss(pos, torch.tensor([0, 1, 2]), torch.zeros(3, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert pos.grad.abs().sum() == 0


def test_symmetric_cross_entropy_by_hand():
    loss = symmetric_cross_entropy(torch.tensor([[LN3, 0.0]]), torch.tensor([0]))
    assert loss.item() == pytest.approx(-math.log(3 / 4) - math.log(1e-4) / 4, abs=1e-5)


def test_a_softmax_below_its_least_value_counts_as_that():
    """pos = (0, 1000), y = 1: CE = 0; p = (0, 1) counts as (1e-7, 1), and q as (1e-4, 1).

    RCE = -1e-7 ln 1e-4 = 9.210340e-7. With y = 0: CE = 1000, RCE = -ln 1e-4 = 9.210340.
    """
    pos = torch.tensor([[0.0, 1000.0]], dtype=torch.float64)
    losses = [symmetric_cross_entropy(pos, torch.tensor([y])).item() for y in (1, 0)]
    assert losses == pytest.approx([9.210340e-7, 1009.210340], rel=1e-6)


def test_agree_is_strict_about_one_half():
    """Of margins 0 and 0.1 at the label, that of the highest class: p = 1/2 is not above 1/2."""
    pos, neg = torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([[1.0, 1.0], [0.9, 1.0]])
    assert clean_by_agreement(pos, neg, torch.tensor([0, 0])).tolist() == [False, True]


def test_agree_also_asks_for_the_highest_clean_probability():
    pos, neg = torch.tensor([[1.0, 3.0], [3.0, 1.0], [0.0, 1.0]]), torch.zeros(3, 2)
    neg[2, 0] = 1.0
    labels = torch.tensor([0, 0, 0])
    assert clean_by_agreement(pos, neg, labels).tolist() == [False, True, False]


@given(st.integers(1, 8), st.integers(2, 6), st.integers(0, 2**31))
def test_losses_are_finite_and_not_negative(batch, classes, seed):
    generator = torch.Generator().manual_seed(seed)
    pos = torch.randn(batch, classes, generator=generator) * 50
    neg = torch.randn(batch, classes, generator=generator) * 50
    y = torch.randint(classes, (batch,), generator=generator)
    losses = [
        dual_prompt_loss(*clean_probability(pos, neg)[:, :2].T),
        similarity_loss(pos, y, clean_by_agreement(pos, neg, y)),
        symmetric_cross_entropy(pos, y),
    ]
    assert all(torch.isfinite(loss) and loss >= 0 for loss in losses)
