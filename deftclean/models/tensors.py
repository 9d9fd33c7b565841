"""Tensors to files, and from files that nobody vouches for: a bounded header, numbers, no more."""

import errno
from collections.abc import Iterable, Mapping
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

MOST_HEADER = 16 * 1024 * 1024
"""Bytes of a safetensors header; of the largest CLIP it takes 0.2 MB."""


def load_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file, by name, on the CPU.

    Raises:
        ValueError: the file is damaged, its header is too large, or it holds NaN or infinity.
        OSError: it cannot be read.
    """
    check_header(path)
    try:
        tensors = safetensors.torch.load_file(path)
    except safetensors.SafetensorError as error:
        raise ValueError(str(error)) from error
    except RuntimeError as error:  # PyTorch could not map it: no descriptor, no address space
        raise OSError(errno.EIO, str(error), str(path)) from error
    refuse_not_finite(tensors)
    return tensors


def check_header(path: Path) -> None:
    """Refuse a safetensors file whose header would take long to read; others are let through.

    Raises:
        ValueError: over `MOST_HEADER`.
        OSError: it cannot be read.
    """
    if path.suffix != ".safetensors":
        return
    if not path.is_file():
        raise FileNotFoundError(f"{path.name} is not a file")
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
    if size > MOST_HEADER:
        raise ValueError(f"a header of {size:,} bytes; the limit is {MOST_HEADER:,}")


def refuse_not_finite(tensors: Mapping[str, Tensor] | Iterable[tuple[str, Tensor]]) -> None:
    """Refuse numbers that are none.

    Raises:
        ValueError: in which tensors there are NaN or infinity, and in how many.
    """
    pairs = tensors.items() if isinstance(tensors, Mapping) else tensors
    bad = [name for name, tensor in pairs if not _finite(tensor)]
    if bad:
        more = f" and {len(bad) - 1:,} more" if len(bad) > 1 else ""
        raise ValueError(f"NaN or infinity in tensor {bad[0]}{more}")


def _finite(tensor: Tensor) -> bool:
    if not tensor.is_floating_point() or tensor.numel() == 0 or tensor.is_meta:
        return True
    # The smallest and the largest: NaN is both, and no copy is made.
    return bool(torch.isfinite(torch.stack(torch.aminmax(tensor.detach()))).all())


def write_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write a safetensors file.

    safetensors writes files by itself, but says of a full disk only that there was an error.

    Raises:
        OSError: the disk is full.
    """
    path.write_bytes(safetensors.torch.save(dict(tensors)))
