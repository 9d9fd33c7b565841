"""From what the user calls a model to loaded open_clip towers, and the hash of their weights.

The network is used for named weights that are not on this machine yet, after a line that says
so, and never with `offline`. Weights are read as safetensors or with `weights_only=True`.
"""

import contextlib
import difflib
import logging
import pickle
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from deftclean.core.errors import UsageError, WeightsError
from deftclean.core.files import expanded
from deftclean.models.encoder import Encoder, unpromptable
from deftclean.models.hub import _first_line, hub_file, sha256_of
from deftclean.models.preprocessing import (
    configuration_in_folder,
    merged_preprocess,
    plain_preprocess,
    preprocess_of_tag,
)
from deftclean.models.tensors import check_header, refuse_not_finite

NANO = Path(__file__).parents[1] / "assets" / "nano"
"""The built-in model."""

DEFAULT_TAG = "openai"

_HUB_NAMES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
_FILE_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")
_WAYS_OUT = (
    "Without network: --model nano (built in), --model local-dir:FOLDER, or --model NAME "
    "--weights FILE with a checkpoint that you copied here."
)


@dataclass(frozen=True)
class LoadedModel:
    """Frozen CLIP, and which one it is.

    Attributes:
        encoder: both towers, float32, on the CPU.
        sha256: of the weights file.
    """

    encoder: Encoder
    sha256: str


@dataclass(frozen=True)
class _Found:
    """What open_clip is asked for: a name it knows, the file, and settings of the tag."""

    name: str
    file: Path
    overrides: dict[str, Any]


def load_model(
    model: str, weights: str | None, offline: bool, announce: Callable[[str], None]
) -> LoadedModel:
    """Load a CLIP model.

    Args:
        model: `nano`, an open_clip name such as `ViT-B-16`, `hf-hub:ORG/REPO`,
            `local-dir:FOLDER`, or a folder in open_clip's format.
        weights: for a name, a pretrained tag or a checkpoint file; None is `openai`.
        offline: never fetch.
        announce: told before anything is fetched.

    Raises:
        UsageError: there is no such model or tag, or it cannot take text prompts.
        WeightsError: the weights cannot be had or loaded; the message says what was tried.
    """
    # Building some would fetch parts of them from the hub.
    _refuse_foreign(_configuration(model, weights, offline, announce).architecture)
    found = _find(model, weights, offline, announce)
    return LoadedModel(_build(found), sha256_of(found.file))


def check_name(model: str, weights: str | None) -> None:
    """Refuse a model that cannot exist, without network and without loading anything.

    Raises:
        UsageError: no such model, tag, folder or file.
    """
    folder = _folder(model)
    if folder is not None or model.startswith("hf-hub:"):
        if weights is not None:
            raise UsageError(f"--weights cannot go with --model {model}: it brings its own.")
        if folder is not None and not (folder / "open_clip_config.json").is_file():
            raise UsageError(
                f"{folder} is not a model folder: it has no open_clip_config.json.",
                "local-dir: takes a folder that open_clip (or its push_to_hf_hub) has written.",
            )
        return
    import open_clip

    name, known = model.replace("/", "-"), open_clip.list_models()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=4)
        raise UsageError(
            f"There is no model {model!r}.",
            (f"Did you mean {', '.join(close)}? " if close else "")
            + "Choose nano, local-dir:FOLDER, hf-hub:ORG/REPO, or a name that "
            "open_clip.list_models() gives, such as ViT-B-32 or ViT-L-14.",
        )
    tags, weights = open_clip.list_pretrained_tags_by_model(name), weights or DEFAULT_TAG
    if weights in tags:
        return
    file = expanded(weights)
    if not file.is_file():
        listed = ", ".join(tags) or "none: give a checkpoint file"
        raise UsageError(
            f"--weights {weights!r} is neither a file nor a pretrained tag of {name}.",
            f"Its tags: {listed}. {_WAYS_OUT}",
        )
    if file.suffix.lower() not in _FILE_SUFFIXES:
        raise UsageError(f"--weights {file}: checkpoints end in {', '.join(_FILE_SUFFIXES)}.")


