"""How well perceptual hashes tell copies of pictures from pictures that only look alike.

    python -m benchmarks.look_alikes DATA [DATA ...] [--most 3000]
    python -m benchmarks.look_alikes --rows 100000

Of every picture below DATA copies are made, as in benchmarks/near_duplicates.py. The table says
which share of them `check --against` takes for nearly the same as their originals; beside it,
without any copy, how many of the pictures are taken for another one: wrong as far as the data hold
no near duplicates themselves. With --rows, how long two tables of so many rows take.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from benchmarks.near_duplicates import cropped, recompressed, resized
from deftclean.gate.alike import Words, alike, words_of
from deftclean.images.look import HASH_BYTES, LOOK, look_at

_SUFFIXES = {".jpg", ".jpeg", ".png"}


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "resized 70 %": resized,
    "JPEG 50": recompressed,
    "cropped 5 %": cropped,
    "cropped 2 %": lambda each: cropped(each, 0.02),
    "mirrored": lambda each: ImageOps.mirror(each),
    "mirrored, 70 %, JPEG 50": lambda each: recompressed(resized(ImageOps.mirror(each))),
}


def hashes(pictures: list[Image.Image]) -> tuple[Words, NDArray[np.bool_]]:
    """(n, 4) words of each picture, and whether it has any."""
    looks = np.frombuffer(b"".join(look_at(each, *each.size) for each in pictures), LOOK)
    found = np.ascontiguousarray(looks["hash"]).view(np.uint8).reshape(-1, HASH_BYTES)
    return words_of(found), np.asarray(found.any(axis=1))


def measure(folder: Path, most: int) -> None:
    """Print the line of one folder."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    files = files[:: max(1, len(files) // most)]
    pictures = [Image.open(path).convert("RGB") for path in files]
    originals, _ = hashes(pictures)
    itself = np.arange(len(files))
    shares = []
    for copy in COPIES.values():
        made, there = hashes([copy(picture) for picture in pictures])
        found = alike(made, originals, lambda _: None)
        shares.append(f"{(there & (found == itself)).mean():.1%}")
    others = [alike(originals[at : at + 1], np.delete(originals, at, 0), lambda _: None)
              for at in itself]  # fmt: skip
    wrong = np.flatnonzero(np.concatenate(others) >= 0)
    print(f"| {folder.name}, {len(files):,} | {' | '.join(shares)} | {len(wrong)} |", flush=True)
    for at in wrong:
        place = int(others[at][0])
        print(f"  {files[at]} {files[place + (place >= at)]}", flush=True)


def main() -> None:
    """Measure every folder that is named, or how long it takes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="*")
    parser.add_argument("--most", type=int, default=3000)
    parser.add_argument("--rows", type=int, default=0)
    options = parser.parse_args()
    if options.rows:
        draw = np.random.default_rng(0)
        one, other = draw.integers(0, 2**64, (2, options.rows, 4), dtype=np.uint64)
        begin = time.perf_counter()
        alike(one, other, lambda _: None)
        print(f"{options.rows:,} x {options.rows:,}: {time.perf_counter() - begin:.1f} s")
    if options.data:
        print("| pictures | " + " | ".join(COPIES) + " | without copies |")
        print("|---|" + "---|" * (len(COPIES) + 1))
    for folder in options.data:
        measure(folder, options.most)


if __name__ == "__main__":
    main()
