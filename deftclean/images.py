"""Image bytes to tensors: safe reading, decoding, and the two preprocessings.

An image that cannot be read is reported, never replaced by another. Knows nothing of labels.
"""

import errno
import functools
import hashlib
import io
import stat
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

ImageStatus = Literal["ok", "unreadable", "too_large", "missing", "outside"]

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF")
"""Pillow's decoders that may run; the others read formats no image data set uses."""

MAX_ASPECT = 200
"""Pictures whose long side is more than this many times the short one are `too_large`: resized by
their short side they would fill the memory."""

MAX_BYTES = 256 * 1024 * 1024
"""Larger files are `too_large` and are not opened."""


class ImageError(Exception):
    """One image cannot be used.

    Args:
        status: the row's status.
        reason: why, in words, without any path.
    """

    def __init__(self, status: ImageStatus, reason: str) -> None:
        super().__init__(reason)
        self.status: ImageStatus = status
        self.reason = reason


class ImageSource(Protocol):
    """Where the bytes of a row's image come from."""

    def read(self, row: int) -> bytes:
        """The encoded image of `row`.

        Raises:
            ImageError: `missing`, `outside`, `too_large` or `unreadable`.
        """


@dataclass(frozen=True)
class FolderImages:
    """Images that are files below a folder.

    Args:
        root: the data folder.
        file_names: N POSIX paths relative to it; an empty one means the row names no file.
        allow_outside: also open files that a name or a link leads to outside the folder.
    """

    root: Path
    file_names: NDArray[np.object_]
    allow_outside: bool = False

    def read(self, row: int) -> bytes:
        """The bytes of one file inside the folder."""
        name = self.file_names[row]
        if not name:
            raise ImageError("missing", "the row names no file")
        try:
            path = (self.root / name).resolve()
            if not self.allow_outside and not path.is_relative_to(self.root.resolve()):
                raise ImageError("outside", "leads outside the data folder")
            return _read_regular_file(path)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ImageError("missing", "no such file") from error
        except RuntimeError as error:  # a loop of symbolic links, before Python 3.13
            raise ImageError("missing", "a link that leads to itself") from error
        except (OSError, ValueError) as error:
            if getattr(error, "errno", None) == errno.ELOOP:
                raise ImageError("missing", "a link that leads to itself") from error
            reason = getattr(error, "strerror", None) or str(error)
            raise ImageError("unreadable", f"cannot be opened: {reason}") from error


def _read_regular_file(path: Path) -> bytes:
    status = path.stat()
    # Opening a named pipe would wait for a writer that never comes.
    if not stat.S_ISREG(status.st_mode):
        raise ImageError("unreadable", "not a regular file")
    _refuse_huge(status.st_size)
    return path.read_bytes()


def _refuse_huge(size: int) -> None:
    if size > MAX_BYTES:
        raise ImageError("too_large", f"{size:,} bytes; the limit is {MAX_BYTES:,}")


@dataclass(frozen=True)
class SpooledImages:
    """Images that lay in a table's column, in one flat file beside which nothing is kept open.

    Args:
        path: the encoded images, one after the other.
        ends: (N,) int64 offset just past each row's bytes.
        present: (N,) bool, false where the table holds no bytes for the row.
    """

    path: Path
    ends: NDArray[np.int64]
    present: NDArray[np.bool_]

    def read(self, row: int) -> bytes:
        """The bytes of one row."""
        if not self.present[row]:
            raise ImageError("missing", "the table holds no image bytes in this row")
        start = int(self.ends[row - 1]) if row else 0
        size = int(self.ends[row]) - start
        _refuse_huge(size)
        with self.path.open("rb") as file:
            file.seek(start)
            return file.read(size)


def decode(data: bytes) -> Image.Image:
    """Encoded bytes to an upright RGB picture.

    EXIF rotation is applied. Transparent pixels are laid over white; 16-bit grey is scaled by
    1/257; floating-point grey is read as [0, 1], or as [0, 255] where it has values above 1; of
    an animation the first picture is taken.

    Raises:
        ImageError: `unreadable`, or `too_large` over Pillow's `MAX_IMAGE_PIXELS`.
    """
    if not data:
        raise ImageError("unreadable", "the file is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # damaged metadata beside a good picture
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=_formats()) as picture:
                _refuse_strips(picture)
                picture.load()
                return _to_rgb(_upright(picture))
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        limit = Image.MAX_IMAGE_PIXELS or 0
        raise ImageError("too_large", f"more than {limit:,} pixels") from error
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError("unreadable", "not an image in a known format") from error
    # Decoders fed hostile bytes raise nearly anything; each one is this file's finding.
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise ImageError("unreadable", f"cannot be decoded: {reason}") from error


