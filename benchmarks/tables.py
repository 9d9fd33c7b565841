"""What tables cost as they grow: manifests, folders, `select`, `check`, `export`, start-up.

    python -m benchmarks.tables --work WORK --rows 10000 100000 1000000

Every case is a process of its own, three times; printed are the medians of its wall time and of its
peak memory, start-up included. The inputs are made in WORK once.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

REPEATS = 3
FORMATS = ("csv", "jsonl", "parquet")

READ = """
import sys
from pathlib import Path
from deftclean.data.manifest import read_manifest
from deftclean.data.options import ManifestOptions
manifest = read_manifest(Path(sys.argv[1]), None, ManifestOptions())
manifest.label_indices(manifest.class_names)
"""


def make_inputs(work: Path, rows: int, files: int) -> None:
    """In another process: a child's peak memory is never below that of the one that starts it."""
    command = [sys.executable, "-m", "benchmarks.table_inputs", str(work), str(rows), str(files)]
    subprocess.run(command, check=True)


def cases(work: Path, sizes: list[int], files: int) -> Iterator[tuple[str, list[str]]]:
    """Name and command of each case."""
    yield "start-up: --help", ["-m", "deftclean", "--help"]
    yield "start-up: import", ["-c", "import deftclean.data.manifest, deftclean.detection.scan"]
    for rows in sizes:
        make_inputs(work, rows, files)
        for suffix in FORMATS:
            path = str(work / f"labels-{rows}.{suffix}")
            yield f"read {suffix}, {rows:,} rows", ["-c", READ, path]
        table, output = work / f"scores-{rows}.parquet", work / "selected.parquet"
        select = ["-m", "deftclean", "select", str(table), "-o", str(output), "--overwrite"]
        yield f"select, {rows:,} rows", select
        check = ["-m", "deftclean", "check", str(table), "--exit-zero"]
        gates = ["--fail-on", "noise_rate>0.05", "--fail-on", "noise_rate[class name 07]>20%"]
        yield f"check, {rows:,} rows", [*check, *gates, "--fail-on", "missing>0"]
        yield f"check against as many, {rows:,} rows", [*check, "--baseline", str(table)]
        yield from exports(work, table, rows)
    yield f"walk a folder, {files:,} files", ["-c", READ, str(work / f"folder-{files}")]


def exports(work: Path, table: Path, rows: int) -> Iterator[tuple[str, list[str]]]:
    """Name and command of each export that holds no pictures."""
    for to, name in (
        ("csv", "cleaned.csv"),
        ("parquet", "cleaned.parquet"),
        ("cleanlab", "issues.parquet"),
        ("fiftyone", "fiftyone"),
        ("label-studio", "label-studio"),
    ):
        command = ["-m", "deftclean", "export", str(table), "--to", to, "-o", str(work / name)]
        yield f"export {to}, {rows:,} rows", [*command, "--rows", "all", "--overwrite", "--quiet"]


def measured(arguments: list[str]) -> tuple[float, float]:
    """Seconds and peak MB of one process."""
    began = time.perf_counter()
    with subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{arguments} failed")
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--files", type=int, default=100_000)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    print("| case | seconds | peak MB |\n|---|---|---|")
    for name, arguments in cases(options.work, options.rows, options.files):
        seconds, memory = zip(*(measured(arguments) for _ in range(REPEATS)), strict=True)
        print(f"| {name} | {statistics.median(seconds):.2f} | {statistics.median(memory):.0f} |")


if __name__ == "__main__":
    main()
