"""Commands on small data, ready to be run, stopped and run again in folders of their own."""

import csv
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from deftclean.core.switch import recover
from deftclean.experiments.results import MEASUREMENTS
from deftclean.reports.review_file import COLUMNS
from tests.support.pictures import COLOURS, draw
from tests.support.scored import NAMES, make_scored
from tests.support.trials import Trials

QUICK = ("--model", "nano", "--tuner", "none", "--workers", 0, "--offline")
DEFT = (*QUICK, "--strategy", "deft", "--epochs", 6, "--warmup", 2)

GRID = """
[data.colours]
images = "data"
labels = "labels.csv"
truth = "truth.csv"

[[grid]]
name = "detection"
data = ["colours"]
noise = ["given", {kind = "symmetric", ratio = 0.5}]
strategies = ["deft"]
seeds = [0]
preset = "synthetic"
model = "nano"
settings = {tuner = "none", epochs = 2, warmup = 1, lr = 0.03, batch_size = 16}
"""

State = dict[str, Any]
"""What lies under the names of outputs: None, or what tells one content from another."""


@dataclass(frozen=True)
class Plan:
    """One command.

    Attributes:
        words: the command line; `{}` stands for the folder with the inputs.
        outputs: their names in the folder where it runs.
        other: more words, with which it makes other outputs in the same places.
        onward: the words with which a stopped run goes on; none where the command itself does.
        torch: it needs a model.
        state: what the outputs are.
        whole: outputs appear together, once; not one after the other.
        patches: see `Trial`.
    """

    words: tuple[object, ...]
    outputs: tuple[str, ...]
    other: tuple[object, ...] = ()
    onward: tuple[object, ...] = ()
    torch: bool = False
    state: Callable[[Path], Any] = field(default=lambda path: contents(path))
    whole: bool = True
    patches: Mapping[str, Any] = field(default_factory=dict)

    def line(self, base: Path, *more: object) -> tuple[object, ...]:
        """The words, with the folder of inputs."""
        return tuple(str(word).replace("{}", str(base)) for word in (*self.words, *more))

    def state_in(self, home: Path) -> State:
        """What a reader finds, who finishes what was begun."""
        for name in self.outputs:
            recover(home / name)
        return {name: self.state(home / name) for name in self.outputs}


def contents(path: Path) -> Any:
    """Bytes of a file, files of a folder by their hash, None for nothing."""
    if path.is_dir():
        files = sorted(each for each in path.rglob("*") if each.is_file())
        return {
            each.relative_to(path).as_posix(): hashlib.sha256(each.read_bytes()).hexdigest()
            for each in files
        }
    return path.read_bytes() if path.exists() else None


def results(path: Path) -> Any:
    """The rows of a comparison without what was measured."""
    if not (path / "results.parquet").exists():
        return None
    rows = pq.read_table(path / "results.parquet").to_pylist()
    return [{key: row[key] for key in row if key not in MEASUREMENTS} for row in rows]


PLANS = {
    "select": Plan(
        ("select", "{}/clean.parquet", "--rule", "agree", "-o", "out.parquet"), ("out.parquet",),
        ("--threshold", 0.95),
    ),
    "review": Plan(
        ("review", "{}/clean.parquet", "{}/review.csv", "-o", "out.parquet"), ("out.parquet",),
    ),
    "report": Plan(("report", "{}/clean.parquet", "-o", "out.html"), ("out.html",)),
    "export csv": Plan(
        ("export", "{}/clean.parquet", "--to", "csv", "-o", "out.csv"), ("out.csv",),
        ("--rows", "all"),
    ),
    "export folder": Plan(
        ("export", "{}/clean.parquet", "--to", "imagefolder", "-o", "out"), ("out",),
        ("--rows", "all"),
    ),
    "corrupt": Plan(
        ("corrupt", "{}/data", "-o", "out.csv", "--ratio", 0.5), ("out.csv", "out.truth.csv"),
        ("--seed", 5),
    ),
    "scan": Plan(
        ("scan", "{}/data", *QUICK, "--epochs", 3), ("clean.parquet", "clean.detector"),
        ("--seed", 5), ("--resume",), torch=True,
    ),
    "scan deft": Plan(
        ("scan", "{}/data", *DEFT), ("clean.parquet", "clean.detector"), ("--seed", 5),
        ("--resume",), torch=True,
    ),
    "score": Plan(
        ("score", "{}/clean.detector", "{}/data", "-o", "out.parquet", "--workers", 0),
        ("out.parquet",), ("--threshold", 0.9), torch=True,
    ),
    "adapt": Plan(
        ("adapt", "{}/clean.parquet", "--backbone", "nano", "--method", "linear", "--epochs", 4,
         "--batch-size", 16, "--workers", 0, "-o", "out"),
        ("out",), ("--seed", 5), ("--resume",), torch=True,
    ),
    "predict": Plan(
        ("predict", "{}/run", "{}/data", "-o", "out.parquet", "--workers", 0), ("out.parquet",),
        torch=True,
    ),
    "bench": Plan(
        ("bench", "{}/grid.toml", "-o", "out", "--workers", 0, "--offline"), ("out",),
        torch=True, state=results, whole=False,
    ),
    "demo": Plan(
        ("demo", "out"), ("out",), onward=("--resume",), torch=True, whole=False,
        patches={
            "deftclean.datasets.demo._COUNT": 60,
            "deftclean.settings.detector.MIN_WARMUP_STEPS": 2,
        },
    ),
}  # fmt: skip


def make_inputs(base: Path, trials: Trials, *, torch: bool) -> None:
    """All that the plans read, in a new folder."""
    scored = make_scored(base, 24)
    _write_csv(base / "review.csv", COLUMNS, [_dropped(scored.images, at) for at in (5, 11)])
    names = list(COLOURS)
    rows = []
    for at in range(30):
        given = names[(at + (at % 10 == 0)) % 3]
        path = base / "data" / given / f"{at:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        draw(COLOURS[names[at % 3]], at).save(path)
        rows.append((f"{given}/{at:02d}.png", given, names[at % 3]))
    _write_csv(base / "labels.csv", ("file_name", "label"), [row[:2] for row in rows])
    truth = [(name, true) for name, _, true in rows]
    _write_csv(base / "truth.csv", ("file_name", "true_label"), truth)
    (base / "grid.toml").write_text(GRID)
    if torch:
        for words in (
            ("scan", "data", *DEFT, "-o", "scanned.parquet"),
            (*PLANS["adapt"].line(base)[:-1], "run"),
        ):
            done = trials.one(*words, cwd=base)
            assert done.code == 0, done.errors
        (base / "scanned.detector").rename(base / "clean.detector")


def _dropped(images: Path, row: int) -> tuple[object, ...]:
    """What a person decided, as a report saves it."""
    name = f"{row:03d}.png"
    digest = hashlib.sha256((images / name).read_bytes()).hexdigest()
    label = NAMES[(row + 1) % 3]
    return row, name, digest, label, "drop", "", "Ada", "2026-01-02T03:04:05Z"


def _write_csv(path: Path, header: tuple[str, ...], rows: list[Any]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
