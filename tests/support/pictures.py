"""Pictures and sources of pictures that several test files make."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from deftclean.images.first_pass import Checks, ImageCheck
from deftclean.images.resizing import Preparation
from deftclean.images.sources import FolderImages

COLOURS = {"apple": (200, 30, 40), "leaf": (40, 170, 50), "ocean": (30, 60, 190)}
WHITE, BLACK, RED = (255, 255, 255), (0, 0, 0), (255, 0, 0)


def draw(colour: tuple[int, int, int], seed: int, size: int = 40) -> Image.Image:
    """A noisy patch of one colour."""
    noise = np.random.default_rng(seed).integers(-40, 40, (size, size, 3))
    return Image.fromarray((np.array(colour) + noise).clip(0, 255).astype(np.uint8))


def encode(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3))
    return Image.fromarray(values.astype(np.uint8))


def plain(mode: str, colour: Any) -> Image.Image:
    return Image.new(mode, (2, 2), colour)


def smooth(width: int, height: int, seed: int = 0) -> Image.Image:
    """Coarse noise enlarged, as a photo's content is."""
    return noise(7, 5, seed).resize((width, height), Image.Resampling.BICUBIC)


def photo(seed: int, width: int = 64, height: int = 64) -> Image.Image:
    """Fields of different sizes with sharp edges, from black to white, as photos have."""
    random = np.random.default_rng(seed)
    values = np.zeros((height, width, 3))
    side = max(width, height)
    for size in (max(2, side // 16), max(2, side // 8), max(2, side // 4)):
        coarse = random.uniform(0, 255, (-(-height // size), -(-width // size), 3))
        values += np.kron(coarse, np.ones((size, size, 1)))[:height, :width]
    values = (values - values.min()) / (values.max() - values.min()) * 255
    return Image.fromarray(values.astype(np.uint8))


def folder(root: Path, *names: str, allow_outside: bool = False) -> FolderImages:
    return FolderImages(root, pa.array(names, pa.string()), allow_outside)


def check(root: Path, name: str, allow_outside: bool = False) -> ImageCheck:
    return check_one(folder(root, name, allow_outside=allow_outside), 0)


def check_one(source: Any, index: int) -> ImageCheck:
    return Checks(source, Preparation.of(preprocess("shortest"), "exact", False), None).check(index)


def with_exif(picture: Image.Image, orientation: int, kind: str = "PNG") -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(picture, kind, exif=exif)


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
