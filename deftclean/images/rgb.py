"""Pictures of every mode to RGB, a band at a time: beside the two pictures memory holds little."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

_NO_SCALE = "grey values {}, whose scale is not known"
_BAND = 1_000_000  # pixels that are converted at once

Band = Callable[[Image.Image], Image.Image]


class UnknownScaleError(ValueError):
    """Grey values of which it is not known what is white."""


def to_rgb(picture: Image.Image, black: float = 0.0, white: float = 65535.0) -> Image.Image:
    """The picture as RGB; the same object where it is that already.

    Args:
        picture: loaded.
        black, white: values of whole numbers of more than 8 bits.

    Raises:
        UnknownScaleError: of grey values it cannot be known what is white.
    """
    if picture.mode == "RGB" and "transparency" not in picture.info:
        return picture
    if picture.mode == "I" or picture.mode.startswith("I;16"):
        return _by_bands(picture, _grey(picture, black, white))
    if picture.mode == "F":
        return _by_bands(picture, _floating(picture))
    if picture.mode == "LAB":
        return _by_bands(picture, _lab())
    if picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info:
        return _by_bands(picture, _over_white)
    return picture.convert("RGB")


def _bands(picture: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    rows = max(1, _BAND // picture.width)
    for top in range(0, picture.height, rows):
        yield top, picture.crop((0, top, picture.width, min(top + rows, picture.height)))


def _by_bands(picture: Image.Image, convert: Band) -> Image.Image:
    if picture.width * picture.height <= _BAND:
        return convert(picture)
    page = Image.new("RGB", picture.size)
    for top, band in _bands(picture):
        page.paste(convert(band), (0, top))
    return page


def _over_white(picture: Image.Image) -> Image.Image:
    # Pillow knows no way from La to RGBA but this one.
    layer = (picture.convert("LA") if picture.mode == "La" else picture).convert("RGBA")
    page = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(page, layer).convert("RGB")


def _lab() -> Band:
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    convert = ImageCms.buildTransform(lab, srgb, "LAB", "RGB")

    def converted(picture: Image.Image) -> Image.Image:
        found = ImageCms.applyTransform(picture, convert)
        return found if found is not None else picture.convert("RGB")

    return converted


# ---------------------------------------------------------------- grey of more than 8 bits


def _grey(picture: Image.Image, black: float, white: float) -> Band:
    if picture.mode == "I":
        for _, band in _bands(picture):
            values = np.asarray(band)
            if values.min() < 0 or values.max() > max(black, white):
                raise UnknownScaleError(_NO_SCALE.format("below 0 or above 16 bits"))
    clear = picture.info.get("transparency")

    def converted(band: Image.Image) -> Image.Image:
        values = np.asarray(band, dtype=np.float64)
        shown = (values - black) * (255 / (white - black))
        if isinstance(clear, int):
            shown = np.where(values == clear, 255.0, shown)
        return _rgb_of(shown)

    return converted


def _floating(picture: Image.Image) -> Band:
    most = max(_finite(band).max(initial=0) for _, band in _bands(picture))
    if most > 255:
        raise UnknownScaleError(_NO_SCALE.format("that are fractions and above 255"))
    scale = 255 if most <= 1 else 1
    return lambda band: _rgb_of(_finite(band) * scale)


def _finite(band: Image.Image) -> NDArray[np.float64]:
    return np.nan_to_num(np.asarray(band, dtype=np.float64))


def _rgb_of(values: NDArray[np.float64]) -> Image.Image:
    return Image.fromarray(values.clip(0, 255).round().astype(np.uint8)).convert("RGB")
