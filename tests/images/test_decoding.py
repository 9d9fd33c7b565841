"""Every format, mode, rotation and kind of damage, at full and at reduced size."""

import contextlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from deftclean.images.decoding import ImageError, decode
from deftclean.images.tiff import listening
from tests.support.pictures import BLACK, RED, WHITE, check, encode, noise, plain, smooth, with_exif


def grey16(value: int) -> Image.Image:
    return Image.fromarray(np.full((2, 2), value, dtype=np.uint16))


def colour_of(data: bytes) -> Any:
    picture = decode(data)
    assert picture.mode == "RGB"
    return picture.getpixel((0, 0))


def outcome(data: bytes) -> str:
    try:
        return decode(data).mode
    except ImageError as error:
        return error.status


def bad(data: bytes) -> ImageError:
    with pytest.raises(ImageError) as caught:
        decode(data)
    return caught.value


# ---------------------------------------------------------------- decoding: what is refused


@pytest.mark.parametrize("size", [11, 20, 200])
def test_the_pixel_limit(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Pillow warns over the limit and fails over twice as much; here both are `too_large`."""
    data = encode(Image.new("L", (size, 10)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10 * size)
    assert decode(data).size == (size, 10)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    error = bad(data)
    assert (error.status, error.reason) == ("too_large", "more than 100 pixels")


def test_pillows_own_pixel_limit_is_in_force() -> None:
    assert Image.MAX_IMAGE_PIXELS is not None
    header = b"P5 %d %d 255\n" % (20_000, Image.MAX_IMAGE_PIXELS // 20_000 + 1)
    assert bad(header + b"x" * 100).status == "too_large"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_truncated_pictures(kind: str, share: float) -> None:
    data = encode(noise(40, 40), kind)
    error = bad(data[: int(len(data) * share)])
    assert error.status == "unreadable"
    assert "0x" not in error.reason  # no address: the same run says the same


@pytest.mark.parametrize("kind", ["ICO", "TGA", "PCX", "JPEG2000", "PDF", "EPS"])
def test_other_formats_are_not_decoded(kind: str) -> None:
    error = bad(encode(noise(16, 16), kind))
    assert (error.status, error.reason) == ("unreadable", "not an image in a known format")


def test_pictures_without_pixels() -> None:
    assert bad(b"P5 0 5 255\n").status == "unreadable"


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=200), kind=st.sampled_from(["JPEG", "PNG", "GIF", "BMP", "TIFF"]))
def test_whatever_the_bytes_only_image_errors_come_out(data: bytes, kind: str) -> None:
    valid = encode(noise(8, 8), kind)
    for hostile in (data, valid[:20] + data, valid[: len(valid) // 2] + data):
        assert outcome(hostile) in ("RGB", "unreadable", "too_large")


# ---------------------------------------------------------------- decoding: every mode


def palette(*colours: tuple[int, int, int]) -> Image.Image:
    picture = Image.new("P", (2, 2), 0)
    picture.putpalette([value for colour in colours for value in colour])
    return picture


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (encode(plain("RGB", (10, 20, 30))), (10, 20, 30)),
        (encode(plain("1", 1)), WHITE),
        (encode(plain("1", 0)), BLACK),
        (encode(plain("L", 77)), (77, 77, 77)),
        (encode(plain("LA", (77, 255))), (77, 77, 77)),
        (encode(plain("LA", (77, 0))), WHITE),
        (encode(plain("LA", (0, 51))), (204, 204, 204)),
        (encode(palette((10, 20, 30), (1, 2, 3))), (10, 20, 30)),
        (encode(palette((10, 20, 30), (1, 2, 3)), transparency=0), WHITE),
        (encode(palette((10, 20, 30), (1, 2, 3)), transparency=1), (10, 20, 30)),
        (encode(palette((10, 20, 30), (1, 2, 3)), "GIF", transparency=0), WHITE),
        (encode(plain("RGBA", (10, 20, 30, 255))), (10, 20, 30)),
        (encode(plain("RGBA", (10, 20, 30, 0))), WHITE),
        (encode(plain("RGBA", (255, 0, 0, 51))), (255, 204, 204)),
        (encode(plain("RGBA", (255, 0, 0, 0)), "WEBP", lossless=True), WHITE),
        (encode(plain("RGB", (7, 7, 7)), transparency=(7, 7, 7)), WHITE),
        (encode(plain("L", 7), transparency=7), WHITE),
        (encode(plain("CMYK", (0, 255, 255, 0)), "JPEG", quality=100), RED),
        (encode(plain("CMYK", (0, 255, 255, 0)), "TIFF"), RED),
        (encode(plain("CMYK", (0, 0, 0, 255)), "JPEG", quality=100), BLACK),
        (encode(grey16(0)), BLACK),
        (encode(grey16(65535)), WHITE),
        (encode(grey16(257 * 100)), (100, 100, 100)),
        (encode(grey16(257 * 100 + 128)), (100, 100, 100)),
        (encode(grey16(257 * 100 + 129)), (101, 101, 101)),
        (encode(grey16(257 * 100), "TIFF"), (100, 100, 100)),
        (encode(Image.frombytes("I;16B", (1, 1), b"\x64\x64"), "TIFF"), (100, 100, 100)),
        (b"P5 1 1 65535\n\x64\x64", (100, 100, 100)),
        (encode(Image.fromarray(np.full((2, 2), 25700, np.int32)), "TIFF"), (100, 100, 100)),
        (encode(Image.fromarray(np.full((2, 2), 0.2, np.float32)), "TIFF"), (51, 51, 51)),
        (encode(Image.fromarray(np.full((2, 2), 51.0, np.float32)), "TIFF"), (51, 51, 51)),
        (encode(Image.fromarray(np.full((2, 2), -1.0, np.float32)), "TIFF"), BLACK),
        (encode(Image.fromarray(np.full((2, 2), np.nan, np.float32)), "TIFF"), BLACK),
    ],
)  # fmt: skip
def test_every_mode_becomes_rgb(data: bytes, expected: tuple[int, int, int]) -> None:
    assert colour_of(data) == expected


@pytest.mark.parametrize("value", [1, 200, 255])
def test_dark_16_bit_pictures_stay_dark(value: int) -> None:
    """Scaled by 1/257 like all others, not taken for 8 bits or a share of one."""
    assert colour_of(encode(grey16(value))) == (round(value / 257),) * 3


def test_jpeg_and_its_relatives_keep_their_colour() -> None:
    """JPEG stores YCbCr; a phone's MPO is a JPEG with a second picture behind it."""
    red, other = plain("RGB", (200, 10, 10)).resize((16, 16)), Image.new("RGB", (16, 16))
    several: dict[str, Any] = {"save_all": True, "append_images": [other]}
    for data in (
        encode(red, "JPEG", quality=95),
        encode(red, "JPEG", progressive=True, quality=95),
        encode(red.convert("YCbCr"), "JPEG", quality=95),
        encode(red, "MPO", quality=95, **several),
        encode(red, "WEBP", quality=95, **several),
        encode(red, "PNG", **several),
    ):
        assert np.allclose(colour_of(data), (200, 10, 10), atol=3)


def test_bytes_after_a_jpegs_end_do_no_harm() -> None:
    picture = noise(8, 8)
    data = encode(picture, "JPEG")
    assert decode(data + b"\0" * 100).tobytes() == decode(data).tobytes()


def test_the_suffix_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(encode(noise(2, 2), "PNG"))
    assert check(tmp_path, "a.jpg").status == "ok"


def test_of_an_animation_the_first_picture_is_taken() -> None:
    frames = [plain("RGB", colour) for colour in (RED, (0, 255, 0), (0, 0, 255))]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=50)
    assert colour_of(data) == RED


