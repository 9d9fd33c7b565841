"""How well wrong labels are found: CIFAR-10N's human errors, and the demonstration digits.

    python -m benchmarks.detection --data DATA --work WORK

DATA holds `cifar10n/` with `images/` and `truth.csv` (columns file_name, true_label and one
column for each label set). Every case is one `deftclean.scan` with the built-in model; its figures
are appended to WORK/detection.jsonl, and a case that stands there is not run again. The tables of
docs/results.md are printed at the end.
"""

import argparse
import csv
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import deftclean
from benchmarks.case_log import append, logged
from deftclean.core.metrics import auroc, selection_metrics
from deftclean.datasets.demo import write_demo
from deftclean.settings.detector import Noise
from deftclean.table.scores import keep_flags


@dataclass(frozen=True)
class Case:
    """One scan.

    Attributes:
        data: `worse`, `random1`, `aggregate` (label sets of CIFAR-10N) or `digits`.
        preset: noise preset.
        seed: of the scan (and of the flipped digits).
        extra: settings beside the preset, by name.
    """

    data: str
    preset: Noise
    seed: int
    extra: tuple[tuple[str, Any], ...] = ()

    @property
    def name(self) -> str:
        """Key in the log."""
        more = "".join(f" {key}={value}" for key, value in self.extra)
        return f"{self.data} {self.preset}{more} seed {self.seed}"

    @property
    def group(self) -> str:
        """Cases that differ in the seed alone share it."""
        return self.name.rpartition(" seed ")[0]


def cases() -> Iterator[Case]:
    """All cases, those that the tables need most first."""
    presets: tuple[Noise, ...] = ("synthetic", "real", "severe")
    for seed in range(3):
        yield Case("worse", "synthetic", seed)
        yield Case("worse", "real", seed)
        yield Case("digits", "synthetic", seed, (("flip", False),))
    for data in ("random1", "aggregate"):
        for preset in presets:
            yield Case(data, preset, 0)
    yield Case("worse", "severe", 0)
    yield Case("digits", "synthetic", 0, (("flip", False), ("epochs", 10), ("warmup", 1)))
    yield Case("worse", "synthetic", 0, (("tuner", "none"),))
    yield Case("worse", "synthetic", 0, (("tuner", "vpt-shallow"),))
    for seed in range(3):
        yield Case("worse", "real", seed, (("pseudo_start", 6),))
    for seed in (1, 2):
        yield Case("worse", "severe", seed)
        for data in ("random1", "aggregate"):
            for preset in presets:
                yield Case(data, preset, seed)
    for seed in range(3, 8):
        yield Case("worse", "real", seed)


def run_case(case: Case, data: Path) -> dict[str, Any]:
    """Scan and compare with the truth."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images, labels, truth = _inputs(case, data, folder)
        result = deftclean.scan(
            images,
            labels,
            output=folder / "clean.parquet",
            noise=case.preset,
            strategy="deft",
            settings={"seed": case.seed, **dict(case.extra)},
            run=deftclean.RunOptions(model="nano", device="cpu"),
        )
    table = result.scores.table
    given = np.array(table["given_label"].to_pylist(), dtype=object)
    right = given == np.array(
        [truth[file] for file in table["file_name"].to_pylist()], dtype=object
    )
    clean_prob = table["clean_prob"].to_numpy()
    found = {
        rule: selection_metrics(right, keep_flags(table, rule, 0.5), clean_prob).as_dict()
        for rule in ("threshold", "agree")
    }
    return {
        "case": case.name,
        "group": case.group,
        "wrong": float(1 - right.mean()),
        "seconds": result.seconds,
        "separation": result.scores.metadata["separation"],
        "warnings": len(result.warnings),
        "zero_shot_auroc": auroc(right, table["zero_shot_prob"].to_numpy()),
        "zero_shot_agreement": result.scores.metadata["zero_shot_agreement"],
        **found,
    }


def _inputs(case: Case, data: Path, folder: Path) -> tuple[Path, Path, dict[str, str]]:
    if case.data == "digits":
        made = write_demo(folder / "digits", case.seed)
        return made.images, made.labels, _column(made.truth, "true_label")
    source = data / "cifar10n"
    given = _column(source / "truth.csv", f"{case.data}_label")
    labels = folder / "labels.csv"
    with labels.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file_name", "label"])
        writer.writerows(given.items())
    return source / "images", labels, _column(source / "truth.csv", "true_label")


def _column(path: Path, name: str) -> dict[str, str]:
    with path.open(newline="") as file:
        return {row["file_name"]: row[name] for row in csv.DictReader(file)}


def print_table(rows: list[dict[str, Any]]) -> None:
    """Means over the seeds that are there, in Markdown."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["group"], []).append(row)
    print("| data, preset | wrong | seeds | rule | precision | recall | F1 of wrong | AUROC |")
    print("|---|---|---|---|---|---|---|---|")
    for group, members in groups.items():
        for rule in ("threshold", "agree"):
            cells = [
                f"{100 * statistics.mean(m[rule][key] for m in members):.1f}"
                for key in ("precision", "recall", "wrong_f1")
            ]
            area = statistics.mean(m[rule]["auroc"] for m in members)
            wrong = f"{100 * members[0]['wrong']:.1f} %"
            first = f"| {group} | {wrong} | {len(members)} | {rule} | "
            print(f"{first}{' | '.join(cells)} | {area:.3f} |")
    print("\n| data | zero-shot agrees | AUROC of `zero_shot_prob` |\n|---|---|---|")
    for data in dict.fromkeys(row["case"].split()[0] for row in rows):
        row = next(r for r in rows if r["case"].startswith(f"{data} "))
        print(f"| {data} | {row['zero_shot_agreement']:.1%} | {row['zero_shot_auroc']:.3f} |")


def main() -> None:
    """Run what is missing, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--most", type=int, help="stop after this many cases in all")
    parser.add_argument("--only", default="", metavar="TEXT", help="cases whose name has it")
    options = parser.parse_args()
    log = options.work / "detection.jsonl"
    done = {line["case"] for line in logged(log)}
    for case in list(cases())[: options.most]:
        if case.name in done or options.only not in case.name:
            continue
        figures = run_case(case, options.data)
        append(log, figures)
        print(f"{case.name}: {figures['seconds']:.0f} s", flush=True)
    print_table(logged(log))


if __name__ == "__main__":
    main()
