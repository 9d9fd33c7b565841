"""What a picture may cost: memory and time, told from its beginning and not from the machine.

So that a picture has the same status everywhere. Figures were measured with Pillow 12 and 13.
"""

import mmap
import re

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import TiffImageFile

MOST_MEMORY = 1_000_000_000
"""Bytes that decoding one picture may take, its file included; more is `too_large`."""

MOST_SCANS = 100
"""Of a JPEG; encoders write up to some 15."""

_FEW_SCANS, _SCANNED = 20, 2_500_000_000  # so many are always fine; pixels that all scans visit
_SLOW_BYTES = 64 * 1024 * 1024  # of a file that Pillow decodes in Python

_PAGE = 4  # bytes of a pixel of the RGB picture that comes out
_MODES = {"1": 1, "L": 1, "P": 1, "LA": 4, "PA": 4, "La": 4, "I;16": 2, "I;16B": 2}
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_SOS, _EOI = 0xDA, 0xD9


class TooCostlyError(ValueError):
    """A picture would take more memory than one may."""


class TooSlowError(ValueError):
    """A picture is made so that it takes its reader's time."""


def refuse_costly(picture: Image.Image, data: bytes, held: int) -> None:
    """Judge a picture that is opened and not loaded yet.

    Args:
        picture: with its full size.
        data: the file, without what stands beside the pixels.
        held: bytes of encoded data that are in memory.

    Raises:
        TooCostlyError: over `MOST_MEMORY`.
        TooSlowError: over `MOST_SCANS`, or a large file of a format that is read slowly.
    """
    pixels = picture.width * picture.height
    needed = held + pixels * memory_of_pixel(picture)
    if isinstance(picture, TiffImageFile):
        needed = max(needed, held + pixels * _own(picture) + _piece(picture))
    if needed > MOST_MEMORY:
        raise TooCostlyError(
            f"{pixels:,} pixels of this kind take {needed / 1e9:.1f} GB of memory to decode; "
            f"the limit is {MOST_MEMORY / 1e9:.0f} GB"
        )
    if isinstance(picture, JpegImageFile):
        _refuse_scans(picture, data, pixels)
    slow = picture.format == "PPM" and data[:2] in (b"P1", b"P2", b"P3")
    slow = slow or (picture.format in ("BMP", "DIB") and picture.info.get("compression") in (1, 2))
    if slow and len(data) > _SLOW_BYTES:
        raise TooSlowError(f"{len(data):,} bytes of a kind that is read slowly")


def memory_of_pixel(picture: Image.Image) -> int:
    """Bytes that decoding takes at its height, for each pixel."""
    own = _own(picture)
    match picture.format:
        case "JPEG" | "MPO":
            parts = len(picture.getbands())
            kept = 2 * parts if _in_many_scans(picture) else 0
            return max(own + kept, own + _PAGE)
        case "WEBP":
            return 17
        case "AVIF":
            return 16
        case _:
            return own + _PAGE


def _own(picture: Image.Image) -> int:
    """Bytes that Pillow holds for a pixel."""
    return _MODES.get(picture.mode, 4)


def _piece(picture: TiffImageFile) -> int:
    """Bytes of the largest strip or tile, which libtiff unpacks whole; a strip may be all."""
    tags = picture.tag_v2
    samples = max(tags.get(277, 1), len(tags.get(258, (1,))))
    of_pixel = max(_PAGE, -(-samples * max(tags.get(258, (1,))) // 8))
    whole = picture.width * picture.height
    return int(of_pixel * max(whole, tags.get(322, 0) * tags.get(323, 0)))


def _in_many_scans(picture: Image.Image) -> bool:
    return bool(picture.info.get("progressive"))


def _refuse_scans(picture: JpegImageFile, data: bytes, pixels: int) -> None:
    most = max(_FEW_SCANS, min(MOST_SCANS, _SCANNED // max(1, pixels)))
    scans, at = 0, 2
    while (found := _MARKER.search(data, at)) is not None and scans <= most:
        marker, at = data[found.end() - 1], found.end()
        if marker == _EOI or (marker == _SOS and _holds_all(picture, data, at)):
            break
        scans += marker == _SOS
        at += int.from_bytes(data[at : at + 2], "big")
    if scans > most:
        raise TooSlowError(f"more than {most} scans")


def _holds_all(picture: JpegImageFile, data: bytes, at: int) -> bool:
    """Whether a scan is the only one that is read: no decoder looks behind it."""
    parts = data[at + 2 : at + 3]
    return not _in_many_scans(picture) and parts == bytes([len(picture.getbands())])


def is_out_of_memory(error: Exception) -> bool:
    """Whether a decoder gave up for want of memory; Pillow's own have a number for it."""
    return isinstance(error, MemoryError) or "out of memory" in str(error)


def memory_is_there() -> bool:
    """Whether as much memory as a picture may take can be had now."""
    try:
        mmap.mmap(-1, MOST_MEMORY).close()
    except (OSError, ValueError, MemoryError):
        return False
    return True
