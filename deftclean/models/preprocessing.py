"""How a model wants its pictures, from its configuration alone, as open_clip would have it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from deftclean.core.errors import UsageError
from deftclean.core.files import read_text
from deftclean.core.text import parsed_json

_LARGEST = 1e6  # of NaN not even that can be said
MOST_SIDE = 4096
"""Pixels; no model of ours takes larger pictures."""


def refuse_preprocess(values: Mapping[str, Any]) -> None:
    """Refuse what a folder says of how its pictures are to be, where no picture can be so.

    Args:
        values: as `plain_preprocess` gives them, or lists for tuples; `crop_pct` may be missing.

    Raises:
        ValueError: which values are wrong.
    """
    given = {"crop_pct": 1.0, **values}
    wrong = [f"{name!r} is {given.get(name)!r:.60}" for name in _FITS if not _fits(name, given)]
    if wrong:
        raise ValueError("; ".join(wrong))


def _fits(name: str, given: Mapping[str, Any]) -> bool:
    return name in given and _FITS[name](given[name])


def _numbers(value: Any, count: int) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) == count
        and all(type(each) in (int, float) and abs(each) < _LARGEST for each in value)
    )


_FITS: dict[str, Callable[[Any], bool]] = {
    "size": lambda it: (
        _numbers(it, 2) and all(type(side) is int and 1 <= side <= MOST_SIDE for side in it)
    ),
    "mean": lambda it: _numbers(it, 3),
    "std": lambda it: _numbers(it, 3) and all(each > 1e-6 for each in it),
    "interpolation": lambda it: it in ("bicubic", "bilinear"),
    "resize_mode": lambda it: it in ("shortest", "longest", "squash"),
    "fill_color": lambda it: type(it) is int and 0 <= it <= 255,
    "crop_pct": lambda it: type(it) in (int, float) and 0.1 <= it <= 1,
}
"""What each value must be. A side is divided by `crop_pct`, and a colour by `std`."""


def configuration_in_folder(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Architecture and preprocessing of a folder in open_clip's format.

    Raises:
        UsageError: its configuration is damaged.
    """
    file = folder / "open_clip_config.json"
    try:
        config = parsed_json(read_text(file))
        architecture = config["model_cfg"]
        settings = config.get("preprocess_cfg", {})
        preprocess = merged_preprocess(settings, architecture, {})
        refuse_preprocess(preprocess)
        return dict(architecture), preprocess
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
