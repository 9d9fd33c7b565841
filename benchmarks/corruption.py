"""What instance-dependent noise costs: 50,000 pictures of 32 pixels, through the command line.

    python -m benchmarks.corruption --work WORK [--rows 50000] [--classes 10 100]

The pictures are made in WORK once. Printed are wall time, processor time (of this command and its
workers) and the peak memory of its largest process; start-up is included.
"""

import argparse
import csv
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 32


def make_inputs(work: Path, rows: int, classes: list[int]) -> Path:
    """A folder of coarse noise, and a table of labels for each number of classes."""
    folder = work / f"pictures-{rows}"
    if not folder.is_dir():
        folder.mkdir(parents=True)
        coarse = np.random.default_rng(0).integers(0, 256, (rows, 4, 4, 3), dtype=np.uint8)
        for row, pixels in enumerate(coarse):
            picture = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            picture.save(folder / f"{row}.png")
    for count in classes:
        with (work / f"labels-{rows}-{count}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["file_name", "label"])
            writer.writerows([f"{row}.png", f"class {row % count}"] for row in range(rows))
    return folder


def timed(work: Path, folder: Path, labels: Path) -> str:
    """One line of figures."""
    command = [
        *(sys.executable, "-m", "deftclean", "corrupt", str(folder), str(labels)),
        *("--noise", "instance-dependent", "--ratio", "0.4", "--overwrite", "--quiet"),
        *("-o", str(work / "noisy.csv")),
    ]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return f"{wall:6.1f} s   {spent:6.1f} s processor   {after.ru_maxrss / 1e3:6.0f} MB"


def main() -> None:
    """Make the pictures and print a line for each number of classes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--classes", type=int, nargs="+", default=[10, 100])
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    folder = make_inputs(given.work, given.rows, given.classes)
    for count in given.classes:
        labels = given.work / f"labels-{given.rows}-{count}.csv"
        print(f"{given.rows:,} pictures, K = {count:4}: {timed(given.work, folder, labels)}")


if __name__ == "__main__":
    main()
