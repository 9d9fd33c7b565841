"""Why a picture is a bad one: what is measured, and what is made of it."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

from deftclean.images.decoding import sized
from deftclean.images.look import LOOK, look_at
from deftclean.images.quality import quality_of
from tests.support.pictures import draw, encode, noise, photo, with_exif


def looks_of(*pictures: Image.Image) -> NDArray[np.void]:
    return np.frombuffer(b"".join(look_at(each, *each.size) for each in pictures), LOOK)


def reasons(*pictures: Image.Image, among: int = 30) -> list[str | None]:
    """Of pictures among as many good ones."""
    looks = looks_of(*pictures, *(photo(100 + seed) for seed in range(among)))
    found = quality_of(looks, np.arange(len(looks))).reasons.to_pylist()
    assert found[len(pictures) :] == [None] * among
    return found[: len(pictures)]


BAD = {
    "blank": Image.new("RGB", (64, 64), (90, 120, 60)),
    "dark": ImageEnhance.Brightness(photo(1)).enhance(0.2),
    "bright": Image.blend(photo(1), Image.new("RGB", (64, 64), "white"), 0.9),
    "low contrast": ImageEnhance.Contrast(photo(1)).enhance(0.07),
    "blurred": photo(1).filter(ImageFilter.GaussianBlur(3)),
    "tiny": photo(1, 12, 20),
    "odd size": photo(1, 400, 400),
    "odd aspect ratio": photo(1, 240, 40),
    "blank, tiny": Image.new("RGB", (8, 8), "navy"),
}


@pytest.mark.parametrize("reason", BAD)
def test_every_reason_is_told(reason: str) -> None:
    assert reasons(BAD[reason], photo(2)) == [reason, None]


def test_several_reasons_are_told_in_one_order() -> None:
    soft = photo(1, 500, 480).filter(ImageFilter.GaussianBlur(10))
    dim = ImageEnhance.Brightness(soft).enhance(0.35)
    assert reasons(dim) == ["dark, blurred, odd size"]


@pytest.mark.parametrize("radius", [2, 3, 4])
@pytest.mark.parametrize("side", [32, 64, 200])
def test_blur_is_told_at_every_size(side: int, radius: int) -> None:
    """Also where it was saved as a JPEG since; not below 24 pixels, where it cannot be told."""
    soft = photo(3, side, side).filter(ImageFilter.GaussianBlur(radius))
    again = Image.open(io.BytesIO(encode(soft, "JPEG", quality=75))).convert("RGB")
    blur = looks_of(photo(3, side, side), soft, again)["blur"]
    assert blur[0] < 0.65 < 0.72 < min(blur[1:])
    assert looks_of(soft.resize((20, 20)))["blur"].tolist() == [0]


def test_motion_in_one_direction_is_blur() -> None:
    values = np.asarray(photo(4, 96, 96)).astype(float)
    moved = np.mean([np.roll(values, step, axis=1) for step in range(9)], axis=0)
    assert looks_of(Image.fromarray(moved.astype(np.uint8)))["blur"].item() > 0.72


def test_colours_without_light_are_no_fault() -> None:
    """Deep blue is dim, and colours of one brightness differ in nothing grey."""
    blue = Image.fromarray((np.asarray(photo(5)) * (0.1, 0.1, 0.9)).astype(np.uint8))
    half = np.full((64, 64, 3), (200, 60, 60), np.uint8)
    half[:, 32:] = (60, 131, 60)  # as bright
    assert reasons(blue, Image.fromarray(half), draw((30, 60, 190), 1)) == [None] * 3


def test_what_most_pictures_are_is_no_fault() -> None:
    """Of night photos, small drawings or enlarged ones it would be said of all."""
    soft = [photo(seed).filter(ImageFilter.GaussianBlur(3)) for seed in range(12)]
    looks = looks_of(*soft, *(photo(seed) for seed in range(11)), BAD["dark"])
    found = quality_of(looks, np.arange(24))
    assert found.usual == ()
    assert found.reasons.to_pylist() == ["blurred"] * 12 + [None] * 11 + ["dark"]
    fewer = quality_of(looks[:-1], np.arange(23))
    assert fewer.usual == ("blurred",)
    assert fewer.reasons.null_count == 23
    copies = quality_of(looks[:-1], np.arange(1, 23))  # one of the blurred is a copy
    assert copies.reasons.to_pylist()[:12] == ["blurred"] * 12


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 3000), st.integers(1, 3000)), max_size=12))
def test_any_sizes_are_judged(sizes: list[tuple[int, int]]) -> None:
    looks = np.zeros(len(sizes) + 1, LOOK)  # the last could not be read
    for at, (width, height) in enumerate(sizes):
        looks[at] = (width, height, 50, 200, 200, 0, 0.4, bytes(32))
    found = quality_of(looks, np.arange(len(sizes))).reasons.to_pylist()
    assert found[-1] is None
    tiny = [min(size) < 16 for size in sizes]
    if sum(tiny) * 2 <= len(tiny):
        assert ["tiny" in (text or "") for text in found[:-1]] == tiny
    assert all(text in {None, "tiny", "odd size"} or "aspect" in text for text in found)


def test_sizes_are_those_of_the_file() -> None:
    """Not of what a decoder reduced or turned it to."""
    data = with_exif(noise(640, 320), 6, "JPEG")
    small, size = sized(data, lambda _width, _height: (40, 80))
    assert size == (320, 640)
    assert small.size == (40, 80)


def test_blur_that_a_model_cannot_see_is_none() -> None:
    """Large pictures are looked at in a small copy."""
    soft = ImageFilter.BoxBlur(2)
    small, large = (looks_of(photo(6, side, side).filter(soft)) for side in (200, 1000))
    assert small["blur"].item() > 0.72 > 0.6 > large["blur"].item()
