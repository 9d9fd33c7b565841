"""From what the user calls a backbone to a timm model with a new head, and how it wants pictures.

A CLIP's image tower becomes timm's model of the same architecture, so that whatever was trained can
be loaded by timm alone. Weights are read as safetensors or with `weights_only=True`.
"""

import difflib
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import timm
import torch
from open_clip.transformer import QuickGELU
from safetensors import SafetensorError
from torch import nn

from deftclean.core.errors import UsageError, WeightsError
from deftclean.core.files import expanded
from deftclean.models.arguments import refuse_arguments
from deftclean.models.encoder import ImageTower
from deftclean.models.hub import hub_file, sha256_of
from deftclean.models.tensors import check_header, refuse_not_finite
from deftclean.models.weights import check_name, load_model, local_path, preprocess_of
from deftclean.settings.adaptation import RECIPES

_CLIP_ARCHITECTURE = "vit_base_patch16_clip_224"  # with other sizes where the tower has them
_HUB_NAMES = ("model.safetensors", "pytorch_model.bin")
_WAYS_OUT = (
    "Without network: --weights FILE_OR_DIR with a checkpoint that you copied here, --backbone "
    "nano (built in), or --from-scratch to begin with random weights."
)
_RESIZE_MODES = {"center": "shortest", "squash": "squash", "border": "longest"}
_DAMAGED = (SafetensorError, pickle.UnpicklingError, RuntimeError, KeyError, ValueError, EOFError)


@dataclass(frozen=True)
class BackboneName:
    """A backbone that can exist; nothing of it is loaded yet.

    Attributes:
        name: as the user gave it.
        model: a timm name, or a CLIP as `deftclean.models.weights.load_model` takes it.
        clip: whether `model` is a CLIP.
        weights: file, folder or pretrained tag; None for the model's own by name.
        from_scratch: begin with random weights.
        image_size: side of the input in pixels; None for the model's own.
    """

    name: str
    model: str
    clip: bool
    weights: str | None
    from_scratch: bool
    image_size: int | None

    def preprocess(self, offline: bool, announce: Callable[[str], None]) -> dict[str, Any]:
        """How the backbone wants its pictures, without its weights.

        Returns:
            size as (height, width), mean, std, interpolation, resize_mode, fill_color, crop_pct

        Raises:
            UsageError, WeightsError: as `deftclean.models.weights.preprocess_of`.
        """
        if self.clip:
            found = {**preprocess_of(self.model, self.weights, offline, announce), "crop_pct": 1.0}
        else:
            found = _timm_preprocess(_source(self)[0])
        size = (self.image_size, self.image_size) if self.image_size else tuple(found["size"])
        return {**found, "size": size}


@dataclass(frozen=True)
class Backbone:
    """A model to be trained.

    Attributes:
        model: timm's, with a linear head of K classes at zero, on the CPU in float32.
        architecture: timm's name.
        arguments: with which timm builds it; plain values.
        preprocess: see `BackboneName.preprocess`.
        sha256: of the weights file; None for random weights.
    """

    model: nn.Module
    architecture: str
    arguments: dict[str, Any]
    preprocess: dict[str, Any]
    sha256: str | None


def find_backbone(
    name: str, weights: str | None, from_scratch: bool, image_size: int | None
) -> BackboneName:
    """Settle what a name stands for, without network and without loading anything.

    Args:
        name: a short name (see `deftclean.settings.adaptation.RECIPES`), a timm name, or a CLIP:
            an open_clip name, `hf-hub:ORG/REPO`, `local-dir:FOLDER`.
        weights: file or folder; of a CLIP by name also a pretrained tag.
        from_scratch: begin with random weights.
        image_size: side of the input in pixels.

    Raises:
        UsageError: no such backbone, tag, folder or file.
    """
    recipe = RECIPES.get(name)
    model = recipe.model if recipe is not None else name
    clip = recipe.clip if recipe is not None else not timm.is_model(name) and _may_be_clip(name)
    if from_scratch and weights is not None:
        raise UsageError("--from-scratch and --weights exclude each other.")
    if clip:
        if from_scratch:
            raise UsageError(
                f"--from-scratch cannot go with --backbone {name}: a CLIP brings its weights.",
                "Choose a timm model, such as --backbone vit-b16.",
            )
        if weights is not None and expanded(weights).is_dir():
            model, weights = f"local-dir:{weights}", None
        check_name(model, weights)
    else:
        _check_timm(name, model, weights)
    return BackboneName(name, model, clip, weights, from_scratch, image_size)


