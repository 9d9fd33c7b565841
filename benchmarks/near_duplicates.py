"""How well near duplicates are told from pictures that only look alike.

    python -m benchmarks.near_duplicates DATA [DATA ...] [--model nano] [--most 3000]

Of every picture below DATA four copies are made: resized to 70 %, recompressed (JPEG quality 50),
cropped by 5 % on every side, mirrored. The table says which share of the copies is in the group of
its original; beside it, without any copy, which share of the originals is in a group at all: wrong
as far as the data hold no near duplicates themselves.
"""

import argparse
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from deftclean.evidence.near_copies import near_groups
from deftclean.images.resizing import Preparation
from deftclean.models.encoder import Encoder
from deftclean.models.weights import load_model

_BATCH = 128
_SUFFIXES = {".jpg", ".jpeg", ".png"}


def resized(picture: Image.Image) -> Image.Image:
    """To 70 % of either side."""
    return picture.resize([round(0.7 * side) for side in picture.size], Image.Resampling.BICUBIC)


def recompressed(picture: Image.Image) -> Image.Image:
    """As a JPEG of quality 50."""
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=50)
    return Image.open(data).convert("RGB")


def cropped(picture: Image.Image, share: float = 0.05) -> Image.Image:
    """Without a share of each side on either end."""
    across, down = (max(1, round(share * side)) for side in picture.size)
    return picture.crop((across, down, picture.width - across, picture.height - down))


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "resized 70 %": resized,
    "JPEG 50": recompressed,
    "cropped 5 %": cropped,
    "mirrored": ImageOps.mirror,
}


@torch.inference_mode()
def features(pictures: list[Image.Image], encoder: Encoder, preparation: Preparation) -> Tensor:
    """(n, D) unit vectors."""
    found = []
    for at in range(0, len(pictures), _BATCH):
        pixels = np.stack([preparation.scoring(each) for each in pictures[at : at + _BATCH]])
        found.append(encoder.image(torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()))
    return torch.cat(found).float()


def grouped(vectors: Tensor) -> NDArray[np.int64]:
    """(n,) groups of nearly identical pictures."""
    return near_groups(lambda some: vectors[some], len(vectors), vectors.device, lambda _done: None)


def measure(folder: Path, encoder: Encoder, most: int) -> None:
    """Print the line of one folder."""
    preparation = Preparation.of(encoder.preprocess, "exact", crop=False)
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    files = files[:: max(1, len(files) // most)]
    pictures = [Image.open(path).convert("RGB") for path in files]
    originals = features(pictures, encoder, preparation)
    shares = []
    for copy in COPIES.values():
        made = features([copy(picture) for picture in pictures], encoder, preparation)
        first, second = np.split(grouped(torch.cat([originals, made])), 2)
        shares.append(float(((first == second) & (first >= 0)).mean()))
    shares.append(float((grouped(originals) >= 0).mean()))
    figures = " | ".join(f"{share:.1%}" for share in shares)
    print(f"| {folder.name}, {len(files):,} | {figures} |", flush=True)


def main() -> None:
    """Measure every folder that is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--model", default="nano")
    parser.add_argument("--most", type=int, default=3000)
    options = parser.parse_args()
    encoder = load_model(options.model, None, True, print).encoder
    print("| pictures | " + " | ".join(COPIES) + " | without copies |")
    print("|---|" + "---|" * (len(COPIES) + 1))
    for folder in options.data:
        measure(folder, encoder, options.most)


if __name__ == "__main__":
    main()
