"""Bad and strange pictures, made by code: sixty kinds, and as many mutations as are asked for."""

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from tests.support.pictures import encode, noise, smooth, with_exif
from tests.support.pngs import HEAD, around, chunk
from tests.support.tiffs import BLACK_IS_ZERO, FLOAT, RGB, SIGNED, WHITE_IS_ZERO, Layout, tiff

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF")
_PICTURE, _SMOOTH = noise(23, 19), smooth(64, 48)
_PNG, _JPEG, _BMP = encode(_PICTURE), encode(_SMOOTH, "JPEG"), encode(_PICTURE, "BMP")
_GIF = b"\xff" * 4 + bytes(3) + b"," + bytes(4) + b"\xff" * 4 + b"\0\2\2\x44\1\0;"
_FAR = b"II*\0\xff\xff\xff\x7f" + bytes(99)
_SIGNED = Layout(BLACK_IS_ZERO, 8, SIGNED)


def _header(width: int, height: int, depth: int = 8, colour: int = 2, more: int = 0) -> bytes:
    return struct.pack(">IIBBBBB", width, height, depth, colour, more, 0, 0)


def _png(width: int, height: int, depth: int = 8, colour: int = 2, rows: bytes = b"") -> bytes:
    return around(_header(width, height, depth, colour), zlib.compress(rows))


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.png", _PNG)
    return buffer.getvalue()


def _scans(count: int) -> bytes:
    data = encode(_SMOOTH, "JPEG", progressive=True)
    return data[:-2] + data[data.rindex(b"\xff\xda") : -2] * count + data[-2:]


def _frames(kind: str) -> bytes:
    return encode(_SMOOTH, kind, save_all=True, append_images=[noise(64, 48), noise(64, 48, 1)])


def _resized_jpeg(width: int, height: int) -> bytes:
    at = _JPEG.index(b"\xff\xc0") + 5
    return _JPEG[:at] + struct.pack(">HH", height, width) + _JPEG[at + 4 :]


_GREY = np.zeros((9, 9, 1), int)
_KINDS: dict[str, tuple[str, Callable[[], bytes]]] = {
    # no pictures at all
    "nothing": ("unreadable", lambda: b""),
    "one byte": ("unreadable", lambda: b"\xff"),
    "zeros": ("unreadable", lambda: bytes(5000)),
    "text": ("unreadable", lambda: b"not a picture\n" * 100),
    "a page of HTML": ("unreadable", lambda: b"<!DOCTYPE html><html><body>404</body></html>"),
    "SVG": ("unreadable", lambda: b'<svg xmlns="http://www.w3.org/2000/svg"/>'),
    "a pointer of Git LFS": ("unreadable", lambda: b"version https://git-lfs.github.com/spec/v1\n"),
    "a zip archive": ("unreadable", _zip),
    "a packed picture": ("unreadable", lambda: gzip.compress(_PNG)),
    "a PDF": ("unreadable", lambda: encode(_PICTURE, "PDF")),
    "PostScript": ("unreadable", lambda: encode(_PICTURE, "EPS")),
    "an icon": ("unreadable", lambda: encode(_PICTURE, "ICO")),
    "JPEG 2000": ("unreadable", lambda: encode(_PICTURE, "JPEG2000")),
    "Targa": ("unreadable", lambda: encode(_PICTURE, "TGA")),
    "HEIC": ("unreadable", lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)),
    # heads without bodies
    **{
        f"the head of a {kind}": ("unreadable", lambda kind=kind: encode(_SMOOTH, kind)[:30])
        for kind in FORMATS
    },
    **{
        f"half of a {kind}": ("unreadable", lambda kind=kind: _half(encode(noise(64, 48), kind)))
        for kind in FORMATS
    },
    # sizes
    "a PNG without columns": ("unreadable", lambda: _png(0, 5)),
    "a PNG of billions of pixels": ("too_large", lambda: _png(2**31 - 1, 2**31 - 1)),
    "a GIF of billions of pixels": ("too_large", lambda: b"GIF89a" + _GIF),
    "a JPEG of billions of pixels": ("too_large", lambda: _resized_jpeg(65_500, 65_500)),
    "a PPM of billions of pixels": ("too_large", lambda: b"P5 99999 99999 255\n" + bytes(99)),
    "a BMP of billions of pixels": (
        "too_large",
        lambda: _BMP[:18] + struct.pack("<ii", 60_000, 60_000) + _BMP[26:],
    ),
    "a strip": ("too_large", lambda: encode(Image.new("L", (2000, 2)))),
    "a JPEG that says less than it has": ("ok", lambda: _resized_jpeg(32, 24)),
    "a JPEG that says more than it has": ("ok", lambda: _resized_jpeg(640, 480)),
    "a dot": ("ok", lambda: encode(noise(1, 1))),
    # inside
    "a PNG of an unknown colour type": ("unreadable", lambda: _png(4, 4, 8, 5, bytes(99))),
    "a PNG of 3 bits": ("unreadable", lambda: _png(4, 4, 3, 0, bytes(99))),
    "a PNG without pixels": ("unreadable", lambda: _PNG[:HEAD] + chunk(b"IEND", b"")),
    "a PNG without a palette": ("ok", lambda: _png(4, 4, 8, 3, bytes(20))),
    "a PNG of wrong pixels": ("unreadable", lambda: around(_header(23, 19), b"not packed at all")),
    "a PNG with large text": ("ok", lambda: _with(_text())),
    "a PNG with a damaged profile": ("ok", lambda: _with(chunk(b"iCCP", b"x"))),
    "a PNG without an end": ("ok", lambda: _PNG[:-12]),
    "a JPEG of a thousand scans": ("unreadable", lambda: _scans(1000)),
    "a JPEG without an end": ("unreadable", lambda: _JPEG[:-2]),
    "a JPEG behind junk": ("unreadable", lambda: b"junk" + _JPEG),
    "a JPEG before junk": ("ok", lambda: _JPEG + b"junk" * 1000),
    "a JPEG on its side": ("ok", lambda: with_exif(_SMOOTH, 6, "JPEG")),
    "a JPEG with broken EXIF": ("ok", lambda: encode(_SMOOTH, "JPEG", exif=b"Exif\0\0II*\0\xff")),
    "a JPEG of four inks": ("ok", lambda: encode(_SMOOTH.convert("CMYK"), "JPEG")),
    "a phone's two JPEGs": ("ok", lambda: _frames("MPO")),
    "an animation in GIF": ("ok", lambda: _frames("GIF")),
    "an animation in PNG": ("ok", lambda: _frames("PNG")),
    "an animation in WebP": ("ok", lambda: _frames("WEBP")),
    "pages in TIFF": ("ok", lambda: _frames("TIFF")),
    "a TIFF of which 0 is white": ("ok", lambda: tiff(_GREY, Layout(WHITE_IS_ZERO, 16))),
    "a TIFF of three fractions": ("unreadable", lambda: tiff(_rgb(), Layout(RGB, 32, FLOAT))),
    "a TIFF of signed bytes": ("unreadable", lambda: tiff(_GREY, _SIGNED)),
    "a TIFF in a circle": ("ok", lambda: _circle()),
    "a TIFF whose directory is far away": ("unreadable", lambda: _FAR),
    "16-bit grey": ("ok", lambda: encode(Image.fromarray(np.full((9, 9), 999, np.uint16)))),
    "half transparent": ("ok", lambda: encode(_PICTURE.convert("RGBA"), "WEBP", lossless=True)),
}  # fmt: skip


