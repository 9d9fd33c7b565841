"""What stands beside the pixels says nothing about them, whether it is large, damaged or both."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from deftclean.images.bare import MOST_CHUNKS, bare
from deftclean.images.decoding import ImageError, decode, suffix_of
from tests.support.pictures import encode, noise, smooth, with_exif
from tests.support.pngs import HEAD, chunk

PICTURE = noise(9, 7)
PNG = encode(PICTURE)
SECRET = zlib.compress(os.urandom(1200) * 1000)
BESIDE = {
    "a large profile": chunk(b"iCCP", b"p\0\0" + SECRET),
    "a damaged profile": chunk(b"iCCP", b"p\0\0not packed"),
    "a large text": chunk(b"iTXt", b"parameters\0\1\0\0\0" + zlib.compress(b"x" * 1_100_000)),
    "a large packed text": chunk(b"zTXt", b"c\0\0" + zlib.compress(b"x" * 1_100_000)),
    "many texts": chunk(b"tEXt", b"c\0" + b"x" * 700_000) * 100,
    "a large rotation": chunk(
        b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b"x" * 1_100_000)
    ),
    "a damaged rotation": chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0not packed"),
    "a wrong checksum": chunk(b"tEXt", b"Comment\0abc")[:-1] + b"\0",
    "transparency with a wrong checksum": chunk(b"tRNS", bytes(6))[:-1] + b"\0",
    "transparency of the wrong size": chunk(b"tRNS", b"\0"),
    "an animation's head": chunk(b"acTL", b"\0"),
    "a short resolution": chunk(b"pHYs", b"\0"),
    "a broken rotation": chunk(b"eXIf", b"II*\0\xff\xff\xff\xff"),
    "short colours": chunk(b"cHRM", b"\0") + chunk(b"gAMA", b"") + chunk(b"sRGB", b""),
    "unknown": chunk(b"quOx", b"?" * 1000),
}


@pytest.mark.parametrize("name", BESIDE)
@pytest.mark.parametrize("behind", [False, True])
def test_pngs_with_anything_beside_the_pixels(name: str, behind: bool) -> None:
    at = len(PNG) - 12 if behind else HEAD
    data = PNG[:at] + BESIDE[name] + PNG[at:]
    assert decode(data).tobytes() == PICTURE.tobytes()
    assert suffix_of(data) == ".png"


@pytest.mark.parametrize("tail", [b"", b"\0", b"\0\0\0\5tEXt", b"\xff" * 40, PNG[-6:]])
def test_a_png_without_a_proper_end(tail: bytes) -> None:
    assert decode(PNG[:-12] + tail).tobytes() == PICTURE.tobytes()


def test_damaged_pixels_are_damaged_all_the_same() -> None:
    for cut in (HEAD, HEAD + 20, HEAD + 100):
        with pytest.raises(ImageError):
            decode(PNG[:cut])
        with pytest.raises(ImageError):
            decode(PNG[:cut] + PNG[-12:])


def test_a_rotation_in_a_text_is_kept() -> None:
    xmp = b'<x xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
    for text in (
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp)),
    ):
        assert decode(PNG[:HEAD] + text + PNG[HEAD:]).size == (7, 9)


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


SEGMENTS = {
    "a short JFIF": segment(0xE0, b"JFIF\0"),
    "a short Adobe": segment(0xEE, b"Adobe\0"),
    "a broken list of pictures": segment(0xE2, b"MPF\0II*\0\xff\xff\xff\xff"),
    "a part of a profile": segment(0xE2, b"ICC_PROFILE\0\7\2x"),
    "a broken profile": segment(0xE2, b"ICC_PROFILE\0"),
    "a broken rotation": segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff"),
    "broken resources": segment(0xED, b"Photoshop 3.0\0" + b"8BIM\3\xed\0\0\0\0\0\1x"),
    "a large comment": segment(0xFE, b"x" * 65_000) * 50,
    "nothing": segment(0xE5, b""),
}


@pytest.mark.parametrize("name", SEGMENTS)
@pytest.mark.parametrize("first", [False, True])
def test_jpegs_with_anything_beside_the_pixels(name: str, first: bool) -> None:
    data = encode(smooth(32, 24), "JPEG")
    at = 2 if first else 20
    spoiled = data[:at] + SEGMENTS[name] + data[at:]
    assert decode(spoiled).tobytes() == decode(data).tobytes()


def spoiled_tags(data: bytes, how: str) -> list[bytes]:
    """The file with one ornament spoiled: text, resolution, profile."""
    (at,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    made = []
    for place in range(at + 2, at + 2 + 12 * count, 12):
        tag, kind, number, offset = struct.unpack_from("<HHII", data, place)
        if tag in (270, 282, 283, 305, 34675):
            number = 2**31 if how == "count" else 0 if how == "empty" else number
            offset = 2**31 if how == "offset" else offset
            entry = struct.pack("<HHII", tag, 99 if how == "type" else kind, number, offset)
            made.append(data[:place] + entry + data[place + 12 :])
    return made


@pytest.mark.parametrize("how", ["count", "offset", "type", "empty"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "F"])
def test_tiffs_with_spoiled_tags_beside_the_pixels(how: str, mode: str) -> None:
    """Tags that say of which kind the pixels are stand behind them."""
    picture = smooth(32, 24).convert(mode)
    more = {"description": "text " * 9, "software": "s" * 20, "dpi": (72, 72)}
    data = encode(picture, "TIFF", icc_profile=b"x" * 300, **more)
    spoiled = spoiled_tags(data, how)
    assert len(spoiled) == 5
    for each in spoiled:
        assert decode(each).tobytes() == decode(data).tobytes()


@pytest.mark.parametrize("kind", [b"EXIF", b"XMP "])
def test_webps_with_a_cut_text_behind_the_pixels(kind: bytes) -> None:
    options = {"EXIF": {"exif": b"Exif\0\0" + b"x" * 99}, "XMP ": {"xmp": b"<x/>" * 99}}
    data = encode(smooth(32, 24), "WEBP", lossless=True, **options[kind.decode()])
    at = data.index(kind)
    for cut in (data[: at + 12], data[:-9], data[: at + 4] + b"\xff\xff\0\0" + data[at + 8 :]):
        assert decode(cut).tobytes() == smooth(32, 24).tobytes()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "GIF"])
def test_a_plain_file_is_not_copied(kind: str) -> None:
    data = encode(smooth(32, 24), kind)
    assert bare(data) is data


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_colours_are_those_of_the_whole_file(mode: str) -> None:
    """What says how colours are stored is no ornament."""
    data = encode(smooth(32, 24).convert(mode), "JPEG", comment=b"x", dpi=(300, 300))
    with Image.open(io.BytesIO(data)) as whole:
        assert decode(data).tobytes() == whole.convert("RGB").tobytes()
    assert decode(with_exif(smooth(32, 24), 6, "JPEG")).size == (24, 32)


@pytest.mark.parametrize(
    "data",
    [
        PNG[:HEAD] + chunk(b"tEXt", b"") * (MOST_CHUNKS + 1),
        b"\xff\xd8" + b"\xff\xfe\0\2" * (MOST_CHUNKS + 2),
    ],
)
def test_a_file_of_endless_parts_is_refused(data: bytes) -> None:
    with pytest.raises(ImageError, match="more than 200,000 parts"):
        decode(data)


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=60), at=st.integers(0, 300), kind=st.sampled_from(["PNG", "JPEG"]))
def test_whatever_the_bytes_nothing_is_added(data: bytes, at: int, kind: str) -> None:
    whole = encode(PICTURE, kind)
    hostile = whole[:at] + data + whole[at + len(data) // 2 :]
    left = bare(hostile)
    assert len(left) <= len(hostile)
    assert bare(left) == left
    assert np.array_equal(list(left[:2]), list(hostile[:2]))