def preprocess_of(
    model: str, weights: str | None, offline: bool, announce: Callable[[str], None]
) -> dict[str, Any]:
    """How the model wants its pictures, without its weights.

    Args:
        model, weights, offline, announce: as in `load_model`; of `hf-hub:` models the
            configuration, a few kilobytes, is fetched where it is not on this machine.

    Returns:
        size as (height, width), mean, std, interpolation, resize_mode, fill_color

    Raises:
        UsageError: there is no such model or tag, or its configuration is damaged.
        WeightsError: the configuration cannot be had.
    """
    return _configuration(model, weights, offline, announce).preprocess


def outline_of(
    model: str, weights: str | None, offline: bool, announce: Callable[[str], None]
) -> Encoder:
    """The model's towers without weights, on PyTorch's `meta` device: shapes and nothing else.

    What they cannot be used for is found before any weights are fetched or pictures read.

    Args:
        model, weights, offline, announce: as in `preprocess_of`.

    Raises:
        UsageError, WeightsError: as `preprocess_of`; or the model cannot take text prompts.
    """
    import open_clip

    found = _configuration(model, weights, offline, announce)
    _refuse_foreign(found.architecture)
    with torch.device("meta"), _unheard():
        outline = open_clip.create_model(
            found.name, load_weights=False, pretrained_text=False, device="meta"
        )
    return Encoder(outline, open_clip.get_tokenizer(found.name), found.preprocess)


def _refuse_foreign(architecture: dict[str, Any]) -> None:
    """Refuse towers and tokenizers that are built from what a hub holds.

    Raises:
        UsageError: which it is.
    """
    names = [key for part in ("text_cfg", "multimodal_cfg") for key in architecture.get(part) or ()]
    if any(key.startswith("hf_") for key in names):
        raise unpromptable("its text tower or tokenizer is another library's")
    vision = architecture.get("vision_cfg") or {}
    tower = vision.get("timm_model_name") or ""
    if ":" in str(tower) or vision.get("timm_model_pretrained"):
        raise UsageError(
            f"This model's image tower ({tower}) would be fetched from elsewhere.",
            "Give a model whose own weights hold all of it: a plain timm_model_name, and "
            '"timm_model_pretrained": false in its configuration.',
        )


@contextlib.contextmanager
def _unheard() -> Iterator[None]:
    """open_clip warns, by the root logger, of a model without weights; this one is to have none."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


@dataclass(frozen=True)
class _Configuration:
    """A model before its weights: what open_clip calls it, its shape, how it wants pictures."""

    name: str
    architecture: dict[str, Any]
    preprocess: dict[str, Any]


def _configuration(
    model: str, weights: str | None, offline: bool, announce: Callable[[str], None]
) -> _Configuration:
    check_name(model, weights)
    folder = _folder(model)
    if model.startswith("hf-hub:"):
        repository = model.removeprefix("hf-hub:")
        folder = hub_file(
            repository, ("open_clip_config.json",), offline, announce, _WAYS_OUT
        ).parent
    if folder is not None:
        return _Configuration(f"local-dir:{folder}", *configuration_in_folder(folder))
    import open_clip

    name, tag = model.replace("/", "-"), weights or DEFAULT_TAG
    overrides = (
        preprocess_of_tag(open_clip.get_pretrained_cfg(name, tag))
        if tag in open_clip.list_pretrained_tags_by_model(name)
        else {}
    )
    architecture = open_clip.get_model_config(name)
    return _Configuration(name, architecture, merged_preprocess({}, architecture, overrides))


def available_weights(model: str, weights: str | None) -> Path | None:
    """The weights file that `load_model` would read, or None where it would have to be fetched.

    Raises:
        UsageError: there is no such model or tag.
        WeightsError: a folder of the user's has no weights.
    """
    check_name(model, weights)
    if (folder := _folder(model)) is not None:
        return _in_folder(folder).file
    try:
        return _find(model, weights, offline=True, announce=lambda _text: None).file
    except WeightsError:
        return None


def local_path(model: str) -> Path | None:
    """The folder a model name points to, or None where it is no folder of the user's."""
    if model.startswith("local-dir:"):
        return expanded(model.removeprefix("local-dir:"))
    folder = expanded(model)
    return folder if (folder / "open_clip_config.json").is_file() else None


def _folder(model: str) -> Path | None:
    return NANO if model == "nano" else local_path(model)