def _half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _with(more: bytes) -> bytes:
    return _PNG[:HEAD] + more + _PNG[HEAD:]


def _text() -> bytes:
    return chunk(b"iTXt", b"parameters\0\1\0\0\0" + zlib.compress(b"x" * 2_000_000))


def _rgb() -> Any:
    return np.zeros((9, 9, 3))


def _circle() -> bytes:
    """The next directory is the first one again."""
    data = encode(_PICTURE, "TIFF")
    (at,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    end = at + 2 + 12 * count
    return data[:end] + struct.pack("<I", at) + data[end + 4 :]


KINDS = tuple(_KINDS)


def expected(kind: str) -> str:
    """The status of such a picture."""
    return _KINDS[kind][0]


def made(kind: str) -> bytes:
    """A picture of that kind."""
    return _KINDS[kind][1]()


# ---------------------------------------------------------------- mutations


def mutated(number: int, seeds: list[bytes]) -> bytes:
    """A picture with something wrong, always the same one for a number."""
    draw = np.random.default_rng(number)
    data = bytearray(seeds[int(draw.integers(len(seeds)))])
    for _ in range(int(draw.integers(1, 5))):
        if len(data) < 16:
            break
        # Most that matters stands at the beginning.
        reach = len(data) if draw.random() < 0.5 else min(len(data), 200)
        at = int(draw.integers(reach - 8)) if reach > 8 else 0
        match int(draw.integers(7)):
            case 0:
                data[at] ^= 1 << int(draw.integers(8))
            case 1:
                data[at] = int(draw.choice([0, 1, 127, 128, 254, 255]))
            case 2:
                data[at : at + 4] = draw.bytes(4)
            case 3:
                data[at : at + 4] = b"\xff" * int(draw.integers(1, 5))
            case 4:
                del data[at : at + int(draw.integers(1, 64))]
            case 5:
                data[at:at] = data[at : at + int(draw.integers(1, 64))]
            case 6:
                del data[max(16, int(draw.integers(len(data)))) :]
    return bytes(data)


def seeds() -> list[bytes]:
    """Small pictures of every format and many of their kinds, to be mutated."""
    picture = smooth(24, 18)
    plain = [encode(picture, kind) for kind in FORMATS]
    several = [made(kind) for kind in KINDS if expected(kind) == "ok"]
    packed = [
        encode(picture, "TIFF", compression=how)
        for how in ("tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits", "zstd")
    ]
    grey = [tiff(_GREY, Layout(0, bits, tiled=True, compression="deflate")) for bits in (1, 8, 16)]
    modes = [encode(picture.convert(mode)) for mode in ("1", "L", "LA", "P", "RGBA")]
    return [*plain, *several, *packed, *grey, *modes, encode(picture, "JPEG", progressive=True)]
