"""Backbones by name and from files: a CLIP's tower as timm's model, heads, preprocessing."""

import json

import open_clip
import pytest
import safetensors.torch
import timm
import torch

from deftclean.core.errors import UsageError
from deftclean.models.backbones import build, features_of, find_backbone, head_of, load_backbone
from deftclean.settings.adaptation import RECIPES, AdaptConfig, resolve_adaptation, with_all_steps

SMALL = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


def quiet(_text):
    return None


def load(name, weights=None, image_size=None, from_scratch=False, seed=0):
    chosen = find_backbone(name, weights, from_scratch, image_size)
    return load_backbone(chosen, 5, seed, True, quiet)


def clip_folder(folder, **vision):
    """A CLIP with random weights as open_clip writes it, and the model itself."""
    config = {**SMALL, "vision_cfg": {**SMALL["vision_cfg"], **vision}}
    config["quick_gelu"] = vision == {}
    folder.mkdir()
    text = json.dumps({"model_cfg": config, "preprocess_cfg": {}})
    (folder / "open_clip_config.json").write_text(text)
    torch.manual_seed(0)
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False).eval()
    safetensors.torch.save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return f"local-dir:{folder}", model


@pytest.mark.filterwarnings("ignore:No pretrained")
def test_a_clip_tower_as_timms_model_gives_the_same_features(tmp_path):
    """What `ln_post` gives, QuickGELU included; the joint projection is not part of it."""
    name, clip = clip_folder(tmp_path / "clip")
    found = load(name)
    images = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        clip.visual.proj = None
        torch.testing.assert_close(
            features_of(found.model.eval(), images), clip.visual(images), rtol=1e-5, atol=1e-5
        )
    assert found.arguments["act_layer"] == "quick_gelu"


def test_nano_as_timms_model_gives_the_same_features(encoder):
    found = load("nano")
    pixels = torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        wanted = encoder.image.pooled(encoder.image.vit.transformer(encoder.image.embed(pixels)))
        ours = features_of(found.model.eval(), encoder.image.normalise(pixels))
    torch.testing.assert_close(ours, wanted, rtol=1e-5, atol=1e-5)
    assert found.preprocess["size"] == (64, 64)


def test_another_image_size_resamples_positions():
    found = load("nano", image_size=96)
    assert found.preprocess["size"] == (96, 96)
    assert found.model.pos_embed.shape[1] == 1 + (96 // 8) ** 2
    assert features_of(found.model, torch.zeros(1, 3, 96, 96)).shape == (1, 128)


@pytest.mark.parametrize(
    ("vision", "reason"),
    [
        ({"pool_type": "avg"}, "does not pool the class token"),
        ({"ls_init_value": 0.1}, "scales its layers"),
    ],
)
@pytest.mark.filterwarnings("ignore:No pretrained")
def test_towers_that_timms_model_cannot_be(vision, reason, tmp_path):
    name, _ = clip_folder(tmp_path / "clip", **vision)
    with pytest.raises(UsageError, match=reason) as error:
        load(name)
    assert "clip-vit-b16" in error.value.hint


@pytest.mark.parametrize("name", ["nano", "resnet18", "vit_tiny_patch16_224", "convnext_atto"])
def test_a_new_head_has_no_opinion(name):
    found = load(name, from_scratch=name != "nano")
    head = head_of(found.model)
    assert head.out_features == 5
    assert not bool(head.weight.any() or head.bias.any())


def test_random_weights_depend_on_the_seed_alone():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one, other = (build("resnet10t", {}, 5, seed=3).state_dict() for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(one[name], other[name]) for name in one)
    another = build("resnet10t", {}, 5, seed=4).state_dict()
    assert not torch.equal(one["conv1.0.weight"], another["conv1.0.weight"])


def test_a_folder_of_timms_own_is_a_beginning(tmp_path):
    """Its configuration says how it wants pictures, its arguments how it is built."""
    torch.manual_seed(0)
    model = timm.create_model("vit_tiny_patch16_224", img_size=32, num_classes=7)
    safetensors.torch.save_file(model.state_dict(), tmp_path / "model.safetensors")
    config = {
        "architecture": "vit_tiny_patch16_224",
        "num_classes": 7,
        "num_features": 192,
        "model_args": {"img_size": 32},
        "pretrained_cfg": {
            "input_size": [3, 32, 32],
            "mean": [0.1, 0.2, 0.3],
            "std": [0.5, 0.5, 0.5],
            "interpolation": "bilinear",
            "crop_pct": 1.0,
            "classifier": "head",
        },
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    found = load("vit_tiny_patch16_224", str(tmp_path))
    assert found.preprocess["mean"] == (0.1, 0.2, 0.3)
    assert found.preprocess["size"] == (32, 32)
    body = found.model.state_dict()["blocks.0.attn.qkv.weight"]
    assert torch.equal(body, model.state_dict()["blocks.0.attn.qkv.weight"])
    with pytest.raises(UsageError, match="holds a vit_tiny_patch16_224"):
        load("resnet18", str(tmp_path))


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_short_names_stand_for_models_that_exist(name):
    chosen = find_backbone(name, None, False, None)
    found = chosen.preprocess(True, quiet)
    assert found["size"] == ((64, 64) if name == "nano" else (224, 224))


@pytest.mark.parametrize(
    ("name", "optimiser", "lr", "decay"),
    [
        ("clip-vit-b16", "sgd", 5e-4, 5e-4),
        ("vit-b16", "sgd", 1e-2, 1e-5),
        ("resnet50", "adamw", 1e-3, 1e-5),
        ("convnext-t", "adamw", 1e-4, 1e-4),
        ("mae-vit-b", "adamw", 1e-4, 1e-3),
    ],
)
def test_recipes_are_the_papers(name, optimiser, lr, decay):
    config = resolve_adaptation(name, "fft", {})
    assert (config.optimiser, config.lr, config.weight_decay) == (optimiser, lr, decay)
    assert (config.epochs, config.batch_size, config.schedule) == (10, 64, "cosine")
    assert config.momentum == (0.0 if name == "vit-b16" else 0.9)


@pytest.mark.parametrize("method", ["linear", "peft"])
def test_heads_and_prompts_have_a_recipe_of_their_own(method):
    config = resolve_adaptation("resnet50", method, {"epochs": 3})
    assert (config.optimiser, config.lr, config.momentum) == ("sgd", 3e-2, 0.9)
    assert (config.weight_decay, config.epochs) == (5e-4, 3)


@pytest.mark.parametrize(
    ("used", "everything", "epochs"),
    [(100, 100, 5), (50, 100, 10), (66, 100, 8), (1, 1000, 50), (100, 90, 5)],
)
def test_as_many_steps_as_on_all_rows(used, everything, epochs):
    assert with_all_steps(AdaptConfig(epochs=5), used, everything).epochs == epochs
