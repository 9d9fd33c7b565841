"""Tables 2, 3, 4 and 10: test accuracy after training on all rows, or on those that are kept.

One thing is simplified: the paper reports the model that GMM trains while it selects. Here a new
classifier is trained on what GMM keeps, as after every other selection.
"""

from collections.abc import Iterable

from deftclean.experiments.cells import Cell
from deftclean.experiments.paper_columns import SIX_NOISES, Column, crossed, noisy, real
from deftclean.experiments.paper_rows import (
    GMM_FFT,
    Approach,
    learning_from,
    learning_from_all,
    selecting,
)
from deftclean.settings.adaptation import Method

_BACKBONES = {
    "ResNet-50": "resnet50",
    "MAE-ViT-B": "mae-vit-b",
    "ViT-B/16": "vit-b16",
    "ConvNeXt-T": "convnext-t",
}


def table2(seeds: Iterable[int]) -> tuple[Cell, ...]:
    """All weights of CLIP's image tower, with noise put in."""
    approaches = (
        *_three_losses("fft"),
        learning_from(selecting("GMM", "gmm", **GMM_FFT)),
        learning_from(selecting("DEFT", "deft")),
    )
    return crossed("table2", noisy(SIX_NOISES), approaches, seeds)


def table3(seeds: Iterable[int]) -> tuple[Cell, ...]:
    """All weights of CLIP's image tower, with real noise."""
    approaches = (
        *_three_losses("fft"),
        learning_from(selecting("GMM", "gmm", **GMM_FFT)),
        learning_from(selecting("RoLT", "rolt")),
        learning_from(selecting("UNICON", "unicon")),
        learning_from(selecting("LongReMix", "longremix")),
        learning_from(selecting("ProMix", "promix")),
        learning_from(selecting("DEFT", "deft", preset="real")),
    )
    return crossed("table3", real(), approaches, seeds)


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


def _three_losses(method: Method) -> tuple[Approach, ...]:
    return (
        learning_from_all("CE", method),
        learning_from_all("ELR", method, loss="elr"),
        learning_from_all("SCE", method, loss="sce"),
    )


def _of_table4(backbone: str) -> tuple[Approach, ...]:
    return (
        learning_from_all("CE", "fft", backbone=backbone),
        learning_from_all("GCE", "fft", backbone=backbone, loss="gce"),
        learning_from_all("ELR", "fft", backbone=backbone, loss="elr"),
        learning_from_all("TURN", "turn", backbone=backbone),
        learning_from(selecting("DEFT", "deft", preset="real"), backbone=backbone),
    )
