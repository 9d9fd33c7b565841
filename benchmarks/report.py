"""What a report and a review cost as tables grow.

    python -m benchmarks.report --work WORK --photos DATA/photos --rows 10000 1000000

A table of so many rows and 1,000 classes, a tenth of them flagged, whose rows show the photos in
turn. Every case is a process of its own, three times; printed are the medians of its wall time and
of its peak memory, start-up included, and the size of the page.
"""

import argparse
import csv
import hashlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.tables import REPEATS
from deftclean.reports.review_file import COLUMNS
from deftclean.table.scores import SCHEMA_VERSION, SCORE_SCHEMA, ScoreTable, decide, write_scores

CLASSES = pa.array([f"class name {index:03d}" for index in range(1000)])


def make_table(path: Path, photos: Path, rows: int) -> None:
    """A score table of photos, unless it is there."""
    if path.exists():
        return
    names = sorted(file.name for file in photos.glob("*.JPEG"))
    hashes = [hashlib.sha256((photos / name).read_bytes()).hexdigest() for name in names]
    draw = np.random.default_rng(0)
    given = draw.integers(0, len(CLASSES), rows)
    other = np.where(draw.random(rows) < 0.1, draw.integers(0, len(CLASSES), rows), given)
    shown = pa.array(np.arange(rows) % len(names))
    prob = np.where(other == given, 1 - 0.4 * draw.random(rows), draw.random(rows))
    columns = {
        "row": pa.array(np.arange(rows)),
        "file_name": pa.array(names).take(shown),
        "given_label": CLASSES.take(pa.array(given)),
        "clean_prob": pa.array(prob.astype(np.float32)),
        "clean_top_label": CLASSES.take(pa.array(other)),
        "keep": pa.array(np.zeros(rows, dtype=bool)),
        "predicted_label": CLASSES.take(pa.array(other)),
        "predicted_prob": pa.array(draw.random(rows).astype(np.float32)),
        "zero_shot_prob": pa.array(draw.random(rows).astype(np.float32)),
        "status": pa.array(["ok"] * rows),
        "error": pa.nulls(rows, pa.string()),
        "content_sha256": pa.array(hashes).take(shown),
    }
    table = pa.table([columns[name] for name in SCORE_SCHEMA.names], schema=SCORE_SCHEMA)
    facts = {"schema_version": SCHEMA_VERSION, "class_names": CLASSES.to_pylist()}
    write_scores(decide(ScoreTable(table, facts), "agree", 0.5), path, photos, overwrite=False)


def make_review(path: Path, table: Path, lines: int) -> None:
    """So many of its rows, kept."""
    read = pq.read_table(table, columns=["row", "file_name", "content_sha256", "given_label"])
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        for row in read.slice(0, lines).to_pylist():
            writer.writerow({**row, "decision": "keep"})


def cases(work: Path, photos: Path, sizes: list[int]) -> Iterator[tuple[str, list[str]]]:
    """Name and command of each case."""
    command = ["-m", "deftclean"]
    for rows in sizes:
        table, review = work / f"photos-{rows}.parquet", work / f"review-{rows}.csv"
        make_table(table, photos, rows)
        make_review(review, table, 1000)
        page = ["-o", str(work / "report.html"), "--overwrite", "-q"]
        for images in (0, 200, 2000):
            name = f"report, {rows:,} rows, {images:,} pictures"
            yield name, [*command, "report", str(table), "--images", str(images), *page]
        merged = ["-o", str(work / "reviewed.parquet"), "--overwrite"]
        yield f"review, {rows:,} rows, 1,000 decisions", [
            *command, "review", str(table), str(review), *merged,
        ]  # fmt: skip


def measured(arguments: list[str]) -> tuple[float, float, float]:
    """Seconds, seconds of processors, and peak MB of one process."""
    began = time.perf_counter()
    with subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{arguments} failed")
    busy = usage.ru_utime + usage.ru_stime
    return time.perf_counter() - began, busy, usage.ru_maxrss / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 1_000_000])
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    print("| case | seconds | of processors | peak MB | page |\n|---|---|---|---|---|")
    for name, arguments in cases(options.work, options.photos, options.rows):
        figures = zip(*(measured(arguments) for _ in range(REPEATS)), strict=True)
        seconds, busy, memory = map(statistics.median, figures)
        page = options.work / "report.html"
        size = f"{page.stat().st_size / 1e6:.1f} MB" if name.startswith("report") else ""
        print(f"| {name} | {seconds:.1f} | {busy:.1f} | {memory:.0f} | {size} |", flush=True)


if __name__ == "__main__":
    main()
