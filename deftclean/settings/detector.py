"""Settings of the detector: presets, what the user changed, and what follows from N.

No torch here: `deftclean scan --help` prints the presets. Beyond this file, modules take plain
numbers from a `DetectorConfig` in which nothing is left to decide.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from deftclean.core.errors import UsageError

Noise = Literal["real", "synthetic", "severe"]
Rule = Literal["threshold", "agree"]
WarmupLoss = Literal["ce", "sce"]
Schedule = Literal["cosine", "constant"]
Tuner = Literal["vpt-deep", "vpt-shallow", "lora", "adaptformer", "bitfit", "fft", "none"]
ClassPosition = Literal["end", "middle", "front"]
Decode = Literal["exact", "fast"]
Labels = Literal["given", "final", "suggested"]

TOWER_LR_SHARE: dict[Tuner, float] = {"bitfit": 0.02, "fft": 0.002}
"""Learning rate of the tower's own weights, where they are trained, as a share of the contexts'. At
the contexts' rate the tower forgets what it knew; tried on few rows, see docs/method.md."""

LARGEST_FLOAT = 3.4e38
"""Of float32, which weights are; a finite Python number may be larger."""

MIN_WARMUP_STEPS = 80
"""Steps that teach the negative context to tell labels apart; measured in docs/results.md."""


@dataclass(frozen=True)
class DetectorConfig:
    """Everything that decides a detector, with the paper's values for synthetic noise.

    Attributes:
        tuner: what is trained in the image tower: `vpt-deep` or `vpt-shallow` (visual prompts),
            `lora`, `adaptformer`, `bitfit` (its biases), `fft` (all of it) or `none`.
        prompt_length: P, visual prompts per layer.
        rank: of `lora`.
        bottleneck: width of `adaptformer`'s adapters.
        tower_lr_share: learning rate of the tower's own weights (`bitfit`, `fft`) as a share of
            `lr`; None for the tuner's own, and where there are none such.
        context_length: M, vectors of each textual context.
        class_position: `end`, `middle` or `front`: where the class name stands.
        class_specific: every class has contexts of its own.
        lr: learning rate of SGD at the first epoch.
        momentum: of SGD.
        weight_decay: of SGD, on every trained tensor.
        batch_size: B; the last batch of an epoch may be smaller.
        epochs: passes over the readable rows, warm-up included.
        warmup: epochs at the start that trust every given label.
        pseudo_start: first epoch, from 1, whose L_dp uses pseudo-labels for samples not judged
            clean; before the end of warm-up only in preset `real`, or where the user says so.
        positive_weight: weight of L_dp's first term.
        rule: what counts as clean, in training and for `keep`.
        warmup_loss: L_sim during warm-up: cross-entropy or symmetric cross-entropy.
        schedule: of the learning rate, stepped per epoch.
        crop: train on random crops; otherwise on the scoring preprocessing.
        flip: mirror training images at random.
        clip_grad: largest gradient norm, or None for no clipping (the paper's path).
        seed: of every random draw.
        decode: `exact`, or `fast`: large JPEGs are decoded at a part of their size.
    """

    tuner: Tuner = "vpt-deep"
    prompt_length: int = 20
    rank: int = 8
    bottleneck: int = 8
    tower_lr_share: float | None = None
    context_length: int = 16
    class_position: ClassPosition = "end"
    class_specific: bool = False
    lr: float = 3e-2
    momentum: float = 0.9
    weight_decay: float = 5e-4
    batch_size: int = 64
    epochs: int = 10
    warmup: int = 1
    pseudo_start: int = 2
    positive_weight: float = 1.0
    rule: Rule = "threshold"
    warmup_loss: WarmupLoss = "ce"
    schedule: Schedule = "cosine"
    crop: bool = True
    flip: bool = True
    clip_grad: float | None = None
    seed: int = 0
    decode: Decode = "exact"

    def as_dict(self) -> dict[str, Any]:
        """The settings as plain values, for the score table and the detector folder."""
        return asdict(self)


PRESETS: dict[Noise, DetectorConfig] = {
    "synthetic": DetectorConfig(),
    "severe": DetectorConfig(lr=1e-2, positive_weight=0.25),
    "real": DetectorConfig(warmup=5, rule="agree", warmup_loss="sce"),
}


@dataclass(frozen=True)
class ResolvedConfig:
    """Settings with nothing left to decide.

    Attributes:
        config: the settings.
        warmup_is_fixed: the user gave `--warmup` or `--epochs`, so warm-up is not prolonged.
        notes: what was decided from the number of rows, in words.
        warnings: settings that will probably disappoint.
    """

    config: DetectorConfig
    warmup_is_fixed: bool
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


