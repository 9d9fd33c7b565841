"""A trained detector on disk: `detector.safetensors` (about 1 MB) and readable `detector.json`.

Only what training changed is kept; CLIP's own weights are named and hashed.
"""

import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch

from deftclean.core.errors import InputError, RunError, UsageError, WeightsError
from deftclean.core.files import whole_folder
from deftclean.core.runtime import initial_weights
from deftclean.models.detector import DualPromptDetector
from deftclean.models.encoder import Encoder
from deftclean.models.prompts import DualPrompts
from deftclean.models.tuners import make_tuner
from deftclean.models.weights import LoadedModel, local_path
from deftclean.settings.detector import DetectorConfig, Rule

FORMAT_VERSION = 1

_CARD = "detector.json"
_TENSORS = "detector.safetensors"


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

    @property
    def class_names(self) -> tuple[str, ...]:
        """The K classes, in order."""
        return tuple(dict.fromkeys(self.label_names.values()))

    @property
    def rule(self) -> Rule:
        """What the detector was trained to call clean."""
        return self.config.rule


def build_detector(
    encoder: Encoder, class_names: tuple[str, ...], config: DetectorConfig
) -> DualPromptDetector:
    """An untrained detector; its start values depend on the seed alone.

    Raises:
        UsageError: the model cannot take the prompts, or class names cannot be prompts.
    """
    generator = initial_weights(config.seed)
    prompts = DualPrompts(
        encoder.text,
        class_names,
        config.context_length,
        config.class_position,
        config.class_specific,
        generator,
    )
    tuner = make_tuner(config, encoder.image, generator)
    return DualPromptDetector(encoder, tuner, prompts)


def save_detector(
    detector: DualPromptDetector, card: DetectorCard, folder: Path, overwrite: bool
) -> None:
    """Write the folder, whole or not at all.

    Raises:
        RunError, UsageError: it cannot be written, or exists.
    """
    values = {**asdict(card), "config": card.config.as_dict()}
    text = json.dumps(values, indent=2, ensure_ascii=False)
    with whole_folder(folder, overwrite) as temporary:
        safetensors.torch.save_file(detector.trained_tensors(), temporary / _TENSORS)
        (temporary / _CARD).write_text(text + "\n", encoding="utf-8")


def read_card(folder: Path) -> DetectorCard:
    """Read `detector.json`.

    Raises:
        InputError: the folder is no detector, damaged, or of a newer format.
    """
    path = folder / _CARD
    if not path.is_file() or not (folder / _TENSORS).is_file():
        raise InputError(
            f"{folder} is not a detector folder.",
            "deftclean scan writes one beside its table: clean.parquet and clean.detector/",
        )
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["format_version"] > FORMAT_VERSION:
            raise InputError(f"{folder} was written by a newer deftclean.", "Update deftclean.")
        return DetectorCard(**{**values, "config": DetectorConfig(**values["config"])})
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged: {error}.") from error


def load_detector(folder: Path, card: DetectorCard, model: LoadedModel) -> DualPromptDetector:
    """Put the trained tensors of a folder around their CLIP.

    Raises:
        WeightsError: the model is not the one the detector was trained with.
        InputError: the tensors are damaged or do not fit.
    """
    if model.sha256 != card.weights_sha256:
        raise WeightsError(
            f"{folder} was trained with other weights of {card.model} than these "
            f"(SHA-256 {card.weights_sha256[:12]}…, here {model.sha256[:12]}…).",
            "Give the model it was trained with: --model and --weights.",
        )
    detector = build_detector(model.encoder, card.class_names, card.config)
    try:
        detector.load_trained(safetensors.torch.load_file(folder / _TENSORS))
    except (safetensors.SafetensorError, ValueError, OSError) as error:
        raise InputError(f"{folder / _TENSORS} is damaged: {error}.") from error
    return detector


def portable_name(model: str, weights: str | None, folder: Path) -> tuple[str, str | None]:
    """Model and weights as a card names them: files relative to the detector folder."""
    here = folder.resolve()
    if (path := local_path(model)) is not None and model != "nano":
        model = f"local-dir:{Path(os.path.relpath(path.resolve(), here)).as_posix()}"
    if weights is not None and Path(weights).expanduser().is_file():
        weights = Path(os.path.relpath(Path(weights).expanduser().resolve(), here)).as_posix()
    return model, weights


def findable_name(model: str, weights: str | None, folder: Path) -> tuple[str, str | None]:
    """The reverse of `portable_name`: names that can be loaded from the current folder."""
    if model.startswith("local-dir:"):
        model = f"local-dir:{folder.resolve() / model.removeprefix('local-dir:')}"
    if weights is not None and (folder.resolve() / weights).is_file():
        weights = str(folder.resolve() / weights)
    return model, weights


def check_detector_output(folder: Path, overwrite: bool) -> None:
    """Refuse to overwrite a folder that is no detector of ours.

    Raises:
        UsageError: the folder exists and may not be replaced.
    """
    if not folder.exists():
        return
    if not overwrite:
        raise UsageError(f"{folder} exists already.", "Choose another -o, or give --overwrite.")
    if not (folder / _CARD).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            f"{folder} is not a detector folder, so --overwrite leaves it alone.",
            "Move it away, or choose another -o.",
        )


def remove_detector(folder: Path) -> None:
    """Take away a detector that a table without one replaces; `check_detector_output` comes first.

    Raises:
        RunError: it cannot be removed.
    """
    if not folder.exists():
        return
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise RunError(f"{folder} cannot be removed: {error}.") from error
