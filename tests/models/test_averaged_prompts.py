"""Contexts around several texts of each class, which is their mean."""

import pytest
import torch
import torch.nn.functional as F
from torch._subclasses.fake_tensor import FakeTensorMode

from deftclean.core.errors import UsageError
from deftclean.models.averaged_prompts import AveragedPrompts, numbered
from deftclean.models.saved_detector import build_detector
from deftclean.settings.detector import DetectorConfig
from tests.support.models import tiny_encoder

NAMES = ("cat", "dog", "owl")
TEXTS = (("cat", "a small cat."), ("dog",), ("owl", "a big bird", "an owl at night"))
CONFIG = DetectorConfig(tuner="none", context_length=4)


def prompts_of(encoder, texts, **settings):
    config = DetectorConfig(tuner="none", context_length=4, **settings)
    return build_detector(encoder, NAMES, config, texts).prompts


@pytest.mark.parametrize("position", ["end", "middle", "front"])
def test_a_class_is_the_mean_of_its_texts(encoder, position):
    """Of the very prompts that a class of each text alone would have."""
    prompts = prompts_of(encoder, TEXTS, class_position=position)
    plain = tuple(text.rstrip(" .") for texts in TEXTS for text in texts)
    config = DetectorConfig(tuner="none", context_length=4, class_position=position)
    each = build_detector(encoder, plain, config).prompts
    assert prompts.classes == 3
    with torch.no_grad():
        for context in (prompts.positive, prompts.negative):
            alone = each.features(encoder.text, context)
            means = [alone[:2].mean(0), alone[2], alone[3:].mean(0)]
            wanted = F.normalize(torch.stack(means), dim=1)
            found = prompts.features(encoder.text, context)
            torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)
            classes = torch.tensor([2, 0, 2, 1])
            some = prompts.features_of(encoder.text, context, classes)
            torch.testing.assert_close(some, wanted[classes], rtol=1e-5, atol=1e-6)
        both = prompts.features_of_both(encoder.text)
        torch.testing.assert_close(both[0], prompts.features(encoder.text, prompts.positive))
        torch.testing.assert_close(both[1], prompts.features(encoder.text, prompts.negative))


def test_one_text_a_class_is_its_name(encoder):
    """The same start values, and the same features but for the last rounding."""
    named = prompts_of(encoder, None)
    prompts = prompts_of(encoder, tuple((name,) for name in NAMES))
    assert torch.equal(prompts.positive, named.positive)
    assert torch.equal(prompts.negative, named.negative)
    with torch.no_grad():
        wanted = named.features(encoder.text, named.positive)
        found = prompts.features(encoder.text, prompts.positive)
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-6)


def test_gradients_go_through_every_text(encoder):
    """A change of one class's feature is that of its texts, each by its share: 1/2, 1/2."""
    prompts = prompts_of(encoder, TEXTS)
    upstream = torch.randn(3, 128, generator=torch.Generator().manual_seed(0))
    (prompts.features(encoder.text, prompts.positive)[:1] * upstream[:1]).sum().backward()
    found = prompts.positive.grad.clone()
    prompts.positive.grad = None
    alone = prompts.each.features(encoder.text, prompts.positive)[:2]
    (F.normalize(alone.mean(0, keepdim=True), dim=1) * upstream[:1]).sum().backward()
    torch.testing.assert_close(prompts.positive.grad, found, rtol=1e-4, atol=1e-6)
    assert found.abs().sum() > 0


def test_what_is_trained_comes_back(encoder):
    first = build_detector(encoder, NAMES, CONFIG, TEXTS)
    with torch.no_grad():
        first.prompts.positive.add_(1)
    second = build_detector(encoder, NAMES, CONFIG, TEXTS)
    second.load_trained(first.trained_tensors())
    assert torch.equal(second.prompts.positive, first.prompts.positive)
    with pytest.raises(ValueError, match="expected tensors"):
        build_detector(encoder, NAMES, CONFIG).load_trained(first.trained_tensors())


def test_texts_that_cannot_be_prompts_are_named(encoder):
    texts = (("cat " * 80, "a cat"), ("dog", "a bird"), ("a bird.",))
    with pytest.raises(UsageError, match=r"Texts that cannot be prompts: 'cat .* do not fit") as no:
        build_detector(encoder, NAMES, CONFIG, texts)
    assert "--prompt-texts" in str(no.value.hint)
    texts = (("a cat",), ("an animal", "a bird"), ("A bird.", "an animal", "a bird"))
    with pytest.raises(UsageError, match=r"an animal, A bird\. are all that is said of several"):
        build_detector(encoder, NAMES, CONFIG, texts)


def test_a_text_that_several_classes_have_is_encoded_once(encoder):
    texts = (("an animal", "a cat"), ("an animal", "A Cat.", "a dog"), ("an animal",))
    every, places = numbered(encoder.text, texts)
    assert every == ("an animal", "a cat", "a dog")
    assert places == [[0, 1], [0, 1, 2], [0]]
    assert build_detector(encoder, NAMES, CONFIG, texts).prompts.each.classes == 3


def test_on_a_fake_cuda_device():
    """FakeTensorMode raises where tensors of two devices meet; nothing is computed."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        with torch.device("cuda"):
            encoder = tiny_encoder()
        detector = build_detector(encoder, NAMES, CONFIG, TEXTS)
        assert isinstance(detector.prompts, AveragedPrompts)
        image = torch.nn.functional.normalize(torch.zeros(4, 16, device="cuda") + 1)
        labels = torch.zeros(2, 4, dtype=torch.int64, device="cuda")
        output = (*detector.both(image), detector.negative_at(image, labels))
    assert {tensor.device.type for tensor in output} == {"cuda"}
