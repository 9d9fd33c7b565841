"""Every kind of samples that a TIFF, PNG or JPEG may have: shown rightly, or refused in words.

What a file shows is computed from how it was written, by hand, and not by another reader.
"""

import itertools
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deftclean.images.decoding import ImageError, decode
from tests.support import pngs, tiffs
from tests.support.pictures import encode, smooth
from tests.support.pngs import COLOUR, GREY, chunk, png
from tests.support.tiffs import (
    BLACK_IS_ZERO,
    CMYK,
    FLOAT,
    RGB,
    SIGNED,
    UNSIGNED,
    WHITE_IS_ZERO,
    YCBCR,
    Layout,
    tiff,
)

GREYS = [(bits, UNSIGNED) for bits in (1, 2, 4, 8, 12, 16, 32, 64)]
GREYS += [(8, SIGNED), (16, SIGNED), (32, SIGNED), (16, FLOAT), (32, FLOAT), (64, FLOAT)]
SAMPLES = [(zero, *kind) for zero in (WHITE_IS_ZERO, BLACK_IS_ZERO) for kind in GREYS]
SAMPLES += [(RGB, bits, UNSIGNED) for bits in (4, 8, 16, 32)]
SAMPLES += [(RGB, 8, SIGNED), (RGB, 16, SIGNED), (RGB, 32, FLOAT)]
SAMPLES += [(tiffs.PALETTE, bits, UNSIGNED) for bits in (1, 2, 4, 8, 16)]
SAMPLES += [(CMYK, 8, UNSIGNED), (CMYK, 16, UNSIGNED), (YCBCR, 8, UNSIGNED), (YCBCR, 16, UNSIGNED)]
EXTRAS: list[tuple[int, ...]] = [(), (0,), (1,), (2,), (0, 0)]
COLOURS = {RGB: 3, YCBCR: 3, CMYK: 4}
RNG = np.random.default_rng(0)


def samples_of(layout: Layout) -> Any:
    colours = COLOURS.get(layout.photometric, 1)
    shape = (19, 23, colours + len(layout.extra))
    if layout.kind == FLOAT:
        return RNG.random(shape).astype(np.float32)
    samples = RNG.integers(0, 2 ** (min(layout.bits, 16) - (layout.kind == SIGNED)), shape)
    if layout.kind == SIGNED and layout.bits == 8:
        samples -= 64
    if layout.extra[:1] == (1,):  # colours are multiplied by it already
        samples[..., :colours] = np.minimum(samples[..., :colours], samples[..., colours, None])
    return samples


def difference(layout: Layout) -> float | None:
    """Between what is seen and what is shown, at most; None where the file is refused."""
    samples = samples_of(layout)
    indexed = layout.photometric == tiffs.PALETTE
    palette = RNG.integers(0, 65536, (3, 2**layout.bits)) if indexed else None
    try:
        seen = np.asarray(decode(tiff(samples, layout, palette)), dtype=float)
    except ImageError as error:
        refused = error
    else:
        return float(np.abs(seen - tiffs.shown(samples, layout, palette)).max())
    assert refused.status == "unreadable"
    assert "not an image" not in refused.reason
    return None


def wrong(layouts: Any) -> tuple[list[Layout], int]:
    """Those that are shown wrongly, and how many are shown."""
    found = {layout: difference(layout) for layout in layouts}
    shown = {layout: most for layout, most in found.items() if most is not None}
    # Colours that are multiplied by alpha are divided by it in 8 bits.
    return [layout for layout, most in shown.items() if most > 3.5], len(shown)


def test_tiffs_of_every_kind_are_right_or_refused() -> None:
    layouts = [
        Layout(*sample, extra, planar, big, compression="deflate" if packed else "raw")
        for sample in SAMPLES
        for extra in ((), (2,))
        for planar, big, packed in itertools.product((False, True), repeat=3)
    ]
    bad, shown = wrong(layouts)
    assert bad == []
    assert shown > 150


