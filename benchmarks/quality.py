"""How well bad pictures are told, and how often good ones are taken for bad.

    python -m benchmarks.quality DATA [DATA ...] [--most 400]

The first line of every folder is of its pictures as they are: the share that is named for each
reason, which should be near 0. The others are of the same pictures made bad: the share that is
named for it.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from deftclean.images.look import LOOK, look_at
from deftclean.images.quality import quality_of
from deftclean.table.kinds import REASONS

_SUFFIXES = {".jpg", ".jpeg", ".png"}

Change = Callable[[Image.Image], Image.Image]


def blurred(radius: float) -> Change:
    """By a Gaussian of that many pixels."""
    return lambda picture: picture.filter(ImageFilter.GaussianBlur(radius))


def dimmed(factor: float) -> Change:
    """Or brightened, above 1."""
    return lambda picture: ImageEnhance.Brightness(picture).enhance(factor)


def faded(factor: float) -> Change:
    """Towards its mean grey."""
    return lambda picture: ImageEnhance.Contrast(picture).enhance(factor)


CHANGES: dict[str, tuple[str, Change]] = {
    **{f"blurred, {radius} px": ("blurred", blurred(radius)) for radius in (1, 1.5, 2, 3, 4, 6)},
    **{f"brightness x {factor}": ("dark", dimmed(factor)) for factor in (0.5, 0.3, 0.2)},
    "brightness x 8": ("bright", dimmed(8)),
    **{f"contrast x {factor}": ("low contrast", faded(factor)) for factor in (0.2, 0.1, 0.05)},
    "one colour": ("blank", lambda picture: Image.new("RGB", picture.size, "olive")),
}


def named(pictures: list[Image.Image]) -> list[set[str]]:
    """The reasons of every picture, without the rule of what is usual."""
    looks = np.frombuffer(b"".join(look_at(each, *each.size) for each in pictures), LOOK)
    texts = quality_of(looks, np.zeros(0, dtype=np.int64)).reasons.to_pylist()
    return [set((text or "").split(", ")) for text in texts]


def measure(folder: Path, most: int) -> None:
    """Print the lines of one folder."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    every = [Image.open(path).convert("RGB") for path in files]
    found = named(every)
    shares = {name: np.mean([name in each for each in found]) for name in REASONS}
    listed = ", ".join(f"{name} {share:.2%}" for name, share in shares.items() if share) or "none"
    print(f"| {folder.name}, {len(every):,} | as they are | {listed} |", flush=True)
    some = every[:: max(1, len(every) // most)]
    for title, (reason, change) in CHANGES.items():
        share = np.mean([reason in each for each in named([change(picture) for picture in some])])
        print(f"| {folder.name}, {len(some):,} | {title} | {reason} {share:.1%} |", flush=True)


def main() -> None:
    """Measure every folder that is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--most", type=int, default=400)
    options = parser.parse_args()
    print("| pictures | made | named |\n|---|---|---|")
    for folder in options.data:
        measure(folder, options.most)


if __name__ == "__main__":
    main()
