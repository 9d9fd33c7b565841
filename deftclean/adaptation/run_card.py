"""What a run folder of `adapt` says of itself, and whether it may be replaced. No torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deftclean.core.cards import card_from, record
from deftclean.core.errors import InputError
from deftclean.core.outputs import check_output_folder, refuse_foreign
from deftclean.core.switch import recover
from deftclean.models.preprocessing import refuse_preprocess
from deftclean.settings.adaptation import AdaptConfig
from deftclean.settings.checks import refuse_out_of_range
from deftclean.settings.detector import DetectorConfig

CARD = "deftclean.json"
FORMAT_VERSION = 1
WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class AdaptedCard:
    """What a run folder says of itself.

    Attributes:
        format_version: of this folder.
        tool_version: deftclean's.
        backbone: as given to `--backbone`.
        model: the CLIP that prompts are injected into, as `--model` names it; a folder is relative
            to the run folder; None where the weights stand for themselves.
        weights: its tag or file, likewise.
        weights_sha256: of the weights that training began with; None for random ones.
        architecture: timm's name; None where a CLIP is needed.
        arguments: with which timm builds it.
        preprocess: size, mean, std, interpolation, resize_mode, fill_color, crop_pct.
        class_names: the K classes, in order.
        config: resolved settings.
        detector: settings of the prompts of `vlpt` and `prompts`; None for other methods.
        data: what it was trained on, in numbers.
        results: what was measured.
        warnings: what a user of its predictions should know.
    """

    format_version: int
    tool_version: str
    backbone: str
    model: str | None
    weights: str | None
    weights_sha256: str | None
    architecture: str | None
    arguments: dict[str, Any]
    preprocess: dict[str, Any]
    class_names: tuple[str, ...]
    config: AdaptConfig
    detector: DetectorConfig | None
    data: dict[str, Any]
    results: dict[str, Any]
    warnings: list[str]


def check_adapted_output(folder: Path, overwrite: bool) -> None:
    """Refuse to overwrite a folder that is no run folder of ours.

    Raises:
        UsageError: the folder exists and may not be replaced, or cannot be made.
    """
    check_output_folder(folder, overwrite)
    why = "is not a folder of deftclean adapt, so --overwrite leaves it alone."
    refuse_foreign(folder, (CARD,), why)


def read_card(folder: Path) -> AdaptedCard:
    """Read `deftclean.json`.

    Raises:
        InputError: the folder is no run folder, damaged, or of a newer format.
    """
    recover(folder)
    path = folder / CARD
    if not path.is_file() or not (folder / WEIGHTS).is_file():
        raise InputError(
            f"{folder} is not a folder of deftclean adapt.",
            "Give the one that was written: deftclean adapt clean.parquet -o adapted",
        )
    return card_from(path, FORMAT_VERSION, _card)


def _card(values: dict[str, Any]) -> AdaptedCard:
    card = record(AdaptedCard, values)
    for config in (card.config, card.detector):
        if config is not None:
            refuse_out_of_range(config, "a number that float32 holds")
    if not card.class_names:
        raise ValueError("'class_names' is empty")
    if card.architecture is None and card.model is None:
        raise ValueError("it names neither an architecture nor a model")
    try:
        refuse_preprocess(card.preprocess)
    except ValueError as error:
        raise ValueError(f"of its preprocessing, {error}") from error
    return card
