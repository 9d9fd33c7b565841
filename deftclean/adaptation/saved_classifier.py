"""An adapted classifier on disk: weights, what it is, and how it did; and back again.

The folder of a timm model (`fft`, `linear`) is also one that timm reads by itself:
``timm.create_model("local-dir:FOLDER", pretrained=True)``.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn

from deftclean.adaptation.classifiers import Aligned, Classifier, FineTuned, PromptTuned
from deftclean.adaptation.run_card import CARD, WEIGHTS, AdaptedCard
from deftclean.core.errors import InputError, UsageError, WeightsError
from deftclean.core.runtime import initial_weights
from deftclean.models.arguments import UNBUILDABLE
from deftclean.models.backbones import build
from deftclean.models.encoder import Encoder
from deftclean.models.saved_detector import build_detector, local_name
from deftclean.models.tensors import load_tensors, write_tensors
from deftclean.models.tuners import make_tuner
from deftclean.models.weights import LoadedModel, load_model
from deftclean.settings.adaptation import AdaptConfig
from deftclean.settings.detector import DetectorConfig

_TIMM = "config.json"
_CROP_MODES = {"shortest": "center", "squash": "squash", "longest": "border"}


def fine_tuned(model: nn.Module, preprocess: Mapping[str, Any]) -> FineTuned:
    """A timm model that takes uint8 pixels."""
    return FineTuned(model, tuple(preprocess["mean"]), tuple(preprocess["std"]))


def prompt_tuned(encoder: Encoder, classes: int, config: AdaptConfig) -> PromptTuned:
    """A CLIP image tower with a fresh tuner and a new head.

    Raises:
        UsageError: the tower is no ViT of CLIP's kind.
    """
    tower = encoder.image
    if reason := tower.why_no_additions():
        raise UsageError(
            f"--method peft: this model cannot be taken: {reason}.", "Choose a CLIP with a ViT."
        )
    tuner = make_tuner(config, tower, initial_weights(config.seed))
    return PromptTuned(tower, tuner, classes)


def aligned(encoder: Encoder, class_names: tuple[str, ...], detector: DetectorConfig) -> Aligned:
    """A visual tuner and one textual context, as a detector begins.

    Raises:
        UsageError: the model cannot take the prompts, or class names cannot be prompts.
    """
    return Aligned(build_detector(encoder, class_names, detector))


def write_adapted(folder: Path, classifier: Classifier, card: AdaptedCard) -> None:
    """Weights and configuration into a folder that exists."""
    write_tensors(classifier.tensors(), folder / WEIGHTS)
    detector = card.detector.as_dict() if card.detector is not None else None
    values = {**asdict(card), "config": card.config.as_dict(), "detector": detector}
    _write_json(folder / CARD, values)
    if isinstance(classifier, FineTuned):
        _write_json(folder / _TIMM, _timm_config(classifier.model, card))


def load_adapted(
    folder: Path,
    card: AdaptedCard,
    offline: bool,
    announce: Callable[[str], None],
    named: tuple[str, str | None] | None = None,
) -> Classifier:
    """The classifier of a run folder, on the CPU.

    Args:
        folder, card: the run folder.
        offline, announce: see `deftclean.models.weights.load_model`.
        named: model and weights that the user names; None for those that the folder names, which
            are not fetched.

    Raises:
        WeightsError: its CLIP cannot be had, or is another one.
        InputError: the weights are damaged or do not fit.
    """
    if card.architecture is not None:
        classifier: Classifier = fine_tuned(_built(folder, card), card.preprocess)
    else:
        encoder = _clip(folder, card, offline, announce, named).encoder
        classifier = (
            aligned(encoder, card.class_names, card.detector)
            if card.detector is not None
            else prompt_tuned(encoder, len(card.class_names), card.config)
        )
    try:
        classifier.load(load_tensors(folder / WEIGHTS))
    except (ValueError, OSError) as error:
        raise InputError(f"{folder / WEIGHTS} is damaged: {error}.") from error
    return classifier


def _built(folder: Path, card: AdaptedCard) -> nn.Module:
    """timm's model, with random weights."""
    architecture = card.architecture or ""
    try:
        return build(architecture, card.arguments, len(card.class_names), seed=0)
    except UNBUILDABLE as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{folder / CARD} is damaged: timm cannot build {architecture!r}: {first}."
        ) from error


def _clip(
    folder: Path,
    card: AdaptedCard,
    offline: bool,
    announce: Callable[[str], None],
    named: tuple[str, str | None] | None,
) -> LoadedModel:
    assert card.model is not None  # noqa: S101 - a card names an architecture or a CLIP
    if named is None:
        model, weights = local_name(card.model, card.weights, folder)
    else:
        model, weights = named
    loaded = load_model(model, weights, offline, announce)
    if loaded.sha256 != card.weights_sha256:
        raise WeightsError(
            f"{folder} was trained with other weights of {card.model} than these.",
            "Put the model back where it was, or give it: --model and --weights.",
        )
    return loaded


def _timm_config(model: Any, card: AdaptedCard) -> dict[str, Any]:
    wanted = card.preprocess
    height, width = wanted["size"]
    return {
        "architecture": card.architecture,
        "num_classes": len(card.class_names),
        "num_features": int(model.num_features),
        "label_names": list(card.class_names),
        "model_args": card.arguments,
        "pretrained_cfg": {
            "input_size": [3, height, width],
            "mean": list(wanted["mean"]),
            "std": list(wanted["std"]),
            "interpolation": wanted["interpolation"],
            "crop_pct": wanted["crop_pct"],
            "crop_mode": _CROP_MODES[wanted["resize_mode"]],
            "fixed_input_size": "img_size" in card.arguments,
            "num_classes": len(card.class_names),
        },
    }


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    text = json.dumps(values, indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
