"""What one decoded picture looks like, in a few numbers: size, brightness, contrast, blur, a hash.

Measured on a small grey copy: benchmarks in docs/performance.md say what it costs. Says nothing of
what is good or bad: `deftclean.images.quality` does; nor of what looks alike:
`deftclean.gate.elsewhere` does.
"""

import struct

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from deftclean.core.arrow import hex_texts

HASH_BYTES = 32
"""Of a perceptual hash, see `hash_of`."""

LOOK = np.dtype(
    [
        ("width", "<u4"),
        ("height", "<u4"),
        ("dark_end", "u1"),
        ("bright_end", "u1"),
        ("contrast", "u1"),
        ("unused", "u1"),
        ("blur", "<f4"),
        ("hash", f"V{HASH_BYTES}"),
    ]
)
"""One look: sides in pixels before any reduction; grey values below which 5 % and 99 % of the
pixels lie, the second of the brightest colour where grey is dim; how far the 1st percentile is from
the 99th, of the colour that varies most where grey varies little; blur, in [0, 1], higher =
more blurred, 0 where it cannot be told; and the perceptual hash, zeros where grey varies little."""

NO_LOOK = bytes(LOOK.itemsize)
"""Of a picture that cannot be read."""

_SIDE = 256  # pixels; the small copy's longer side is less than twice that
_LINES = 32  # rows, and columns, that are looked at
_REACH = 5  # pixels that the second blurring averages
_LEAST_SIDE = 24  # pixels; below, blur is not told
_FLAT = 30  # grey values; where all lie closer together, rounding looks like blur
_COARSE = 4  # times smaller is what is looked at for much blur
_GRID = 32  # pixels of either side of what is hashed
_BORDER = 0.05  # of either side, that the middle of a picture lacks on every side
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
    contrast, blur, looks_like = last - first, 0.0, bytes(HASH_BYTES)
    if contrast >= _FLAT:
        looks_like = hash_of(light)
        # Of the slow steps of much blur, rounding makes sharp ones; not of those a quarter as long.
        blur = _blur(grey)
        if -(-min(light.size) // _COARSE) >= _LEAST_SIDE:
            blur = max(blur, _blur(np.asarray(light.reduce(_COARSE))))
    if contrast < _FLAT or last < _DIM:  # colours of one brightness, and blue, are no fault
        ends = [_percentiles(values) for values in np.reshape(small.histogram(), (-1, 256))]
        contrast = max(high - low for low, _, high in ends)
        last = max(high for _, _, high in ends)
    return struct.pack("<IIBBBBf32s", width, height, fifth, last, contrast, 0, blur, looks_like)


def hash_of(grey: Image.Image) -> bytes:
    """Perceptual hash: signs of the slowest waves of a picture, and of its middle; 32 bytes.

    The first 16 are of the picture, the last 16 of what remains when 5 % are cut off on every side,
    so that a picture without its borders has a half like its original's other half. Of each half
    the first 8 bytes are the signs of waves that a mirrored picture has too, the last 8 of those
    that change their sign in it. A bit is set where a coefficient of the discrete cosine transform
    (DCT-II) of 32 × 32 grey values is positive; order: by length of the wave vector.

    Klinger & Starkweather's pHash takes the median in the place of 0, so that a mirrored picture
    has to be hashed again.
    """
    factor = min(grey.size) // (2 * _GRID)
    if factor > 1:
        grey = grey.reduce(factor)
    width, height = grey.size
    halves = []
    for border in (0.0, _BORDER):
        left, up = border * width, border * height
        small = grey.resize(
            (_GRID, _GRID), Image.Resampling.BILINEAR, (left, up, width - left, height - up)
        )
        waves = _WAVES @ np.asarray(small, dtype=np.float64) @ _WAVES.T
        halves.append(np.packbits(waves[_DOWN, _ACROSS] > 0).tobytes())
    return b"".join(halves)


def hash_texts(looks: NDArray[np.void]) -> pa.Array:
    """(n,) perceptual hashes as hexadecimal strings; null where a picture shows too little.

    Args:
        looks: (n,) of `LOOK`.
    """
    hashes = np.ascontiguousarray(looks["hash"]).view(np.uint8).reshape(-1, HASH_BYTES)
    return hex_texts(hashes, np.asarray(hashes.any(axis=1)))


def _slowest() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(128,) frequencies down and across: the 64 slowest that are even across, then odd ones."""
    each = sorted(
        (down**2 + across**2, down, across)
        for down in range(_GRID)
        for across in range(_GRID)
        if down or across
    )
    chosen = [wave for odd in (0, 1) for wave in [w for w in each if w[2] % 2 == odd][:64]]
    return np.array([w[1] for w in chosen]), np.array([w[2] for w in chosen])


_DOWN, _ACROSS = _slowest()
# Whole numbers, of which sums are exact: what is symmetrical has zeros on every machine.
_WAVES = np.rint(
    4096 * np.cos(np.pi / _GRID * np.outer(np.arange(_DOWN.max() + 1), np.arange(_GRID) + 0.5))
)


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
