"""The training loop: schedule, draws, pseudo-labels, and runs that go right and wrong."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from deftclean.core.errors import CollapseError
from deftclean.core.runtime import choose_runtime
from deftclean.detection.train import _Steps, complementary_labels, train_detector
from deftclean.models.saved_detector import build_detector
from deftclean.settings.detector import DetectorConfig
from deftclean.training.collapse import CollapseWatch, spread_of
from deftclean.training.feeds import EpochBatches
from deftclean.training.optimiser import Optimiser, learning_rate
from deftclean.training.pieces import Pieces, no_more
from tests.support.models import tiny_encoder

RUNTIME = choose_runtime("cpu", "fp32", 0)
SMALL = DetectorConfig(
    tuner="none", epochs=4, warmup=2, pseudo_start=3, batch_size=8, context_length=4
)


def test_cosine_is_stepped_per_epoch():
    config = DetectorConfig(lr=2.0, epochs=4)
    rates = [learning_rate(config, epoch) for epoch in (1, 2, 3, 4)]
    half = math.sqrt(0.5)
    assert rates == pytest.approx([2, 1 + half, 1, 1 - half])


def test_a_constant_schedule_is_constant():
    config = DetectorConfig(lr=2.0, epochs=4, schedule="constant")
    assert {learning_rate(config, epoch) for epoch in (1, 4)} == {2.0}


def test_complementary_labels_are_uniform_over_the_other_classes():
    labels = torch.arange(5).repeat(4000)
    drawn = complementary_labels(labels, 5, seed=0, epoch=1)
    assert not (drawn == labels).any()
    counts = torch.bincount((drawn - labels) % 5, minlength=5)[1:]
    assert (counts - 5000).abs().max() < 250


def test_complementary_labels_depend_on_seed_epoch_and_row_alone():
    labels = torch.arange(100) % 7
    first = complementary_labels(labels, 7, 0, 1)
    assert torch.equal(first, complementary_labels(labels, 7, 0, 1))
    assert not torch.equal(first, complementary_labels(labels, 7, 0, 2))
    assert not torch.equal(first, complementary_labels(labels, 7, 1, 1))
    other = torch.cat([(labels[:50] + 1) % 7, labels[50:]])
    assert torch.equal(first[50:], complementary_labels(other, 7, 0, 1)[50:])


def test_every_row_comes_once_an_epoch_in_another_order():
    rows = np.array([1, 3, 4, 7, 9, 20])
    shown = np.arange(21) // 2
    batches = EpochBatches(rows, shown, 4, seed=0)
    orders = []
    for epoch in range(3):
        batches.epoch = epoch
        wanted = list(batches)
        orders.append(np.concatenate([batch.rows for batch in wanted]).tolist())
        assert [len(batch.rows) for batch in wanted] == [4, 2]
        assert all((batch.pictures == shown[batch.rows]).all() for batch in wanted)
    assert all(sorted(order) == rows.tolist() for order in orders)
    assert orders[0] != orders[1]


def test_a_rows_augmentation_does_not_depend_on_the_other_rows():
    def view_of(rows, row):
        batches = EpochBatches(np.array(rows), np.arange(9), 2, seed=3)
        return next(b.views[b.rows == row].tolist() for b in batches if row in b.rows)

    assert view_of([0, 1, 2, 5], 2) == view_of([2, 5], 2)


class Toy:
    """Unit features of two classes, one row in five mislabelled."""

    def __init__(self, encoder, rows=40):
        texts = encoder.text.encode(["a photo of a cat", "a photo of a ship"])
        generator = torch.Generator().manual_seed(0)
        self.true = torch.arange(rows) % 2
        noise = torch.randn(rows, texts.shape[1], generator=generator) * 0.03
        self.features = torch.nn.functional.normalize(texts[self.true] + noise, dim=1)
        self.labels = torch.where(torch.arange(rows) % 5 == 0, 1 - self.true, self.true)
        self.batches = EpochBatches(np.arange(rows), np.arange(rows), 8, seed=0)

    def feed(self, epoch):
        self.batches.epoch = epoch
        for rows in self.batches.row_batches():
            yield torch.from_numpy(rows), self.features[rows]


def train(encoder, config, toy=None, fixed=True):
    toy = toy or Toy(encoder)
    detector = build_detector(encoder, ("cat", "ship"), config)
    probe = torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8)
    watch = CollapseWatch(detector, probe, RUNTIME, Pieces(None, RUNTIME, print))
    steps = []
    trained = list(
        train_detector(
            detector, toy.feed, toy.labels, watch, config, fixed, RUNTIME, steps.append, no_more
        )
    )
    return detector, [epoch.metrics for epoch in trained], steps


def test_training_tells_of_every_epoch_and_step(encoder):
    _, epochs, steps = train(encoder, SMALL)
    assert [metrics.epoch for metrics in epochs] == [1, 2, 3, 4]
    assert [metrics.warmup for metrics in epochs] == [True, True, False, False]
    assert len(steps) == 4 * 5
    assert all(0 <= metrics.noise_rate <= 1 for metrics in epochs)


def test_training_is_repeatable(encoder):
    first, second = (train(encoder, SMALL)[0].trained_tensors() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("stop", [1, 3])
def test_training_that_goes_on_ends_as_if_it_had_never_stopped(encoder, stop):
    whole, epochs, _ = train(encoder, SMALL)
    toy = Toy(encoder)
    first, second = (build_detector(encoder, ("cat", "ship"), SMALL) for _ in range(2))
    probe = torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8)

    def run(detector, start):
        watch = CollapseWatch(detector, probe, RUNTIME, Pieces(None, RUNTIME, print))
        return train_detector(
            detector,
            toy.feed,
            toy.labels,
            watch,
            SMALL,
            True,
            RUNTIME,
            lambda _: None,
            no_more,
            start,
        )

    *_, left = itertools.islice(run(first, None), stop)
    rest = list(run(second, left.state))
    assert [epoch.metrics for epoch in rest] == epochs[stop:]
    wanted = whole.trained_tensors()
    assert all(torch.equal(t, wanted[name]) for name, t in second.trained_tensors().items())


@pytest.mark.parametrize(
    "change",
    [
        {"rule": "agree"},
        {"warmup_loss": "sce"},
        {"pseudo_start": 1},
        {"positive_weight": 0.25},
        {"clip_grad": 0.01},
        {"schedule": "constant"},
        {"warmup": 0},
        {"class_specific": True},
        {"class_position": "front"},
        {"weight_decay": 0.5},
    ],
)
def test_every_setting_changes_what_is_learned(encoder, change):
    plain, _, _ = train(encoder, SMALL)
    other, _, _ = train(encoder, replace(SMALL, **change))
    name = "prompts.negative"
    assert not torch.equal(plain.trained_tensors()[name], other.trained_tensors()[name])


def test_warmup_goes_on_while_separation_is_low(encoder):
    config = replace(SMALL, lr=1e-12, epochs=6, warmup=1, pseudo_start=2)
    _, epochs, _ = train(encoder, config, fixed=False)
    assert [metrics.warmup for metrics in epochs] == [True, True, True, False, False, False]
    assert [metrics.prolonged for metrics in epochs] == [True, True, False, False, False, False]


def test_a_warmup_that_the_user_gave_is_not_prolonged(encoder):
    config = replace(SMALL, lr=1e-12, epochs=6, warmup=1, pseudo_start=2)
    _, epochs, _ = train(encoder, config, fixed=True)
    assert [metrics.warmup for metrics in epochs] == [True] + [False] * 5


def test_spread_by_hand():
    assert spread_of(torch.eye(2)).item() == pytest.approx(math.sqrt(0.5))
    assert spread_of(torch.ones(3, 4)).item() == 0


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_features_that_are_not_numbers_are_a_collapse(encoder, poison):
    detector = build_detector(encoder, ("cat", "ship"), SMALL)
    probe = torch.zeros(4, 3, 64, 64, dtype=torch.uint8)
    probe[::2] = 200
    watch = CollapseWatch(detector, probe, RUNTIME, Pieces(None, RUNTIME, print))
    watch.check("now")
    with torch.no_grad():
        detector.prompts.positive.fill_(poison)
    with pytest.raises(CollapseError, match="positive text features") as error:
        watch.check("after 10 steps")
    assert "--clip-grad" in error.value.hint


@pytest.mark.parametrize(("tuner", "calls"), [("none", 0), ("vpt-deep", 2)])
def test_a_tower_that_nothing_trains_is_not_watched(encoder, monkeypatch, tuner, calls):
    detector = build_detector(encoder, ("cat", "ship"), replace(SMALL, tuner=tuner))
    asked = []
    features = detector.image_features
    monkeypatch.setattr(detector, "image_features", lambda x: asked.append(x) or features(x))
    watch = CollapseWatch(
        detector,
        torch.zeros(4, 3, 64, 64, dtype=torch.uint8),
        RUNTIME,
        Pieces(None, RUNTIME, print),
    )
    watch.check("now")
    assert len(asked) == calls


def test_constant_text_features_are_a_collapse(encoder, monkeypatch):
    detector = build_detector(encoder, ("cat", "ship"), SMALL)
    probe = torch.zeros(4, 3, 64, 64, dtype=torch.uint8)
    probe[::2] = 200
    watch = CollapseWatch(detector, probe, RUNTIME, Pieces(None, RUNTIME, print))
    same = torch.ones(2, 128) / math.sqrt(128)
    monkeypatch.setattr(detector, "positive_features", lambda: same)
    with pytest.raises(CollapseError, match="all positive text features"):
        watch.check("after 10 steps")


def test_a_loss_that_is_not_finite_is_a_collapse(encoder):
    toy = Toy(encoder)
    toy.features[3] = float("nan")
    with pytest.raises(CollapseError):
        train(encoder, SMALL, toy)


@pytest.mark.parametrize(("rule", "clip"), [("threshold", None), ("agree", 1.0)])
def test_no_step_waits_for_the_device(rule, clip):
    """FakeTensorMode raises where a number is needed, as `item` and `x[mask]` do."""
    config = DetectorConfig(rule=rule, clip_grad=clip, tuner="vpt-shallow", context_length=4)
    with FakeTensorMode(allow_non_fake_inputs=True):
        detector = build_detector(tiny_encoder(), ("cat", "dog", "owl"), config)
        optimiser = Optimiser(detector, "sgd", config, RUNTIME)
        pixels = torch.zeros(6, 3, 32, 32, dtype=torch.uint8)
        steps = _Steps(
            detector, torch.zeros(6, dtype=torch.int64), None, config, optimiser, RUNTIME,
            print, no_more,
        )  # fmt: skip
        labels = torch.zeros(6, dtype=torch.int64)
        for in_warmup, pseudo in ((True, False), (False, True)):
            image = detector.image_features(pixels)
            steps._gradients(image, labels, labels + 1, 6, in_warmup, pseudo)
            optimiser.step()
    assert all(each.grad is not None for each in detector.tuner.parameters())
