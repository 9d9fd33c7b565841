"""Settings of an adaptation: a recipe for each backbone and method, and what the user changed.

No torch here: `deftclean adapt --help` prints the recipes.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from deftclean.core.errors import UsageError
from deftclean.core.fields import reworded, setting
from deftclean.settings.checks import refuse_out_of_range, refuse_unfit
from deftclean.settings.training import Decode, Schedule, TrainingConfig, Tuner, tower_share

Method = Literal["fft", "linear", "turn", "peft", "vlpt", "prompts"]
FitLossName = Literal["ce", "sce", "elr", "gce"]
OptimiserName = Literal["sgd", "adamw"]
Augmentation = Literal["paper", "strong", "none"]


@dataclass(frozen=True, kw_only=True)
class AdaptConfig(TrainingConfig):
    """Everything that decides an adaptation beside data and weights.

    Attributes:
        method: what is trained. `fft`: all weights and a new linear head. `linear`: the head, on
            features computed once. `turn`: the head first, then all weights on the rows that the
            head believes. `peft`: a visual tuner and a head. `vlpt`: a visual tuner and one textual
            context. `prompts`: nothing; the detector's own positive prompts classify.
        loss: cross-entropy, symmetric cross-entropy, early-learning regularisation or generalised
            cross-entropy.
        micro_batch: pictures that pass through the model at once; gradients of a batch add up.
        optimiser: `sgd` or `adamw`.
        augmentation: `paper`: random crop and mirror. `strong`: timm's RandAugment, random resized
            crop and erasing. `none`: the evaluation preprocessing.
        image_size: side of the model's input in pixels; None for the backbone's own.
    """

    written: ClassVar[tuple[str, ...]] = (
        *("method", "loss", "optimiser", "lr", "momentum", "weight_decay", "epochs"),
        *("batch_size", "micro_batch", "schedule", "augmentation", "flip", "image_size"),
        *("clip_grad", "tuner", "prompt_length", "rank", "bottleneck", "tower_lr_share"),
        *("context_length", "seed", "decode"),
    )

    method: Method = "fft"  # no setting to change the recipe with: there is one for each method
    loss: FitLossName = setting(
        "ce",
        "ce: cross-entropy. sce: symmetric. elr: early-learning regularisation. gce: generalised. "
        "Default: ce.",
    )
    micro_batch: int | None = setting(
        None,
        "Images that pass through the model at once; the gradients of a batch add up. Found by "
        "itself where a batch does not fit into memory.",
        at_least=1,
    )
    optimiser: OptimiserName = setting("sgd", "sgd or adamw.", option="optimizer")
    augmentation: Augmentation = setting(
        "paper",
        "paper: random crop and mirror. strong: timm's RandAugment, random resized crop and "
        "erasing. none. Default: paper.",
    )
    image_size: int | None = setting(
        None, "Side of the model's input in pixels. Default: the backbone's.", at_least=1
    )

    tuner: Tuner = reworded(
        TrainingConfig,
        "tuner",
        "Of peft and vlpt: what is trained in the image tower, as in scan. Default: vpt-deep.",
    )
    prompt_length: int = reworded(
        TrainingConfig, "prompt_length", "Visual prompts before each layer."
    )
    context_length: int = reworded(
        TrainingConfig, "context_length", "Learned vectors of vlpt's textual context."
    )
    epochs: int = reworded(
        TrainingConfig, "epochs", "Passes over the rows; of turn: after its probe."
    )
    lr: float = reworded(TrainingConfig, "lr", "Learning rate.", default=1e-2)
    weight_decay: float = reworded(TrainingConfig, "weight_decay", "Of the weights.")
    schedule: Schedule = reworded(
        TrainingConfig, "schedule", "Of the learning rate, stepped per epoch. Default: cosine."
    )
    flip: bool = reworded(
        TrainingConfig,
        "flip",
        "Random mirroring; off for digits, text and whatever has a left and a right.",
    )
    clip_grad: float | None = reworded(
        TrainingConfig, "clip_grad", "Largest gradient norm; off by default."
    )
    decode: Decode = reworded(
        TrainingConfig,
        "decode",
        "fast: large JPEGs are decoded at a part of their size. Default: exact.",
        panel=None,
    )


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
        UsageError: every setting that is out of range or that there is not, in one message.
    """
    refuse_unfit(AdaptConfig, given)
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
    refuse_out_of_range(config, "a finite number")
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
