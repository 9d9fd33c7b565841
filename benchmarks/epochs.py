"""What training without a tuner takes: 50,000 rows of 100 classes, the built-in model.

    python -m benchmarks.epochs

One scan with `--tuner none` in this process, ten epochs at batch 64. Printed is the time from the
first training step to the last, embedding excluded, in seconds.
"""

import argparse
import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import deftclean
from benchmarks.growth import write_images, write_labels
from deftclean.core.progress import Advance, Silent

CLASSES = tuple(f"class name {index:02d}" for index in range(100))


class Timed(Silent):
    """Remembers how long each stage took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def stage(self, title: str, total: int) -> Iterator[Advance]:  # noqa: ARG002
        """Nothing is shown."""
        began = time.perf_counter()
        yield lambda _count, _text: None
        self.seconds[title] = time.perf_counter() - began


def main() -> None:
    """Scan once and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()
    timed = Timed()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_images(folder / "images")
        write_labels(folder / "labels.csv", options.rows, CLASSES)
        deftclean.scan(
            folder / "images",
            folder / "labels.csv",
            output=folder / "clean.parquet",
            noise="synthetic",
            strategy="deft",
            # Random labels of made-up pictures: at the preset's rate the features would collapse.
            settings={"tuner": "none", "epochs": options.epochs, "warmup": 1, "lr": 1e-3},
            run=deftclean.RunOptions(model="nano", cache_dir=folder / "cache"),
            progress=timed,
        )
    print(f"{os.cpu_count()} cores, {options.rows:,} rows, {options.epochs} epochs")
    for title, seconds in timed.seconds.items():
        print(f"{title}: {seconds:.1f} s")


if __name__ == "__main__":
    main()
