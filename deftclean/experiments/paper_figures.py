"""Figures 1, 3 and 4 as grids.

The paper's text names the methods, but neither the ratios on the axes nor all of the data sets.
What is assumed here:

- Symmetric noise throughout.
- Figure 1a: CIFAR-100 and Tiny-ImageNet at 0.2, 0.4, 0.6 and 0.8. Figure 4, which is said to show
  Tiny-ImageNet: the same ratios and 0.
- Figures 1b and 3: the four data sets that noise is put into; Figure 3 at the ratios of Table 2.

No figures are printed, so the cells have none.
"""

from collections.abc import Iterable

from deftclean.experiments.cells import Cell, CellNoise
from deftclean.experiments.paper_columns import clean, crossed, noisy
from deftclean.experiments.paper_rows import learning_from, learning_from_all, selecting

_FOUR: tuple[tuple[CellNoise, float], ...] = (
    ("symmetric", 0.2),
    ("symmetric", 0.4),
    ("symmetric", 0.6),
    ("symmetric", 0.8),
)


def figure1(seeds: Iterable[int]) -> tuple[Cell, ...]:
    """What to train, with cross-entropy on all rows: (a) by noise ratio, (b) on clean labels.

    Clean labels are the ratio 0 of (a).
    """
    approaches = (
        learning_from_all("FFT", "fft"),
        learning_from_all("VPT", "peft"),
        learning_from_all("VLPT", "vlpt"),
    )
    columns = (*noisy(_FOUR, ("CIFAR-100", "Tiny-ImageNet")), *clean())
    return crossed("figure1", columns, approaches, seeds)


def figure3(seeds: Iterable[int]) -> tuple[Cell, ...]:
    """DEFT's second phase: none (its own prompts classify), visual prompts, all weights."""
    approaches = (
        learning_from(selecting("w/o adap.", "deft"), "prompts"),
        learning_from(selecting("PEFT", "deft"), "peft"),
        learning_from(selecting("FFT", "deft")),
    )
    return crossed("figure3", noisy(_FOUR[:3]), approaches, seeds)


def figure4(seeds: Iterable[int]) -> tuple[Cell, ...]:
    """Visual tuners and all weights, with cross-entropy on all rows of Tiny-ImageNet."""
    approaches = (
        learning_from_all("VPT", "peft"),
        learning_from_all("LoRA", "peft", tuner="lora"),
        learning_from_all("AdaptFormer", "peft", tuner="adaptformer"),
        learning_from_all("BitFit", "peft", tuner="bitfit"),
        learning_from_all("FFT", "fft"),
    )
    columns = (*clean(("Tiny-ImageNet",)), *noisy(_FOUR, ("Tiny-ImageNet",)))
    return crossed("figure4", columns, approaches, seeds)
