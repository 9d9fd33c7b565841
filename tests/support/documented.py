"""What the documentation's commands read, and the commands as they stand there."""

import csv
import json
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import timm
from safetensors.torch import save_file

from deftclean.models.weights import NANO
from deftclean.reports.review_file import COLUMNS
from tests.support.pictures import COLOURS, draw
from tests.support.places import ROOT
from tests.support.stage import GRID
from tests.support.trials import Trials

CLASSES = dict(zip(("cat", "dog", "lynx"), COLOURS.values(), strict=True))

SMALL = {
    "deftclean.datasets.demo._COUNT": 60,
    "deftclean.settings.detector.MIN_WARMUP_STEPS": 2,
}
"""Fewer digits, and fewer steps, than a reader gets."""

SETTINGS = """\
[scan]
model = "nano"
tuner = "none"
workers = 0
offline = true

[score]
workers = 0
offline = true

[adapt]
backbone = "nano"
epochs = 1
workers = 0
offline = true

[predict]
workers = 0
offline = true
"""

FENCED = re.compile(r"^```(?:sh|bash)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(deftclean [a-z][^`]+)`")


@dataclass(frozen=True)
class Documented:
    """A line that a reader may copy: one command, or several joined by the shell."""

    page: str
    line: str

    def __str__(self) -> str:
        return f"{self.page}: {self.line}"

    @property
    def words(self) -> list[str]:
        """What stands behind `deftclean`; none if it is another program's line."""
        words = shlex.split(self.line, comments=True)
        return words[1:] if words[0] == "deftclean" else []


def documented(*pages: str, inline: bool) -> Iterator[Documented]:
    """The lines of shell blocks and, if `inline`, the commands between backticks.

    A word alone such as `deftclean scan` names a command and asks nobody to type it.
    """
    for page in pages:
        text = (ROOT / page).read_text("utf-8")
        lines = [line for block in FENCED.findall(text) for line in block.splitlines()]
        if inline:
            lines += [found for found in INLINE.findall(text) if len(found.split()) > 2]
        for line in dict.fromkeys(line.strip() for line in lines):
            if line and not line.startswith("#"):
                yield Documented(page, line)


def make_inputs(base: Path, trials: Trials) -> None:
    """All that the documentation takes for given, small."""
    (base / "deftclean.toml").write_text(SETTINGS)
    rows = _pictures(base / "data")
    _pictures(base / "test")
    table = [("file_name", "label"), *rows]
    parts = ["train", "val"] * 30
    _write_csv(base / "test" / "labels.csv", table)
    _write_csv(
        base / "labels.csv",
        [
            ("file_name", "label", "split"),
            *((*row, part) for row, part in zip(rows, parts, strict=True)),
        ],
    )
    for (name, _), part in zip(rows, parts, strict=True):
        path = base / "splits" / part / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(base / "data" / name, path)
    shutil.copytree(base / "data", base / "images")
    shutil.copytree(base / "data", base / "new_data")
    shutil.copytree(base / "data", base / "photos")
    _tables(base, rows)
    _own_numbers(base, rows)
    (base / "grid.toml").write_text(GRID)
    _write_csv(base / "truth.csv", [("file_name", "true_label"), *((n, _of(n)) for n, _ in rows)])
    shutil.copytree(NANO, base / "models" / "my-clip")
    save_file(timm.create_model("resnet50").state_dict(), base / "resnet50.safetensors")
    for line in (
        "demo",
        "scan data labels.csv -o clean.parquet",
        "scan data labels.csv -o old.parquet --seed 1",
        "scan data labels.csv -o own.parquet --embeddings dino.npy",
        "select clean.parquet --threshold 0.7 -o strict.parquet",
        "adapt clean.parquet --method linear -o adapted",
        "export clean.parquet --to embeddings -o embeddings.parquet",
        "export clean.parquet --to fiftyone -o fiftyone-results",
        "export clean.parquet --to label-studio -o tasks",
        "score clean.detector new_data new.parquet -o scores --part 1/1",
    ):
        _done(trials, base, line)
    digits = (base / "deftclean-demo" / "labels.csv").read_text().splitlines(keepends=True)
    (base / "part.csv").write_text("".join(digits[:41]))
    _done(trials, base, "scan deftclean-demo/images part.csv -o part.parquet")
    for name in ("main.parquet", "test.parquet"):
        shutil.copy(base / "old.parquet", base / name)
    _decisions(base)
    for name in ("reviewed.parquet", "audited.parquet"):
        _done(trials, base, f"review clean.parquet review.csv -o {name}")


def _done(trials: Trials, base: Path, line: str) -> None:
    done = trials.one(*line.split(), cwd=base, patches=SMALL)
    assert done.code == 0, done.errors


