"""Features of the detector against the plain implementation: the same numbers, up to rounding.

So are the gradients of every trained tensor, whatever they are the gradients of.
"""

import pytest
import torch
from hypothesis import given

from tests.support.exactness import (
    ARCHITECTURES,
    NO_ADDITIONS,
    TOLERANCE,
    Drawn,
    Pair,
    at_most,
    build,
    drawn,
    examples,
)  # fmt: skip


def test_unusual_architectures_fall_back():
    for name in ARCHITECTURES:
        _, encoder = build(name, torch.float32)
        assert bool(encoder.text.why_whole_prompts()) == name.startswith("unusual")
        assert bool(encoder.image.why_no_additions()) == (name == NO_ADDITIONS)


def check_features(case: Drawn) -> None:
    pair = Pair(case)
    found = (*pair.detector.text_features(), pair.detector.image_features(pair.pixels))
    wanted = (*pair.text.features(), pair.image.features(pair.pixels))
    upstream = [torch.randn(f.shape, generator=pair.generator).to(f.dtype) for f in wanted]
    features, gradients = TOLERANCE[case.dtype]
    with torch.inference_mode():
        scored = (*pair.detector.text_features(), pair.detector.image_features(pair.pixels))
    for trained, alone, plain in zip(found, scored, wanted, strict=True):
        assert trained.dtype == alone.dtype == case.dtype
        torch.testing.assert_close(trained, plain, rtol=0, atol=features)
        torch.testing.assert_close(alone, plain, rtol=0, atol=features)
    for tensors in (found, wanted):
        torch.autograd.backward(
            [t for t in tensors if t.requires_grad],
            [u for u, t in zip(upstream, tensors, strict=True) if t.requires_grad],
        )
    pair.assert_same_gradients(gradients)


@given(drawn())
@examples(20)
def test_features_and_gradients_of_any_upstream_agree(case):
    with at_most(case.most_tokens):
        check_features(case)


@pytest.mark.slow
@given(drawn())
@examples(200)
def test_features_and_gradients_agree_in_many_more_cases(case):
    with at_most(case.most_tokens):
        check_features(case)