def load_backbone(
    chosen: BackboneName, classes: int, seed: int, offline: bool, announce: Callable[[str], None]
) -> Backbone:
    """Load the weights and put a new head on.

    Args:
        chosen: from `find_backbone`.
        classes: K.
        seed: of random weights.
        offline: never fetch.
        announce: told before anything is fetched.

    Raises:
        WeightsError: the weights cannot be had or loaded.
        UsageError: a CLIP's image tower is none that timm can build.
    """
    preprocess = chosen.preprocess(offline, announce)
    if chosen.clip:
        loaded = load_model(chosen.model, chosen.weights, offline, announce)
        arguments = clip_arguments(loaded.encoder.image, preprocess["size"])
        model = build(_CLIP_ARCHITECTURE, arguments, classes, seed)
        _take_tower(model, loaded.encoder.image)
        return Backbone(model, _CLIP_ARCHITECTURE, arguments, preprocess, loaded.sha256)
    configuration, arguments = _source(chosen)
    architecture = configuration["architecture"]
    if chosen.image_size is not None and configuration.get("fixed_input_size"):
        arguments = {**arguments, "img_size": chosen.image_size}
    if chosen.from_scratch:
        model = build(architecture, arguments, classes, seed)
        return Backbone(model, architecture, arguments, preprocess, None)
    try:
        refuse_arguments(architecture, arguments)
    except ValueError as error:
        raise UsageError(f"--weights {chosen.weights}: its config.json: {error}.") from error
    file = _weights_file(chosen, configuration, offline, announce)
    model = _loaded(chosen, file, configuration, arguments, classes)
    return Backbone(model, architecture, arguments, preprocess, sha256_of(file))


def build(architecture: str, arguments: dict[str, Any], classes: int, seed: int) -> nn.Module:
    """timm's model with weights that depend on the seed alone, and its head at zero.

    Raises:
        ValueError: the name or the arguments would make timm fetch or load something.
    """
    refuse_arguments(architecture, arguments)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: nn.Module = timm.create_model(architecture, num_classes=classes, **arguments)
    zero_head(model)
    return model


def head_of(model: nn.Module) -> nn.Linear:
    """The classifier of a timm model.

    Raises:
        UsageError: it is no single linear layer.
    """
    head = cast(Any, model).get_classifier()
    if not isinstance(head, nn.Linear):
        raise UsageError(
            f"This backbone's head is {type(head).__name__}, not a linear layer.",
            "Choose another backbone.",
        )
    return head


def zero_head(model: nn.Module) -> None:
    """A new head has no opinion: no class is likelier, and no noise flows back at first."""
    head = head_of(model)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)


