"""A training step against the plain implementation: the same loss and gradients, up to rounding."""

import math
from types import SimpleNamespace

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from benchmarks.plain import step_loss
from deftclean.detection.step import judge
from deftclean.detection.train import _losses
from tests.support.exactness import TOLERANCE, Drawn, Pair, at_most, drawn, examples

POSITIVE = [[3.0, 1.0, 0.0], [1.0, 2.0, 0.0], [0.5, 0.0, 1.0]]
NEGATIVE = [[2.0, 1.0, 2.0], [2.0, 1.0, 0.0], [0.0, 0.5, -2.0]]
GIVEN, OTHER = [0, 0, 0], [1, 2, 1]
LABELS = st.sampled_from(["any", "one", "all", "unclean"])


def check_step(case: Drawn, kind: str) -> None:
    pair = Pair(case)
    scale = pair.detector.encoder.logit_scale
    labels = pair.labels(kind)
    plain = pair.plain_similarities()
    assume(decided(*plain, *labels, scale))
    wanted = step_loss(*plain, *labels, case.config, case.warmup, case.pseudo)
    wanted.backward()

    image = pair.detector.image_features(pair.pixels)
    seen = judge(pair.detector, image, *labels, case.config.rule == "agree", case.pseudo)
    found, _ = _losses(seen, labels[0], case.config, case.warmup)
    found.backward()

    features, gradients = TOLERANCE[case.dtype]
    assert abs(found - wanted) <= scale * features * (1 + abs(wanted))
    pair.assert_same_gradients(gradients)


def decided(positive, negative, given, complementary, scale):
    """Whether no comparison hangs on rounding: clean or not, clamped or not, which is greatest."""
    positive, margin = positive.detach(), (positive - negative).detach()
    gap = 20 * TOLERANCE[positive.dtype][0] * scale
    refined = positive.argmax(dim=1)
    rows = torch.arange(len(given))
    read = torch.stack([margin[rows, labels] for labels in (given, refined, complementary)])
    thresholds = torch.tensor([0, math.log(1e-5), -math.log(1e-5)])
    tops = torch.stack([positive.topk(2).values, margin.topk(2).values])
    return (read[..., None] - thresholds).abs().min() > gap and tops.diff().abs().min() > gap


@given(drawn(), LABELS)
@examples(30)
def test_loss_and_gradients_of_a_step_agree(case, labels):
    with at_most(case.most_tokens):
        check_step(case, labels)


@pytest.mark.slow
@given(drawn(), LABELS)
@examples(300)
def test_loss_and_gradients_of_a_step_agree_in_many_more_cases(case, labels):
    with at_most(case.most_tokens):
        check_step(case, labels)


class Similarities:
    """A detector of nothing but three pictures' similarities; remembers what was asked of it."""

    def __init__(self, few: bool) -> None:
        self.positives = torch.tensor(POSITIVE, requires_grad=True)
        self.negatives = torch.tensor(NEGATIVE, requires_grad=True)
        self.prompts = SimpleNamespace(few=self.few)
        self.answer, self.asked = few, []

    def few(self, count):
        self.asked.append(count)
        return self.answer

    def positive(self, image):
        return self.positives[image[:, 0].long()]

    def negative(self, image):
        assert self.answer, "all of them are there already"
        assert not torch.is_grad_enabled(), "few of them are learned from"
        return self._negative(image)

    def negative_at(self, image, labels):
        assert self.answer, "all of them are there already"
        return self._negative(image).gather(1, labels.T).T

    def both(self, image):
        assert not self.answer, "few were to be encoded"
        return self.positive(image), self._negative(image)

    def _negative(self, image):
        return self.negatives[image[:, 0].long()]


def judged(detector: Similarities, agree: bool, pseudo: bool):
    image = torch.arange(3.0)[:, None]
    return judge(detector, image, torch.tensor(GIVEN), torch.tensor(OTHER), agree, pseudo)


@pytest.mark.parametrize("few", [True, False])
@pytest.mark.parametrize(
    ("agree", "pseudo", "clean", "refined", "asked"),
    [
        (False, False, [True, False, True], [1.0, -1.0, 0.5], 6),
        (False, True, [True, False, True], [1.0, 1.0, 0.5], 9),
        (True, False, [True, False, False], [1.0, -1.0, 0.5], 12),
        (True, True, [True, False, False], [1.0, 1.0, 3.0], 12),
    ],
)
def test_judging_by_hand(few, agree, pseudo, clean, refined, asked):
    """Label 0 was given to all three pictures, whose margins over the three classes are

    (1, 0, -2), (-1, 1, 0) and (0.5, -0.5, 3): of label 0 p_clean is σ(1), σ(-1), σ(0.5), so that
    the threshold finds pictures 1 and 3 clean. In the third, class 2 has a higher margin: not by
    agreement. The likeliest classes are 0, 1 and 2, with margins 1, 1 and 3; a pseudo-label is
    one of them where the given label is not clean. ȳ = (1, 2, 1): margins 0, 0 and -0.5.
    """
    detector = Similarities(few)
    found = judged(detector, agree, pseudo)
    sigmoid = torch.sigmoid
    assert found.positive.tolist() == POSITIVE
    assert found.clean.tolist() == clean
    assert found.given.tolist() == sigmoid(torch.tensor([1.0, -1.0, 0.5])).tolist()
    assert found.refined.tolist() == sigmoid(torch.tensor(refined)).tolist()
    assert found.complementary.tolist() == sigmoid(torch.tensor([0.0, 0.0, -0.5])).tolist()
    assert detector.asked == [asked]


@pytest.mark.parametrize("few", [True, False])
@pytest.mark.parametrize("agree", [True, False])
@pytest.mark.parametrize("pseudo", [True, False])
def test_probabilities_teach_thresholds_and_only_those(few, agree, pseudo):
    detector = Similarities(few)
    found = judged(detector, agree, pseudo)
    (found.refined.sum() + found.complementary.sum()).backward(retain_graph=True)
    assert detector.positives.grad is None
    assert (detector.negatives.grad != 0).any(dim=1).all()
    found.positive.sum().backward()
    assert (detector.positives.grad == 1).all()


@pytest.mark.parametrize("agree", [True, False])
def test_one_half_is_not_clean(agree):
    """Picture 1 with a margin of 0 at its label, the highest of its margins (0, 0, -2)."""
    detector = Similarities(few=False)
    with torch.no_grad():
        detector.negatives[0, 0] = POSITIVE[0][0]
    found = judged(detector, agree, pseudo=False)
    assert not found.clean[0]
    assert found.given[0] == 0.5
