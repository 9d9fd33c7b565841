"""The two preprocessings, against open_clip's own and by hand."""

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from torchvision.transforms import Normalize

from deftclean.images.decoding import ImageError
from deftclean.images.resizing import Preparation, View, seen
from tests.support.pictures import encode, noise, preprocess, smooth


def scoring_pixels(settings: dict[str, Any]) -> Any:
    return training_pixels(settings, crop=False, flip=False)


def training_pixels(settings: dict[str, Any], crop: bool, flip: bool) -> Any:
    """Picture and view -> (3, S, S) tensor, by the steps that a run takes."""
    preparation = Preparation.of(settings, "exact", crop)
    size = preparation.scoring

    def pixels_of(picture: Image.Image, view: View) -> torch.Tensor:
        view = view if flip else View(view.x, view.y)
        part = seen(preparation.training(picture), view, size.height, size.width)
        return torch.from_numpy(np.array(part, order="C"))

    return pixels_of


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
    ours = scoring_pixels(settings)(picture, View())
    assert (ours.dtype, ours.shape, ours.is_contiguous()) == (torch.uint8, (3, 32, 32), True)
    normalised = Normalize(settings["mean"], settings["std"])(ours.float().div(255))
    assert torch.equal(normalised, theirs)


@pytest.mark.parametrize("mode", ["squash", "longest"])
def test_scoring_pixels_that_are_not_square(mode: str) -> None:
    settings = preprocess(mode, (24, 40))
    picture = noise(50, 37)
    theirs = image_transform_v2(PreprocessCfg(**settings), is_train=False)(picture)
    ours = scoring_pixels(settings)(picture, View())
    normalised = Normalize(settings["mean"], settings["std"])(ours.float().div(255))
    assert torch.equal(normalised, theirs)


def test_scoring_pixels_take_sizes_as_json_gives_them() -> None:
    picture = noise(50, 37)
    from_json = {**preprocess("shortest"), "size": [32, 32], "mean": [0.5] * 3, "std": [0.5] * 3}
    expected = scoring_pixels(preprocess("shortest"))(picture, View())
    assert torch.equal(scoring_pixels(from_json)(picture, View()), expected)


@pytest.mark.parametrize("mode", ["squash", "shortest", "longest"])
@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("crop", [False, True])
def test_training_pixels_are_always_of_the_models_size(
    mode: str, shape: tuple[int, int], crop: bool
) -> None:
    pixels_of = training_pixels(preprocess(mode), crop, flip=True)
    last = np.nextafter(1.0, 0.0)
    for view in (View(), View(last, last, 0.0), View(0.5, 0.25, 0.75)):
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
    pixels = training_pixels(preprocess(mode), crop=True, flip=False)(ramp(37, 37), View(x, y))
    assert pixels[0, 0].tolist() == list(range(left, left + 32))
    assert pixels[1, :, 0].tolist() == list(range(top, top + 32))


def test_the_crop_of_a_model_for_224_pixels() -> None:
    pixels_of = training_pixels(preprocess("squash", (224, 224)), crop=True, flip=False)
    pixels = pixels_of(ramp(256, 256), View(0.5, 1 - 1e-9))
    assert pixels[0, 0].tolist() == list(range(16, 240))
    assert pixels[1, :, 0].tolist() == list(range(32, 256))


def test_the_crop_reaches_both_ends_of_a_long_picture() -> None:
    pixels_of = training_pixels(preprocess("shortest"), crop=True, flip=False)
    picture = ramp(37 * 4, 37)
    assert pixels_of(picture, View(0.0))[0, 0].tolist() == list(range(32))
    assert pixels_of(picture, View(1 - 1e-9))[0, 0].tolist() == list(range(116, 148))


def test_the_resize_keeps_the_models_mode() -> None:
    """A 74 x 148 ramp to 37: squashed, or twice as long as high."""
    picture = Image.fromarray(np.tile(np.arange(148, dtype=np.uint8)[:, None, None], (1, 74, 3)))
    tall = View(0.0, 1 - 1e-9)
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
    view = View(0.3, 0.6, mirror)
    plain_pixels = training_pixels(preprocess("shortest"), crop, flip=False)(picture, view)
    pixels = training_pixels(preprocess("shortest"), crop, flip)(picture, view)
    assert torch.equal(pixels, plain_pixels.flip(2) if mirrored else plain_pixels)


