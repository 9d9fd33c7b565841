"""Encoded bytes to an upright RGB picture: every format, mode and kind of damage.

A picture that cannot be decoded is reported, never replaced by another. Knows no file.
"""

import contextlib
import functools
import io
import warnings
from collections.abc import Callable, Iterator
from typing import Literal

from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from deftclean.images.bare import bare
from deftclean.images.limits import TooCostlyError, is_out_of_memory, memory_is_there, refuse_costly
from deftclean.images.rgb import to_rgb
from deftclean.images.tiff import (
    is_tiff,
    kind_of,
    listening,
    readable,
    refuse_endless,
    whiteness,
)

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
    """Encoded bytes to an upright RGB picture: `sized` without its size."""
    return sized(data, enough)[0]


def sized(data: bytes, enough: Enough | None = None) -> tuple[Image.Image, tuple[int, int]]:
    """Encoded bytes to an upright RGB picture, and the width and height that the file holds.

    EXIF rotation is applied. Transparent pixels are laid over white; 16-bit grey is scaled by
    1/257; floating-point grey is read as [0, 1], or as [0, 255] where it has values above 1; of
    an animation the first picture is taken. Text and profiles beside the pixels are not read.

    Args:
        data: the whole file.
        enough: a JPEG is decoded at the smallest of 1/1, 1/2, 1/4 and 1/8 of its size that leaves
            as many pixels; None for its full size.

    Raises:
        ImageError: `unreadable`, or `too_large` over Pillow's `MAX_IMAGE_PIXELS` or the memory of
            `deftclean.images.limits`; the same with and without `enough`.
        MemoryError: the machine has less memory than a picture may take.
    """
    if not data:
        raise ImageError("unreadable", "the file is empty")
    said: list[str] = []
    try:
        with warnings.catch_warnings(), _listening_to_libtiff(data) as said:
            warnings.simplefilter("ignore")  # damaged metadata beside a good picture
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture, turn, (width, height) = _loaded(data, enough)
            if turn is None:
                return picture, (width, height)
            size = (height, width) if turn in _ON_THEIR_SIDE else (width, height)
            return picture.transpose(turn), size
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        limit = Image.MAX_IMAGE_PIXELS or 0
        raise ImageError("too_large", f"more than {limit:,} pixels") from error
    except TooCostlyError as error:
        raise ImageError("too_large", str(error)) from error
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError("unreadable", _unidentified(data)) from error
    # Decoders fed hostile bytes raise nearly anything; each one is this file's finding.
    except Exception as error:
        if is_out_of_memory(error) and not memory_is_there():
            raise MemoryError("memory ran out while a picture was decoded") from error
        reason = str(error) or type(error).__name__
        more = f" ({said[0]})" if said else ""
        raise ImageError("unreadable", f"cannot be decoded: {reason}{more}") from error


def _loaded(
    data: bytes, enough: Enough | None
) -> tuple[Image.Image, Image.Transpose | None, tuple[int, int]]:
    """An RGB picture that holds no other, how it has yet to be turned, and its whole size."""
    alone = bare(data)
    held = len(data) + (0 if alone is data else len(alone))
    if is_tiff(alone):
        refuse_endless(alone)
    with Image.open(io.BytesIO(alone), formats=_formats()) as picture:
        _refuse_strips(picture)
        refuse_costly(picture, alone, held)
        black, white = 0.0, 65535.0
        if isinstance(picture, TiffImageFile):
            picture = readable(picture, alone)
            black, white = whiteness(picture)
        size = picture.size
        if enough is not None and isinstance(picture, JpegImageFile):
            _reduce(picture, enough)
        picture.load()
        turn = _turn(picture)  # a PNG's may stand behind its pixels
        if isinstance(picture, PngImageFile):
            _mend_transparency(picture, alone)
        rgb = to_rgb(picture, black, white)
        return (picture.copy() if rgb is picture and turn is None else rgb), turn, size


def _mend_transparency(picture: PngImageFile, data: bytes) -> None:
    """Pillow widens 2 and 4 bits of grey to 8, and not the value that is to be transparent."""
    clear, depth = picture.info.get("transparency"), data[24]
    if isinstance(clear, tuple) and depth == 16:
        raise ValueError("a transparent colour among 16-bit ones")
    if isinstance(clear, int) and picture.mode == "L" and depth in (2, 4):
        picture.info["transparency"] = clear % 2**depth * 255 // (2**depth - 1)


@contextlib.contextmanager
def _listening_to_libtiff(data: bytes) -> Iterator[list[str]]:
    if not is_tiff(data):
        yield []
        return
    with listening() as said:
        yield said


def _unidentified(data: bytes) -> str:
    if is_tiff(data) and (kind := kind_of(data)):
        return f"a TIFF of a kind that cannot be decoded: {kind}"
    return "not an image in a known format"


_SUFFIXES = {
    "JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "GIF": ".gif", "BMP": ".bmp", "DIB": ".bmp",
    "WEBP": ".webp", "TIFF": ".tif", "PPM": ".ppm", "AVIF": ".avif",
}  # fmt: skip


def suffix_of(data: bytes) -> str:
    """The usual ending of a file with this content, or "" where it is no image; not decoded."""
    try:
        with Image.open(io.BytesIO(bare(data)), formats=_formats()) as picture:
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
