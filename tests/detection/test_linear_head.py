"""A linear head on the tower, and the evidence it gives, against plain computations."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.spatial.distance import jensenshannon
from torch._subclasses.fake_tensor import FakeTensorMode

from deftclean.core.runtime import Runtime
from deftclean.detection.strategies.linear_head import (
    EvidenceCollector,
    _gradients,
    divergence_from,
    fresh_tower,
    smallest,
    train_pass,
)
from deftclean.features.columns import RowColumns
from deftclean.settings.detector import DetectorConfig
from deftclean.training.optimiser import Optimiser
from deftclean.training.pieces import no_more
from tests.support.models import tiny_encoder

RUNTIME = Runtime(torch.device("cpu"), None, None)
CONFIG = DetectorConfig(tuner="none", lr=0.1)


class Rows:
    """Row i shows picture i // 2: two labels for every picture."""

    def __init__(self, labels):
        self.labels = torch.tensor(labels)

    def of(self, pictures):
        rows = torch.stack([2 * pictures, 2 * pictures + 1], dim=1).flatten()
        return rows, torch.arange(len(pictures)).repeat_interleave(2)

    def columns(self):
        return RowColumns(len(self.labels))


def test_divergence_by_hand():
    found = divergence_from(torch.tensor([1.0, 0.0, 1 / 3], dtype=torch.float64))
    assert found.tolist() == pytest.approx([0.0, 1.0, 0.459148], abs=1e-6)


def test_evidence_against_scipy():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(20, 5, generator=generator) * 4
    labels = torch.randint(5, (40,), generator=generator).tolist()
    collector = EvidenceCollector(Rows(labels))
    for start in (10, 0):  # batches may come in any order
        pictures = torch.arange(start, start + 10)
        collector.add(pictures, logits[pictures])
    found = collector.evidence()
    assert found.rows.tolist() == list(range(40))
    probabilities = logits.double().softmax(dim=1).numpy()
    for row in range(40):
        p, given = probabilities[row // 2], labels[row]
        assert found.loss[row] == pytest.approx(-np.log(p[given]))
        assert found.given_prob[row] == pytest.approx(p[given])
        one_hot = np.eye(5)[given]
        assert found.divergence[row] == pytest.approx(jensenshannon(p, one_hot, base=2) ** 2)
        assert found.predicted[row] == p.argmax()
        assert found.predicted_prob[row] == pytest.approx(p.max(), rel=1e-6)
    some = np.arange(40) % 3 == 0
    assert found.of(some).rows.tolist() == list(range(0, 40, 3))


def test_losses_do_not_tie_where_softmax_is_one():
    collector = EvidenceCollector(Rows([0, 0, 0, 0]))
    collector.add(torch.arange(2), torch.tensor([[20.0, 0.0], [30.0, 0.0]]))
    loss = collector.evidence().loss
    assert loss[0] > loss[2] > 0


def test_smallest_losses_at_least_one():
    losses = torch.tensor([3.0, 1.0, 2.0, 4.0])
    assert smallest(losses, 0.5).tolist() == [False, True, True, False]
    assert smallest(losses, 0.0).all()
    assert smallest(losses, 0.99).tolist() == [False, True, False, False]
    assert smallest(torch.tensor([1.0, 1.0]), 0.5).tolist() == [True, False]


def test_a_step_is_that_of_a_plain_linear_layer(encoder):
    model = fresh_tower(encoder, 3, CONFIG)
    features = F.normalize(torch.randn(8, model.weight.shape[1]), dim=1)
    labels = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
    assert not model(features).any()  # the head begins at zero
    mean = train_pass(
        model,
        iter([(torch.arange(8), features)]),
        labels,
        Optimiser(model, "sgd", CONFIG, RUNTIME),
        RUNTIME,
        lambda _: torch.arange(8) < 4,
        lambda _: None,
        no_more,
    )
    assert mean == pytest.approx(np.log(3))
    weight = torch.zeros(3, features.shape[1], requires_grad=True)
    F.cross_entropy(features[:4] * model.scale @ weight.T, labels[:4]).backward()
    torch.testing.assert_close(model.weight, -0.1 * weight.grad)


@pytest.mark.parametrize("tuner", ["vpt-deep", "lora", "bitfit"])
def test_only_tuner_and_head_are_trained(encoder, tuner):
    model = fresh_tower(encoder, 3, DetectorConfig(tuner=tuner))
    trained = {n.split(".")[0] for n, p in model.named_parameters() if p.requires_grad}
    assert trained == {"tuner", "weight", "bias"}
    pixels = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    if tuner != "vpt-deep":  # prompts change features from the start
        torch.testing.assert_close(model.image_features(pixels), encoder.image(pixels))


@pytest.mark.parametrize("tuner", ["vpt-deep", "fft"])
def test_two_steps_move_every_trained_tensor(encoder, tuner):
    """One alone moves no tuner: the head is zero, and what comes through it with it."""
    config = DetectorConfig(tuner=tuner, lr=0.1, tower_lr_share=1.0)
    model = fresh_tower(encoder, 3, config)
    before = {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}
    pixels = torch.randint(0, 256, (6, 3, 64, 64), dtype=torch.uint8)
    train_pass(
        model,
        ((torch.arange(6), model.image_features(pixels)) for _ in range(2)),
        torch.arange(6) % 3,
        Optimiser(model, "sgd", config, RUNTIME),
        RUNTIME,
        lambda losses: torch.ones_like(losses, dtype=torch.bool),
        lambda _: None,
        no_more,
    )
    after = dict(model.named_parameters())
    assert {name.split(".")[0] for name in before} == {"tuner", "weight", "bias"}
    assert [name for name in before if before[name].equal(after[name])] == []


def test_forward_and_rules_stay_on_their_device():
    """FakeTensorMode raises where tensors of two devices meet; nothing is computed."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        with torch.device("cuda"):
            encoder = tiny_encoder()
        model = fresh_tower(encoder, 3, DetectorConfig())
        features = model.image_features(torch.zeros(4, 3, 32, 32, dtype=torch.uint8, device="cuda"))
        logits = model(features)
        losses = F.cross_entropy(logits, torch.zeros(4, dtype=torch.int64, device="cuda"))
        chosen = smallest(torch.empty(4, device="cuda"), 0.5)
    assert {t.device.type for t in (logits, losses, chosen)} == {"cuda"}
    assert {p.device.type for p in model.parameters()} == {"cuda"}


@pytest.mark.parametrize("chosen", [lambda x: smallest(x, 0.4), lambda x: x < 2])
def test_no_step_waits_for_the_device(chosen):
    """FakeTensorMode raises where a number is needed, as `item` and `losses[mask]` do."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        model = fresh_tower(tiny_encoder(), 3, CONFIG)
        features = F.normalize(torch.randn(8, model.weight.shape[1]), dim=1)
        optimiser = Optimiser(model, "sgd", CONFIG, RUNTIME)
        labels = torch.zeros(8, dtype=torch.int64)
        losses = _gradients(model, optimiser, labels, chosen, features)
        optimiser.step()
    assert losses.shape == (8,)
    assert model.weight.grad is not None
