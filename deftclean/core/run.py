"""Where a run computes and what it keeps for later ones. No torch here."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Precision = Literal["auto", "fp32", "bf16", "fp16"]


@dataclass(frozen=True)
class RunOptions:
    """Where and with which model a run computes.

    Attributes:
        model: see `deftclean.models.weights.load_model`; None for the default, or in `score` for
            the model of the detector.
        weights: tag or checkpoint file.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
        precision: `auto`, `fp32`, `bf16`, `fp16`.
        workers: processes that read images; None to choose.
        offline: never fetch weights.
        compile: translate the tuned image tower with `torch.compile`; other rounding.
        cache: keep resized pictures and embeddings for later passes and runs.
        cache_dir: where; None for the user's cache folder.
        cache_size: how large the cache may grow, in GB.
    """

    model: str | None = None
    weights: str | None = None
    device: str = "auto"
    precision: Precision = "auto"
    workers: int | None = None
    offline: bool = False
    compile: bool = False
    cache: bool = True
    cache_dir: str | Path | None = None
    cache_size: float = 10.0
