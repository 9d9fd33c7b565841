"""Visual tuners: what they train, how they begin, and that the model itself stays as it was.

That their features and gradients are right is in `test_exactness`.
"""

from typing import get_args

import open_clip
import pytest
import torch

from deftclean.adaptation.classifiers import PromptTuned
from deftclean.core.errors import UsageError
from deftclean.core.runtime import choose_runtime, initial_weights
from deftclean.detection.train import train_detector
from deftclean.models.encoder import Encoder
from deftclean.models.saved_detector import build_detector
from deftclean.models.tuners import AdaptFormer, LoRA, OwnWeights, make_tuner
from deftclean.settings.adaptation import AdaptConfig
from deftclean.settings.detector import DetectorConfig
from deftclean.settings.training import Tuner
from deftclean.training.collapse import CollapseWatch
from deftclean.training.optimiser import Optimiser
from deftclean.training.pieces import Pieces, no_more

TUNERS = [name for name in get_args(Tuner) if name != "none"]
IDENTITIES = ["lora", "adaptformer", "bitfit", "fft"]
NAMES = ("cat", "dog", "ship")
L, W, D, HIDDEN = 2, 32, 16, 128

VIT = {"image_size": 32, "layers": L, "width": W, "head_width": 16, "patch_size": 16}
RESNET = {"layers": [1, 1, 1, 1], "width": 16, "image_size": 32, "head_width": 16}
TIMM = {"timm_model_name": "resnet10t", "timm_proj": "linear", "timm_pool": "", "image_size": 32}
UNUSUAL = {**VIT, "qk_norm": True}
TEXT = {"context_length": 24, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}


def small(vision: dict[str, object] = VIT) -> Encoder:
    """A CLIP in which no bias is zero, so that one that is forgotten shows."""
    torch.manual_seed(0)
    model = open_clip.CLIP(D, vision, TEXT).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn(parameter.shape) * 0.2)
    preprocess = {"mean": (0.5,) * 3, "std": (0.25,) * 3, "size": (32, 32)}
    return Encoder(model, open_clip.SimpleTokenizer(context_length=24), preprocess)


@pytest.fixture
def pixels():
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8, generator=generator)


def tuner_of(name, encoder, seed=0):
    return make_tuner(DetectorConfig(tuner=name), encoder.image, initial_weights(seed))


def shapes_of(module):
    return {n: tuple(p.shape) for n, p in module.named_parameters() if p.requires_grad}


