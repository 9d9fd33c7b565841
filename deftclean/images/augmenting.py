"""timm's stronger augmentation of resized pictures: RandAugment, random resized crop, erasing.

What happens to a picture depends on (seed, epoch, row) alone, although timm draws from the global
generators of Python, NumPy and PyTorch: they are seeded for each picture and put back afterwards.
"""

import contextlib
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from deftclean.images.decoding import ImageError
from deftclean.images.loading import ImageBatch, ResizedPictures, Wanted

_RANDAUGMENT = "rand-m9-mstd0.5-inc1"  # the recipe of timm's A1 and ConvNeXt weights
_ERASE = 0.25  # share of pictures with an erased rectangle


class StrongPictures:
    """Augmented pictures, a batch at a time; a class, so that it can go to workers.

    Args:
        pictures: the resized ones, larger than the model's input.
        preprocess: size, mean, std and interpolation of the model's input.
        flip: mirror at random.
    """

    def __init__(
        self, pictures: ResizedPictures, preprocess: Mapping[str, Any], flip: bool
    ) -> None:
        self.pictures = pictures
        self.preprocess = dict(preprocess)
        self.flip = flip

    def __getitems__(self, wanted: Wanted) -> ImageBatch:
        """One batch."""
        transform = self._transform()
        rows: list[int] = []
        seen: list[Tensor] = []
        failures = []
        resized = self.pictures.pixels(wanted.pictures.tolist())
        columns = (part.tolist() for part in wanted)
        for row, picture, draws, pixels in zip(*columns, resized, strict=True):
            if isinstance(pixels, ImageError):
                failures.append((picture, pixels.reason))
                continue
            with _seeded(int(draws[0] * 2**53)):
                seen.append(transform(Image.fromarray(pixels)))
            rows.append(row)
        height, width = self.preprocess["size"]
        stacked = torch.stack(seen) if seen else torch.empty(0, 3, height, width, dtype=torch.uint8)
        return ImageBatch(torch.tensor(rows, dtype=torch.int64), stacked, failures)

    def _transform(self) -> Callable[[Image.Image], Tensor]:
        from timm.data import create_transform

        mean, std = (torch.tensor(self.preprocess[name]).view(3, 1, 1) for name in ("mean", "std"))
        augment = create_transform(
            self.preprocess["size"],
            is_training=True,
            hflip=0.5 if self.flip else 0.0,
            auto_augment=_RANDAUGMENT,
            interpolation=self.preprocess["interpolation"],
            mean=self.preprocess["mean"],
            std=self.preprocess["std"],
            re_prob=_ERASE,
        )

        def transform(picture: Image.Image) -> Tensor:
            # Pixels travel as uint8; what was erased is the mean colour.
            normal: Tensor = augment(picture)
            return (normal * std + mean).mul(255).round().clamp(0, 255).to(torch.uint8)

        return transform


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        random.seed(seed)
        np.random.seed(seed % 2**32)
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
