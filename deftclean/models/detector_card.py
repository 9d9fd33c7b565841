"""What a detector folder says of itself, and whether it may be replaced. No torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deftclean.core.cards import card_from, misfits, record
from deftclean.core.errors import InputError
from deftclean.core.outputs import check_output_folder, is_empty_folder, refuse_foreign
from deftclean.core.switch import recover
from deftclean.settings.checks import refuse_out_of_range
from deftclean.settings.detector import DetectorConfig, Rule

CARD = "detector.json"
TENSORS = "detector.safetensors"
SECOND_TENSORS = "detector.2.safetensors"
"""Of the second half's detector, where there is evidence beside them."""
EVIDENCE = "evidence.safetensors"

FORMAT_VERSION = 2
"""Newest; 1 is a folder without evidence, which is still written as such."""


Texts = tuple[tuple[str, ...], ...]
"""One text or more for each of the K classes."""

_OF_USER: dict[str, Any] = {
    "features": dict[str, Any] | None,
    "texts": list[list[str]] | None,
    "prompt_texts": bool | None,
}
"""What a user may have brought to the evidence."""


@dataclass(frozen=True)
class DetectorCard:
    """What a detector folder says of itself.

    Attributes:
        format_version: of this folder.
        tool_version: deftclean's.
        model: as given to `--model`; a folder is relative to the detector folder.
        weights: tag or file, likewise; None where the model brings its own.
        weights_sha256: of CLIP's weights file.
        label_names: class name by label, in the order of the K classes.
        config: resolved settings.
        threshold: of the keep rule.
        epochs: metrics of every epoch.
        warnings: what a user of its scores should know.
        evidence: what is kept beside the detectors of two halves; None where one detector was
            trained on all rows and judges alone.
    """

    format_version: int
    tool_version: str
    model: str
    weights: str | None
    weights_sha256: str
    label_names: dict[str, str]
    config: DetectorConfig
    threshold: float
    epochs: list[dict[str, Any]]
    warnings: list[str]
    evidence: dict[str, Any] | None = None

    @property
    def class_names(self) -> tuple[str, ...]:
        """The K classes, in order."""
        return tuple(dict.fromkeys(self.label_names.values()))

    @property
    def texts(self) -> Texts | None:
        """Around which its prompts are made, of each class; None for the class names."""
        facts = self.evidence or {}
        if not facts.get("prompt_texts"):
            return None
        return tuple(map(tuple, facts["texts"]))

    @property
    def tensor_files(self) -> tuple[str, ...]:
        """Names of the files of trained tensors, one for each detector."""
        return (TENSORS,) if self.evidence is None else (TENSORS, SECOND_TENSORS)

    @property
    def rule(self) -> Rule:
        """What the detector was trained to call clean; the evidence has but a threshold."""
        return self.config.rule if self.evidence is None else "threshold"


def read_card(folder: Path) -> DetectorCard:
    """Read `detector.json`.

    Raises:
        InputError: the folder is no detector, damaged, or of a newer format.
    """
    recover(folder)
    path = folder / CARD
    if not path.is_file() or not (folder / TENSORS).is_file():
        raise InputError(
            f"{folder} is not a detector folder.",
            "deftclean scan writes one beside its table: clean.parquet and clean.detector/",
        )
    return card_from(
        path,
        FORMAT_VERSION,
        _card,
    )


def _card(values: dict[str, Any]) -> DetectorCard:
    card = record(DetectorCard, values)
    refuse_out_of_range(card.config, "a number that float32 holds")
    if not 0 <= card.threshold <= 1:
        raise ValueError(f"'threshold' is {card.threshold}")
    wrong = misfits(card.evidence or {}, _OF_USER)
    if wrong:
        raise ValueError(f"'evidence': {'; '.join(wrong)}")
    if len(card.class_names) < 2:
        raise ValueError("'label_names' names fewer than two classes")
    return card


def check_detector_output(folder: Path, overwrite: bool) -> None:
    """Refuse to overwrite a folder that is no detector of ours.

    Raises:
        UsageError: the folder exists and may not be replaced.
    """
    check_output_folder(folder, overwrite)
    if not is_empty_folder(folder):
        why = "is not a detector folder, so --overwrite leaves it alone."
        refuse_foreign(folder, (CARD,), why)