# ---------------------------------------------------------------- EXIF


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, [[0, 1, 2], [3, 4, 5]]),
        (2, [[2, 1, 0], [5, 4, 3]]),
        (3, [[5, 4, 3], [2, 1, 0]]),
        (4, [[3, 4, 5], [0, 1, 2]]),
        (5, [[0, 3], [1, 4], [2, 5]]),
        (6, [[3, 0], [4, 1], [5, 2]]),
        (7, [[5, 2], [4, 1], [3, 0]]),
        (8, [[2, 5], [1, 4], [0, 3]]),
        (9, [[0, 1, 2], [3, 4, 5]]),
    ],
)
def test_exif_rotation(orientation: int, upright: list[list[int]]) -> None:
    picture = Image.fromarray(np.array([[0, 1, 2], [3, 4, 5]], dtype=np.uint8))
    found = np.array(decode(with_exif(picture, orientation)))
    assert found[:, :, 0].tolist() == upright


def test_exif_rotation_of_a_transparent_palette() -> None:
    picture = Image.fromarray(np.array([[0, 1, 2]], dtype=np.uint8), "L").convert("P")
    picture.putpalette([10, 10, 10, 20, 20, 20, 30, 30, 30])
    exif = Image.Exif()
    exif[0x0112] = 3
    found = np.array(decode(encode(picture, exif=exif, transparency=2)))
    assert found[:, :, 0].tolist() == [[255, 20, 10]]