def features_of(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """What the head of a timm model sees: (B, 3, S, S) normalised -> (B, W)."""
    ours = cast(Any, model)
    features: torch.Tensor = ours.forward_head(ours.forward_features(images), pre_logits=True)
    return features


def clip_arguments(tower: ImageTower, size: tuple[int, int]) -> dict[str, Any]:
    """How timm builds a model of a CLIP image tower's shape.

    Raises:
        UsageError: it cannot; the message says why.
    """
    reason = tower.why_no_additions()
    if not reason and not tower.pools_class_token:
        reason = "its image tower does not pool the class token"
    if not reason and any(
        not isinstance(part, nn.Identity) for b in tower.blocks for part in (b.ls_1, b.ls_2)
    ):
        reason = "its image tower scales its layers"
    if reason:
        raise UsageError(
            f"This CLIP cannot be adapted: {reason}.",
            "Choose a CLIP with a ViT, such as clip-vit-b16, or a timm model.",
        )
    block = tower.blocks[0]
    quick = isinstance(block.mlp.gelu, QuickGELU)
    return {
        "img_size": list(size),
        "patch_size": int(tower.vit.patch_size[0]),
        "embed_dim": tower.width,
        "depth": len(tower.blocks),
        "num_heads": int(block.attn.num_heads),
        "mlp_ratio": block.mlp.c_fc.out_features / tower.width,
        "act_layer": "quick_gelu" if quick else "gelu",
    }


def _take_tower(model: nn.Module, tower: ImageTower) -> None:
    """The weights of a CLIP image tower, in timm's names; positions are resampled where needed."""
    from timm.models.vision_transformer import checkpoint_filter_fn

    head = {name for name in model.state_dict() if name.startswith("head.")}
    state = {f"visual.{name}": value for name, value in tower.vit.state_dict().items()}
    state = {k: v for k, v in state.items() if k != "visual.proj"}
    found = model.load_state_dict(checkpoint_filter_fn(state, cast(Any, model)), strict=False)
    if set(found.missing_keys) != head or found.unexpected_keys:
        raise RuntimeError(f"image tower does not fit timm's model: {found}")


# ---------------------------------------------------------------- timm by name


def _may_be_clip(name: str) -> bool:
    import open_clip

    if name.startswith(("hf-hub:", "local-dir:")) or local_path(name) is not None:
        return True
    return name.replace("/", "-") in open_clip.list_models()


def _check_timm(name: str, model: str, weights: str | None) -> None:
    if not timm.is_model(model):
        known = [*RECIPES, *timm.list_models()]
        close = difflib.get_close_matches(name, known, n=4)
        raise UsageError(
            f"There is no backbone {name!r}.",
            (f"Did you mean {', '.join(close)}? " if close else "")
            + f"Choose {', '.join(RECIPES)}, or a name that timm.list_models() gives.",
        )
    try:
        timm.get_pretrained_cfg(model)
    except RuntimeError as error:
        tags = ", ".join(timm.list_pretrained(model.split(".")[0] + ".*")[:6])
        raise UsageError(f"--backbone {name}: {error}", f"There are {tags}.") from error
    if weights is None:
        return
    path = expanded(weights)
    if not path.exists():
        raise UsageError(f"--weights {weights} does not exist.", "Give a file or a folder.")
    if path.is_dir():
        _check_folder(name, model, path)


def _check_folder(name: str, model: str, folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise UsageError(
            f"--weights {folder}: the folder has no config.json.",
            "Give a folder that timm (or deftclean adapt) has written, or a checkpoint file.",
        )
    architecture = _folder_source(folder)[0]["architecture"]
    if architecture != model.split(".")[0]:
        raise UsageError(
            f"--weights {folder} holds a {architecture}; --backbone {name} is a "
            f"{model.split('.')[0]}.",
            f"Use --backbone {architecture}.",
        )


def _source(chosen: BackboneName) -> tuple[dict[str, Any], dict[str, Any]]:
    """timm's configuration of the pretrained weights, and the arguments they were built with."""
    folder = expanded(chosen.weights) if chosen.weights is not None else None
    if folder is not None and folder.is_dir():
        return _folder_source(folder)
    configuration = timm.get_pretrained_cfg(chosen.model)
    values = configuration.to_dict() if configuration is not None else {}
    return {**values, "architecture": chosen.model.split(".")[0]}, {}


def _folder_source(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    from timm.models._hub import load_model_config_from_path

    try:
        configuration, architecture, arguments = load_model_config_from_path(folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{folder / 'config.json'} is damaged: {error}.") from error
    return {**configuration, "architecture": architecture}, dict(arguments or {})


def _timm_preprocess(configuration: dict[str, Any]) -> dict[str, Any]:
    wanted = timm.data.resolve_data_config(pretrained_cfg=configuration)
    return {
        "size": tuple(wanted["input_size"][1:]),
        "mean": tuple(wanted["mean"]),
        "std": tuple(wanted["std"]),
        "interpolation": wanted["interpolation"],
        "resize_mode": _RESIZE_MODES[wanted["crop_mode"]],
        "fill_color": 0,
        "crop_pct": float(wanted["crop_pct"]),
    }


def _weights_file(
    chosen: BackboneName,
    configuration: dict[str, Any],
    offline: bool,
    announce: Callable[[str], None],
) -> Path:
    if chosen.weights is not None:
        path = expanded(chosen.weights)
        if path.is_file():
            return path
        for name in _HUB_NAMES:
            if (path / name).is_file():
                return path / name
        raise WeightsError(f"{path} holds neither of {', '.join(_HUB_NAMES)}.", _WAYS_OUT)
    repository = configuration.get("hf_hub_id")
    if not repository:
        raise WeightsError(f"There are no weights of {chosen.model} to be fetched.", _WAYS_OUT)
    if repository.endswith("/"):
        tag = configuration.get("tag") or ""
        repository += configuration["architecture"] + (f".{tag}" if tag else "")
    return hub_file(repository, _HUB_NAMES, offline, announce, _WAYS_OUT)


def _loaded(
    chosen: BackboneName,
    file: Path,
    configuration: dict[str, Any],
    arguments: dict[str, Any],
    classes: int,
) -> nn.Module:
    try:
        # As many classes as the checkpoint has, so that timm checks every name and shape.
        check_header(file)
        found = _classes_in(file, configuration.get("classifier"))
        overlay = {"file": str(file), "custom_load": False, "num_classes": found}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model: nn.Module = timm.create_model(
                chosen.model,
                pretrained=True,
                pretrained_cfg_overlay=overlay,
                **{**arguments, "num_classes": found},
            )
            refuse_not_finite(model.state_dict())
            cast(Any, model).reset_classifier(classes)
    except (*_DAMAGED, OSError, TypeError, AttributeError) as error:
        lines = str(error).splitlines() or [type(error).__name__]
        raise WeightsError(
            f"{file.name} cannot be loaded as weights of {chosen.model}: "
            f"{' '.join(line.strip() for line in lines[:2])}",
            _WAYS_OUT,
        ) from error
    zero_head(model)
    return model


def _classes_in(file: Path, classifier: str | tuple[str, ...] | None) -> int:
    """How many classes the head of a checkpoint knows; 0 where it has none."""
    from timm.models import load_state_dict

    names = [classifier] if isinstance(classifier, str) else list(classifier or ["head", "fc"])
    state = load_state_dict(str(file))
    heads = [state[f"{name}.weight"] for name in names if f"{name}.weight" in state]
    return int(heads[0].shape[0]) if heads else 0