@pytest.mark.parametrize("mode", ["squash", "shortest", "longest"])
def test_without_crop_training_sees_what_scoring_sees(mode: str) -> None:
    picture, view = noise(50, 37), View(0.9, 0.9, 0.9)
    training = training_pixels(preprocess(mode), crop=False, flip=True)(picture, view)
    assert torch.equal(training, scoring_pixels(preprocess(mode))(picture, view))


@pytest.mark.parametrize("build", [scoring_pixels, lambda p: training_pixels(p, True, True)])
def test_preprocessing_is_the_same_each_time(build: Any) -> None:
    pixels_of = build(preprocess("shortest"))
    view = View(0.4, 0.2, 0.1)
    assert torch.equal(pixels_of(noise(50, 37), view), pixels_of(noise(50, 37), view))


# ---------------------------------------------------------------- fast decoding


@pytest.mark.parametrize(
    ("mode", "width", "height", "enough"),
    [
        ("squash", 4000, 3000, (512, 512)),
        ("shortest", 4000, 3000, (683, 512)),
        ("shortest", 3000, 4000, (512, 683)),
        ("longest", 4000, 3000, (512, 384)),
        ("longest", 1000, 4000, (128, 512)),
    ],
)
def test_twice_the_larger_resize_is_enough(
    mode: str, width: int, height: int, enough: tuple[int, int]
) -> None:
    for crop in (False, True):  # how the detector was trained makes no difference to scoring
        preparation = Preparation.of(preprocess(mode, (224, 224)), "fast", crop)
        assert preparation.enough(width, height) == enough


def test_fast_and_exact_agree_closely_and_exactly_where_there_is_nothing_to_save() -> None:
    exact = Preparation.of(preprocess("shortest"), "exact", crop=True)
    fast = dataclasses.replace(exact, decode="fast")
    for shape, same in (((90, 80), True), ((800, 600), False)):
        data = encode(smooth(*shape), "JPEG", quality=95)
        for resize in exact.resizes:
            wanted = resize(exact.picture(data)).astype(int)
            found = resize(fast.picture(data)).astype(int)
            assert wanted.shape == found.shape
            assert np.array_equal(wanted, found) == same
            assert np.abs(wanted - found).max() <= 6


def test_a_spec_names_all_that_decides_the_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    base = Preparation.of(preprocess("shortest"), "exact", crop=True)
    again = Preparation.of(preprocess("shortest"), "exact", crop=False)
    assert base.spec(base.scoring) == again.spec(again.scoring)
    others = [base.spec(base.larger)]
    for mode, change in (
        ("squash", {}),
        ("shortest", {"size": (48, 48)}),
        ("shortest", {"interpolation": "bilinear"}),
    ):
        other = Preparation.of({**preprocess(mode), **change}, "exact", crop=True)
        others.append(other.spec(other.scoring))
    others.append(dataclasses.replace(base, decode="fast").spec(base.scoring))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    others.append(base.spec(base.scoring))
    monkeypatch.undo()
    others.append(base.spec(base.scoring))
    assert len({json.dumps(spec) for spec in others}) == len(others)


@pytest.mark.parametrize(("mode", "fine"), [("longest", False), ("shortest", True)])
def test_a_strip_that_would_vanish_is_too_large(mode: str, fine: bool) -> None:
    preparation = Preparation.of(preprocess(mode), "exact", crop=False)
    data = encode(noise(1000, 12))
    if fine:
        assert preparation.scoring(preparation.picture(data)).shape == (32, 32, 3)
    else:
        with pytest.raises(ImageError, match="1000 x 12 pixels is a strip"):
            preparation.picture(data)


@pytest.mark.parametrize("height", range(20, 80, 3))
def test_fast_decoding_refuses_the_same_strips(height: int) -> None:
    exact = Preparation.of(preprocess("longest"), "exact", crop=False)
    fast = dataclasses.replace(exact, decode="fast")
    data = encode(smooth(1601, height), "JPEG")

    def outcome(preparation: Preparation) -> str:
        try:
            return str(preparation.scoring(preparation.picture(data)).shape)
        except ImageError as error:
            return error.reason

    assert outcome(exact) == outcome(fast)
