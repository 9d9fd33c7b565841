"""Rows and columns of the paper's tables, and the cells where they cross.

A row is an approach: how rows of data are selected, and what is trained on them. A column is what
is learned from. Knows no table: which rows and columns each has is `paper.py`'s business.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from deftclean.experiments.cells import Adaptation, Cell, CellNoise, LabelledData, Selection
from deftclean.experiments.published import published
from deftclean.settings.adaptation import Method
from deftclean.settings.detector import Noise

CLIP = "ViT-B-16"
"""The CLIP that selects, in all tables but one."""

CLIP_TOWER = "clip-vit-b16"
"""Its image tower as a backbone."""

LONG_WARMUP = 5
"""Epochs of warm-up in the authors' configurations of visual prompts for data with real noise; one
for all others."""

_LONG_FFT_WARMUP = ("tiny-imagenet", "cifar100n", "webvision")  # in those of full fine-tuning

SYNTHETIC = {
    "CIFAR-100": "cifar100",
    "Tiny-ImageNet": "tiny-imagenet",
    "Stanford-Cars": "stanford-cars",
    "CUB-200-2011": "cub-200-2011",
}
"""The data sets that noise is put into: the paper's name, and that of `dataset`."""

REAL = {"CIFAR-100N": "cifar100n", "Clothing1M": "clothing1m", "WebVision": "webvision"}
"""Those whose own labels are wrong in part."""

SIX_NOISES: tuple[tuple[CellNoise, float], ...] = (
    ("symmetric", 0.2),
    ("symmetric", 0.4),
    ("symmetric", 0.6),
    ("instance-dependent", 0.2),
    ("instance-dependent", 0.3),
    ("instance-dependent", 0.4),
)
"""Kind and ratio, in the order of Tables 1, 2, 5, 7 and 10."""

_SHORT: dict[CellNoise, str] = {"symmetric": "Sym.", "instance-dependent": "Ins."}


# ---------------------------------------------------------------- rows


@dataclass(frozen=True)
class Approach:
    """One row of a table.

    Attributes:
        name: its heading.
        selection: None to learn from all rows of data.
        adaptation: None where the table is about the selection itself.
    """

    name: str
    selection: Selection | None
    adaptation: Adaptation | None


def selecting(
    name: str, strategy: str, *, preset: Noise = "synthetic", model: str = CLIP, **settings: Any
) -> Approach:
    """Select, and train nothing.

    Args:
        name: heading.
        strategy: of `scan`.
        preset: `synthetic`, the paper's one epoch of warm-up, unless DEFT meets other noise.
        model: the CLIP that selects.
        settings: of `DetectorConfig`.
    """
    return Approach(name, Selection(strategy, preset, model, settings), None)


def gmm_fft(name: str, data: str) -> Approach:
    """GMM that trains the whole tower, at the learning rate of full fine-tuning.

    Args:
        name: heading.
        data: name of the data set.
    """
    settings = {"tuner": "fft", "lr": 5e-4, "tower_lr_share": 1.0, **training_on_real(data)}
    if data in _LONG_FFT_WARMUP:
        settings["warmup"] = LONG_WARMUP
    return selecting(name, "gmm", **settings)


def training_on_real(data: str) -> dict[str, Any]:
    """Settings of the authors' scripts for real noise, where the data set has it.

    Their schedule is cosine, but never stepped; Clothing1M has smaller batches.
    """
    if data not in REAL.values():
        return {}
    return {"schedule": "constant"} | ({"batch_size": 32} if data == "clothing1m" else {})


def learning_from_all(
    name: str, method: Method, *, backbone: str = CLIP_TOWER, **settings: Any
) -> Approach:
    """Train on all rows of data, wrong labels included; settings of `AdaptConfig`."""
    return Approach(name, None, Adaptation(backbone, method, settings))


def learning_from(
    selector: Approach, method: Method = "fft", *, backbone: str = CLIP_TOWER, **settings: Any
) -> Approach:
    """Train on what an approach keeps, with cross-entropy; settings of `AdaptConfig`."""
    return Approach(selector.name, selector.selection, Adaptation(backbone, method, settings))


def learning_from_real(selector: Approach, data: str, *, backbone: str = CLIP_TOWER) -> Approach:
    """Train all weights on what is kept of data with real noise, for half of the epochs."""
    return learning_from(selector, backbone=backbone, epochs=5, **training_on_real(data))


# ---------------------------------------------------------------- columns


@dataclass(frozen=True)
class Column:
    """One column of a table: a heading, and what is learned from."""

    heading: str
    data: LabelledData


def noisy(
    noises: Iterable[tuple[CellNoise, float]], names: Iterable[str] = SYNTHETIC
) -> tuple[Column, ...]:
    """Data sets with noise put into them, such as `CIFAR-100, Sym. 0.2`.

    Args:
        noises: kind and ratio.
        names: of data sets, as the paper writes them.
    """
    noises = tuple(noises)
    return tuple(
        Column(f"{name}, {_SHORT[noise]} {ratio}", LabelledData(SYNTHETIC[name], noise, ratio))
        for name in names
        for noise, ratio in noises
    )


def clean(names: Iterable[str] = SYNTHETIC) -> tuple[Column, ...]:
    """The same data sets as their authors labelled them, such as `CIFAR-100, clean`."""
    return tuple(Column(f"{name}, clean", LabelledData(SYNTHETIC[name])) for name in names)


def real(names: Iterable[str] = REAL) -> tuple[Column, ...]:
    """Data sets with real noise."""
    return tuple(Column(name, LabelledData(REAL[name])) for name in names)


def crossed(
    grid: str, columns: Iterable[Column], approaches: Iterable[Approach], seeds: Iterable[int]
) -> tuple[Cell, ...]:
    """A cell for each column, approach and seed, in this order, with what the paper prints."""
    approaches, seeds, figures = tuple(approaches), tuple(seeds), published(grid)
    return tuple(
        Cell(
            grid=grid,
            column=column.heading,
            method=approach.name,
            data=column.data,
            selection=approach.selection,
            adaptation=approach.adaptation,
            seed=seed,
            published=figures.get((column.heading, approach.name), {}),
        )
        for column in columns
        for approach in approaches
        for seed in seeds
    )


def crossed_by_data(
    grid: str,
    columns: Iterable[Column],
    approaches: Callable[[str], Iterable[Approach]],
    seeds: Iterable[int],
) -> tuple[Cell, ...]:
    """`crossed`, where settings depend on the data set: from its name to the approaches."""
    seeds = tuple(seeds)
    return tuple(
        cell
        for column in columns
        for cell in crossed(grid, (column,), approaches(column.data.name), seeds)
    )