def rich_exif() -> tuple[bytes, int, int]:
    """A 4 x 2 JPEG to be turned, with a camera's EXIF block; where it begins and ends."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F], exif[0x011A], exif[0x0213] = "Maker", 72.0, 1
    exif[0x8769] = {0x9003: "2020", 0x829A: (1, 2)}
    data = encode(noise(4, 2), "JPEG", exif=exif)
    start = data.index(b"Exif\0\0") + 6
    return data, start, start + len(exif.tobytes()) - 6


@pytest.mark.parametrize(
    ("tag", "kind", "count"),
    [(0x010F, 5, 1), (0x010F, 12, 1), (0x010F, 5, 6), (0x011A, 2, 1), (0x0213, 2, 1)],
)
def test_a_tag_of_the_wrong_type_keeps_no_picture_from_turning(
    tag: int, kind: int, count: int
) -> None:
    """The rotation can be read; that another tag cannot be written again does not matter."""
    data, start, _ = rich_exif()
    at = data.index(tag.to_bytes(2, "big"), start) + 2
    assert decode(data).size == (2, 4)
    entry = kind.to_bytes(2, "big") + count.to_bytes(4, "big")
    assert decode(data[:at] + entry + data[at + 6 :]).size == (2, 4)


@settings(max_examples=400, deadline=None)
@given(
    changes=st.lists(
        st.tuples(
            st.integers(0, 123), st.sampled_from([0, 1, 2, 3, 5, 12, 255]) | st.integers(0, 255)
        ),
        max_size=4,
    )
)
def test_a_broken_exif_block_spoils_no_picture(changes: list[tuple[int, int]]) -> None:
    data, start, end = rich_exif()
    hostile = bytearray(data)
    for place, value in changes:
        hostile[start + place % (end - start)] = value
    assert decode(bytes(hostile)).size in ((4, 2), (2, 4))


# ---------------------------------------------------------------- reduced size


def reduced(data: bytes, columns: int, rows: int) -> Image.Image:
    return decode(data, lambda _width, _height: (columns, rows))


@pytest.mark.parametrize(
    ("columns", "rows", "size"),
    [
        (160, 120, (160, 120)),
        (81, 1, (160, 120)),
        (80, 60, (80, 60)),
        (41, 30, (80, 60)),
        (40, 30, (40, 30)),
        (20, 15, (20, 15)),
        (1, 1, (20, 15)),
        (500, 500, (160, 120)),
    ],
)
def test_a_reduced_jpeg_keeps_as_many_pixels_as_are_enough(
    columns: int, rows: int, size: tuple[int, int]
) -> None:
    assert reduced(encode(smooth(160, 120), "JPEG"), columns, rows).size == size


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM"])
def test_other_formats_are_never_reduced(kind: str) -> None:
    data = encode(smooth(160, 120), kind)
    assert reduced(data, 1, 1).tobytes() == decode(data).tobytes()


@pytest.mark.parametrize("orientation", range(1, 10))
def test_a_reduced_jpeg_is_turned_like_a_whole_one(orientation: int) -> None:
    data = with_exif(smooth(160, 80), orientation, "JPEG")
    upright = decode(data)
    asked = []

    def enough(width: int, height: int) -> tuple[int, int]:
        asked.append((width, height))
        return width // 4, height // 4

    small = decode(data, enough)
    assert asked == [upright.size]
    assert small.size == (upright.width // 4, upright.height // 4)
    wanted = np.asarray(upright.resize(small.size, Image.Resampling.BOX), dtype=int)
    assert np.abs(np.asarray(small, dtype=int) - wanted).mean() < 3


@pytest.mark.parametrize("orientation", [1, 6])
def test_what_is_enough_may_differ_by_side(orientation: int) -> None:
    data = with_exif(smooth(160, 160), orientation, "JPEG")
    assert reduced(data, 80, 20).size == (80, 80)
    assert reduced(data, 20, 80).size == (80, 80)


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGB"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
def test_reduced_jpegs_of_every_mode(mode: str, options: dict[str, Any]) -> None:
    data = encode(smooth(160, 120).convert(mode), "JPEG", quality=95, **options)
    small, whole = reduced(data, 40, 30), decode(data)
    assert (small.mode, small.size) == ("RGB", (40, 30))
    wanted = np.asarray(whole.resize((40, 30), Image.Resampling.BOX), dtype=int)
    assert np.abs(np.asarray(small, dtype=int) - wanted).mean() < 3


def test_a_phones_two_pictures_in_one_file_are_reduced() -> None:
    data = encode(smooth(160, 120), "MPO", save_all=True, append_images=[noise(16, 16)])
    assert reduced(data, 40, 30).size == (40, 30)


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
@pytest.mark.parametrize("shape", [(64, 48), (61, 47)])
def test_what_is_truncated_is_found_at_any_size(
    options: dict[str, Any], shape: tuple[int, int]
) -> None:
    data = encode(noise(*shape), "JPEG", **options)
    for cut in [*range(100, len(data) - 40, 97), *range(len(data) - 40, len(data))]:
        found = [outcome(data[:cut])]
        for least in (1, 8, 16, 32):
            try:
                found.append(reduced(data[:cut], least, least).mode)
            except ImageError as error:
                found.append(error.status)
        assert len(set(found)) == 1, (cut, found)


def test_the_limits_are_of_the_whole_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    strip = encode(Image.new("L", (2010, 10)), "JPEG")
    with pytest.raises(ImageError, match="is a strip"):
        reduced(strip, 1, 1)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ImageError, match="more than 100 pixels"):
        reduced(encode(noise(11, 10), "JPEG"), 1, 1)


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=200))
def test_hostile_bytes_are_the_same_finding_at_any_size(data: bytes) -> None:
    valid = encode(noise(24, 24), "JPEG")
    for hostile in (valid[:20] + data, valid[: len(valid) // 2] + data):
        try:
            found = reduced(hostile, 3, 3).mode
        except ImageError as error:
            found = error.status
        assert found == outcome(hostile)


# ---------------------------------------------------------------- what libraries say by themselves


def test_libtiff_is_heard_and_not_seen(capfd: pytest.CaptureFixture[str]) -> None:
    data = encode(smooth(64, 64), "TIFF", compression="tiff_adobe_deflate")
    spoiled = data[:8] + bytes(8) + data[16:]
    assert "decoder error -2 (ZIPDecode: " in bad(spoiled).reason
    assert decode(data).size == (64, 64)
    assert capfd.readouterr().err == ""


def test_what_others_say_meanwhile_cannot_block(capfd: pytest.CaptureFixture[str]) -> None:
    with listening() as said:
        os.write(2, b"first\x1b[2K\nsecond\n")
        for _ in range(40):
            with contextlib.suppress(BlockingIOError):
                os.write(2, b"x" * 4096)
    assert said == ["first\\x1b[2K"]
    os.write(2, b"heard again")
    assert capfd.readouterr().err == "heard again"
