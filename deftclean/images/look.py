"""What one decoded picture looks like, in a few numbers: size, brightness, contrast, blur.

Measured on a small grey copy: benchmarks in docs/performance.md say what it costs. Says nothing of
what is good or bad: `deftclean.images.quality` does.
"""

import struct

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LOOK = np.dtype(
    [
        ("width", "<u4"),
        ("height", "<u4"),
        ("dark_end", "u1"),
        ("bright_end", "u1"),
        ("contrast", "u1"),
        ("unused", "u1"),
        ("blur", "<f4"),
    ]
)
"""One look: sides in pixels before any reduction; grey values below which 5 % and 99 % of the
pixels lie, the second of the brightest colour where grey is dim; how far the 1st percentile is from
the 99th, of the colour that varies most where grey varies little; and blur, in [0, 1], higher =
more blurred, 0 where it cannot be told."""

NO_LOOK = bytes(LOOK.itemsize)
"""Of a picture that cannot be read."""

_SIDE = 256  # pixels; the small copy's longer side is less than twice that
_LINES = 32  # rows, and columns, that are looked at
_REACH = 5  # pixels that the second blurring averages
_LEAST_SIDE = 24  # pixels; below, blur is not told
_FLAT = 30  # grey values; where all lie closer together, rounding looks like blur
_COARSE = 4  # times smaller is what is looked at for much blur
_SHARES = np.array([0.01, 0.05, 0.99])
_DIM = 96  # grey values; below, each colour is looked at


def look_at(picture: Image.Image, width: int, height: int) -> bytes:
    """The look of a picture, as one record of `LOOK`.

    Args:
        picture: upright RGB.
        width, height: in pixels, before the decoder reduced it.
    """
    factor = max(picture.size) // _SIDE
    small = picture.reduce(factor) if factor > 1 else picture
    light = small.convert("L")
    grey = np.asarray(light)
    rows = grey[:: -(-grey.shape[0] // _LINES)]
    first, fifth, last = _percentiles(np.bincount(rows.ravel(), minlength=256))
    contrast, blur = last - first, 0.0
    if contrast >= _FLAT:
        # Of the slow steps of much blur, rounding makes sharp ones; not of those a quarter as long.
        blur = _blur(grey)
        if -(-min(light.size) // _COARSE) >= _LEAST_SIDE:
            blur = max(blur, _blur(np.asarray(light.reduce(_COARSE))))
    if contrast < _FLAT or last < _DIM:  # colours of one brightness, and blue, are no fault
        ends = [_percentiles(values) for values in np.reshape(small.histogram(), (-1, 256))]
        contrast = max(high - low for low, _, high in ends)
        last = max(high for _, _, high in ends)
    return struct.pack("<IIBBBBf", width, height, fifth, last, contrast, 0, blur)


def _percentiles(histogram: NDArray[np.int64]) -> tuple[int, int, int]:
    """The least values at or below which 1 %, 5 % and 99 % of the pixels lie."""
    counted = histogram.cumsum()
    first, fifth, last = counted.searchsorted(_SHARES * counted[-1]).tolist()
    return first, fifth, last


def _blur(grey: NDArray[np.uint8]) -> float:
    """Of the direction in which there is more of it: (h, w) -> in [0, 1]."""
    if min(grey.shape) < _LEAST_SIDE:
        return 0.0
    height, width = grey.shape
    rows, columns = grey[:: -(-height // _LINES)], grey[:, :: -(-width // _LINES)]
    return max(_blur_along(rows), _blur_along(columns.T))


def _blur_along(lines: NDArray[np.uint8]) -> float:
    """How little a second blurring changes, along the second axis: (n, m) -> in [0, 1].

    The measure of Crete, Dolmiere, Ladret & Nicolas 2007, "The blur effect: perception and
    estimation with a new no-reference perceptual blur metric": neighbouring pixels of a sharp
    picture differ much less once they are averaged, those of a blurred one hardly less. The
    average is over 5 pixels instead of 9: sides may be short.
    """
    values, half = lines.astype(np.int16, order="C"), _REACH // 2
    before = np.abs(values[:, half + 1 : -half] - values[:, half : -half - 1])
    # The difference of two neighbouring averages is that of the pixels at their ends.
    after = np.abs(values[:, _REACH:] - values[:, :-_REACH])
    before *= _REACH
    total = int(before.sum(dtype=np.int64))
    return int(np.minimum(before, after).sum(dtype=np.int64)) / total if total else 0.0
