import hashlib
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from torchvision.transforms import Normalize

from deftclean import images
from deftclean.errors import InputError, RunError
from deftclean.images import (
    FolderImages,
    ImageCheck,
    ImageError,
    Pictures,
    SpooledImages,
    View,
    check_image,
    check_images,
    decode,
    make_loader,
    scoring_pixels,
    training_pixels,
)
from deftclean.manifest import ImageColumn
from deftclean.spool import spool_images

WHITE, BLACK, RED = (255, 255, 255), (0, 0, 0), (255, 0, 0)


def encode(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3))
    return Image.fromarray(values.astype(np.uint8))


def plain(mode: str, colour: Any) -> Image.Image:
    return Image.new(mode, (2, 2), colour)


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


def folder(root: Path, *names: str, allow_outside: bool = False) -> FolderImages:
    return FolderImages(root, np.array(names, dtype=object), allow_outside)


def check(root: Path, name: str, allow_outside: bool = False) -> ImageCheck:
    return check_image(folder(root, name, allow_outside=allow_outside), 0)


# ---------------------------------------------------------------- reading files


def test_a_good_picture(tmp_path: Path) -> None:
    data = encode(noise(5, 4))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "ä b.PNG").write_bytes(data)
    expected = ImageCheck("ok", None, hashlib.sha256(data).hexdigest())
    assert check(tmp_path, "sub/ä b.PNG") == expected
    assert check(tmp_path, "sub/../sub/ä b.PNG") == expected


