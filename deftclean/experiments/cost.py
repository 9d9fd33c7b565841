"""How long a piece of work took, and the most memory it held at once."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

_CLEAR, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")

Made = TypeVar("Made")


@dataclass(frozen=True)
class Cost:
    """What some work cost.

    Attributes:
        seconds: wall time.
        peak_memory_mb: on CUDA the most that tensors took of the device's memory; on a CPU under
            Linux the largest resident size of this process, without processes that read images;
            None elsewhere. In MB of 10⁶ bytes.
    """

    seconds: float
    peak_memory_mb: float | None


def measured(work: Callable[[], Made], device: str) -> tuple[Made, Cost]:
    """Do some work, and say what it cost.

    Args:
        work: what to do.
        device: as torch names it, `cuda:1`.
    """
    known = _reset(device)
    began = time.monotonic()
    made = work()
    seconds = time.monotonic() - began
    return made, Cost(seconds, _peak(device) if known else None)


def _reset(device: str) -> bool:
    """Forget the peak of earlier work; whether that can be done here."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.init()  # before it, there are no figures that could be reset
        torch.cuda.reset_peak_memory_stats(device)
        return True
    if device != "cpu":
        return False
    try:
        _CLEAR.write_text("5")  # resets VmHWM, see proc(5)
    except OSError:  # another system, or a container that forbids it
        return False
    return True


def _peak(device: str) -> float | None:
    if device.startswith("cuda"):
        import torch

        return torch.cuda.max_memory_allocated(device) / 1e6
    for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    return None
