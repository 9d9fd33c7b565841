"""How a model wants its pictures, from its configuration alone, as open_clip would have it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deftclean.core.errors import UsageError
from deftclean.core.files import read_text


def configuration_in_folder(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Architecture and preprocessing of a folder in open_clip's format.

    Raises:
        UsageError: its configuration is damaged.
    """
    file = folder / "open_clip_config.json"
    try:
        config = json.loads(read_text(file))
        architecture = config["model_cfg"]
        settings = config.get("preprocess_cfg", {})
        return dict(architecture), merged_preprocess(settings, architecture, {})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = str(error) or type(error).__name__
        raise UsageError(f"{file} cannot be read as a model's configuration: {reason}.") from error


def merged_preprocess(
    settings: dict[str, Any], architecture: dict[str, Any], overrides: dict[str, Any]
) -> dict[str, Any]:
    """As open_clip puts it together: defaults, settings, the architecture's size, overrides."""
    from open_clip.model import CLIPVisionCfg
    from open_clip.transform import PreprocessCfg, merge_preprocess_dict

    size = architecture["vision_cfg"].get("image_size", CLIPVisionCfg.image_size)
    merged = merge_preprocess_dict(PreprocessCfg(), settings)
    return plain_preprocess(merge_preprocess_dict({**merged, "size": size}, overrides))


def preprocess_of_tag(tag: dict[str, Any]) -> dict[str, Any]:
    """What the settings of a pretrained tag say of it."""
    return {k: tag[k] for k in ("mean", "std", "interpolation", "resize_mode") if k in tag}


def plain_preprocess(preprocess: Mapping[str, Any]) -> dict[str, Any]:
    """open_clip's `preprocess_cfg` with tuples for lists and both sides of the size."""
    size = preprocess["size"]
    return {
        "size": (size, size) if isinstance(size, int) else tuple(size),
        "mean": tuple(preprocess["mean"]),
        "std": tuple(preprocess["std"]),
        "interpolation": preprocess["interpolation"],
        "resize_mode": preprocess["resize_mode"],
        "fill_color": preprocess["fill_color"],
    }
