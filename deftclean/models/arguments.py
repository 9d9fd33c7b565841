"""What a folder may say of how timm builds its model: its shape, and nothing that is fetched."""

import inspect
from collections.abc import Mapping
from typing import Any

import timm

UNBUILDABLE = (
    RuntimeError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, NameError,
    AssertionError,
)  # fmt: skip
"""What timm raises where arguments describe no model."""

_STEERING = {"cache_dir", "features_only", "feature_cfg", "kwargs_filter", "model_cfg"}


def refuse_arguments(architecture: str, arguments: Mapping[str, Any]) -> None:
    """Of a folder that anybody may have written.

    Args:
        architecture: timm's name.
        arguments: with which timm would build it.

    Raises:
        ValueError: the name or the arguments would make timm fetch or load something.
    """
    if not timm.is_model(architecture):
        raise ValueError(f"timm has no model {architecture!r} of its own")
    steering = inspect.signature(timm.create_model).parameters.keys() | _STEERING
    bad = sorted(name for name in arguments if "pretrained" in name or name in steering)
    if bad:
        raise ValueError(f"the arguments {', '.join(bad)} say more than the model's shape")
