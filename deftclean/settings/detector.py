"""Settings of the detector: presets, what the user changed, and what follows from N.

No torch here: `deftclean scan --help` prints the presets. Beyond this file, modules take plain
numbers from a `DetectorConfig` in which nothing is left to decide.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from deftclean.core.errors import UsageError
from deftclean.core.fields import setting
from deftclean.settings.checks import refuse_out_of_range
from deftclean.settings.training import TrainingConfig, tower_share

Noise = Literal["real", "synthetic", "severe"]
Rule = Literal["threshold", "agree"]
WarmupLoss = Literal["ce", "sce"]
ClassPosition = Literal["end", "middle", "front"]
Labels = Literal["given", "final", "suggested"]

MIN_WARMUP_STEPS = 80
"""Steps that teach the negative context to tell labels apart; measured in docs/results.md."""


@dataclass(frozen=True, kw_only=True)
class DetectorConfig(TrainingConfig):
    """Everything that decides a detector, with the paper's values for synthetic noise.

    Attributes:
        class_position: `end`, `middle` or `front`: where the class name stands.
        class_specific: every class has contexts of its own.
        warmup: epochs at the start that trust every given label.
        pseudo_start: first epoch, from 1, whose L_dp uses pseudo-labels for samples not judged
            clean; before the end of warm-up only in preset `real`, or where the user says so.
        positive_weight: weight of L_dp's first term.
        rule: what counts as clean, in training and for `keep`.
        warmup_loss: L_sim during warm-up: cross-entropy or symmetric cross-entropy.
        crop: train on random crops; otherwise on the scoring preprocessing.
        train_on: rows that a detector is trained on, drawn by given label; None for all.
        micro_batch: pictures that pass through the model at once; None for as many as fit.
    """

    written: ClassVar[tuple[str, ...]] = (
        *("tuner", "prompt_length", "rank", "bottleneck", "tower_lr_share", "context_length"),
        *("class_position", "class_specific", "lr", "momentum", "weight_decay", "batch_size"),
        *("epochs", "warmup", "pseudo_start", "positive_weight", "rule", "warmup_loss"),
        *("schedule", "crop", "flip", "clip_grad", "seed", "decode", "train_on"),
        "micro_batch",
    )

    rule: Rule = setting(
        "threshold",
        "What counts as clean. threshold: clean_prob > threshold. agree: also the given label has "
        "the highest clean probability of all classes.",
    )
    class_position: ClassPosition = setting(
        "end", "Where the class name stands among the context vectors."
    )
    class_specific: bool = setting(
        False,
        "Contexts of its own for each class.",
        flags=("--class-specific/--shared-context",),
    )
    warmup: int = setting(1, "Epochs at the start that trust every label.", at_least=0)
    warmup_loss: WarmupLoss = setting("ce", "Cross-entropy, or symmetric cross-entropy.")
    pseudo_start: int = setting(2, "First epoch, from 1, that uses pseudo-labels.", at_least=1)
    positive_weight: float = setting(1.0, "Weight of the first term of L_dp.", at_least=0)
    crop: bool = setting(True, "Random crops in training.")
    train_on: int | None = setting(
        None,
        "Train on so many rows alone, drawn at random in proportion to the given labels, and judge "
        "all of them. Default: all rows.",
        at_least=2,
    )
    micro_batch: int | None = setting(
        None,
        "Images that pass through the model at once, where memory is small; the loss is that of "
        "the whole batch. Found by itself where a batch does not fit.",
        at_least=1,
    )

    def trained_of(self, rows: int) -> int:
        """How many of so many rows are trained on."""
        return rows if self.train_on is None else min(rows, self.train_on)


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
        rows: N, readable labelled rows; of which `train_on` are trained on.

    Raises:
        UsageError: every setting that is out of range, in one message.
    """
    chosen = {name: value for name, value in given.items() if value is not None}
    config = replace(PRESETS[noise], **chosen)
    config = replace(config, tower_lr_share=tower_share(config.tuner, config.tower_lr_share))
    if config.tuner == "none":
        _refuse_augmentation(chosen)
        config = replace(config, crop=False, flip=False)
    refuse_out_of_range(config, "a finite number of 32 bits")

    rows = config.trained_of(rows)
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
