"""The detector: what gets gradients, what is kept, and that it runs on another device."""

from typing import get_args

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from deftclean.detection.step import judge
from deftclean.models.saved_detector import build_detector
from deftclean.settings.detector import DetectorConfig
from deftclean.settings.training import Tuner
from deftclean.training.losses import dual_prompt_loss, similarity_loss, symmetric_cross_entropy
from tests.support.models import tiny_encoder

NAMES = ("cat", "dog", "pickup_truck")
MANY = tuple(f"thing {index}" for index in range(60))  # more than a batch asks for


def make(encoder, **settings):
    return build_detector(encoder, NAMES, DetectorConfig(**settings))


@pytest.fixture
def pixels():
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8, generator=generator)


def test_similarities_are_scaled_cosines(encoder, pixels):
    detector = make(encoder)
    with torch.no_grad():
        output = detector(pixels)
        image = detector.image_features(pixels)
        positive, negative = detector.text_features()
    scale = encoder.logit_scale.item()
    assert scale == pytest.approx(20.7, abs=0.1)
    torch.testing.assert_close(output.positive, scale * image @ positive.T)
    torch.testing.assert_close(output.negative, scale * image @ negative.T)
    assert output.positive.abs().max() <= scale * 1.0001


def is_moved(parameter):
    return parameter.grad is not None and bool(parameter.grad.any())


@pytest.mark.parametrize("tuner", ["vpt-deep", "lora", "adaptformer", "bitfit", "fft"])
def test_the_threshold_sends_no_gradient_into_the_image_tower(encoder, pixels, tuner):
    detector = make(encoder, tuner=tuner)
    detector(pixels).negative.sum().backward()
    assert all(parameter.grad is None for parameter in detector.tuner.parameters())
    assert not is_moved(detector.prompts.positive)
    assert is_moved(detector.prompts.negative)


def test_the_similarity_trains_visual_prompts_and_positive_context(encoder, pixels):
    detector = make(encoder)
    detector(pixels).positive[:, 0].sum().backward()
    assert detector.tuner.prompts.grad.abs().sum() > 0
    assert detector.prompts.positive.grad.abs().sum() > 0
    assert not is_moved(detector.prompts.negative)


@pytest.mark.parametrize("names", [NAMES, MANY])
@pytest.mark.parametrize("agree", [False, True])
def test_the_dual_prompt_loss_trains_the_negative_context_only(encoder, pixels, names, agree):
    detector = build_detector(encoder, names, DetectorConfig())
    given, complementary = torch.tensor([0, 1, 2, 0]), torch.tensor([1, 2, 0, 2])
    image = detector.image_features(pixels)
    seen = judge(detector, image, given, complementary, agree, pseudo=True)
    dual_prompt_loss(seen.refined, seen.complementary).backward()
    assert detector.tuner.prompts.grad is None
    assert not is_moved(detector.prompts.positive)
    assert is_moved(detector.prompts.negative)


def test_what_is_trained_without_a_tuner(encoder):
    """With one: `test_tuners`."""
    contexts = {"prompts.positive", "prompts.negative"}
    assert set(make(encoder, tuner="none").trained_tensors()) == contexts


def test_trained_tensors_make_the_same_detector(encoder, pixels):
    first, second = make(encoder, seed=1), make(encoder, seed=2)
    with torch.no_grad():
        assert not torch.equal(first(pixels).positive, second(pixels).positive)
        second.load_trained(first.trained_tensors())
        assert torch.equal(first(pixels).positive, second(pixels).positive)


def test_tensors_of_another_shape_are_refused(encoder):
    with pytest.raises(ValueError, match="expected tensors"):
        make(encoder).load_trained(make(encoder, prompt_length=3).trained_tensors())


def test_start_values_depend_on_the_seed_alone(encoder):
    torch.manual_seed(1)
    first = make(encoder, seed=5).trained_tensors()
    torch.manual_seed(2)
    second = make(encoder, seed=5).trained_tensors()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.slow
@pytest.mark.parametrize("tuner", [name for name in get_args(Tuner) if name != "none"])
def test_the_compiled_image_tower_gives_the_same_features_and_gradients(encoder, pixels, tuner):
    plain, compiled = make(encoder, tuner=tuner), make(encoder, tuner=tuner)
    compiled.compile_images()
    upstream = torch.randn(4, 128, generator=torch.Generator().manual_seed(1))
    found = []
    for detector in (plain, compiled):
        features = detector.image_features(pixels)
        features.backward(upstream)
        found.append((features, [p.grad for p in detector.tuner.parameters() if p.requires_grad]))
    (wanted, slow), (features, fast) = found
    torch.testing.assert_close(features, wanted, rtol=1e-5, atol=1e-5)
    for one, other in zip(fast, slow, strict=True):
        assert (one - other).norm() <= 1e-4 * other.norm()


@pytest.mark.parametrize(
    ("names", "agree"),
    [
        (NAMES, True),
        pytest.param(NAMES, False, marks=pytest.mark.slow),
        pytest.param(MANY, False, marks=pytest.mark.slow),
        pytest.param(MANY, True, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("tuner", get_args(Tuner))
def test_one_forward_step_on_a_fake_cuda_device(tuner, names, agree):
    """FakeTensorMode raises where tensors of two devices meet; nothing is computed."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        with torch.device("cuda"):
            encoder = tiny_encoder()
        detector = build_detector(encoder, names, DetectorConfig(tuner=tuner, context_length=8))
        pixels = torch.zeros(4, 3, 32, 32, dtype=torch.uint8, device="cuda")
        labels = torch.zeros(4, dtype=torch.int64, device="cuda")
        output = detector(pixels)
        assert output.positive.dtype == torch.float32
        image = detector.image_features(pixels)
        seen = judge(detector, image, labels, labels, agree, pseudo=True)
        loss = dual_prompt_loss(seen.refined, seen.complementary)
        loss = loss + symmetric_cross_entropy(seen.positive, labels)
        loss = loss + similarity_loss(seen.positive, labels, seen.clean)
    trained = [p for p in detector.parameters() if p.requires_grad]
    assert {tensor.device.type for tensor in (*output, *seen, loss, *trained)} == {"cuda"}


@pytest.mark.parametrize(("dtype", "bound"), [(torch.bfloat16, 0.04), (torch.float16, 0.008)])
def test_half_precision_moves_clean_probabilities_little(encoder, pixels, dtype, bound):
    """The last products are float32 in any precision; measured in docs/performance.md."""
    detector = make(encoder)
    with torch.no_grad():
        generator = torch.Generator().manual_seed(0)
        for context in (detector.prompts.positive, detector.prompts.negative):
            context.normal_(generator=generator)
        whole = detector(pixels)
        with torch.autocast("cpu", dtype=dtype):
            image, texts = detector.image_features(pixels), detector.text_features()
            half = detector(pixels)
    assert {each.dtype for each in (image, *texts, *half)} == {torch.float32}
    wanted, found = (torch.sigmoid(each.positive - each.negative) for each in (whole, half))
    assert wanted.std() > 0.05
    assert 0 < (found - wanted).abs().max() < bound
