"""The paper's tables and figures by name, as cells.

Source: Wei et al., "Vision-Language Models are Strong Noisy Label Detectors", NeurIPS 2024. Tables
1 and 5 to 9 are about which rows are kept; Tables 2, 3, 4 and 10 about the test accuracy after
training on all rows, or on those that are kept.

One thing is simplified: the paper reports the model that GMM trains while it selects. Here a new
classifier is trained on what GMM keeps, as after every other selection.

Of Figures 1, 3 and 4 the paper's text names the methods, but neither the ratios on the axes nor all
of the data sets, and it prints no figures. What is assumed here:

- Symmetric noise throughout.
- Figure 1a: CIFAR-100 and Tiny-ImageNet at 0.2, 0.4, 0.6 and 0.8. Figure 4, which is said to show
  Tiny-ImageNet: the same ratios and 0.
- Figures 1b and 3: the four data sets that noise is put into; Figure 3 at the ratios of Table 2.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, get_args

from deftclean.core.errors import UsageError
from deftclean.experiments.cells import Cell, CellNoise
from deftclean.experiments.paper_layout import (
    CLIP,
    LONG_WARMUP,
    SIX_NOISES,
    Approach,
    Column,
    clean,
    crossed,
    crossed_by_data,
    gmm_fft,
    learning_from,
    learning_from_all,
    learning_from_real,
    noisy,
    real,
    selecting,
    training_on_real,
)
from deftclean.settings.adaptation import Method

PaperTable = Literal[
    "table1", "table2", "table3", "table4", "table5", "table6", "table7", "table8", "table9",
    "table10", "figure1", "figure3", "figure4",
]  # fmt: skip

PAPER_TABLES: tuple[PaperTable, ...] = get_args(PaperTable)

_BACKBONES = {
    "ResNet-50": "resnet50",
    "MAE-ViT-B": "mae-vit-b",
    "ViT-B/16": "vit-b16",
    "ConvNeXt-T": "convnext-t",
}

_VARIED: Mapping[str, tuple[str, tuple[int, ...]]] = {
    "visual prompt length": ("prompt_length", (10, 15, 20, 30)),
    "textual prompt length": ("context_length", (4, 8, 16, 32)),
    "training epoch": ("epochs", (5, 10, 15, 20)),
}

_FOUR_RATIOS: tuple[tuple[CellNoise, float], ...] = (
    ("symmetric", 0.2),
    ("symmetric", 0.4),
    ("symmetric", 0.6),
    ("symmetric", 0.8),
)


# ---------------------------------------------------------------- which rows are kept


def table1(seeds: Iterable[int]) -> tuple[Cell, ...]:
    """Precision and recall."""
    return crossed("table1", noisy(SIX_NOISES), _three_selections(CLIP), seeds)


def table5(seeds: Iterable[int]) -> tuple[Cell, ...]:
    """Table 1 with ViT-B/32. Its last three columns are instance-dependent noise, too: their
    heading "Sym." is a misprint."""
    return crossed("table5", noisy(SIX_NOISES), _three_selections("ViT-B-32"), seeds)


def table6(seeds: Iterable[int]) -> tuple[Cell, ...]:
    """Severe noise, at a lower learning rate, small-loss's too (Appendix A.1)."""
    approaches = (
        selecting("Label-match", "label-match"),
        selecting("Small-loss", "small-loss", lr=1e-2),
        selecting("DEFT", "deft", preset="severe"),
    )
    noises = noisy((("symmetric", 0.8), ("instance-dependent", 0.5)))
    return crossed("table6", noises, approaches, seeds)


def table7(seeds: Iterable[int]) -> tuple[Cell, ...]:
    """F1 of GMM, which trains all weights or visual prompts, and of DEFT."""

    def approaches(data: str) -> tuple[Approach, ...]:
        gmm, deft = selecting("GMM w/ PEFT", "gmm"), selecting("DEFT", "deft")
        return gmm_fft("GMM w/ FFT", data), gmm, deft

    return crossed_by_data("table7", noisy(SIX_NOISES), approaches, seeds)


def table8(seeds: Iterable[int]) -> tuple[Cell, ...]:
    """Labels that people gave, of CIFAR-100N."""
    approaches = (
        selecting("Label-match", "label-match"),
        selecting("Small-loss", "small-loss", warmup=LONG_WARMUP),
        selecting("GMM", "gmm", warmup=LONG_WARMUP),
        selecting("RoLT", "rolt"),
        selecting("UNICON", "unicon"),
        selecting("LongReMix", "longremix"),
        selecting("ProMix", "promix"),
        selecting("DEFT", "deft", preset="real"),
    )
    return crossed("table8", real(("CIFAR-100N",)), approaches, seeds)


def table9(seeds: Iterable[int]) -> tuple[Cell, ...]:
    """DEFT on CIFAR-100 with 40 % symmetric noise, one setting at a time; also where it is the
    default."""
    seeds, (column,) = tuple(seeds), noisy((("symmetric", 0.4),), ("CIFAR-100",))
    found: list[Cell] = []
    for heading, (setting, values) in _VARIED.items():
        for value in values:
            column_of_value = Column(f"{heading} {value}", column.data)
            settings: dict[str, Any] = {setting: value}
            deft = selecting("DEFT", "deft", **settings)
            found += crossed("table9", (column_of_value,), (deft,), seeds)
    return tuple(found)


def _three_selections(model: str) -> tuple[Approach, ...]:
    return (
        selecting("Label-match", "label-match", model=model),
        selecting("Small-loss", "small-loss", model=model),
        selecting("DEFT", "deft", model=model),
    )


# ---------------------------------------------------------------- test accuracy