PATCHES = (32 // 16) ** 2
IN_BLOCK = {
    "ln_1.weight": (W,), "ln_1.bias": (W,), "attn.in_proj_weight": (3 * W, W),
    "attn.in_proj_bias": (3 * W,), "attn.out_proj.weight": (W, W), "attn.out_proj.bias": (W,),
    "ln_2.weight": (W,), "ln_2.bias": (W,), "mlp.c_fc.weight": (HIDDEN, W),
    "mlp.c_fc.bias": (HIDDEN,), "mlp.c_proj.weight": (W, HIDDEN), "mlp.c_proj.bias": (W,),
}  # fmt: skip
IN_TOWER = {
    "class_embedding": (W,), "positional_embedding": (PATCHES + 1, W), "proj": (W, D),
    "conv1.weight": (W, 3, 16, 16), "ln_pre.weight": (W,), "ln_pre.bias": (W,),
    "ln_post.weight": (W,), "ln_post.bias": (W,),
    **{f"transformer.resblocks.{i}.{n}": s for i in range(L) for n, s in IN_BLOCK.items()},
}  # fmt: skip
OF_TOWER = {f"tower.visual.{name}": shape for name, shape in IN_TOWER.items()}
TRAINED = {
    "vpt-deep": {"prompts": (L, 20, W)},
    "vpt-shallow": {"prompts": (20, W)},
    "lora": {
        "query_a": (L, 8, W), "query_b": (L, W, 8), "value_a": (L, 8, W), "value_b": (L, W, 8),
    },
    "adaptformer": {
        "norm_weight": (L, W), "norm_bias": (L, W), "down": (L, 8, W), "down_bias": (L, 8),
        "up": (L, W, 8), "up_bias": (L, W), "scale": (L,),
    },
    "bitfit": {name: shape for name, shape in OF_TOWER.items() if name.endswith("bias")},
    "fft": OF_TOWER,
}  # fmt: skip


@pytest.mark.parametrize("name", TUNERS)
def test_what_is_trained(name):
    encoder = small()
    assert shapes_of(tuner_of(name, encoder)) == TRAINED[name]
    detector = build_detector(encoder, NAMES, DetectorConfig(tuner=name, context_length=4))
    assert shapes_of(detector).keys() == {
        "prompts.positive", "prompts.negative", *(f"tuner.{n}" for n in TRAINED[name]),
    }  # fmt: skip


@pytest.mark.parametrize("name", TUNERS)
def test_what_is_trained_with_a_head(name):
    """The head stands where CLIP's projection was, so that is not trained."""
    encoder = small()
    classifier = PromptTuned(encoder.image, tuner_of(name, encoder), 3)
    wanted = {f"tuner.{n}" for n in TRAINED[name]} - {"tuner.tower.visual.proj"}
    assert set(classifier.tensors()) == {"head.weight", "head.bias", *wanted}


def test_rank_and_bottleneck_can_be_given():
    tower = small().image
    config = AdaptConfig(tuner="lora", rank=3, bottleneck=5)
    assert make_tuner(config, tower, initial_weights(0)).query_a.shape == (L, 3, W)
    config = AdaptConfig(tuner="adaptformer", rank=3, bottleneck=5)
    assert make_tuner(config, tower, initial_weights(0)).down.shape == (L, 5, W)


@pytest.mark.parametrize("name", IDENTITIES)
def test_it_begins_as_the_plain_tower(name, pixels):
    encoder = small()
    with torch.no_grad():
        features = tuner_of(name, encoder)(encoder.image, pixels)
        torch.testing.assert_close(features, encoder.image(pixels), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["lora", "adaptformer"])
def test_what_is_added_is_nothing_at_first_to_the_bit(name, pixels):
    tower = small().image
    with torch.no_grad():
        tuned = tuner_of(name, small())(tower, pixels)
        assert torch.equal(tuned, tower.projected(tower.pooled(tower.tokens(pixels))))


def test_start_values():
    tower = small().image
    lora = LoRA(tower, 8, initial_weights(0))
    for reduction in (lora.query_a, lora.value_a):
        assert 0.95 * 8**-0.5 < reduction.abs().max() <= 8**-0.5
    assert not torch.equal(lora.query_a, lora.value_a)
    assert not lora.query_b.any()
    assert not lora.value_b.any()
    adapter = AdaptFormer(tower, 8, initial_weights(0))
    assert 0.95 * W**-0.5 < adapter.down.abs().max() <= W**-0.5
    for zero in (adapter.up, adapter.up_bias, adapter.down_bias, adapter.norm_bias):
        assert not zero.any()
    assert (adapter.scale == 1).all()
    assert (adapter.norm_weight == 1).all()


@pytest.mark.parametrize("name", TUNERS)
def test_start_values_depend_on_the_seed_alone(name):
    encoder = small()
    torch.manual_seed(1)
    first = dict(tuner_of(name, encoder, seed=5).named_parameters())
    state = torch.random.get_rng_state()
    second = dict(tuner_of(name, encoder, seed=5).named_parameters())
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(first[n], second[n]) for n in first)


def learn(detector, pixels):
    trained = [p for p in detector.parameters() if p.requires_grad]
    optimiser = torch.optim.SGD(trained, lr=0.1)
    for _ in range(2):  # what is multiplied by zero at first moves at the second step
        loss = torch.nn.functional.cross_entropy(detector(pixels).positive, torch.arange(4) % 3)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()


@pytest.mark.parametrize("name", TUNERS)
def test_the_model_itself_stays_as_it_was_and_serves_several_tuners(name, pixels):
    encoder = small()
    config = DetectorConfig(tuner=name, context_length=4)
    first, second = (build_detector(encoder, NAMES, config) for _ in range(2))
    before = {n: t.clone() for n, t in encoder.state_dict().items()}
    with torch.no_grad():
        plain, untrained = encoder.image(pixels), first.image_features(pixels)
    learn(first, pixels)
    assert all(torch.equal(t, before[n]) for n, t in encoder.state_dict().items())
    assert not any(p.requires_grad or p.grad is not None for p in encoder.parameters())
    with torch.no_grad():
        assert torch.equal(encoder.image(pixels), plain)
        assert torch.equal(second.image_features(pixels), untrained)
        assert not torch.allclose(first.image_features(pixels), untrained, atol=1e-4)
    moved, still = first.trained_tensors(), second.trained_tensors()
    assert [n for n in moved if n.startswith("tuner.") and torch.equal(moved[n], still[n])] == []


def test_what_bitfit_does_not_train_is_not_copied():
    encoder = small()
    own = dict(encoder.image.named_parameters())
    for name, parameter in tuner_of("bitfit", encoder).tower.named_parameters():
        assert (parameter is own[name]) == (not name.endswith("bias")), name


