"""What `corrupt` and `dataset` may be told: which noise, which part of a data set."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from deftclean.core.fields import EVERY_DRAW, setting

NoiseKind = Literal["symmetric", "instance-dependent", "asymmetric", "transition", "labels"]
Split = Literal["train", "clean-train", "val", "test"]
DatasetName = Literal[
    "cifar10", "cifar100", "cifar10n", "cifar100n", "tiny-imagenet", "stanford-cars",
    "cub-200-2011", "clothing1m", "webvision", "food-101n", "animal-10n",
]  # fmt: skip
HumanLabels = Literal["worse", "aggregate", "random1", "random2", "random3"]


@dataclass(frozen=True)
class NoiseOptions:
    """Which noise.

    Attributes:
        noise: its kind.
        ratio: share of the rows, in [0, 1]; with `symmetric`, `instance-dependent` and
            `asymmetric` (there of the rows of the classes that change).
        seed: of every draw.
        changes: `cat=dog`, with `asymmetric`.
        transition: file of a K x K matrix, with `transition`.
        labels: file of other labels for the same files, with `labels`.
        labels_column: of that file; None to recognise it.
        size: with `instance-dependent`, the longest side of the pictures looked at, in pixels.
        workers: processes that decode pictures; None to choose.
    """

    noise: NoiseKind = setting(
        "symmetric",
        "symmetric: a share of the rows gets a uniformly random label, which may be the true one. "
        "instance-dependent: labels are flipped by what a picture shows. asymmetric: classes turn "
        "into certain others (--map). transition: by a K x K matrix (--transition). labels: those "
        "of another file (--from).",
    )
    ratio: float | None = setting(
        None,
        "0 to 1. symmetric: share of the rows that get a random label. instance-dependent: mean "
        "chance of a flip. asymmetric: chance of a flip in the classes that change.",
    )
    seed: int = setting(0, EVERY_DRAW)
    changes: Sequence[str] = setting(
        (),
        "With asymmetric: CLASS=OTHER_CLASS, also several with commas. Repeatable.",
        option="map",
    )
    transition: str | Path | None = setting(
        None,
        "With transition: rows are true classes, columns noisy ones. CSV with class names in first "
        'line and column, JSON {"cat": {"cat": 0.8, "dog": 0.2}}, or K x K numbers (.csv, .json, '
        ".npy).",
    )
    labels: str | Path | None = setting(
        None,
        "With labels: a table of other labels for the same files, by file name.",
        option="other",
        flags=("--from",),
        variable="DEFTCLEAN_CORRUPT_FROM",
    )
    labels_column: str | None = setting(
        None, "Column of --from with the labels.", option="from_column"
    )
    size: int = setting(
        64,
        "With instance-dependent: pictures are looked at as squares of the first one's longer "
        "side, at most this many pixels.",
    )
    workers: int | None = setting(
        None, "Processes that read images. Default: by rows and cores.", at_least=0
    )


@dataclass(frozen=True)
class DatasetOptions:
    """Which part of a data set.

    Attributes:
        split: `train`; `test` or `val` where their labels are public; `clean-train` of Clothing1M.
        labels: of CIFAR-10N; None for `worse`.
        classes: of WebVision, the first so many; None for 50.
        balanced: of Clothing1M's `train`, the balanced sample of 32,000.
        seed: of that sample.
    """

    split: Split = setting("train", "Part of the data set; clean-train is Clothing1M's.")
    labels: HumanLabels | None = setting(None, "Label set of cifar10n. Default: worse.")
    classes: int | None = setting(None, "Of webvision: the first so many. Default: 50.")
    balanced: bool = setting(False, "Of clothing1m: a random 32,000, as many of each class.")
    seed: int = setting(0, "Of that sample.", at_least=0)
