"""Tables 1 and 5 to 9: which rows are kept. Nothing is trained on them."""

from collections.abc import Iterable, Mapping
from typing import Any

from deftclean.experiments.cells import Cell
from deftclean.experiments.paper_columns import SIX_NOISES, Column, crossed, noisy, real
from deftclean.experiments.paper_rows import CLIP, GMM_FFT, Approach, selecting


def table1(seeds: Iterable[int]) -> tuple[Cell, ...]:
    """Precision and recall."""
    return crossed("table1", noisy(SIX_NOISES), _three(CLIP), seeds)


def table5(seeds: Iterable[int]) -> tuple[Cell, ...]:
    """Table 1 with ViT-B/32. Its last three columns are instance-dependent noise, too: their
    heading "Sym." is a misprint."""
    return crossed("table5", noisy(SIX_NOISES), _three("ViT-B-32"), seeds)


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
    approaches = (
        selecting("GMM w/ FFT", "gmm", **GMM_FFT),
        selecting("GMM w/ PEFT", "gmm"),
        selecting("DEFT", "deft"),
    )
    return crossed("table7", noisy(SIX_NOISES), approaches, seeds)


def table8(seeds: Iterable[int]) -> tuple[Cell, ...]:
    """Labels that people gave, of CIFAR-100N."""
    approaches = (
        selecting("Label-match", "label-match"),
        selecting("Small-loss", "small-loss"),
        selecting("GMM", "gmm"),
        selecting("RoLT", "rolt"),
        selecting("UNICON", "unicon"),
        selecting("LongReMix", "longremix"),
        selecting("ProMix", "promix"),
        selecting("DEFT", "deft", preset="real"),
    )
    return crossed("table8", real(("CIFAR-100N",)), approaches, seeds)


_VARIED: Mapping[str, tuple[str, tuple[int, ...]]] = {
    "visual prompt length": ("prompt_length", (10, 15, 20, 30)),
    "textual prompt length": ("context_length", (4, 8, 16, 32)),
    "training epoch": ("epochs", (5, 10, 15, 20)),
}


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


def _three(model: str) -> tuple[Approach, ...]:
    return (
        selecting("Label-match", "label-match", model=model),
        selecting("Small-loss", "small-loss", model=model),
        selecting("DEFT", "deft", model=model),
    )