def _of(name: str) -> str:
    """The true class, which is the colour, which the picture's number says."""
    return list(CLASSES)[int(Path(name).stem) % 3]


def _pictures(folder: Path) -> list[tuple[str, str]]:
    """60 in three class folders, every tenth in the wrong one; names and given labels."""
    names, rows = list(CLASSES), []
    for at in range(60):
        given = names[(at + (at % 10 == 0)) % 3]
        path = folder / given / f"{at:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        draw(CLASSES[names[at % 3]], at).save(path)
        rows.append((f"{given}/{at:02d}.png", given))
    return rows


def _tables(base: Path, rows: list[tuple[str, str]]) -> None:
    """Labels in the other forms that pages name."""
    numbers = {name: at for at, name in enumerate(CLASSES)}
    (base / "names.txt").write_text("".join(f"{name}\n" for name in CLASSES))
    (base / "train.txt").write_text("".join(f"{name} {numbers[label]}\n" for name, label in rows))
    counted = [(name, numbers[label]) for name, label in rows]
    _write_csv(base / "numbers.csv", [("file_name", "label"), *counted])
    beside = [(f"data/{name}", label) for name, label in rows]
    _write_csv(base / "beside.csv", [("file_name", "label"), *beside])
    named = [{"file_name": name, "label": label} for name, label in rows]
    pq.write_table(pa.Table.from_pylist(named), base / "new.parquet")
    _write_csv(
        base / "votes.csv",
        [("file_name", "label", "ann", "bob", "cleo")]
        + [(name, label, label, label, _of(name)) for name, label in rows for _ in range(2)],
    )
    _write_csv(
        base / "human.csv", [("file_name", "worse"), *((name, _of(name)) for name, _ in rows)]
    )
    matrix = [("", *CLASSES), *((a, *(0.8 if a == b else 0.1 for b in CLASSES)) for a in CLASSES)]
    _write_csv(base / "matrix.csv", matrix)
    files = {name: number for number, (name, _) in enumerate(rows)}
    coco = {
        "images": [{"id": number, "file_name": name} for name, number in files.items()],
        "annotations": [
            {"id": files[name], "image_id": files[name], "category_id": numbers[label]}
            for name, label in rows
        ],
        "categories": [{"id": number, "name": name} for name, number in numbers.items()],
    }
    (base / "annotations.json").write_text(json.dumps(coco))
    tasks = [
        {
            "data": {"image": f"/data/local-files/?d={name}"},
            "annotations": [{"result": _choices("animal", label)}],
        }
        for name, label in rows
    ]
    (base / "project-1-at-2026-11-26.json").write_text(json.dumps(tasks))
    images = [{"bytes": (base / "data" / name).read_bytes(), "path": name} for name, _ in rows]
    labels = [label for _, label in rows]
    pq.write_table(pa.table({"image": images, "label": labels}), base / "train.parquet")


def _own_numbers(base: Path, rows: list[tuple[str, str]]) -> None:
    """Features, probabilities and texts that a user has."""
    random = np.random.default_rng(0)
    true = np.array([list(CLASSES).index(_of(name)) for name, _ in rows])
    features = np.eye(8, dtype=np.float32)[true] + 0.1 * random.standard_normal((60, 8))
    for name in ("dino.npy", "new_dino.npy"):
        np.save(base / name, features.astype(np.float32))
    probabilities = np.full((60, 3), 0.1)
    probabilities[np.arange(60), true] = 0.8
    _write_csv(
        base / "probabilities.csv",
        [
            ("file_name", *CLASSES),
            *((name, *each) for (name, _), each in zip(rows, probabilities.tolist(), strict=True)),
        ],
    )
    (base / "classes.json").write_text(json.dumps({name: [f"a {name}"] for name in CLASSES}))


def _decisions(base: Path) -> None:
    """What people saved in a report, and in Label Studio."""
    table = pq.read_table(base / "clean.parquet").to_pylist()[:2]
    said = ("drop", "", "Ada", "2026-01-02T03:04:05Z")
    lines = [(*(row[name] for name in COLUMNS[:4]), *said) for row in table]
    for name in ("review.csv", "more.csv"):
        _write_csv(base / name, [COLUMNS[:8], *lines])
    path = base / "fiftyone-results" / "samples.json"
    samples = json.loads(path.read_text("utf-8"))
    samples["samples"][0]["tags"] = ["drop"]
    path.write_text(json.dumps(samples))
    tasks = json.loads((base / "tasks" / "tasks.json").read_text("utf-8"))
    for task in tasks:
        task["annotations"] = [{"result": _choices("label", "cat")}]
    (base / "project-1.json").write_text(json.dumps(tasks))


def _choices(name: str, label: str) -> list[dict[str, object]]:
    return [{"from_name": name, "type": "choices", "value": {"choices": [label]}}]


def _write_csv(path: Path, rows: list[tuple[object, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
