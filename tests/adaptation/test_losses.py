"""The losses of an adaptation, against numbers worked by hand and a plain loop."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from deftclean.adaptation.losses import make_loss
from deftclean.training.losses import generalised_each, symmetric_cross_entropy, symmetric_each

CPU = torch.device("cpu")
LN3 = math.log(3)
HAND = torch.tensor([[LN3, 0.0], [LN3, 0.0]])
LABELS = torch.tensor([0, 1])


def test_cross_entropy_by_hand():
    found = make_loss("ce", 2, 2, CPU)(torch.arange(2), HAND, LABELS)
    assert found.tolist() == pytest.approx([-math.log(3 / 4), -math.log(1 / 4)])


def test_symmetric_by_hand():
    # RCE = -(share of the other class) ln 1e-4
    expected = [0.287682 + 0.25 * 9.210340, 1.386294 + 0.75 * 9.210340]
    assert symmetric_each(HAND, LABELS).tolist() == pytest.approx(expected, abs=1e-5)
    mean = float(symmetric_cross_entropy(HAND, LABELS))
    assert mean == pytest.approx(sum(expected) / 2, abs=1e-5)


def test_generalised_by_hand():
    expected = [(1 - 0.75**0.7) / 0.7, (1 - 0.25**0.7) / 0.7]
    assert generalised_each(HAND, LABELS).tolist() == pytest.approx(expected, abs=1e-6)
    assert expected[0] == pytest.approx(0.260566, abs=1e-6)


def test_generalised_lies_between_cross_entropy_and_absolute_error():
    near_ce = generalised_each(HAND, LABELS, q=1e-4)
    assert near_ce.tolist() == pytest.approx([0.287682, 1.386294], abs=1e-3)
    assert generalised_each(HAND, LABELS, q=1.0).tolist() == pytest.approx([0.25, 0.75])


def test_early_learning_by_hand_over_two_visits():
    loss = make_loss("elr", 2, 2, CPU)
    first = loss(torch.tensor([1]), HAND[:1], LABELS[:1])
    assert float(first) == pytest.approx(-2.589139, abs=1e-5)
    # Now p = (1/2, 1/2): t = 0.3 (0.525, 0.175) + 0.7 (1/2, 1/2) = (0.5075, 0.4025),
    # <t, p> = 0.455, CE = ln 2.
    second = loss(torch.tensor([1]), torch.zeros(1, 2), LABELS[:1])
    assert float(second) == pytest.approx(math.log(2) + 5 * math.log(0.545), abs=1e-5)
    assert loss.state()["targets"][1].tolist() == pytest.approx([0.5075, 0.4025])
    assert loss.state()["targets"][0].tolist() == [0.0, 0.0]


def test_early_learning_goes_on_from_its_state():
    one, other = make_loss("elr", 3, 2, CPU), make_loss("elr", 3, 2, CPU)
    rows = torch.tensor([2, 0])
    one(rows, HAND, LABELS)
    other.load(one.state())
    assert torch.equal(one(rows, HAND, LABELS), other(rows, HAND, LABELS))


def plain_early_learning(visits, rows, classes):
    targets = np.zeros((rows, classes))
    losses = []
    for row, logits, label in visits:
        e = np.exp(logits - logits.max())
        p = np.clip(e / e.sum(), 1e-4, 1 - 1e-4)
        targets[row] = 0.3 * targets[row] + 0.7 * p / p.sum()
        inner = max(1 - targets[row] @ p, 1e-4)
        losses.append(-np.log((e / e.sum())[label]) + 5 * np.log(inner))
    return losses


@given(hnp.arrays(np.float64, (6, 4), elements=st.floats(-8, 8)))
def test_early_learning_against_a_plain_loop(logits):
    loss = make_loss("elr", 3, 4, CPU)
    loss.load({"targets": torch.zeros(3, 4)})
    visits = [(index % 3, logits[index], index % 4) for index in range(6)]
    found = []
    for part in (slice(0, 3), slice(3, 6)):
        rows = torch.tensor([row for row, _, _ in visits[part]])
        labels = torch.tensor([label for _, _, label in visits[part]])
        batch = torch.tensor(logits[part], dtype=torch.float32)
        found += loss(rows, batch, labels).tolist()
    assert found == pytest.approx(plain_early_learning(visits, 3, 4), abs=2e-3, rel=1e-4)


@pytest.mark.parametrize("name", ["ce", "sce", "elr", "gce"])
@given(logits=hnp.arrays(np.float32, (3, 4), elements=st.floats(-1e4, 1e4, width=32)))
def test_finite_with_finite_gradients(name, logits):
    tensor = torch.tensor(logits, requires_grad=True)
    loss = make_loss(name, 3, 4, CPU)
    each = loss(torch.arange(3), tensor, torch.tensor([0, 1, 2]))
    each.sum().backward()
    assert each.shape == (3,)
    assert torch.isfinite(each).all()
    assert torch.isfinite(tensor.grad).all()