def _find(
    model: str, weights: str | None, offline: bool, announce: Callable[[str], None]
) -> _Found:
    check_name(model, weights)
    folder = _folder(model)
    if folder is not None:
        return _in_folder(folder)
    if model.startswith("hf-hub:"):
        return _in_folder(_from_hub(model.removeprefix("hf-hub:"), offline, announce))
    return _by_name(model.replace("/", "-"), weights or DEFAULT_TAG, offline, announce)


def _in_folder(folder: Path) -> _Found:
    from open_clip.factory import _find_checkpoint_in_dir

    file = _find_checkpoint_in_dir(folder)
    if file is None:
        raise WeightsError(f"{folder} has a configuration and no weights.", _WAYS_OUT)
    return _Found(f"local-dir:{folder}", Path(file), {})


def _from_hub(repository: str, offline: bool, announce: Callable[[str], None]) -> Path:
    config = hub_file(repository, ("open_clip_config.json",), offline, announce, _WAYS_OUT)
    hub_file(repository, _HUB_NAMES, offline, announce, _WAYS_OUT)
    return config.parent


def _by_name(name: str, weights: str, offline: bool, announce: Callable[[str], None]) -> _Found:
    import open_clip

    if weights in open_clip.list_pretrained_tags_by_model(name):
        tag = open_clip.get_pretrained_cfg(name, weights)
        # A tag trained with QuickGELU gives wrong features in a plain configuration, where
        # open_clip itself only warns.
        overrides = {
            "force_quick_gelu": bool(tag.get("quick_gelu")),
            "force_preprocess_cfg": preprocess_of_tag(tag),
        }
        return _Found(name, _tag_file(name, weights, tag, offline, announce), overrides)
    if f"{name}-quickgelu" in open_clip.list_models():
        announce(
            f"{name} with a checkpoint file is built with plain GELU; for weights that OpenAI "
            f"trained say --model {name}-quickgelu"
        )
    return _Found(name, expanded(weights), {})


def _tag_file(
    name: str, weights: str, tag: dict[str, Any], offline: bool, announce: Callable[[str], None]
) -> Path:
    hub = str(tag.get("hf_hub", ""))
    if hub:
        repository, _, file = hub.rpartition("/")
        names = (file,) if file else _HUB_NAMES
        return hub_file(repository, names, offline, announce, _WAYS_OUT)
    import open_clip

    url = str(tag.get("url", ""))
    cached = expanded("~/.cache/clip") / url.rpartition("/")[2]
    if offline and not cached.is_file():
        raise WeightsError(
            f"The weights {weights} of {name} are not on this machine; tried {cached}; --offline "
            "forbids fetching them.",
            _WAYS_OUT,
        )
    if not cached.is_file():
        announce(f"fetching {url} (once)")
    try:
        return Path(open_clip.download_pretrained(tag))
    except (OSError, RuntimeError) as error:
        raise WeightsError(
            f"The weights {weights} of {name} cannot be had; tried {cached} and {url}: {error}.",
            _WAYS_OUT,
        ) from error


def _build(found: _Found) -> Encoder:
    import open_clip
    from safetensors import SafetensorError

    in_folder = found.name.startswith("local-dir:")
    try:
        check_header(found.file)
        model = open_clip.create_model(
            found.name,
            pretrained=None if in_folder else str(found.file),
            require_pretrained=True,
            weights_only=True,
            **found.overrides,
        )
        refuse_not_finite(model.named_parameters())
        tokenizer = open_clip.get_tokenizer(found.name)
    except (
        SafetensorError,
        pickle.UnpicklingError,
        RuntimeError,
        KeyError,
        ValueError,
        EOFError,
        OSError,
        TypeError,
    ) as error:
        script = (
            " It is a TorchScript archive: save its state_dict() instead."
            if (_is_torchscript(found.file))
            else ""
        )
        raise WeightsError(
            f"{found.file.name} cannot be loaded as the weights of {found.name}: "
            f"{_first_line(error)}.{script}",
            _WAYS_OUT,
        ) from error
    return Encoder(model, tokenizer, plain_preprocess(model.visual.preprocess_cfg))


def _is_torchscript(file: Path) -> bool:
    if not zipfile.is_zipfile(file):
        return False
    with zipfile.ZipFile(file) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())
