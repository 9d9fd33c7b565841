"""How `score` and training grow with rows: 1,000 distinct files at every N.

    python -m benchmarks.growth

Of `score`, each size is one `deftclean score` in a process of its own, with the built-in model, a
detector trained with `--tuner none`, and embeddings already cached. Printed are wall time, peak
memory and the slopes between sizes. Of training with visual prompts, each size is one scan in a
process of its own that is stopped after 200 steps; printed is its peak memory.
"""

import argparse
import contextlib
import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
from PIL import Image

import deftclean
from deftclean.core.progress import Advance, Silent

FILES = 1000
STEPS = 200
CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)


def write_images(folder: Path) -> None:
    """Small pictures with content of their own."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for index in range(FILES):
        coarse = random.integers(0, 256, (4, 4, 3)).astype(np.uint8)
        picture = Image.fromarray(coarse).resize((64, 64), Image.Resampling.BICUBIC)
        picture.save(folder / f"{index}.png")


def write_labels(path: Path, rows: int, classes: tuple[str, ...] = CLASSES) -> None:
    """A table that names every file rows / FILES times, in no order."""
    random = np.random.default_rng(1)
    names = pa.array([f"{index}.png" for index in range(FILES)])
    file = random.permutation(np.arange(rows) % FILES)
    labels = pa.array(classes).take(pa.array(random.integers(0, len(classes), rows)))
    table = pa.table({"file_name": names.take(pa.array(file)), "label": labels})
    pyarrow.csv.write_csv(table, path)


class EnoughError(Exception):
    """The steps that were asked for are done."""


class StopAfter(Silent):
    """Ends a scan after some training steps."""

    @contextlib.contextmanager
    def stage(self, title: str, total: int) -> Iterator[Advance]:  # noqa: ARG002
        """Count the steps of the training."""
        done = 0

        def advance(count: int, _text: str) -> None:
            nonlocal done
            done += count
            if title == "Training" and done >= STEPS:
                raise EnoughError

        yield advance


def train_for_a_while(rows: int) -> None:
    """In a process of its own: a scan of the current folder's table of so many rows."""
    with contextlib.suppress(EnoughError):
        deftclean.scan(
            "images",
            f"{rows}.csv",
            output=f"trained-{rows}.parquet",
            noise="synthetic",
            strategy="deft",
            settings={"lr": 1e-3},  # random labels of made-up pictures; more would collapse
            run=deftclean.RunOptions(model="nano", cache_dir="cache"),
            progress=StopAfter(),
        )
        raise SystemExit(f"training ended before step {STEPS}")


def in_a_process(folder: Path, *arguments: object) -> tuple[float, float]:
    """Run a module; seconds, and peak memory in GB."""
    began = time.perf_counter()
    command = [sys.executable, "-m", *map(str, arguments)]
    environment = {**os.environ, "DEFTCLEAN_CACHE_DIR": str(folder / "cache")}
    environment["PYTHONPATH"] = str(Path(__file__).parents[1])
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    unit = 1 if sys.platform == "darwin" else 1024
    return time.perf_counter() - began, usage.ru_maxrss * unit / 1e9


def measure(folder: Path, sizes: list[int], times: int) -> None:
    """Train, warm the cache, then time every size in turn."""
    write_images(folder / "images")
    for rows in [FILES, *sizes]:
        write_labels(folder / f"{rows}.csv", rows)
    in_a_process(
        folder, "deftclean", "scan", "images", f"{FILES}.csv", "--model", "nano", "--tuner", "none",
        "--recipe", "deft", "--noise", "synthetic", "--epochs", 1, "--warmup", 0, "-q",
        "-o", "clean.parquet",
    )  # fmt: skip
    taken: dict[int, list[tuple[float, float]]] = {rows: [] for rows in [FILES, *sizes]}
    for _ in range(times):
        for rows, found in taken.items():
            arguments = ("clean.detector", "images", f"{rows}.csv", "-o", f"{rows}.parquet")
            found.append(
                in_a_process(folder, "deftclean", "score", *arguments, "-q", "--overwrite")
            )
    wall = {rows: float(np.median([s for s, _ in found])) for rows, found in taken.items()}
    peak = {rows: max(gb for _, gb in found) for rows, found in taken.items()}
    print("| rows | seconds | peak memory | over 1,000 rows |\n|---|---|---|---|")
    for rows in taken:
        more = peak[rows] - peak[FILES]
        print(f"| {rows:,} | {wall[rows]:.1f} | {peak[rows]:.2f} GB | {more:.2f} GB |")
    slopes = [(wall[b] - wall[a]) / (b - a) * 1e6 for a, b in itertools.pairwise(sizes)]
    print("seconds a million rows, between sizes:", ", ".join(f"{slope:.1f}" for slope in slopes))
    if len(slopes) > 1:
        print(f"last slope against the one before: {slopes[-1] / slopes[-2]:.2f}")


def measure_training(folder: Path, sizes: list[int]) -> None:
    """Peak memory of a scan that trains for some steps, of every size."""
    print(f"\n| rows | peak memory, {STEPS} training steps |\n|---|---|")
    for rows in sizes:
        _, peak = in_a_process(folder, "benchmarks.growth", "--train", rows)
        print(f"| {rows:,} | {peak:.2f} GB |", flush=True)


def main() -> None:
    """Measure in a folder that is gone afterwards."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--train", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train is not None:
        train_for_a_while(options.train)
        return
    with tempfile.TemporaryDirectory() as name:
        measure(Path(name), options.sizes, options.times)
        measure_training(Path(name), options.sizes)


if __name__ == "__main__":
    main()
