"""Device, precision and randomness: the one place that decides them.

Knows nothing of images, labels or models.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from deftclean.core.errors import UsageError
from deftclean.core.run import ALONE, Precision, Ranks, cores, most_workers

_AMP_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Runtime:
    """Where and how a run computes.

    Attributes:
        device: the device of every parameter and activation.
        amp_dtype: autocast type of the towers, or None for float32. Losses and logits are
            float32 in either case.
        workers: processes that read and decode images, where the user gave a number; 0 leaves it
            to the main process, and more than `most_workers` are not started.
        ranks: the processes that do the run together.
    """

    device: torch.device
    amp_dtype: torch.dtype | None
    workers: int | None
    ranks: Ranks = ALONE

    @property
    def _cores(self) -> int:
        """Of this machine, as far as no other process of the run uses them."""
        return max(1, cores() // self.ranks.here)

    @property
    def checkers(self) -> int:
        """Processes of the first pass, beside which no model runs."""
        chosen = min(16, self._cores) if self._cores > 1 else 0
        return chosen if self.workers is None else self._asked(self.workers)

    @property
    def decoders(self) -> int:
        """Processes that decode while the model works."""
        if self.workers is not None:
            return self._asked(self.workers)
        # On a CPU the model uses every core itself; more decoders would only take them away.
        if self.device.type == "cpu":
            return max(1, min(8, self._cores // 2))
        return max(1, self._cores - 1)

    @property
    def readers(self) -> int:
        """Processes that read pictures from the cache while the model works."""
        if self.workers is None and self.device.type == "cpu":
            return 0
        return self.decoders

    @property
    def looks_on(self) -> bool:
        """Whether the model begins while pictures are still being read.

        A CPU would only do the one instead of the other, and several processes read other pictures
        than they compute.
        """
        return self.device.type != "cpu" and self.ranks.size == 1

    def place(self, model: torch.nn.Module) -> None:
        """Put a model on the device, as it likes it best there.

        CUDA convolves fastest where the channels of a pixel lie side by side; weights that are no
        kernels of a convolution stay as they are.
        """
        model.to(self.device)
        if self.device.type == "cuda":
            model.to(memory_format=torch.channels_last)

    @staticmethod
    def _asked(workers: int) -> int:
        return min(workers, most_workers())

    @property
    def precision(self) -> str:
        """`fp32`, `bf16` or `fp16`."""
        names = {dtype: name for name, dtype in _AMP_DTYPES.items()}
        return "fp32" if self.amp_dtype is None else names[self.amp_dtype]

    @property
    def where(self) -> str:
        """For people."""
        together = f", in {self.ranks.size} processes" if self.ranks.size > 1 else ""
        return f"on {self.device} in {self.precision}{together}"

    def arithmetic(self) -> dict[str, str | int]:
        """What the rounding of features depends on beside the model, as plain values."""
        kind = self.device.type
        processor = (
            torch.cuda.get_device_name(self.device)
            if kind == "cuda"
            else torch.backends.cpu.get_cpu_capability()
        )
        threads = torch.get_num_threads() if kind == "cpu" else 0
        return {
            "device": kind,
            "processor": processor,
            "precision": self.precision,
            "torch": torch.__version__,
            "threads": threads,
        }

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """Mixed precision for the towers, nothing where the run is float32."""
        if self.amp_dtype is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=self.amp_dtype)


def choose_runtime(
    device: str, precision: Precision, workers: int | None, ranks: Ranks = ALONE
) -> Runtime:
    """Settle `auto` choices: CUDA before Apple MPS before CPU; autocast on CUDA only.

    Args:
        device: `auto`, or any name `torch.device` takes (`cpu`, `mps`, `cuda`, `cuda:1`).
        precision: `auto` is bf16 (fp16 on older cards) on CUDA and float32 elsewhere: bf16
            autocast is several times slower than float32 on most CPUs.
        workers: processes that read images, in every pass; None to choose by pass, device and
            cores.
        ranks: the processes that do the run together; each has a CUDA device of its own.

    Raises:
        UsageError: the device does not exist here, or is not one for several processes.
    """
    chosen = _choose_device(device)
    if ranks.size > 1:
        chosen = _own_device(chosen, device, ranks)
    if chosen.type == "cuda" and chosen.index is not None:
        # What names no device (pinned memory, generators, libraries) means the current one.
        torch.cuda.set_device(chosen)
    return Runtime(chosen, _choose_dtype(chosen, precision), workers, ranks)


def _choose_device(name: str) -> torch.device:
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(
            f"--device {name!r} is not a device name.", "Use auto, cpu, cuda, cuda:1 or mps."
        ) from error
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not available.get(device.type, False):
        raise UsageError(
            f"--device {name}: this machine's PyTorch has no such device.",
            "Use --device auto, or install the PyTorch build for your accelerator.",
        )
    return device


def _own_device(chosen: torch.device, name: str, ranks: Ranks) -> torch.device:
    """The device of one of several processes."""
    if chosen.type == "mps":
        raise UsageError(
            f"--device {name}: several processes cannot share an MPS device.",
            "Start one process, without torchrun, or give --device cpu.",
        )
    if chosen.type == "cpu":
        return chosen
    if str(chosen) != chosen.type:  # it has a number
        raise UsageError(
            f"--device {name} is one device, and torchrun has started {ranks.here} processes here.",
            "Give --device cuda: each process takes one. CUDA_VISIBLE_DEVICES chooses among them.",
        )
    count = torch.cuda.device_count()
    if ranks.here > count:
        raise UsageError(
            f"torchrun has started {ranks.here} processes here, for {count} CUDA devices.",
            f"Start as many as there are: {count} a node.",
        )
    return torch.device("cuda", ranks.rank_here)


def _choose_dtype(device: torch.device, precision: Precision) -> torch.dtype | None:
    if precision == "auto":
        if device.type != "cuda":
            return None
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return _AMP_DTYPES.get(precision)


@contextlib.contextmanager
def reproducible() -> Iterator[None]:
    """Ask PyTorch for deterministic kernels, and restore its settings afterwards.

    A kernel that has no deterministic form warns once instead of failing.
    """
    before = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    # cuBLAS reads this when its first handle is made.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warn_only)


# Each purpose has its own stream, so that turning one draw off leaves the others as they were.
_PURPOSES = (
    *("order", "complement", "view", "probe", "dropout", "halves", "folds", "part"),
    "training sample",
)
_STREAMS = {purpose: number for number, purpose in enumerate(_PURPOSES)}


def stream(seed: int, purpose: str, epoch: int = 0) -> np.random.Generator:
    """Random numbers that depend on (seed, purpose, epoch) alone.

    An epoch's draws are made for all N rows at once and indexed by row, so a row's numbers do
    not depend on batch boundaries, worker count or which other rows are read.
    """
    return np.random.default_rng([seed, _STREAMS[purpose], epoch])


def initial_weights(seed: int) -> torch.Generator:
    """CPU generator from which all trained tensors are drawn, whatever the device."""
    return torch.Generator().manual_seed(seed)