@pytest.mark.parametrize("name", ["gone.png", "a.png/b.png", "no/such/folder.png"])
def test_missing_files(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.png").write_bytes(encode(noise(2, 2)))
    assert check(tmp_path, name) == ImageCheck("missing", "no such file", None)


def test_a_row_that_names_no_file(tmp_path: Path) -> None:
    assert check(tmp_path, "") == ImageCheck("missing", "the row names no file", None)


def test_dead_links_and_links_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "dead.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "a.png").symlink_to(tmp_path / "b.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
    assert check(tmp_path, "dead.png").status == "missing"
    assert check(tmp_path, "a.png") == ImageCheck("missing", "a link that leads to itself", None)


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    empty = hashlib.sha256(b"").hexdigest()
    assert check(tmp_path, "a.png") == ImageCheck("unreadable", "the file is empty", empty)


def test_a_file_that_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("<html>404</html>")
    found = check(tmp_path, "a.png")
    assert (found.status, found.error) == ("unreadable", "not an image in a known format")
    assert found.sha256 == hashlib.sha256(b"<html>404</html>").hexdigest()


def test_outside_by_name_and_by_link(tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    (tmp_path / "data2").mkdir()
    for place in (tmp_path, tmp_path / "data2"):
        (place / "secret.png").write_bytes(encode(noise(2, 2)))
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    (root / "links").symlink_to(tmp_path / "data2")
    names = ["../secret.png", "../data2/secret.png", "link.png", "links/secret.png"]
    names.append(str(tmp_path / "secret.png"))
    for name in names:
        expected = ImageCheck("outside", "leads outside the data folder", None)
        assert check(root, name) == expected
        assert check(root, name, allow_outside=True).status == "ok"
    assert check(root, "../gone.png").status == "outside"  # not even whether it exists is told


def test_a_data_folder_that_is_a_link_itself(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.png").write_bytes(encode(noise(2, 2)))
    (tmp_path / "data").symlink_to(tmp_path / "real")
    assert check(tmp_path / "data", "a.png").status == "ok"


@pytest.mark.timeout(20)
def test_a_named_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    assert check(tmp_path, "a.png") == ImageCheck("unreadable", "not a regular file", None)


def test_a_folder_called_like_an_image(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").mkdir()
    assert check(tmp_path, "x.jpg") == ImageCheck("unreadable", "not a regular file", None)


@pytest.mark.parametrize("name", ["a\0.png", "x" * 300 + ".png"])
def test_names_no_file_can_have(tmp_path: Path, name: str) -> None:
    found = check(tmp_path, name)
    assert found.status == "unreadable"
    assert found.error is not None
    assert found.error.startswith("cannot be opened: ")
    assert str(tmp_path) not in found.error


def test_files_over_the_size_limit_are_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encode(noise(2, 2))
    (tmp_path / "a.png").write_bytes(data)
    monkeypatch.setattr(images, "MAX_BYTES", len(data))
    assert check(tmp_path, "a.png").status == "ok"
    monkeypatch.setattr(images, "MAX_BYTES", len(data) - 1)
    reason = f"{len(data)} bytes; the limit is {len(data) - 1}"
    assert check(tmp_path, "a.png") == ImageCheck("too_large", reason, None)


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


def with_exif(picture: Image.Image, orientation: int, kind: str = "PNG") -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(picture, kind, exif=exif)


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


# ---------------------------------------------------------------- preprocessing


def preprocess(mode: str, size: tuple[int, int] = (32, 32), **more: Any) -> dict[str, Any]:
    return {
        "size": size,
        "mode": "RGB",
        "mean": (0.48, 0.46, 0.41),
        "std": (0.27, 0.26, 0.28),
        "interpolation": "bicubic",
        "resize_mode": mode,
        "fill_color": 0,
        **more,
    }


SIZES = [(32, 32), (50, 37), (37, 50), (12, 12), (200, 20), (20, 200), (33, 32), (1, 1)]


@pytest.mark.parametrize("mode", ["squash", "shortest", "longest"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("shape", SIZES)
def test_scoring_pixels_are_open_clips_own(
    mode: str, interpolation: str, shape: tuple[int, int]
) -> None:
    settings = preprocess(mode, interpolation=interpolation, fill_color=127)
    picture = noise(*shape)
    theirs = image_transform_v2(PreprocessCfg(**settings), is_train=False)(picture)
    ours = scoring_pixels(settings)(picture, View(0))
    assert (ours.dtype, ours.shape, ours.is_contiguous()) == (torch.uint8, (3, 32, 32), True)
    normalised = Normalize(settings["mean"], settings["std"])(ours.float().div(255))
    assert torch.equal(normalised, theirs)


@pytest.mark.parametrize("mode", ["squash", "longest"])
def test_scoring_pixels_that_are_not_square(mode: str) -> None:
    settings = preprocess(mode, (24, 40))
    picture = noise(50, 37)
    theirs = image_transform_v2(PreprocessCfg(**settings), is_train=False)(picture)
    ours = scoring_pixels(settings)(picture, View(0))
    normalised = Normalize(settings["mean"], settings["std"])(ours.float().div(255))
    assert torch.equal(normalised, theirs)


def test_scoring_pixels_take_sizes_as_json_gives_them() -> None:
    picture = noise(50, 37)
    from_json = {**preprocess("shortest"), "size": [32, 32], "mean": [0.5] * 3, "std": [0.5] * 3}
    expected = scoring_pixels(preprocess("shortest"))(picture, View(0))
    assert torch.equal(scoring_pixels(from_json)(picture, View(0)), expected)


@pytest.mark.parametrize("mode", ["squash", "shortest", "longest"])
@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("crop", [False, True])
def test_training_pixels_are_always_of_the_models_size(
    mode: str, shape: tuple[int, int], crop: bool
) -> None:
    pixels_of = training_pixels(preprocess(mode), crop, flip=True)
    last = np.nextafter(1.0, 0.0)
    for view in (View(0), View(0, last, last, 0.0), View(0, 0.5, 0.25, 0.75)):
        pixels = pixels_of(noise(*shape), view)
        assert (pixels.dtype, pixels.shape, pixels.is_contiguous()) == (
            torch.uint8, (3, 32, 32), True,
        )  # fmt: skip


def ramp(width: int, height: int) -> Image.Image:
    """Red is the column, green the row."""
    rows, columns = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([columns, rows, 0 * rows], axis=2).astype(np.uint8))


@pytest.mark.parametrize("mode", ["squash", "shortest", "longest"])
@pytest.mark.parametrize(
    ("x", "y", "left", "top"),
    [(0.0, 0.0, 0, 0), (1 - 1e-9, 1 - 1e-9, 5, 5), (0.0, 1 - 1e-9, 0, 5), (0.5, 0.17, 3, 1)],
)
def test_the_crops_place(mode: str, x: float, y: float, left: int, top: int) -> None:
    """32 pixels out of round(32 · 256/224) = 37: six places in each direction."""
    pixels = training_pixels(preprocess(mode), crop=True, flip=False)(ramp(37, 37), View(0, x, y))
    assert pixels[0, 0].tolist() == list(range(left, left + 32))
    assert pixels[1, :, 0].tolist() == list(range(top, top + 32))


def test_the_crop_of_a_model_for_224_pixels() -> None:
    pixels_of = training_pixels(preprocess("squash", (224, 224)), crop=True, flip=False)
    pixels = pixels_of(ramp(256, 256), View(0, 0.5, 1 - 1e-9))
    assert pixels[0, 0].tolist() == list(range(16, 240))
    assert pixels[1, :, 0].tolist() == list(range(32, 256))


def test_the_crop_reaches_both_ends_of_a_long_picture() -> None:
    pixels_of = training_pixels(preprocess("shortest"), crop=True, flip=False)
    picture = ramp(37 * 4, 37)
    assert pixels_of(picture, View(0, 0.0))[0, 0].tolist() == list(range(32))
    assert pixels_of(picture, View(0, 1 - 1e-9))[0, 0].tolist() == list(range(116, 148))


def test_the_resize_keeps_the_models_mode() -> None:
    """A 74 x 148 ramp to 37: squashed, or twice as long as high."""
    picture = Image.fromarray(np.tile(np.arange(148, dtype=np.uint8)[:, None, None], (1, 74, 3)))
    tall = View(0, 0.0, 1 - 1e-9)
    squash = training_pixels(preprocess("squash"), crop=True, flip=False)(picture, tall)
    shortest = training_pixels(preprocess("shortest"), crop=True, flip=False)(picture, tall)
    assert np.diff(squash[0, :, 0].numpy())[4:-4].tolist() == [4] * 23
    assert np.diff(shortest[0, :, 0].numpy())[4:-4].tolist() == [2] * 23


@pytest.mark.parametrize("crop", [False, True])
@pytest.mark.parametrize(
    ("flip", "mirror", "mirrored"),
    [(True, 0.0, True), (True, 0.49, True), (True, 0.5, False), (False, 0.0, False)],
)
def test_mirror(crop: bool, flip: bool, mirror: float, mirrored: bool) -> None:
    picture = noise(50, 37)
    view = View(0, 0.3, 0.6, mirror)
    plain_pixels = training_pixels(preprocess("shortest"), crop, flip=False)(picture, view)
    pixels = training_pixels(preprocess("shortest"), crop, flip)(picture, view)
    assert torch.equal(pixels, plain_pixels.flip(2) if mirrored else plain_pixels)


@pytest.mark.parametrize("mode", ["squash", "shortest", "longest"])
def test_without_crop_training_sees_what_scoring_sees(mode: str) -> None:
    picture, view = noise(50, 37), View(0, 0.9, 0.9, 0.9)
    training = training_pixels(preprocess(mode), crop=False, flip=True)(picture, view)
    assert torch.equal(training, scoring_pixels(preprocess(mode))(picture, view))


@pytest.mark.parametrize("build", [scoring_pixels, lambda p: training_pixels(p, True, True)])
def test_preprocessing_is_the_same_each_time(build: Any) -> None:
    pixels_of = build(preprocess("shortest"))
    view = View(0, 0.4, 0.2, 0.1)
    assert torch.equal(pixels_of(noise(50, 37), view), pixels_of(noise(50, 37), view))


# ---------------------------------------------------------------- batches


def test_the_first_pass_in_order(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(130)]
    for index, name in enumerate(names):
        if index % 50:
            (tmp_path / name).write_bytes(encode(noise(2, 2, index)))
    batches = list(check_images(folder(tmp_path, *names), 130, workers=0))
    assert [len(batch) for batch in batches] == [64, 64, 2]
    found = [finding for batch in batches for finding in batch]
    assert [i for i, f in enumerate(found) if f.status == "missing"] == [0, 50, 100]
    assert found[7] == check_image(folder(tmp_path, *names), 7)
    assert list(check_images(folder(tmp_path), 0, workers=0)) == []


def test_a_picture_that_vanished_is_reported_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode(plain("RGB", RED)))
    source = folder(tmp_path, "gone.png", "a.png")
    pictures = Pictures(source, scoring_pixels(preprocess("squash")))
    batch = pictures.__getitems__([View(1), View(0), View(1)])
    assert batch.rows.tolist() == [1, 1]
    assert batch.pixels.shape == (2, 3, 32, 32)
    assert batch.failures == [(0, "no such file")]
    nothing = pictures.__getitems__([View(0)])
    assert (len(nothing.rows), len(nothing.pixels), len(nothing.failures)) == (0, 0, 1)


def test_the_loader_yields_the_batches_it_is_given(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(5)]
    for index, name in enumerate(names):
        (tmp_path / name).write_bytes(encode(plain("RGB", (index, 0, 0))))
    pictures = Pictures(folder(tmp_path, *names), scoring_pixels(preprocess("squash")))
    loader = make_loader(pictures, [[View(4), View(0)], [View(2)]], workers=0)
    for _ in range(2):
        batches = list(loader)
        assert [batch.rows.tolist() for batch in batches] == [[4, 0], [2]]
        assert [batch.pixels[:, 0, 0, 0].tolist() for batch in batches] == [[4, 0], [2]]


# ---------------------------------------------------------------- images in a table


@pytest.mark.parametrize("nested", [False, True])
def test_spooled_images(tmp_path: Path, nested: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    data = [encode(noise(3, 3, i)) for i in range(600)]  # several batches of Arrow's
    held: list[bytes | None] = [*data, None, b""]
    column = (
        pa.array([{"bytes": d, "path": "x"} for d in held] + [None]) if nested else [*held, None]
    )
    pq.write_table(pa.table({"image": column}), tmp_path / "x.parquet", row_group_size=100)
    spooled = spool_images(ImageColumn(tmp_path / "x.parquet", "image", nested), tmp_path / "flat")
    for row in (0, 1, 255, 256, 599):
        assert spooled.read(row) == data[row]
    missing = ImageCheck("missing", "the table holds no image bytes in this row", None)
    assert check_image(spooled, 600) == missing
    assert check_image(spooled, 601).error == "the file is empty"
    assert check_image(spooled, 602) == missing
    monkeypatch.setattr(images, "MAX_BYTES", 10)
    assert check_image(spooled, 5).status == "too_large"


def test_spooling_goes_wrong(tmp_path: Path) -> None:
    table = tmp_path / "x.parquet"
    pq.write_table(pa.table({"image": [b"x" * 100_000]}), table)
    column = ImageColumn(table, "image", nested=False)
    with pytest.raises(RunError, match=r"could not be unpacked .*: No space left on device"):
        spool_images(column, Path("/dev/full"))
    table.write_bytes(table.read_bytes()[:-20])
    with pytest.raises(InputError, match=f"{table} cannot be read"):
        spool_images(column, tmp_path / "flat")


def test_no_bytes_are_read_beyond_the_rows_own(tmp_path: Path) -> None:
    (tmp_path / "flat").write_bytes(b"aabbb")
    spooled = SpooledImages(tmp_path / "flat", np.array([2, 2, 5]), np.array([True] * 3))
    assert [spooled.read(row) for row in range(3)] == [b"aa", b"", b"bbb"]


def test_pictures_can_go_to_workers_that_are_not_forks(tmp_path):
    """As on macOS and Windows, and on Linux from Python 3.14."""
    import pickle

    Image.new("RGB", (50, 40), "red").save(tmp_path / "a.png")
    source = FolderImages(tmp_path, np.array(["a.png"], dtype=object))
    preprocess = {
        "size": (32, 32),
        "mean": (0.5,) * 3,
        "std": (0.5,) * 3,
        "interpolation": "bicubic",
        "resize_mode": "shortest",
        "fill_color": 0,
    }
    pictures = Pictures(source, training_pixels(preprocess, crop=True, flip=True))
    again = pickle.loads(pickle.dumps(pictures))
    view = View(0, 0.3, 0.6, 0.1)
    assert torch.equal(pictures.__getitems__([view]).pixels, again.__getitems__([view]).pixels)
