"""Upright pictures to the pixels a model is asked about: resize, then crop and mirror.

The resized picture is an array that may be kept; a view of it is what one visit of a row sees.
"""

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from deftclean.images.decoding import MAX_ASPECT, ImageError, sized
from deftclean.images.limits import MOST_MEMORY, MOST_SCANS
from deftclean.settings.training import Decode

Pixels = NDArray[np.uint8]
"""A resized picture, (h, w, 3) uint8."""

_CODECS = ("jpg", "libjpeg_turbo", "webp", "avif", "libtiff")
_MARGIN = 2.0  # columns a reduced JPEG must leave for each one wanted; Pillow's own reducing_gap


@dataclass(frozen=True)
class Resize:
    """One way to bring a picture to a size.

    Attributes:
        height, width: of the result, in pixels.
        resize_mode: the model's: `squash`, `shortest` or `longest`.
        interpolation: the model's.
        fill_color: grey value around the picture in `longest`.
        cut: in `shortest`, cut the longer side to the size, as the model's own preprocessing does;
            without it that side stays, and the result is larger than asked.
        kept: share of the resized side that the cut keeps, in (0, 1]: timm's `crop_pct`; 1 for
            CLIP.
    """

    height: int
    width: int
    resize_mode: str
    interpolation: str
    fill_color: int
    cut: bool
    kept: float = 1.0

    def __call__(self, picture: Image.Image) -> Pixels:
        """Resize one upright RGB picture."""
        return np.array(self._steps(picture))

    @functools.cached_property
    def _steps(self) -> Callable[[Image.Image], Image.Image]:
        from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

        if self.cut and self.kept < 1:
            around = replace(self, height=self._before(self.height), width=self._before(self.width))
            steps = [_open_clips_own(around), CenterCrop((self.height, self.width))]
            return Compose(steps)  # type: ignore[no-any-return]
        if self.cut or self.resize_mode != "shortest":
            return _open_clips_own(self)
        mode = InterpolationMode(self.interpolation)
        # The shorter side only: the random crop, not a centre crop, cuts the longer one.
        return Resize(max(self.height, self.width), interpolation=mode)  # type: ignore[no-any-return]

    def size_for(self, width: int, height: int) -> tuple[float, float]:
        """Width and height to which a picture of this size is brought before any cut."""
        across, down = self._before(self.width), self._before(self.height)
        if self.resize_mode == "squash":
            return across, down
        if self.resize_mode == "longest":
            scale = min(across / width, down / height)
        else:
            scale = max(across, down) / min(width, height)
        return width * scale, height * scale

    def _before(self, side: int) -> int:
        """A side before the cut to `kept`; timm rounds down."""
        return math.floor(side / self.kept)


def _open_clips_own(resize: Resize) -> Callable[[Image.Image], Image.Image]:
    """open_clip's resize and crop, without its conversion to a normalised tensor."""
    from open_clip.transform import PreprocessCfg, image_transform_v2
    from torchvision.transforms import CenterCrop, Compose, Resize

    wanted = PreprocessCfg(
        size=(resize.height, resize.width),
        interpolation=resize.interpolation,
        resize_mode=resize.resize_mode,
        fill_color=resize.fill_color,
    )
    steps = image_transform_v2(wanted, is_train=False).transforms
    geometric = (Resize, CenterCrop)
    kept = [
        s
        for s in steps
        if isinstance(s, geometric) or "Resize" in type(s).__name__ or "Crop" in type(s).__name__
    ]
    return Compose(kept)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Preparation:
    """From encoded bytes to every resized picture that a run asks for.

    Attributes:
        decode: `exact` or `fast`.
        scoring: the model's own evaluation preprocessing, up to 8-bit pixels.
        larger: to round(S · 256/224), for random crops.
        crop: whether the run asks for `larger` too.
    """

    decode: Decode
    scoring: Resize
    larger: Resize
    crop: bool

    @classmethod
    def of(cls, preprocess: Mapping[str, Any], decode: Decode, crop: bool) -> "Preparation":
        """From the model's preprocessing."""
        height, width = preprocess["size"]
        scoring = Resize(
            height,
            width,
            preprocess["resize_mode"],
            preprocess["interpolation"],
            preprocess["fill_color"],
            cut=True,
            kept=preprocess.get("crop_pct", 1.0),
        )
        larger = Resize(
            round(height * 256 / 224),
            round(width * 256 / 224),
            scoring.resize_mode,
            scoring.interpolation,
            scoring.fill_color,
            cut=False,
        )
        return cls(decode, scoring, larger, crop)

    @property
    def training(self) -> Resize:
        """What training crops from."""
        return self.larger if self.crop else self.scoring

    @property
    def resizes(self) -> tuple[Resize, ...]:
        """Every distinct resize of the run."""
        return (self.scoring, self.larger) if self.crop else (self.scoring,)

    def picture(self, data: bytes) -> Image.Image:
        """Decode: `sized` without its size."""
        return self.sized(data)[0]

    def sized(self, data: bytes) -> tuple[Image.Image, tuple[int, int]]:
        """Decode, and tell the width and height that the file holds.

        Raises:
            ImageError: as `decode`; `too_large` also where a side would vanish in resizing.
        """
        picture, size = sized(data, self.enough if self.decode == "fast" else None)
        if min(self.scoring.size_for(*picture.size)) < 1:
            raise ImageError("too_large", f"{picture.width} x {picture.height} pixels is a strip")
        return picture, size

    def enough(self, width: int, height: int) -> tuple[int, int]:
        """Columns and rows of which a reduced picture must not have fewer.

        Those of the larger resize, whether it is asked for or not: what scoring sees must not
        depend on how the detector was trained.
        """
        columns, rows = self.larger.size_for(width, height)
        if min(columns, rows) < 2:  # whether it is a strip is judged by its full size
            return width, height
        return math.ceil(_MARGIN * columns), math.ceil(_MARGIN * rows)

    def spec(self, resize: Resize) -> dict[str, Any]:
        """All that decides the pixels of one resize beside the encoded bytes, as plain values."""
        return {
            "format": 2,  # 1 showed some kinds of TIFF and PNG wrongly
            "decode": self.decode,
            "resize": asdict(resize),
            "larger": asdict(self.larger),
            "limits": [Image.MAX_IMAGE_PIXELS, MAX_ASPECT, MOST_MEMORY, MOST_SCANS],
            "versions": [version(name) for name in ("pillow", "torchvision", "open_clip_torch")],
            "codecs": [features.version(name) for name in _CODECS],
        }


class View(NamedTuple):
    """How a resized picture is augmented.

    Attributes:
        x, y: place of the crop, in [0, 1).
        mirror: mirrored where below 0.5; in [0, 1).
    """

    x: float = 0.0
    y: float = 0.0
    mirror: float = 1.0


def seen(pixels: Pixels, view: View, height: int, width: int) -> Pixels:
    """Crop and mirror a picture that is at least as large: (h, w, 3) -> (3, height, width)."""
    left = int(view.x * (pixels.shape[1] - width + 1))
    top = int(view.y * (pixels.shape[0] - height + 1))
    part = pixels[top : top + height, left : left + width]
    if view.mirror < 0.5:
        part = part[:, ::-1]
    return part.transpose(2, 0, 1)