@pytest.mark.slow
@pytest.mark.parametrize("vision", [RESNET, TIMM, UNUSUAL])
@pytest.mark.parametrize("name", TUNERS)
def test_other_image_towers(vision, name, pixels):
    encoder = small(vision)
    if name not in ("bitfit", "fft"):
        with pytest.raises(UsageError, match=f"--tuner {name}: nothing can be put") as error:
            tuner_of(name, encoder)
        assert "--tuner bitfit" in error.value.hint
        return
    tuner = tuner_of(name, encoder)
    assert isinstance(tuner, OwnWeights)
    tuner.train()  # statistics of normalisation stay what they are
    statistics = {n: b.clone() for n, b in encoder.image.named_buffers()}
    features = tuner(encoder.image, pixels)
    assert torch.equal(features, encoder.image(pixels))
    features[:, 0].sum().backward()
    assert all(p.grad is None for p in encoder.parameters())
    assert any(p.grad is not None and p.grad.any() for p in tuner.parameters())
    for buffers in (encoder.image.named_buffers(), tuner.tower.named_buffers()):
        assert all(torch.equal(buffer, statistics[n]) for n, buffer in buffers)


@pytest.mark.parametrize("name", TUNERS)
def test_mixed_precision(name, pixels):
    encoder = small()
    tuner = tuner_of(name, encoder)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        features = tuner(encoder.image, pixels)
    features[:, 0].float().sum().backward()
    with torch.no_grad():
        exact = tuner(encoder.image, pixels)
    torch.testing.assert_close(features.float(), exact, rtol=0, atol=0.05)
    trained = [p for p in tuner.parameters() if p.requires_grad]
    assert {p.grad.dtype for p in trained if p.grad is not None} == {torch.float32}


def test_a_head_fits_a_tower_that_pools_by_attention(pixels):
    """Its `ln_post` is as wide as the joint space, not as the tower."""
    encoder = small({**VIT, "attentional_pool": True, "attn_pooler_heads": 2})
    assert PromptTuned(encoder.image, tuner_of("lora", encoder), 3)(pixels).shape == (4, 3)


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
@pytest.mark.parametrize("name", TUNERS)
def test_the_towers_own_weights_take_smaller_steps(name, kind, pixels):
    encoder, runtime = small(), choose_runtime("cpu", "fp32", 0)

    def step(share):
        config = DetectorConfig(tuner=name, context_length=4, weight_decay=0, tower_lr_share=share)
        detector = build_detector(encoder, NAMES, config)
        before = detector.trained_tensors()
        before = {name: tensor.clone() for name, tensor in before.items()}
        optimiser = Optimiser(detector, kind, config, runtime)
        optimiser.set_lr(0.01)
        optimiser.backward(detector(pixels).positive[:, 0].sum())
        optimiser.step()
        return {name: tensor - before[name] for name, tensor in detector.trained_tensors().items()}

    whole, half = step(1.0), step(0.5)
    for tensor in whole:
        own = tensor.startswith("tuner.tower.")
        torch.testing.assert_close(
            half[tensor], whole[tensor] * (0.5 if own else 1.0), atol=1e-6, rtol=1e-3
        )


@pytest.mark.parametrize("name", TUNERS)
def test_training_that_goes_on_ends_as_if_it_had_never_stopped(name, pixels):
    config = DetectorConfig(
        tuner=name,
        context_length=4,
        epochs=3,
        warmup=1,
        pseudo_start=2,
        batch_size=2,
        lr=0.01,
        tower_lr_share=0.1,
    )
    encoder, runtime = small(), choose_runtime("cpu", "fp32", 0)
    labels = torch.tensor([0, 1, 2, 0])

    def run(start=None):
        detector = build_detector(encoder, NAMES, config)
        watch = CollapseWatch(detector, pixels, runtime, Pieces(None, runtime, print))

        def feed(epoch):
            for rows in (torch.arange(4) + epoch).remainder(4).split(2):
                yield rows, detector.image_features(pixels[rows])

        epochs = train_detector(
            detector, feed, labels, watch, config, True, runtime, lambda _: None, no_more, start
        )
        return detector, list(epochs)

    whole, epochs = run()
    again, rest = run(epochs[0].state)
    assert [e.metrics for e in rest] == [e.metrics for e in epochs[1:]]
    wanted = whole.trained_tensors()
    assert all(torch.equal(t, wanted[n]) for n, t in again.trained_tensors().items())
