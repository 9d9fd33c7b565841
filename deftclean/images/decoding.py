"""Encoded bytes to an upright RGB picture: every format, mode and kind of damage.

A picture that cannot be decoded is reported, never replaced by another. Knows no file.
"""

import functools
import io
import warnings
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

ImageStatus = Literal["ok", "unreadable", "too_large", "missing", "outside"]

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF")
"""Pillow's decoders that may run; the others read formats no image data set uses."""

MAX_ASPECT = 200
"""Pictures whose long side is more than this many times the short one are `too_large`: resized by
their short side they would fill the memory."""

Enough = Callable[[int, int], tuple[int, int]]
"""Width and height of an upright picture -> the fewest columns and rows that do for it."""


class ImageError(Exception):
    """One image cannot be used.

    Args:
        status: the row's status.
        reason: why, in words, without any path.
    """

    def __init__(self, status: ImageStatus, reason: str) -> None:
        super().__init__(reason)
        self.status: ImageStatus = status
        self.reason = reason


def decode(data: bytes, enough: Enough | None = None) -> Image.Image:
    """Encoded bytes to an upright RGB picture.

    EXIF rotation is applied. Transparent pixels are laid over white; 16-bit grey is scaled by
    1/257; floating-point grey is read as [0, 1], or as [0, 255] where it has values above 1; of
    an animation the first picture is taken.

    Args:
        data: the whole file.
        enough: a JPEG is decoded at the smallest of 1/1, 1/2, 1/4 and 1/8 of its size that leaves
            as many pixels; None for its full size.

    Raises:
        ImageError: `unreadable`, or `too_large` over Pillow's `MAX_IMAGE_PIXELS`; the same with
            and without `enough`.
    """
    if not data:
        raise ImageError("unreadable", "the file is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # damaged metadata beside a good picture
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=_formats()) as picture:
                _refuse_strips(picture)
                if enough is not None and isinstance(picture, JpegImageFile):
                    _reduce(picture, enough)
                picture.load()
                turn = _turn(picture)  # a PNG's may stand behind its pixels
                return _to_rgb(picture if turn is None else picture.transpose(turn))
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        limit = Image.MAX_IMAGE_PIXELS or 0
        raise ImageError("too_large", f"more than {limit:,} pixels") from error
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError("unreadable", "not an image in a known format") from error
    # Decoders fed hostile bytes raise nearly anything; each one is this file's finding.
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise ImageError("unreadable", f"cannot be decoded: {reason}") from error


_SUFFIXES = {
    "JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "GIF": ".gif", "BMP": ".bmp", "DIB": ".bmp",
    "WEBP": ".webp", "TIFF": ".tif", "PPM": ".ppm", "AVIF": ".avif",
}  # fmt: skip


def suffix_of(data: bytes) -> str:
    """The usual ending of a file with this content, or "" where it is no image; not decoded."""
    try:
        with Image.open(io.BytesIO(data), formats=_formats()) as picture:
            return _SUFFIXES.get(picture.format or "", "")
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
        return ""


def _refuse_strips(picture: Image.Image) -> None:
    if max(picture.size) > MAX_ASPECT * min(picture.size):
        raise ImageError("too_large", f"{picture.width} x {picture.height} pixels is a strip")


@functools.cache
def _formats() -> tuple[str, ...]:
    """Those of `FORMATS` that this build of Pillow can decode."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_ON_THEIR_SIDE = (
    Image.Transpose.TRANSPOSE,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSVERSE,
    Image.Transpose.ROTATE_90,
)


def _turn(picture: Image.Image) -> Image.Transpose | None:
    # Not ImageOps.exif_transpose: it also writes the block anew, and fails where a tag is broken.
    try:
        return _TURNS.get(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001 - a broken EXIF block says nothing about the picture itself
        return None


def _reduce(picture: JpegImageFile, enough: Enough) -> None:
    """Ask the decoder for a smaller picture."""
    if _turn(picture) in _ON_THEIR_SIDE:
        rows, columns = enough(picture.height, picture.width)
    else:
        columns, rows = enough(picture.width, picture.height)
    picture.draft(None, (columns, rows))


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode == "RGB" and "transparency" not in picture.info:
        return picture.copy()
    if picture.mode == "I" or picture.mode.startswith("I;16"):
        return _grey_to_rgb(np.asarray(picture, dtype=np.float64) / 257)
    if picture.mode == "F":
        values = np.nan_to_num(np.asarray(picture, dtype=np.float64))
        return _grey_to_rgb(values * 255 if values.max(initial=0) <= 1 else values)
    if picture.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(picture, lab, srgb, outputMode="RGB")
        return converted if converted is not None else picture.convert("RGB")
    if picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        page = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(page, layer).convert("RGB")
    return picture.convert("RGB")


def _grey_to_rgb(values: NDArray[np.float64]) -> Image.Image:
    return Image.fromarray(values.clip(0, 255).round().astype(np.uint8)).convert("RGB")
