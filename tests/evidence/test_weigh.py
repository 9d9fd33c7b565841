"""Worlds in which the truth is known: witnesses that know something, and such that know nothing."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from deftclean.evidence import pool as pools
from deftclean.evidence.belief import Belief, heard, labels_of
from deftclean.evidence.given_labels import GivenLabels
from deftclean.evidence.known import Known
from deftclean.evidence.pool import (
    LEARNED_PAIRS,
    Pool,
    fit,
    penalties,
    starting_values,
    surprise,
)
from deftclean.evidence.rates import NoiseRates, noise_rates
from deftclean.evidence.weigh import priced, weigh
from deftclean.evidence.weigh import testify as hear
from deftclean.evidence.witness import WitnessName


@dataclass(frozen=True)
class Told:
    """A witness that says what a table says."""

    name: WitnessName
    table: torch.Tensor

    def log_probs(self, pictures):
        return self.table[torch.from_numpy(pictures)]


@dataclass(frozen=True)
class World:
    """Pictures, what is true, what is given, and who speaks."""

    true: np.ndarray
    labels: np.ndarray
    witnesses: list[Told]

    @property
    def given(self) -> GivenLabels:
        return GivenLabels.of(
            np.arange(len(self.labels)), self.labels, len(self.labels), self.classes
        )

    @property
    def classes(self) -> int:
        return self.witnesses[0].table.shape[1]

    def testimony(self, known: Known) -> pools.Testimony:
        return hear(self.witnesses, self.given, known, np.random.default_rng(0))

    def judged(self) -> tuple[Belief, np.ndarray, NoiseRates]:
        testimony = self.testimony(Known.nothing(self.classes))
        names = [each.name for each in self.witnesses]
        belief = weigh(testimony, names, *priced(testimony))
        chosen = np.array([name in belief.names for name in names])
        pictures = np.arange(len(self.labels))
        said = heard([w for w in self.witnesses if w.name in belief.names], pictures)
        posterior = belief.posterior(said, *labels_of(self.given, pictures)).numpy()
        np.testing.assert_allclose(posterior.sum(axis=1), 1, atol=1e-9)
        clean = posterior[pictures, self.labels]
        return belief, clean, noise_rates(belief, testimony.of(chosen), clean, self.labels)


def opinions(random, true, classes, sharpness):
    """Calibrated: each row is the posterior of one who saw a noisy picture of its class."""
    seen = random.normal(size=(len(true), classes))
    seen[np.arange(len(true)), true] += sharpness
    return torch.from_numpy(sharpness * seen).log_softmax(dim=1).float()


def world(
    count=2000, classes=5, wrong=0.2, sharpness=2.5, weights=None, seed=0, clueless=False
) -> World:
    random = np.random.default_rng(seed)
    true = random.choice(classes, count, p=weights)
    flipped = random.random(count) < wrong
    others = (true + random.integers(1, classes, count)) % classes
    labels = np.where(flipped, others, true)
    about = random.integers(0, classes, count) if clueless else true
    first = Told("zero_shot", opinions(random, about, classes, sharpness))
    second = Told("head", opinions(random, about, classes, sharpness / 2))
    return World(true, labels, [first, second])


def test_the_gradient_stands_still_at_the_fit():
    made = world(600)
    testimony = made.testimony(Known.nothing(made.classes))
    pool = fit(testimony, starting_values(np.array([0.5, 0.5]), 5, 0.1))
    values = pool.values.clone().requires_grad_(True)
    at = Pool(values, 2, pool.log_marginal, 0.0)
    loss = surprise(at, testimony).sum() + penalties(at, 600, testimony.taught, 0.0)
    assert float(loss.detach()) == pytest.approx(pool.loss, rel=1e-9)
    (slope,) = torch.autograd.grad(loss, values)
    assert float(slope.abs().max()) < 0.05


def test_a_calibrated_witness_is_taken_at_its_word_and_the_rate_is_found():
    made = world(4000)
    belief, clean, rates = World(made.true, made.labels, made.witnesses[:1]).judged()
    assert belief.informed > 0.999
    assert belief.weights["zero_shot"] == pytest.approx(1, abs=0.12)
    assert rates.overall.estimate == pytest.approx(0.2, abs=0.02)
    assert rates.overall.low <= 0.2 <= rates.overall.high
    assert rates.overall.high - rates.overall.low < 0.08
    right = made.labels == made.true
    for low, high in ((0.0, 0.2), (0.2, 0.8), (0.8, 1.0)):
        inside = (clean >= low) & (clean <= high)
        assert right[inside].mean() == pytest.approx(clean[inside].mean(), abs=0.06)


@pytest.mark.parametrize(
    "made",
    [
        world(1500, classes=2),
        world(60, classes=3),
        pytest.param(world(3000, classes=LEARNED_PAIRS + 10, sharpness=4), marks=pytest.mark.slow),
        world(2000, weights=[0.95, 0.02, 0.01, 0.01, 0.01], wrong=0.1),
    ],
    ids=["two classes", "60 rows", "many classes", "one class has 95 %"],
)
def test_intervals_of_odd_worlds_are_finite_and_hold_the_truth(made):
    belief, clean, rates = made.judged()
    wrong = (made.labels != made.true).mean()
    assert np.isfinite(clean).all()
    assert 0 <= rates.overall.low <= rates.overall.estimate <= rates.overall.high <= 1
    assert rates.overall.low - 0.01 <= wrong <= rates.overall.high + 0.01
    for label, rate in enumerate(rates.classes):
        assert (rate is None) == (not (made.labels == label).any())
    assert belief.shares.sum() == pytest.approx(1)


def test_where_all_labels_are_right_none_is_flagged():
    _, clean, rates = world(wrong=0.0, sharpness=4).judged()
    assert (clean < 0.5).mean() <= 0.02
    assert rates.overall.estimate < 0.02
    assert rates.overall.low < 0.005


@pytest.mark.parametrize("count", [60, 2000])
def test_where_nobody_knows_any_rate_may_be_true_and_nothing_is_certain(count):
    belief, clean, rates = world(count, clueless=True).judged()
    assert belief.informed < 0.5
    assert rates.overall.low < 0.2
    assert rates.overall.high > 0.8
    assert clean.min() > 0.2
    assert clean.max() < 0.8


def test_a_witness_that_repeats_the_labels_half_the_time_is_no_witness_of_truth():
    """It was taught by them: it has to be better than its price to be heard at all."""
    made = world(2000, sharpness=3)
    random = np.random.default_rng(5)
    noise = torch.from_numpy(random.normal(size=(2000, 5))).log_softmax(dim=1).float()
    belief, _, _ = World(made.true, made.labels, [made.witnesses[0], Told("head", noise)]).judged()
    assert belief.names == ("zero_shot",)


def test_contradicting_labels_of_one_picture_are_weighed_together():
    """Of a picture with two labels at most one is right; the witness decides between them."""
    made = world(2000)
    belief, _, _ = made.judged()
    said = heard([w for w in made.witnesses if w.name in belief.names], np.arange(2000))
    sure = int(said[:, 0].max(dim=1).values.argmax())
    best = int(said[sure, 0].argmax())
    other = (best + 1) % 5
    both = belief.posterior(
        said[[sure]], torch.tensor([0, 0]), torch.tensor(sorted([best, other]))
    )[0]
    alone = belief.posterior(said[[sure]], torch.tensor([0]), torch.tensor([other]))[0]
    assert float(both[best]) > 0.9
    assert float(both[best] + both[other]) > 0.99
    assert float(both[other]) < float(alone[other])


def test_the_same_labels_in_another_order_are_the_same_verdict():
    made = world(800)
    _, clean, rates = made.judged()
    _, again, others = made.judged()
    np.testing.assert_array_equal(clean, again)
    assert rates == others
