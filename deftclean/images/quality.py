"""Why a picture is a bad one, whatever is on it: dark, blurred, blank, of an odd size.

All limits stand here. They were set so that hardly any untouched picture of the data sets in
docs/results.md is named; benchmarks/quality.py measures what they find. Where it cannot be told,
nothing is said.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deftclean.table.kinds import REASONS, UNCLEAR

BLANK = 4
"""Grey values within which 98 % of the pixels of a picture without content lie."""

LOW_CONTRAST = 24
"""The same of one that shows hardly anything; scikit-image's `is_low_contrast` begins at 12."""

DARK = 80
"""Grey value below which 99 % of the pixels of a dark picture lie; CleanVision's limit is 0.32 of
255."""

BRIGHT = 215
"""Grey value that 95 % of the pixels of an overexposed picture exceed."""

BLURRED = 0.72
"""Of the measure of `deftclean.images.look`; sharp photos have 0.25 to 0.6."""

TINY = 16
"""Pixels; pictures with a shorter side show too little to be judged."""

ODD_ASPECT = 3.0
"""Longer side by shorter side; CleanVision begins at 1 / 0.35."""

ODD_SIZE = 4.0
"""Times that a picture's side is longer or shorter than the median."""

FENCE = 3.0
"""Both of these lie as many interquartile ranges outside the quartiles: Tukey's far outliers."""

USUAL = 0.5
"""A reason that holds for a larger part of the pictures is how these data look, and no fault."""


@dataclass(frozen=True)
class Quality:
    """What is to be said of n pictures.

    Attributes:
        reasons: (n,) strings, reasons joined by ", "; null where there are none.
        usual: reasons that hold for most pictures, and are therefore not named.
        unclear: (n,) one of the reasons is that little can be seen.
    """

    reasons: pa.Array
    usual: tuple[str, ...]
    unclear: NDArray[np.bool_]


def quality_of(looks: NDArray[np.void], distinct: NDArray[np.int64]) -> Quality:
    """Look for reasons.

    Args:
        looks: (n,) of `look.LOOK`; without a size where the picture cannot be read.
        distinct: places of pictures that differ, by which the usual is judged.
    """
    found = _found(looks, distinct)
    often = USUAL * len(distinct)
    usual = tuple(name for name in REASONS if np.count_nonzero(found[name][distinct]) > often)
    kinds = np.zeros(len(looks), dtype=np.int64)
    for place, name in enumerate(REASONS):
        if name not in usual:
            kinds |= found[name].astype(np.int64) << place
    there, which = np.unique(kinds, return_inverse=True)
    texts = pa.array([_named(int(kind)) for kind in there], pa.string())
    unclear = kinds & ((1 << len(UNCLEAR)) - 1) > 0
    return Quality(texts.take(pa.array(which.reshape(-1))), usual, unclear)


def _named(kinds: int) -> str | None:
    return ", ".join(name for at, name in enumerate(REASONS) if kinds >> at & 1) or None


def _found(looks: NDArray[np.void], distinct: NDArray[np.int64]) -> Mapping[str, NDArray[np.bool_]]:
    """(n,) flags by reason."""
    width, height = (np.maximum(looks[side], 1).astype(float) for side in ("width", "height"))
    seen, contrast = looks["width"] > 0, looks["contrast"]
    distinct = distinct[seen[distinct]]
    blank = contrast <= BLANK
    dark, bright = looks["bright_end"] < DARK, looks["dark_end"] > BRIGHT
    short, long = np.minimum(width, height), np.maximum(width, height)
    aspect, size = np.log(long / short), np.log(width * height) / 2
    found = {
        "blank": blank,
        "dark": dark & ~blank,
        "bright": bright & ~blank,
        "low contrast": (contrast < LOW_CONTRAST) & ~(blank | dark | bright),
        "blurred": looks["blur"] > BLURRED,
        "tiny": short < TINY,
        "odd size": (np.abs(size - _median(size[distinct])) > np.log(ODD_SIZE)) & (short >= TINY),
        "odd aspect ratio": aspect > np.log(ODD_ASPECT),
    }
    found["odd size"] &= _far_out(size, distinct)
    found["odd aspect ratio"] &= _far_out(aspect, distinct)
    return {name: flags & seen for name, flags in found.items()}


def _median(values: NDArray[np.float64]) -> float:
    return float(np.median(values)) if len(values) else 0.0


def _far_out(values: NDArray[np.float64], distinct: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(n,) far outside the quartiles of the distinct ones."""
    if not len(distinct):
        return np.zeros(len(values), dtype=bool)
    low, high = np.quantile(values[distinct], [0.25, 0.75])
    reach = FENCE * (high - low)
    outside: NDArray[np.bool_] = (values < low - reach) | (values > high + reach)
    return outside