def _refuse_strips(picture: Image.Image) -> None:
    if max(picture.size) > MAX_ASPECT * min(picture.size):
        raise ImageError("too_large", f"{picture.width} x {picture.height} pixels is a strip")


@functools.cache
def _formats() -> tuple[str, ...]:
    """Those of `FORMATS` that this build of Pillow can decode."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _upright(picture: Image.Image) -> Image.Image:
    # Not ImageOps.exif_transpose: it also writes the block anew, and fails where a tag is broken.
    try:
        turn = _TURNS.get(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001 - a broken EXIF block says nothing about the picture itself
        return picture
    return picture if turn is None else picture.transpose(turn)


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode == "RGB" and "transparency" not in picture.info:
        return picture.copy()
    if picture.mode == "I" or picture.mode.startswith("I;16"):
        return _grey_to_rgb(np.asarray(picture, dtype=np.float64) / 257)
    if picture.mode == "F":
        values = np.nan_to_num(np.asarray(picture, dtype=np.float64))
        return _grey_to_rgb(values * 255 if values.max(initial=0) <= 1 else values)
    if picture.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(picture, lab, srgb, outputMode="RGB")
        return converted if converted is not None else picture.convert("RGB")
    if picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        page = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(page, layer).convert("RGB")
    return picture.convert("RGB")


def _grey_to_rgb(values: NDArray[np.float64]) -> Image.Image:
    return Image.fromarray(values.clip(0, 255).round().astype(np.uint8)).convert("RGB")


class ImageCheck(NamedTuple):
    """What the first pass found about one image.

    Attributes:
        status: `ok` or what is wrong.
        error: why, or None.
        sha256: of the encoded bytes, or None where there are none to hash.
    """

    status: ImageStatus
    error: str | None
    sha256: str | None


def check_image(source: ImageSource, row: int) -> ImageCheck:
    """Read, hash and decode one image; never raises for the image's sake."""
    try:
        data = source.read(row)
    except ImageError as error:
        return ImageCheck(error.status, error.reason, None)
    digest = hashlib.sha256(data).hexdigest()
    try:
        decode(data)
    except ImageError as error:
        return ImageCheck(error.status, error.reason, digest)
    return ImageCheck("ok", None, digest)


class View(NamedTuple):
    """Which picture is wanted and how it is augmented.

    Attributes:
        row: index in the manifest.
        x, y: place of the random crop, in [0, 1).
        mirror: mirrored where below 0.5; in [0, 1).
    """

    row: int
    x: float = 0.0
    y: float = 0.0
    mirror: float = 1.0


PixelsOf = Callable[[Image.Image, View], Tensor]
"""Picture and view to (3, S, S) uint8 pixels."""


@dataclass(frozen=True)
class _Pixels:
    """Resize, then crop and mirror by the view; a class, so that it can go to worker processes.

    Args:
        steps: resize, and for scoring the model's own crop.
        height, width: of the crop; the whole picture where it has that size already.
        flip: mirror where the view says so.
    """

    steps: Callable[[Image.Image], Image.Image]
    height: int
    width: int
    flip: bool

    def __call__(self, picture: Image.Image, view: View) -> Tensor:
        picture = self.steps(picture)
        left = int(view.x * (picture.width - self.width + 1))
        top = int(view.y * (picture.height - self.height + 1))
        picture = picture.crop((left, top, left + self.width, top + self.height))
        return _tensor(ImageOps.mirror(picture) if self.flip and view.mirror < 0.5 else picture)


def scoring_pixels(preprocess: Mapping[str, Any]) -> PixelsOf:
    """The model's own evaluation preprocessing, as open_clip builds it, up to 8-bit pixels."""
    return training_pixels(preprocess, crop=False, flip=False)


