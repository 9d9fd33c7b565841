"""How `score` grows with rows: 1,000 distinct files at every N, embeddings already cached.

    python -m benchmarks.growth

Each size is one `deftclean score` in a process of its own, with the built-in model and a detector
trained with `--tuner none`. Printed are wall time, peak memory and the slopes between sizes.
"""

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
from PIL import Image

FILES = 1000
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


def write_labels(path: Path, rows: int) -> None:
    """A table that names every file rows / FILES times, in no order."""
    random = np.random.default_rng(1)
    names = pa.array([f"{index}.png" for index in range(FILES)])
    file = random.permutation(np.arange(rows) % FILES)
    labels = pa.array(CLASSES).take(pa.array(random.integers(0, len(CLASSES), rows)))
    table = pa.table({"file_name": names.take(pa.array(file)), "label": labels})
    pyarrow.csv.write_csv(table, path)


def deftclean(folder: Path, *arguments: object) -> tuple[float, float]:
    """Run a command; seconds, and peak memory in GB."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "deftclean", *map(str, arguments), "-q", "--overwrite"]
    environment = {**os.environ, "DEFTCLEAN_CACHE_DIR": str(folder / "cache")}
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
    deftclean(
        folder, "scan", "images", f"{FILES}.csv", "--model", "nano", "--tuner", "none",
        "--noise", "synthetic", "--epochs", 1, "--warmup", 0, "-o", "clean.parquet",
    )  # fmt: skip
    taken: dict[int, list[tuple[float, float]]] = {rows: [] for rows in [FILES, *sizes]}
    for _ in range(times):
        for rows, found in taken.items():
            arguments = ("clean.detector", "images", f"{rows}.csv", "-o", f"{rows}.parquet")
            found.append(deftclean(folder, "score", *arguments))
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


def main() -> None:
    """Measure in a folder that is gone afterwards."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--times", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        measure(Path(name), options.sizes, options.times)


if __name__ == "__main__":
    main()