def table2(seeds: Iterable[int]) -> tuple[Cell, ...]:
    """All weights of CLIP's image tower, with noise put in."""

    def approaches(data: str) -> tuple[Approach, ...]:
        gmm, deft = gmm_fft("GMM", data), selecting("DEFT", "deft")
        return *_three_losses("fft"), learning_from(gmm), learning_from(deft)

    return crossed_by_data("table2", noisy(SIX_NOISES), approaches, seeds)


def table3(seeds: Iterable[int]) -> tuple[Cell, ...]:
    """All weights of CLIP's image tower, with real noise."""

    def approaches(data: str) -> tuple[Approach, ...]:
        selectors = (
            gmm_fft("GMM", data),
            selecting("RoLT", "rolt"),
            selecting("UNICON", "unicon"),
            selecting("LongReMix", "longremix"),
            selecting("ProMix", "promix"),
            selecting("DEFT", "deft", preset="real"),
        )
        return (
            *_three_losses("fft", **training_on_real(data)),
            *(learning_from_real(selector, data) for selector in selectors),
        )

    return crossed_by_data("table3", real(), approaches, seeds)


def table4(seeds: Iterable[int]) -> tuple[Cell, ...]:
    """All weights of other backbones, on Clothing1M; DEFT selects with CLIP all the same."""
    seeds, (clothing,) = tuple(seeds), real(("Clothing1M",))
    found: list[Cell] = []
    for heading, backbone in _BACKBONES.items():
        column = Column(heading, clothing.data)
        found += crossed("table4", (column,), _of_table4(backbone), seeds)
    return tuple(found)


def table10(seeds: Iterable[int]) -> tuple[Cell, ...]:
    """Visual prompts and a linear head; DEFT with all weights beside it, as in Table 2."""
    approaches = (
        *_three_losses("peft"),
        learning_from(selecting("GMM", "gmm"), "peft"),
        learning_from(selecting("DEFT w/ PEFT", "deft"), "peft"),
        learning_from(selecting("DEFT w/ FFT", "deft")),
    )
    return crossed("table10", noisy(SIX_NOISES), approaches, seeds)


def _three_losses(method: Method, **settings: Any) -> tuple[Approach, ...]:
    return (
        learning_from_all("CE", method, **settings),
        learning_from_all("ELR", method, loss="elr", **settings),
        learning_from_all("SCE", method, loss="sce", **settings),
    )


def _of_table4(backbone: str) -> tuple[Approach, ...]:
    return (
        learning_from_all("CE", "fft", backbone=backbone),
        learning_from_all("GCE", "fft", backbone=backbone, loss="gce"),
        learning_from_all("ELR", "fft", backbone=backbone, loss="elr"),
        learning_from_all("TURN", "turn", backbone=backbone),
        learning_from_real(
            selecting("DEFT", "deft", preset="real"), "clothing1m", backbone=backbone
        ),
    )


# ---------------------------------------------------------------- figures


def figure1(seeds: Iterable[int]) -> tuple[Cell, ...]:
    """What to train, with cross-entropy on all rows: (a) by noise ratio, (b) on clean labels.

    Clean labels are the ratio 0 of (a).
    """
    approaches = (
        learning_from_all("FFT", "fft"),
        learning_from_all("VPT", "peft"),
        learning_from_all("VLPT", "vlpt"),
    )
    columns = (*noisy(_FOUR_RATIOS, ("CIFAR-100", "Tiny-ImageNet")), *clean())
    return crossed("figure1", columns, approaches, seeds)


def figure3(seeds: Iterable[int]) -> tuple[Cell, ...]:
    """DEFT's second phase: none (its own prompts classify), visual prompts, all weights."""
    approaches = (
        learning_from(selecting("w/o adap.", "deft"), "prompts"),
        learning_from(selecting("PEFT", "deft"), "peft"),
        learning_from(selecting("FFT", "deft")),
    )
    return crossed("figure3", noisy(_FOUR_RATIOS[:3]), approaches, seeds)


def figure4(seeds: Iterable[int]) -> tuple[Cell, ...]:
    """Visual tuners and all weights, with cross-entropy on all rows of Tiny-ImageNet."""
    approaches = (
        learning_from_all("VPT", "peft"),
        learning_from_all("LoRA", "peft", tuner="lora"),
        learning_from_all("AdaptFormer", "peft", tuner="adaptformer"),
        learning_from_all("BitFit", "peft", tuner="bitfit"),
        learning_from_all("FFT", "fft"),
    )
    columns = (*clean(("Tiny-ImageNet",)), *noisy(_FOUR_RATIOS, ("Tiny-ImageNet",)))
    return crossed("figure4", columns, approaches, seeds)


# ---------------------------------------------------------------- by name


_GRIDS: Mapping[PaperTable, Callable[[Iterable[int]], tuple[Cell, ...]]] = {
    "table1": table1,
    "table2": table2,
    "table3": table3,
    "table4": table4,
    "table5": table5,
    "table6": table6,
    "table7": table7,
    "table8": table8,
    "table9": table9,
    "table10": table10,
    "figure1": figure1,
    "figure3": figure3,
    "figure4": figure4,
}


def paper_cells(name: PaperTable, seeds: Iterable[int] = (0,)) -> tuple[Cell, ...]:
    """Exactly the cells of a table or figure.

    Args:
        name: of the table or figure.
        seeds: every cell once for each.

    Returns:
        Cells in the order of the paper: column by column, method by method, seed by seed.

    Raises:
        UsageError: the paper has no such table.
    """
    if name not in _GRIDS:
        raise UsageError(
            f"The paper has no table {name!r} to run.", f"One of {', '.join(PAPER_TABLES)}."
        )
    return _GRIDS[name](seeds)
