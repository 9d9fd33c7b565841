"""A trained detector on disk: `detector.safetensors` (about 1 MB) and readable `detector.json`.

Only what training changed is kept; CLIP's own weights are named and hashed.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from deftclean.core.errors import InputError, WeightsError
from deftclean.core.files import expanded
from deftclean.core.runtime import initial_weights
from deftclean.models.averaged_prompts import SHORTER, AveragedPrompts, numbered
from deftclean.models.detector import DualPromptDetector, Prompts
from deftclean.models.detector_card import CARD, EVIDENCE, DetectorCard, Texts
from deftclean.models.encoder import Encoder
from deftclean.models.prompts import DualPrompts
from deftclean.models.tensors import load_tensors, write_tensors
from deftclean.models.tuners import make_tuner
from deftclean.models.weights import LoadedModel, available_weights, local_path
from deftclean.settings.detector import DetectorConfig
from deftclean.stores.models import source_of


def build_detector(
    encoder: Encoder,
    class_names: tuple[str, ...],
    config: DetectorConfig,
    texts: Texts | None = None,
) -> DualPromptDetector:
    """An untrained detector; its start values depend on the seed alone.

    Args:
        encoder: frozen towers.
        class_names: K.
        config: settings.
        texts: of each class, one or more, that prompts are made around; None for its name.

    Raises:
        UsageError: the model cannot take the prompts, or names or texts cannot be prompts.
    """
    generator = initial_weights(config.seed)
    prompts = _prompts(encoder, class_names, config, texts, generator)
    tuner = make_tuner(config, encoder.image, generator)
    return DualPromptDetector(encoder, tuner, prompts)


def _prompts(
    encoder: Encoder,
    class_names: tuple[str, ...],
    config: DetectorConfig,
    texts: Texts | None,
    generator: torch.Generator,
) -> Prompts:
    length, position = config.context_length, config.class_position
    if texts is None:
        return DualPrompts(
            encoder.text, class_names, length, position, config.class_specific, generator
        )
    every, of_classes = numbered(encoder.text, texts)
    each = DualPrompts(
        encoder.text, every, length, position, False, generator, called="Texts", way=SHORTER
    )
    return AveragedPrompts(each, of_classes)


def put_detectors(
    detectors: Sequence[DualPromptDetector],
    card: DetectorCard,
    evidence: dict[str, Tensor],
    folder: Path,
) -> None:
    """Write into an empty folder that is to be moved to its place.

    Args:
        detectors: as many as the card has files for.
        card: what the folder says of itself.
        evidence: what is kept beside the detectors, by name; empty where there is nothing.
        folder: where to write.

    Raises:
        OSError: the disk is full.
    """
    values = {**asdict(card), "config": card.config.as_dict()}
    if card.evidence is None:
        del values["evidence"]
    text = json.dumps(values, indent=2, ensure_ascii=False)
    for name, detector in zip(card.tensor_files, detectors, strict=True):
        write_tensors(detector.trained_tensors(), folder / name)
    if evidence:
        write_tensors(evidence, folder / EVIDENCE)
    (folder / CARD).write_text(text + "\n", encoding="utf-8")


def load_evidence(folder: Path) -> dict[str, Tensor]:
    """What is kept beside the detectors, by name.

    Raises:
        InputError: it is missing or damaged.
    """
    try:
        return load_tensors(folder / EVIDENCE)
    except (ValueError, FileNotFoundError) as error:
        raise InputError(f"{folder / EVIDENCE} is damaged: {error}.") from error


def load_detectors(
    folder: Path, card: DetectorCard, model: LoadedModel
) -> tuple[DualPromptDetector, ...]:
    """Put the trained tensors of a folder around their CLIP, those of each detector.

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
    detectors = []
    for name in card.tensor_files:
        detector = build_detector(model.encoder, card.class_names, card.config, card.texts)
        try:
            detector.load_trained(load_tensors(folder / name))
        except (ValueError, FileNotFoundError) as error:
            raise InputError(f"{folder / name} is damaged: {error}.") from error
        detectors.append(detector)
    return tuple(detectors)


def portable_name(model: str, weights: str | None, folder: Path) -> tuple[str, str | None]:
    """Model and weights as a card names them: files relative to the detector folder."""
    here = folder.resolve()
    path = local_path(model)
    if path is not None and (url := source_of(path)) is not None:
        model = url
    elif path is not None and model != "nano":
        model = f"local-dir:{Path(os.path.relpath(path.resolve(), here)).as_posix()}"
    if weights is not None and expanded(weights).is_file():
        weights = (
            source_of(expanded(weights))
            or Path(os.path.relpath(expanded(weights).resolve(), here)).as_posix()
        )
    return model, weights


def findable_name(model: str, weights: str | None, folder: Path) -> tuple[str, str | None]:
    """The reverse of `portable_name`: names that can be loaded from the current folder."""
    if model.startswith("local-dir:"):
        model = f"local-dir:{folder.resolve() / model.removeprefix('local-dir:')}"
    if weights is not None and (folder.resolve() / weights).is_file():
        weights = str(folder.resolve() / weights)
    return model, weights


def local_name(model: str, weights: str | None, folder: Path) -> tuple[str, str | None]:
    """`findable_name` of what a folder names, which has to be on this machine already.

    A folder may come from anybody: what it names is not fetched without the user's word.

    Raises:
        WeightsError: the weights would have to be fetched.
        UsageError: there is no such model.
    """
    found, file = findable_name(model, weights, folder)
    if "://" in found or "://" in (file or "") or available_weights(found, file) is None:
        named = f"--weights {file}" if "://" in (file or "") else f"--model {model}"
        raise WeightsError(
            f"{folder} names the model {model!r}, whose weights are not on this machine, and what "
            "a folder names is not fetched by itself.",
            f"If you trust it, score or predict with it once and name them yourself: {named}",
        )
    return found, file
