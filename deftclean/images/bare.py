"""Encoded pictures without what stands beside their pixels.

A colour profile, a comment or a thumbnail says nothing of the pixels, whether it is large, damaged
or both. What changes them stays: transparency, the way in which colours are stored, the rotation.
"""

import struct
import zlib
from collections.abc import Iterator

from deftclean.images.tiff import is_tiff, mended

MOST_CHUNKS = 200_000
"""Parts of a PNG or JPEG; a file of more is taken for an attack on the reader's time."""

_PNG = b"\x89PNG\r\n\x1a\n"
_MOST_TEXT = 1024 * 1024  # bytes of unpacked text; Pillow refuses pictures with more
_TURNED_BY_TEXT = (b"XML:com.adobe.xmp", b"Raw profile type exif")  # may hold the rotation
_TRANSPARENT = {0: (2,), 2: (6,), 3: range(1, 257)}  # bytes of a tRNS chunk, by colour type
_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_JFIF_SIZE, _ADOBE_SIZE = 14, 12  # shorter ones are none
_SOS, _ALONE = 0xDA, (0x01, *range(0xD0, 0xD8))
_APP0, _APP1, _APP14, _COM = 0xE0, 0xE1, 0xEE, 0xFE


class TooManyPartsError(ValueError):
    """A file is of more parts than any picture needs."""


def bare(data: bytes) -> bytes:
    """The picture alone; the same object where nothing beside it could be in the way.

    Raises:
        TooManyPartsError: more than `MOST_CHUNKS`.
    """
    if data.startswith(_PNG):
        return _joined(data, _png_parts(data), len(_PNG))
    if data.startswith(b"\xff\xd8"):
        return _joined(data, _jpeg_parts(data), 2)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data)
    return mended(data) if is_tiff(data) else data


def _joined(data: bytes, parts: Iterator[tuple[int, int, bool]], head: int) -> bytes:
    """The parts that are kept: beginning, end and whether, in order and without gaps."""
    kept = [(0, head)]
    for number, (begin, end, keep) in enumerate(parts):
        if number > MOST_CHUNKS:
            raise TooManyPartsError(f"more than {MOST_CHUNKS:,} parts")
        if keep and kept[-1][1] == begin:
            kept[-1] = (kept[-1][0], end)
        elif keep:
            kept.append((begin, end))
    if kept == [(0, len(data))]:
        return data
    return b"".join(data[begin:end] for begin, end in kept)


# ---------------------------------------------------------------- PNG


def _png_parts(data: bytes) -> Iterator[tuple[int, int, bool]]:
    at, pixels = len(_PNG), False
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        end = min(at + 12 + size, len(data))
        if not kind.isalpha():
            # Behind the pixels nothing is needed; before them the decoder says what is wrong.
            yield at, len(data), not pixels
            return
        pixels = pixels or kind == b"IDAT"
        yield at, end, _png_part_counts(data, at, end, kind)
        if kind == b"IEND":
            return
        at = end


def _png_part_counts(data: bytes, at: int, end: int, kind: bytes) -> bool:
    if kind[:1].isupper():
        return True
    if kind not in (b"tRNS", b"eXIf", b"iTXt", b"zTXt", b"tEXt"):
        return False
    body, checksum = memoryview(data)[at + 4 : end - 4], data[end - 4 : end]
    # A decoder's own rule: what is not critical and damaged is passed over.
    if len(body) < 4 or struct.pack(">I", zlib.crc32(body)) != checksum:
        return False
    if kind == b"tRNS":
        return len(body) - 4 in _TRANSPARENT.get(data[25], ())
    return kind == b"eXIf" or _text_turns(bytes(body[4:]), kind)


def _text_turns(body: bytes, kind: bytes) -> bool:
    """Whether a text may hold the rotation, and is one that can be read."""
    name, _, rest = body.partition(b"\0")
    if name not in _TURNED_BY_TEXT or len(body) > _MOST_TEXT:
        return False
    if kind == b"tEXt":
        return True
    packed = kind == b"zTXt" or rest[:1] == b"\1"
    text = rest[2:].split(b"\0", 2)[-1] if kind == b"iTXt" else rest[1:]
    return not packed or _unpacks(text)


def _unpacks(data: bytes) -> bool:
    unpack = zlib.decompressobj()
    try:
        unpack.decompress(data, _MOST_TEXT)
    except zlib.error:
        return False
    return not unpack.unconsumed_tail


# ---------------------------------------------------------------- WebP


def _webp(data: bytes) -> bytes:
    """Without text or rotation behind the pixels that is cut off, which nobody could read."""
    at = 12
    while at + 8 <= len(data):
        kind, size = struct.unpack_from("<4sI", data, at)
        end = at + 8 + size + size % 2
        if end > len(data) and kind in (b"EXIF", b"XMP "):
            return data[:4] + struct.pack("<I", at - 8) + data[8:at]
        at = end
    return data


# ---------------------------------------------------------------- JPEG


def _jpeg_parts(data: bytes) -> Iterator[tuple[int, int, bool]]:
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            yield at, at + 1, True
            at += 1
            continue
        if marker in _ALONE:
            yield at, at + 2, True
            at += 2
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == _SOS or end > len(data) or end < at + 4:
            break
        yield at, end, _segment_counts(marker, data[at + 4 : end])
        at = end
    yield at, len(data), True


def _segment_counts(marker: int, body: bytes) -> bool:
    if marker == _APP0:
        return body.startswith(b"JFIF\0") and len(body) >= _JFIF_SIZE
    if marker == _APP1:
        return body.startswith((_EXIF, _XMP))
    if marker == _APP14:
        return body.startswith(b"Adobe") and len(body) >= _ADOBE_SIZE
    return not (_APP0 <= marker <= 0xEF or marker == _COM)
