"""The towers against open_clip's own, and injected prompts against a plain concatenation."""

import open_clip
import pytest
import torch
import torch.nn.functional as F

from deftclean.core.errors import UsageError
from deftclean.core.runtime import initial_weights
from deftclean.models.blocks import attend
from deftclean.models.encoder import Encoder
from deftclean.models.tuners import VPTDeep, VPTShallow, make_tuner
from deftclean.settings.detector import DetectorConfig

TEXTS = ["a photo of a cat", "a photo of a pickup truck", "zebra"]


@pytest.fixture
def pixels():
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, 256, (5, 3, 64, 64), dtype=torch.uint8, generator=generator)


def test_images_match_open_clip(encoder, clip, pixels):
    with torch.no_grad():
        wanted = clip.encode_image(encoder.image.normalise(pixels), normalize=True)
        torch.testing.assert_close(encoder.image(pixels), wanted)


def test_entering_at_the_tokens_matches_open_clip(encoder, clip, pixels):
    tower = encoder.image
    with torch.no_grad():
        x = tower.embed(pixels)
        for block in tower.blocks:
            x = attend(block, x)
        wanted = clip.encode_image(tower.normalise(pixels), normalize=True)
        torch.testing.assert_close(tower.pool(x), wanted, rtol=1e-5, atol=1e-6)


def test_the_last_block_may_compute_the_pooled_token_alone(encoder, pixels):
    tower = encoder.image
    with torch.no_grad():
        x = tower.embed(pixels)
        block = tower.blocks[0]
        torch.testing.assert_close(attend(block, x, outputs=1), attend(block, x)[:, :1])


def test_texts_match_open_clip(encoder, clip):
    tokens = open_clip.get_tokenizer("ViT-B-32", context_length=32)(TEXTS)
    with torch.no_grad():
        wanted = clip.encode_text(tokens, normalize=True)
        torch.testing.assert_close(encoder.text.encode(TEXTS), wanted, rtol=1e-5, atol=1e-6)


def test_a_text_that_does_not_fit_is_refused_by_name(encoder):
    with pytest.raises(UsageError, match="reads 32"):
        encoder.text.encode(["cat " * 40])


def plain_deep(tower, pixels, prompts):
    """Prompts as tokens before every block, replaced at the next: as VPT-Deep is defined."""
    x = tower.embed(pixels)
    count = x.shape[1]
    for block, prompt in zip(tower.blocks, prompts, strict=True):
        x = torch.cat([x[:, :count], prompt.expand(len(x), -1, -1)], dim=1)
        x = block(x)
    return tower.pool(x[:, :count])


def plain_shallow(tower, pixels, prompts):
    x = tower.embed(pixels)
    count = x.shape[1]
    x = torch.cat([x, prompts.expand(len(x), -1, -1)], dim=1)
    for block in tower.blocks:
        x = block(x)
    return tower.pool(x[:, :count])


@pytest.mark.parametrize(("kind", "plain"), [(VPTDeep, plain_deep), (VPTShallow, plain_shallow)])
def test_visual_prompts_match_a_plain_concatenation(encoder, pixels, kind, plain):
    tuner = kind(encoder.image, 7, initial_weights(1))
    features = tuner(encoder.image, pixels)
    wanted = plain(encoder.image, pixels, tuner.prompts)
    torch.testing.assert_close(features, wanted, rtol=1e-5, atol=1e-5)

    upstream = torch.randn(features.shape, generator=torch.Generator().manual_seed(4))
    (fast,) = torch.autograd.grad(features, tuner.prompts, upstream)
    (slow,) = torch.autograd.grad(wanted, tuner.prompts, upstream)
    assert (fast - slow).norm() <= 1e-4 * slow.norm()


def test_start_values_have_the_range_of_the_method(encoder):
    tuner = VPTDeep(encoder.image, 20, initial_weights(0))
    bound = (6 / (3 * 64 + 128)) ** 0.5
    assert tuner.prompts.shape == (6, 20, 128)
    assert 0.99 * bound < tuner.prompts.abs().max() <= bound


def test_towers_stay_frozen_and_in_evaluation_mode(encoder):
    encoder.train()
    assert not any(m.training for m in encoder.image.modules())
    assert not any(p.requires_grad for p in encoder.parameters())


# ------------------------------------------------------------- other architectures

_TEXT = {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
_VIT = {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 16}


def build(vision, text, kind=open_clip.CLIP, **more):
    torch.manual_seed(0)
    model = kind(embed_dim=16, vision_cfg=vision, text_cfg=text, **more).eval()
    preprocess = {"mean": (0.5,) * 3, "std": (0.5,) * 3, "size": (32, 32)}
    tokenizer = open_clip.SimpleTokenizer(context_length=text.get("context_length", 16))
    return model, Encoder(model, tokenizer, preprocess)


@pytest.mark.parametrize(
    "more",
    [{"pool_type": "avg"}, {"final_ln_after_pool": True}, {"no_ln_pre": True},
     {"ls_init_value": 0.1}, {"attentional_pool": True, "attn_pooler_heads": 2}],
)  # fmt: skip
def test_other_vits_match_open_clip_and_take_prompts(more):
    model, encoder = build({**_VIT, **more}, _TEXT)
    pixels = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    tower = encoder.image
    tuner = VPTDeep(tower, 4, initial_weights(0))
    with torch.no_grad():
        wanted = F.normalize(model.encode_image(tower.normalise(pixels)), dim=-1)
        torch.testing.assert_close(tower(pixels), wanted)
        torch.testing.assert_close(
            tuner(tower, pixels), plain_deep(tower, pixels, tuner.prompts), rtol=1e-5, atol=1e-5
        )


def test_custom_text_clip_is_accepted():
    model, encoder = build(_VIT, _TEXT, open_clip.CustomTextCLIP)
    tokens = open_clip.SimpleTokenizer(context_length=16)(TEXTS)
    with torch.no_grad():
        wanted = model.encode_text(tokens, normalize=True)
        torch.testing.assert_close(encoder.text.encode(TEXTS), wanted, rtol=1e-5, atol=1e-6)


def test_a_resnet_takes_no_visual_prompts_but_works_without():
    vision = {"layers": [1, 1, 1, 1], "width": 16, "image_size": 32, "head_width": 16}
    _, encoder = build(vision, _TEXT)
    with pytest.raises(UsageError, match="ModifiedResNet"):
        make_tuner(DetectorConfig(tuner="vpt-deep"), encoder.image, initial_weights(0))
    none = DetectorConfig(tuner="none")
    assert make_tuner(none, encoder.image, initial_weights(0)) is None
    pixels = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
    assert encoder.image(pixels).shape == (2, 16)


def test_unusual_blocks_take_no_visual_prompts():
    _, encoder = build({**_VIT, "qk_norm": True}, _TEXT)
    with pytest.raises(UsageError, match="CustomResidualAttentionBlock"):
        make_tuner(DetectorConfig(tuner="vpt-shallow"), encoder.image, initial_weights(0))


@pytest.mark.parametrize(
    ("text", "reason"),
    [({**_TEXT, "pool_type": "last"}, "'last'"), ({**_TEXT, "no_causal_mask": True}, "causal"),
     ({**_TEXT, "embed_cls": True}, "class token")],
)  # fmt: skip
def test_text_towers_that_cannot_take_prompts_are_refused(text, reason):
    with pytest.raises(UsageError, match=reason):
        build(_VIT, text, open_clip.CustomTextCLIP)
