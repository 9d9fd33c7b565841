"""Where a run computes and what it keeps for later ones. No torch here."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from deftclean.core.fields import setting

Precision = Literal["auto", "fp32", "bf16", "fp16"]

_MODEL, _CACHE = "Model", "Cache"  # panels of the help


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

    model: str | None = None  # what it may be, and its default, differ between commands
    weights: str | None = setting(
        None,
        "Pretrained tag (default openai) or checkpoint file for a named model.",
        panel=_MODEL,
    )
    device: str = setting("auto", "auto, cpu, cuda, cuda:1 or mps.", panel=_MODEL)
    precision: Precision = setting(
        "auto",
        "auto: bf16 (or fp16) autocast on CUDA, float32 elsewhere. Losses are float32.",
        panel=_MODEL,
    )
    workers: int | None = setting(
        None,
        "Processes that read images, in every pass, at most 4 for each core. Default: by pass "
        "and device.",
        panel=_MODEL,
        at_least=0,
    )
    offline: bool = setting(False, "Never fetch weights, open no URL.", panel=_MODEL)
    compile: bool = setting(
        False,
        "Translate the image tower with torch.compile: takes a minute, then runs faster, on GPUs "
        "above all. Scores differ by rounding.",
        panel=_MODEL,
    )
    cache: bool = setting(
        True,
        "Keep none; pictures are decoded anew in every pass.",
        option="no_cache",
        panel=_CACHE,
    )
    cache_dir: str | Path | None = setting(
        None,
        "Where resized pictures and embeddings are kept for later passes and runs. Default: "
        "DEFTCLEAN_CACHE_DIR, or else the user's cache folder.",
        panel=_CACHE,
    )
    cache_size: float = setting(
        10.0,
        "How large the cache may grow, in GB; what was not used for longest goes first.",
        panel=_CACHE,
        at_least=0,
    )


def cores() -> int:
    """Processor cores that this process may use."""
    known = hasattr(os, "sched_getaffinity")
    return (len(os.sched_getaffinity(0)) if known else os.cpu_count()) or 1


def most_workers() -> int:
    """Processes that read images, at most: more would only wait for each other."""
    return max(16, 4 * cores())
