"""A training step against the plain implementation: the same loss and gradients, up to rounding."""

import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from benchmarks.plain import step_loss
from deftclean.detection.step import judge
from deftclean.detection.train import _losses
from tests.support.exactness import TOLERANCE, Drawn, Pair, at_most, drawn, examples

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