def training_pixels(preprocess: Mapping[str, Any], crop: bool, flip: bool) -> PixelsOf:
    """Resize to round(S · 256/224) in the model's resize mode, random crop S, random mirror.

    Args:
        preprocess: the model's preprocessing.
        crop: without it, the scoring preprocessing stands in for resize and crop.
        flip: mirror half of the pictures.
    """
    height, width = preprocess["size"]
    steps = (
        _resize_larger(preprocess, round(height * 256 / 224), round(width * 256 / 224))
        if crop
        else _geometry(preprocess, (height, width))
    )
    return _Pixels(steps, height, width, flip)


def _geometry(
    preprocess: Mapping[str, Any], size: tuple[int, ...]
) -> Callable[[Image.Image], Image.Image]:
    """open_clip's resize and crop, without its conversion to a normalised tensor."""
    from open_clip.transform import PreprocessCfg, image_transform_v2
    from torchvision.transforms import CenterCrop, Compose, Resize

    wanted = PreprocessCfg(**{**preprocess, "size": size})
    steps = image_transform_v2(wanted, is_train=False).transforms
    geometric = (Resize, CenterCrop)
    kept = [
        s
        for s in steps
        if isinstance(s, geometric) or "Resize" in type(s).__name__ or "Crop" in type(s).__name__
    ]
    return Compose(kept)  # type: ignore[no-any-return]


def _resize_larger(
    preprocess: Mapping[str, Any], height: int, width: int
) -> Callable[[Image.Image], Image.Image]:
    if preprocess["resize_mode"] != "shortest":
        return _geometry(preprocess, (height, width))
    from torchvision.transforms import InterpolationMode, Resize

    mode = InterpolationMode(preprocess["interpolation"])
    # The shorter side only: the random crop, not a centre crop, cuts the longer one.
    return Resize(max(height, width), interpolation=mode)  # type: ignore[no-any-return]


def _tensor(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()


class ImageBatch(NamedTuple):
    """Pictures of one batch.

    Attributes:
        rows: (B,) int64 indices in the manifest.
        pixels: (B, 3, S, S) uint8.
        failures: (row, reason) of images that could be read in the first pass and no longer can;
            their pictures are not in the batch.
    """

    rows: Tensor
    pixels: Tensor
    failures: list[tuple[int, str]]


class Pictures(Dataset[ImageBatch]):
    """Decoded pictures by view, a batch at a time.

    Args:
        source: the encoded bytes.
        pixels_of: preprocessing.
    """

    def __init__(self, source: ImageSource, pixels_of: PixelsOf) -> None:
        self.source = source
        self.pixels_of = pixels_of

    def __getitems__(self, views: list[View]) -> ImageBatch:
        """One batch; called by PyTorch's loader with the views its sampler yielded."""
        rows, pictures, failures = [], [], []
        for view in views:
            try:
                pictures.append(self.pixels_of(decode(self.source.read(view.row)), view))
                rows.append(view.row)
            except ImageError as error:
                failures.append((view.row, error.reason))
        pixels = torch.stack(pictures) if pictures else torch.empty(0, 3, 0, 0, dtype=torch.uint8)
        return ImageBatch(torch.tensor(rows, dtype=torch.int64), pixels, failures)


class Checks(Dataset[list[ImageCheck]]):
    """First-pass findings, a batch of rows at a time."""

    def __init__(self, source: ImageSource) -> None:
        self.source = source

    def __getitems__(self, rows: list[int]) -> list[ImageCheck]:
        """One batch; called by PyTorch's loader."""
        return [check_image(self.source, row) for row in rows]


def check_images(source: ImageSource, rows: int, workers: int) -> Iterator[list[ImageCheck]]:
    """First pass over all rows, in order, in batches; yields each batch's findings."""
    step = 64
    batches = [list(range(start, min(start + step, rows))) for start in range(0, rows, step)]
    yield from make_loader(Checks(source), batches, workers)


def make_loader(
    dataset: Dataset[Any], batches: Iterable[list[Any]], workers: int, pin: bool = False
) -> "DataLoader[Any]":
    """PyTorch's loader over ready-made batches; each iteration goes through `batches` anew."""
    return DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=_as_it_is,
        pin_memory=pin,
        persistent_workers=workers > 0,
    )


def _as_it_is(batch: Any) -> Any:
    return batch
