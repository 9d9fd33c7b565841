"""What an adaptation trains, made from the backbone and the method."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from timm.layers import convert_sync_batchnorm
from torch.nn.modules.batchnorm import _BatchNorm

from deftclean.adaptation.classifiers import Aligned, Classifier
from deftclean.adaptation.saved_classifier import aligned, fine_tuned, prompt_tuned
from deftclean.core.errors import InputError, UsageError
from deftclean.models.backbones import BackboneName, load_backbone
from deftclean.models.detector_card import read_card
from deftclean.models.saved_detector import load_detectors, local_name
from deftclean.models.weights import load_model
from deftclean.settings.adaptation import AdaptConfig
from deftclean.settings.detector import DetectorConfig


@dataclass(frozen=True)
class Learner:
    """A classifier before training.

    Attributes:
        whole: from pixels to logits; what is kept.
        trained: what `fine_tune` changes: the same, or its head alone.
        architecture, arguments: how timm builds it; None and empty where a CLIP is needed.
        model, weights: the CLIP that is needed; None where the weights stand for themselves.
        sha256: of the weights that training begins with.
        detector: settings of the prompts, where it has textual ones.
    """

    whole: Classifier
    trained: Classifier
    architecture: str | None
    arguments: dict[str, Any]
    model: str | None
    weights: str | None
    sha256: str | None
    detector: DetectorConfig | None


def backbone_of_detector(folder: Path, class_names: tuple[str, ...]) -> BackboneName:
    """The CLIP that a detector was trained with, as the backbone of `prompts`.

    Raises:
        InputError: the detector cannot be had, or knows other classes.
    """
    card = read_card(folder)
    if card.class_names != class_names:
        raise InputError(
            f"{folder} knows {len(card.class_names):,} classes, which are not the "
            f"{len(class_names):,} of the table.",
            "Give the detector of the same scan: --detector FOLDER.",
        )
    model, weights = local_name(card.model, card.weights, folder)
    return BackboneName(model, model, True, weights, False, None)


def make_learner(
    chosen: BackboneName,
    detector: Path | None,
    class_names: tuple[str, ...],
    config: AdaptConfig,
    offline: bool,
    announce: Callable[[str], None],
) -> Learner:
    """Load the weights that the method begins with.

    Args:
        chosen: backbone.
        detector: folder of the detector whose prompts classify, for `prompts`.
        class_names: K.
        config: resolved settings.
        offline: never fetch.
        announce: told before anything is fetched.

    Raises:
        WeightsError, UsageError: they cannot be had, or do not fit the method.
    """
    if config.method in ("fft", "linear", "turn"):
        return _timm_learner(chosen, len(class_names), config, offline, announce)
    loaded = load_model(chosen.model, chosen.weights, offline, announce)
    names = chosen.model, chosen.weights, loaded.sha256
    if config.method == "peft":
        prompted = prompt_tuned(loaded.encoder, len(class_names), config)
        return Learner(prompted, prompted, None, {}, *names, None)
    if detector is not None:
        card = read_card(detector)
        learned = Aligned(load_detectors(detector, card, loaded)[0])
        return Learner(learned, learned, None, {}, *names, card.config)
    settings = DetectorConfig(
        tuner=config.tuner,
        prompt_length=config.prompt_length,
        rank=config.rank,
        bottleneck=config.bottleneck,
        context_length=config.context_length,
        seed=config.seed,
    )
    fresh = aligned(loaded.encoder, class_names, settings)
    return Learner(fresh, fresh, None, {}, *names, settings)


def share_statistics(
    whole: Classifier, name: str, config: AdaptConfig, device: torch.device
) -> None:
    """Have several processes normalise by the statistics of the whole batch, where any do so.

    Args:
        whole: its layers are replaced in place.
        name: of the backbone.
        config: resolved settings.
        device: of this process.

    Raises:
        UsageError: they cannot: on the CPU, or where a batch goes in pieces.
    """
    if not any(isinstance(each, _BatchNorm) for each in whole.modules()):
        return
    problem = ""
    if device.type != "cuda":
        problem = "several processes on a CPU cannot share"
    elif config.micro_batch is not None:
        problem = "several processes cannot share where a batch goes in pieces (--micro-batch)"
    if problem:
        raise UsageError(
            f"--backbone {name} normalises by statistics of each batch, which {problem}.",
            "Start one process, without torchrun; or give --method linear, or a backbone without "
            "batch normalisation: vit-b16, convnext-t, clip-vit-b16, nano.",
        )
    for each in whole.children():
        convert_sync_batchnorm(each)


def _timm_learner(
    chosen: BackboneName,
    classes: int,
    config: AdaptConfig,
    offline: bool,
    announce: Callable[[str], None],
) -> Learner:
    found = load_backbone(chosen, classes, config.seed, offline, announce)
    whole = fine_tuned(found.model, found.preprocess)
    trained = whole.head() if config.method == "linear" else whole
    return Learner(
        whole, trained, found.architecture, found.arguments, None, None, found.sha256, None
    )
