"""Settings that training a detector and training a classifier have in common. No torch here.

What decides them beyond these defaults, presets and recipes, stands in `detector` and `adaptation`.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from deftclean.core.fields import EVERY_DRAW, in_order, setting

Schedule = Literal["cosine", "constant"]
Tuner = Literal["vpt-deep", "vpt-shallow", "lora", "adaptformer", "bitfit", "fft", "none"]
Decode = Literal["exact", "fast"]

TOWER_LR_SHARE: dict[Tuner, float] = {"bitfit": 0.02, "fft": 0.002}
"""Learning rate of the tower's own weights, where they are trained, as a share of the contexts'. At
the contexts' rate the tower forgets what it knew; tried on few rows, see docs/method.md."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """What both phases train with; the help texts are those of `scan`.

    Attributes:
        tuner: what is trained in the image tower: `vpt-deep` or `vpt-shallow` (visual prompts),
            `lora`, `adaptformer`, `bitfit` (its biases), `fft` (all of it) or `none`.
        prompt_length: P, visual prompts per layer.
        rank: of `lora`.
        bottleneck: width of `adaptformer`'s adapters.
        tower_lr_share: learning rate of the tower's own weights (`bitfit`, `fft`) as a share of
            `lr`; None for the tuner's own, and where there are none such.
        context_length: M, vectors of each textual context.
        epochs: passes over the rows that are learned from.
        batch_size: B; the last batch of an epoch may be smaller.
        lr: learning rate at the first epoch.
        momentum: of SGD.
        weight_decay: on every trained tensor.
        schedule: of the learning rate, stepped per epoch.
        flip: mirror training images at random.
        clip_grad: largest gradient norm, or None for no clipping.
        decode: `exact`, or `fast`: large JPEGs are decoded at a part of their size.
        seed: of every random draw.
    """

    written: ClassVar[tuple[str, ...]] = ()
    """The order in which tables and folders have always held the settings."""

    tuner: Tuner = setting(
        "vpt-deep",
        "What is trained in the image tower. vpt-deep, vpt-shallow: visual prompts. lora: low-rank "
        "changes of queries and values. adaptformer: a bottleneck beside every MLP. bitfit: its "
        "biases. fft: all of it. none: text contexts only, on features computed once, without "
        "augmentation; much faster.",
    )
    prompt_length: int = setting(
        20,
        "Visual prompts before each layer (the paper's P).",
        flags=("--prompt-length", "-P"),
        at_least=1,
    )
    rank: int = setting(8, "Of --tuner lora. Default: 8.", at_least=1)
    bottleneck: int = setting(8, "Width of --tuner adaptformer. Default: 8.", at_least=1)
    tower_lr_share: float | None = setting(
        None,
        "With bitfit and fft: learning rate of the tower's own weights, as a share of --lr. "
        "Default: 0.02 and 0.002.",
        above=0,
        at_most=1,
    )
    context_length: int = setting(
        16,
        "Learned vectors in each textual context (the paper's M).",
        flags=("--context-length", "-M"),
        at_least=1,
    )
    epochs: int = setting(10, "Passes over the data, warm-up included.", at_least=1)
    batch_size: int = setting(64, "Images in a training step.", at_least=1)
    lr: float = setting(3e-2, "Learning rate of SGD.", above=0)
    momentum: float = setting(0.9, "Of SGD.", at_least=0, below=1)
    weight_decay: float = setting(5e-4, "Of SGD.", at_least=0)
    schedule: Schedule = setting("cosine", "Of the learning rate, stepped per epoch.")
    flip: bool = setting(
        True,
        "Random mirroring in training; off for digits, text and whatever has a left and a right.",
    )
    clip_grad: float | None = setting(
        None, "Largest gradient norm; off by default. A remedy for collapse.", above=0
    )
    decode: Decode = setting(
        "exact",
        "fast: JPEGs much larger than the model's input are decoded at a part of their size, "
        "several times faster; the pixels differ a little. Kept in the detector. [default: exact]",
        panel="Input",
    )
    seed: int = setting(0, EVERY_DRAW, preset=False, at_least=0)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for tables, detectors and run folders, in the order of `written`.

        Not `dataclasses.asdict`: it begins with the fields of this class, whatever the other has.
        """
        return {each.name: getattr(self, each.name) for each in in_order(self, self.written)}


def tower_share(tuner: Tuner, chosen: float | None) -> float | None:
    """What was chosen, or else the tuner's own share; None where there is neither."""
    return TOWER_LR_SHARE.get(tuner) if chosen is None else chosen
