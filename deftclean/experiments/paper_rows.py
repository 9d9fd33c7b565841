"""Rows of the paper's tables: how rows of data are selected, and what is trained on them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deftclean.experiments.cells import Adaptation, Selection
from deftclean.settings.adaptation import Method
from deftclean.settings.detector import Noise

CLIP = "ViT-B-16"
"""The CLIP that selects, in all tables but one."""

CLIP_TOWER = "clip-vit-b16"
"""Its image tower as a backbone."""

GMM_FFT: Mapping[str, Any] = {"tuner": "fft", "lr": 5e-4, "tower_lr_share": 1.0}
"""GMM that trains the whole tower, at the learning rate of full fine-tuning."""


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


def learning_from_all(
    name: str, method: Method, *, backbone: str = CLIP_TOWER, **settings: Any
) -> Approach:
    """Train on all rows of data, wrong labels included; settings of `AdaptConfig`."""
    return Approach(name, None, Adaptation(backbone, method, settings))


def learning_from(
    selector: Approach, method: Method = "fft", *, backbone: str = CLIP_TOWER
) -> Approach:
    """Train on what an approach keeps, with cross-entropy."""
    return Approach(selector.name, selector.selection, Adaptation(backbone, method))
