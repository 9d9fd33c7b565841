"""An encoded picture to a small one that fits into so many bytes."""

import io
import math
from dataclasses import dataclass

from PIL import Image

from deftclean.images.decoding import sized

SIDES = (256, 208, 160, 112, 80, 48)
"""Longest sides that are tried, in pixels."""

_SMALL = 96
"""Smaller pictures are kept almost as they are: there is no detail to lose."""


@dataclass(frozen=True)
class Thumbnail:
    """A small JPEG.

    Attributes:
        data: encoded.
        width, height: in pixels.
        full: width and height of what it was made from.
    """

    data: bytes
    width: int
    height: int
    full: tuple[int, int]


def thumbnail(data: bytes, most: int) -> Thumbnail:
    """The largest of a few sizes that fits; the smallest one where none does.

    Args:
        data: the encoded picture.
        most: bytes that it may take.

    Raises:
        ImageError: it cannot be decoded.
    """
    picture, full = sized(data, lambda width, height: _within(width, height, 2 * SIDES[0]))
    small = _encoded(picture, SIDES[0], full)
    for side in SIDES[1:]:
        if len(small.data) <= most:
            break
        # Bytes grow a little slower than area: what is far too large by that need not be tried.
        area = (side / max(small.width, small.height)) ** 2
        if side == SIDES[-1] or len(small.data) * area < 1.25 * most:
            small = _encoded(picture, side, full)
    return small


def _within(width: int, height: int, side: int) -> tuple[int, int]:
    scale = min(1, side / max(width, height))
    return max(1, math.ceil(width * scale)), max(1, math.ceil(height * scale))


def _encoded(picture: Image.Image, side: int, full: tuple[int, int]) -> Thumbnail:
    small = picture
    if max(picture.size) > side:
        small = picture.resize(_within(*picture.size, side), Image.Resampling.LANCZOS)
    fine = max(small.size) <= _SMALL
    buffer = io.BytesIO()
    small.save(
        buffer, "JPEG", quality=92 if fine else 80, subsampling=0 if fine else 2, optimize=True
    )
    return Thumbnail(buffer.getvalue(), *small.size, full)
