"""Tensors written to a file, with the errors that files have."""

from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
from torch import Tensor


def write_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write a safetensors file.

    safetensors writes files by itself, but says of a full disk only that there was an error.

    Raises:
        OSError: the disk is full.
    """
    path.write_bytes(safetensors.torch.save(dict(tensors)))