def resolve(noise: Noise, given: Mapping[str, Any], rows: int) -> ResolvedConfig:
    """Preset, then what the user gave, then what follows from the number of rows.

    A preset means at least 80 warm-up steps and at least as many after them, so epochs grow
    where rows are few; `epochs` and `warmup` that the user gave are taken as they are.

    Args:
        noise: preset.
        given: settings by attribute name; None means not given.
        rows: N, readable labelled rows.

    Raises:
        UsageError: every setting that is out of range, in one message.
    """
    chosen = {name: value for name, value in given.items() if value is not None}
    config = replace(PRESETS[noise], **chosen)
    config = replace(config, tower_lr_share=tower_share(config.tuner, config.tower_lr_share))
    if config.tuner == "none":
        _refuse_augmentation(chosen)
        config = replace(config, crop=False, flip=False)
    _check(config)

    steps = math.ceil(rows / config.batch_size)
    grown = math.ceil(MIN_WARMUP_STEPS / steps)
    warmup, epochs = config.warmup, config.epochs
    if "warmup" not in chosen:
        limit = epochs // 2 if "epochs" in chosen else grown
        warmup = max(warmup, min(grown, limit))
    if "epochs" not in chosen:
        epochs = max(epochs, warmup + grown)
    pseudo_start = config.pseudo_start
    if "pseudo_start" not in chosen:
        # Real-world noise: from epoch 2 on, that is within warm-up; but never before the threshold
        # has had the steps that teach it.
        pseudo_start = max(pseudo_start, (grown if noise == "real" else warmup) + 1)

    resolved = replace(config, warmup=warmup, epochs=epochs, pseudo_start=pseudo_start)
    return ResolvedConfig(
        resolved,
        warmup_is_fixed=bool({"warmup", "epochs"} & set(chosen)),
        notes=_notes(config, resolved, rows, steps),
        warnings=_warnings(resolved),
    )


def tower_share(tuner: Tuner, chosen: float | None) -> float | None:
    """What was chosen, or else the tuner's own share; None where there is neither."""
    return TOWER_LR_SHARE.get(tuner) if chosen is None else chosen


def is_share(value: float | None) -> bool:
    """Whether a share that may be left out is in (0, 1]."""
    return value is None or 0 < value <= 1


def _notes(
    config: DetectorConfig, resolved: DetectorConfig, rows: int, steps: int
) -> tuple[str, ...]:
    if (resolved.warmup, resolved.epochs) == (config.warmup, config.epochs):
        return ()
    return (
        f"{rows:,} rows are {steps} steps an epoch: {resolved.epochs} epochs, {resolved.warmup} of "
        f"them warm-up, so that each part has at least {MIN_WARMUP_STEPS} steps",
    )


def _warnings(config: DetectorConfig) -> tuple[str, ...]:
    if config.warmup < config.epochs:
        return ()
    return (
        f"warm-up ({config.warmup}) covers all {config.epochs} epochs: every given label is "
        "trusted to the end; give fewer --warmup or more --epochs epochs to learn from the clean "
        "rows only",
    )


def _refuse_augmentation(chosen: Mapping[str, Any]) -> None:
    asked = [f"--{name}" for name in ("crop", "flip") if chosen.get(name)]
    if asked:
        raise UsageError(
            f"{' and '.join(asked)} cannot go with --tuner none: it trains on features that are "
            "computed once, from the scoring preprocessing.",
            "Leave them out, or choose --tuner vpt-deep.",
        )


def _check(config: DetectorConfig) -> None:
    at_least_one = (
        *("prompt_length", "rank", "bottleneck", "context_length"),
        *("batch_size", "epochs", "pseudo_start"),
    )
    problems = [
        f"--{name.replace('_', '-')} is {getattr(config, name)}; it must be at least 1"
        for name in at_least_one
        if getattr(config, name) < 1
    ]
    limits: list[tuple[str, bool, str]] = [
        ("lr", config.lr > 0, "above 0"),
        ("tower_lr_share", is_share(config.tower_lr_share), "above 0 and at most 1"),
        ("momentum", 0 <= config.momentum < 1, "in [0, 1)"),
        ("weight_decay", config.weight_decay >= 0, "0 or more"),
        ("warmup", config.warmup >= 0, "0 or more"),
        ("positive_weight", config.positive_weight >= 0, "0 or more"),
        ("clip_grad", config.clip_grad is None or config.clip_grad > 0, "above 0"),
        ("seed", config.seed >= 0, "0 or more"),
    ]
    problems += [
        f"--{name.replace('_', '-')} is {getattr(config, name)}; it must be {wanted}"
        for name, fine, wanted in limits
        if not fine
    ]
    finite = [f.name for f in fields(config) if isinstance(getattr(config, f.name), float)]
    problems += [
        f"--{name.replace('_', '-')} must be a finite number of 32 bits"
        for name in finite
        if not abs(getattr(config, name)) <= LARGEST_FLOAT
    ]
    if problems:
        raise UsageError("; ".join(problems) + ".")
