"""Settings of an adaptation: a recipe for each backbone and method, and what the user changed.

No torch here: `deftclean adapt --help` prints the recipes.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from deftclean.core.errors import UsageError
from deftclean.settings.detector import (
    LARGEST_FLOAT,
    Decode,
    Schedule,
    Tuner,
    is_share,
    tower_share,
)

Method = Literal["fft", "linear", "turn", "peft", "vlpt", "prompts"]
FitLossName = Literal["ce", "sce", "elr", "gce"]
OptimiserName = Literal["sgd", "adamw"]
Augmentation = Literal["paper", "strong", "none"]


@dataclass(frozen=True)
class AdaptConfig:
    """Everything that decides an adaptation beside data and weights.

    Attributes:
        method: what is trained. `fft`: all weights and a new linear head. `linear`: the head, on
            features computed once. `turn`: the head first, then all weights on the rows that the
            head believes. `peft`: a visual tuner and a head. `vlpt`: a visual tuner and one textual
            context. `prompts`: nothing; the detector's own positive prompts classify.
        loss: cross-entropy, symmetric cross-entropy, early-learning regularisation or generalised
            cross-entropy.
        optimiser: `sgd` or `adamw`.
        lr: learning rate at the first epoch.
        momentum: of SGD.
        weight_decay: on every trained tensor.
        epochs: passes over the rows that are learned from.
        batch_size: B; the last batch of an epoch may be smaller.
        micro_batch: pictures that pass through the model at once; gradients of a batch add up.
        schedule: of the learning rate, stepped per epoch.
        augmentation: `paper`: random crop and mirror. `strong`: timm's RandAugment, random resized
            crop and erasing. `none`: the evaluation preprocessing.
        flip: mirror at random.
        image_size: side of the model's input in pixels; None for the backbone's own.
        clip_grad: largest gradient norm, or None.
        tuner: of `peft` and `vlpt`; see `deftclean.settings.detector.DetectorConfig`.
        prompt_length: P.
        rank: of `lora`.
        bottleneck: of `adaptformer`.
        tower_lr_share: of `bitfit` and `fft`; see `deftclean.settings.detector.DetectorConfig`.
        context_length: M of `vlpt`.
        seed: of every random draw.
        decode: `exact`, or `fast`: large JPEGs are decoded at a part of their size.
    """

    method: Method = "fft"
    loss: FitLossName = "ce"
    optimiser: OptimiserName = "sgd"
    lr: float = 1e-2
    momentum: float = 0.9
    weight_decay: float = 5e-4
    epochs: int = 10
    batch_size: int = 64
    micro_batch: int | None = None
    schedule: Schedule = "cosine"
    augmentation: Augmentation = "paper"
    flip: bool = True
    image_size: int | None = None
    clip_grad: float | None = None
    tuner: Tuner = "vpt-deep"
    prompt_length: int = 20
    rank: int = 8
    bottleneck: int = 8
    tower_lr_share: float | None = None
    context_length: int = 16
    seed: int = 0
    decode: Decode = "exact"

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Recipe:
    """A backbone under a short name.

    Attributes:
        model: what it stands for: a timm name, or a CLIP as `--model` of `scan` names it.
        clip: whether `model` is a CLIP.
        fft: settings of full fine-tuning, by `fft` and by `turn`.
    """

    model: str
    clip: bool
    fft: Mapping[str, Any]


RECIPES: dict[str, Recipe] = {
    "resnet50": Recipe(
        "resnet50.a1_in1k", False, {"optimiser": "adamw", "lr": 1e-3, "weight_decay": 1e-5}
    ),
    "vit-b16": Recipe(
        "vit_base_patch16_224.augreg_in1k",
        False,
        {"optimiser": "sgd", "lr": 1e-2, "momentum": 0.0, "weight_decay": 1e-5},
    ),
    "convnext-t": Recipe(
        "convnext_tiny.fb_in1k", False, {"optimiser": "adamw", "lr": 1e-4, "weight_decay": 1e-4}
    ),
    "mae-vit-b": Recipe(
        "vit_base_patch16_224.mae", False, {"optimiser": "adamw", "lr": 1e-4, "weight_decay": 1e-3}
    ),
    "clip-vit-b16": Recipe(
        "ViT-B-16", True, {"optimiser": "sgd", "lr": 5e-4, "weight_decay": 5e-4}
    ),
    "nano": Recipe(
        "nano", True, {"optimiser": "sgd", "lr": 3e-3, "weight_decay": 5e-4, "epochs": 5}
    ),
}
"""The paper's five backbones (Table 11 and the authors' code) and the built-in one, whose recipe
was found on rows that no result is measured on (docs/results.md)."""

_OTHER = {"optimiser": "adamw", "lr": 1e-4, "weight_decay": 1e-4}  # any other pretrained backbone
_HEAD: Mapping[str, Any] = {"optimiser": "sgd", "lr": 3e-2, "momentum": 0.9, "weight_decay": 5e-4}


def resolve_adaptation(backbone: str, method: Method, given: Mapping[str, Any]) -> AdaptConfig:
    """The backbone's recipe for the method, and what the user gave.

    Args:
        backbone: short name, or any other that timm or open_clip knows.
        method: see `AdaptConfig`.
        given: settings by attribute name; None means not given.

    Raises:
        UsageError: every setting that is out of range, in one message.
    """
    chosen = {name: value for name, value in given.items() if value is not None}
    recipe = RECIPES.get(backbone)
    whole = recipe.fft if recipe is not None else _OTHER
    settings = whole if method in ("fft", "turn") else _HEAD
    config = replace(AdaptConfig(method=method), **{**settings, **chosen})
    if method in ("peft", "vlpt"):
        config = replace(config, tower_lr_share=tower_share(config.tuner, config.tower_lr_share))
    if method == "peft" and config.tuner == "fft":
        raise UsageError(
            "--tuner fft cannot go with --method peft, which leaves the tower's weights alone.",
            "Use --method fft: all weights and a head, with the backbone's own recipe.",
        )
    if method in ("linear", "prompts"):
        _refuse_augmentation(method, chosen)
        config = replace(config, augmentation="none", flip=False)
    if config.augmentation == "none":
        config = replace(config, flip=False)
    _check(config)
    return config


def probe_of(config: AdaptConfig) -> AdaptConfig:
    """Settings of the linear probe that `turn` begins with: those of `linear`.

    Args:
        config: of the fine-tuning, whose seed, batch and way of decoding the probe shares.
    """
    return AdaptConfig(
        method="linear",
        loss="ce",
        batch_size=config.batch_size,
        micro_batch=config.micro_batch,
        augmentation="none",
        flip=False,
        image_size=config.image_size,
        seed=config.seed,
        decode=config.decode,
        **_HEAD,
    )


_MOST_TIMES = 10  # an epoch ends with a test and a checkpoint


def with_all_steps(config: AdaptConfig, used: int, everything: int) -> AdaptConfig:
    """As many steps as the recipe takes on all rows: cleaning changes what is learned from alone.

    That is ``ceil(epochs · everything / used)`` epochs, at most ten times the recipe's. So does the
    authors' code, which goes through all rows and masks those that are not kept.

    Args:
        config: settings with the recipe's epochs.
        used: n rows that are learned from.
        everything: rows that would be without the cleaning.
    """
    times = min(max(everything / used, 1.0), _MOST_TIMES)
    return replace(config, epochs=math.ceil(config.epochs * times))


def _refuse_augmentation(method: Method, chosen: Mapping[str, Any]) -> None:
    asked = [
        f"--{name}"
        for name in ("augmentation", "flip")
        if chosen.get(name) not in (None, False, "none")
    ]
    if asked:
        why = {
            "linear": "its features are computed once, from the evaluation preprocessing",
            "prompts": "it trains nothing",
        }[method]
        raise UsageError(f"{' and '.join(asked)} cannot go with --method {method}: {why}.")


def _check(config: AdaptConfig) -> None:
    at_least_one = ("epochs", "batch_size", "micro_batch", "image_size")
    limits: list[tuple[str, bool, str]] = [
        *(
            (name, getattr(config, name) is None or getattr(config, name) >= 1, "at least 1")
            for name in (*at_least_one, "prompt_length", "rank", "bottleneck", "context_length")
        ),
        ("lr", config.lr > 0, "above 0"),
        ("tower_lr_share", is_share(config.tower_lr_share), "above 0 and at most 1"),
        ("momentum", 0 <= config.momentum < 1, "in [0, 1)"),
        ("weight_decay", config.weight_decay >= 0, "0 or more"),
        ("clip_grad", config.clip_grad is None or config.clip_grad > 0, "above 0"),
        ("seed", config.seed >= 0, "0 or more"),
    ]
    problems = [
        f"--{name.replace('_', '-')} is {getattr(config, name)}; it must be {wanted}"
        for name, fine, wanted in limits
        if not fine
    ]
    problems += [
        f"--{field.name.replace('_', '-')} must be a finite number"
        for field in fields(config)
        if isinstance(getattr(config, field.name), float)
        and not abs(getattr(config, field.name)) <= LARGEST_FLOAT
    ]
    if problems:
        raise UsageError("; ".join(problems) + ".")