@pytest.mark.slow
def test_tiffs_of_every_kind_in_every_form_are_right_or_refused() -> None:
    layouts = [
        Layout(*sample, extra, planar, big, packed, tiled, turned)
        for sample in SAMPLES
        for extra in EXTRAS
        for planar, big, tiled, turned in itertools.product((False, True), repeat=4)
        for packed in ("raw", "deflate", "packbits")
    ]
    bad, shown = wrong(layouts)
    assert bad == []
    assert shown > 1500


@pytest.mark.parametrize("compression", ["raw", "deflate"])
@pytest.mark.parametrize("bits", [8, 16])
def test_white_is_zero_is_not_inverted(bits: int, compression: Any) -> None:
    dark = np.full((4, 4, 1), 2**bits - 1)
    data = tiff(dark, Layout(WHITE_IS_ZERO, bits, compression=compression))
    assert decode(data).getpixel((0, 0)) == (0, 0, 0)


@pytest.mark.parametrize("value", [-1, 65_536])
def test_grey_without_a_scale_is_refused(value: int) -> None:
    data = encode(Image.fromarray(np.array([[0, value]], np.int32)), "TIFF")
    with pytest.raises(ImageError, match="whose scale is not known"):
        decode(data)


def test_floating_grey_without_a_scale_is_refused() -> None:
    data = encode(Image.fromarray(np.array([[0, 300]], np.float32)), "TIFF")
    with pytest.raises(ImageError, match="whose scale is not known"):
        decode(data)


def test_a_refused_kind_is_named() -> None:
    data = tiff(np.zeros((4, 4, 3)), Layout(RGB, 32, FLOAT))
    with pytest.raises(ImageError, match="bits 32/32/32, photometric 2, sample format 3/3/3"):
        decode(data)


def test_palettes_of_8_bits_are_not_black() -> None:
    palette = np.full((3, 256), 200)
    data = tiff(np.zeros((4, 4, 1), int), Layout(tiffs.PALETTE), palette)
    assert decode(data).getpixel((0, 0)) == (200, 200, 200)


@pytest.mark.parametrize("colour", pngs.DEPTHS)
def test_pngs_of_every_kind(colour: int) -> None:
    for depth in pngs.DEPTHS[colour]:
        samples = RNG.integers(0, 2**depth, (9, 13, pngs.CHANNELS[colour]))
        palette, more = None, b""
        if colour == pngs.PALETTE:
            palette = RNG.integers(0, 256, (2**depth, 3))
            more = chunk(b"PLTE", palette.astype(np.uint8).tobytes())
        seen = np.asarray(decode(png(samples, colour, depth, more)), dtype=float)
        expected = pngs.over_white(pngs.shown(samples, colour, depth, palette))
        assert np.abs(seen - expected).max() <= 2, depth


@pytest.mark.parametrize("depth", pngs.DEPTHS[GREY])
def test_a_transparent_grey_is_white_at_every_depth(depth: int) -> None:
    samples = RNG.integers(0, 2**depth, (9, 13, 1))
    clear = int(samples[0, 0, 0])
    data = png(samples, GREY, depth, chunk(b"tRNS", clear.to_bytes(2, "big")))
    shown = pngs.shown(samples, GREY, depth)
    shown[samples[..., 0] == clear, 3] = 0
    assert np.abs(np.asarray(decode(data)) - pngs.over_white(shown)).max() <= 1


def test_a_transparent_colour_of_16_bits_is_refused() -> None:
    samples = RNG.integers(0, 2**16, (3, 3, 3))
    data = png(samples, COLOUR, 16, chunk(b"tRNS", bytes(6)))
    with pytest.raises(ImageError, match="transparent colour among 16-bit ones"):
        decode(data)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK", "YCbCr"])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_jpegs_of_every_kind(mode: str, progressive: bool, subsampling: int) -> None:
    picture = smooth(48, 40)
    options = {"quality": 98, "progressive": progressive, "subsampling": subsampling}
    seen = decode(encode(picture.convert(mode), "JPEG", **options))
    expected = picture.convert(mode).convert("RGB")
    apart = np.abs(np.asarray(seen, dtype=int) - np.asarray(expected, dtype=int))
    assert apart.mean() < 3
