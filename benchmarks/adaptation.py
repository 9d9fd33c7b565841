"""Does cleaning help the model that is trained on what is left? CIFAR-10N, the built-in model.

    python -m benchmarks.adaptation --data DATA --work WORK

DATA holds `cifar10n/` (`images/`, `truth.csv`) and `cifar10n_test/` (`images/`, `labels.csv` with
true labels). A detector is trained for each kind of noise and seed; then a classifier is adapted to
all rows, to those that a rule keeps, and to those that are truly clean (the ceiling, which nobody
has), and tested on the test rows, which nothing else looks at. Every case becomes a line in
WORK/adaptation.jsonl, and a case that stands there is not run again. The tables of docs/results.md
are printed at the end.

`--recipe` looks for the settings of full fine-tuning instead: on the truly clean rows among three
quarters of the noisy training rows, tested on the last quarter with the labels given there.
"""

import argparse
import csv
import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

import deftclean
from benchmarks.case_log import append, logged
from deftclean.settings.adaptation import FitLossName, Method
from deftclean.settings.detector import Noise
from deftclean.table.scores import SCORE_SCHEMA, ScoreTable, read_scores, write_scores
from deftclean.table.ways import image_root

NoiseName = Literal["human", "symmetric"]
Rows = Literal["all", "threshold", "agree", "clean"]

PRESETS: dict[NoiseName, Noise] = {"human": "real", "symmetric": "synthetic"}
# Seed 0 collapses without it, and the scan says so; it is what its message advises.
SETTINGS: dict[NoiseName, dict[str, Any]] = {"human": {}, "symmetric": {"clip_grad": 1.0}}
SEEDS = (0, 1, 2)
SYMMETRIC = 0.4
HELD_OUT = 0.25
RUN = deftclean.RunOptions(model="nano", device="cpu")
RECIPES: tuple[dict[str, Any], ...] = tuple(
    {"optimiser": optimiser, "lr": lr, "weight_decay": decay, "epochs": epochs}
    for optimiser, decay, lrs, epochs in (
        ("adamw", 1e-4, (3e-5, 1e-4, 3e-4), 5),
        ("sgd", 5e-4, (1e-3, 3e-3, 1e-2), 5),
        ("sgd", 5e-4, (3e-3, 5e-3), 9),
    )
    for lr in lrs
)


@dataclass(frozen=True)
class Case:
    """One adaptation.

    Attributes:
        noise: `human`: the worst of three human labels. `symmetric`: 40 % drawn at random.
        rows: that are learned from.
        method: of `adapt`.
        loss: of `adapt`.
        seed: of detector, noise and adaptation.
    """

    noise: NoiseName
    rows: Rows
    method: Method
    loss: FitLossName
    seed: int

    @property
    def name(self) -> str:
        """Key in the log."""
        return f"{self.group}, seed {self.seed}"

    @property
    def group(self) -> str:
        """Cases that differ in the seed alone share it."""
        return f"{self.noise}, {self.rows} rows, {self.method}, {self.loss}"


def cases() -> Iterator[Case]:
    """All cases, those that the headline needs first."""
    for seed in SEEDS:
        for noise in get_args(NoiseName):
            for rows in get_args(Rows):
                yield Case(noise, rows, "linear", "ce", seed)
    robust = [loss for loss in get_args(FitLossName) if loss != "ce"]
    for loss in robust:
        yield Case("human", "all", "linear", loss, 0)
    yield Case("human", "agree", "prompts", "ce", 0)
    for seed in SEEDS:
        for noise in get_args(NoiseName):
            for rows in get_args(Rows):
                yield Case(noise, rows, "fft", "ce", seed)
    yield Case("human", "agree", "peft", "ce", 0)
    for loss in robust:
        yield Case("human", "all", "fft", loss, 0)
    for seed in SEEDS:  # TURN, which chooses among all rows by itself
        for noise in get_args(NoiseName):
            yield Case(noise, "all", "turn", "ce", seed)


# ---------------------------------------------------------------- data


def column(path: Path, name: str) -> dict[str, str]:
    """One column of a table, by file name."""
    with path.open(newline="") as file:
        return {row["file_name"]: row[name] for row in csv.DictReader(file)}


def write_labels(path: Path, labels: Iterable[tuple[str, str]]) -> None:
    """A table of labels."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file_name", "label"])
        writer.writerows(labels)


def given_labels(noise: NoiseName, truth: Path, seed: int) -> dict[str, str]:
    """Human labels, or true ones of which 40 % are replaced by one drawn at random."""
    if noise == "human":
        return column(truth, "worse_label")
    true = column(truth, "true_label")
    random = np.random.default_rng(seed)
    classes = sorted(set(true.values()))
    chosen = random.permutation(len(true))[: round(SYMMETRIC * len(true))]
    labels = list(true.values())
    for row in chosen.tolist():
        labels[row] = classes[int(random.integers(len(classes)))]  # the true one too, as in DEFT
    return dict(zip(true, labels, strict=True))


def scanned(data: Path, work: Path, noise: NoiseName, seed: int) -> Path:
    """A folder with one score table for each choice of rows, made once."""
    folder = work / f"{noise}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / "clean.parquet"
    truth = data / "cifar10n" / "truth.csv"
    if not table.exists():
        write_labels(folder / "labels.csv", given_labels(noise, truth, seed).items())
        deftclean.scan(
            data / "cifar10n" / "images",
            folder / "labels.csv",
            output=table,
            resume=True,
            noise=PRESETS[noise],
            strategy="deft",
            settings={"seed": seed, **SETTINGS[noise]},
            run=RUN,
        )
    for rule in ("threshold", "agree"):
        deftclean.select(table, output=folder / f"{rule}.parquet", rule=rule, overwrite=True)
    true = column(truth, "true_label")
    scores = read_scores(table)
    right = [
        true[file] == given
        for file, given in zip(*_lists(scores, "file_name", "given_label"), strict=True)
    ]
    with_keep(scores, table, np.array(right), folder / "truly.parquet")
    return folder


def _lists(scores: ScoreTable, *names: str) -> list[list[Any]]:
    return [scores.table[name].to_pylist() for name in names]


def with_keep(scores: ScoreTable, source: Path, keep: NDArray[np.bool_], path: Path) -> None:
    """The same table with another choice of rows."""
    at = scores.table.column_names.index("keep")
    table = scores.table.set_column(at, SCORE_SCHEMA.field("keep"), pa.array(keep))
    root = image_root(scores.metadata, source)
    write_scores(ScoreTable(table, scores.metadata), path, root, overwrite=True)


# ---------------------------------------------------------------- cases


def run_case(case: Case, data: Path, work: Path) -> dict[str, Any]:
    """Adapt once; accuracies on the test rows."""
    folder = scanned(data, work, case.noise, case.seed)
    file = {"all": "clean", "clean": "truly"}.get(case.rows, case.rows)
    test = data / "cifar10n_test"
    result = deftclean.adapt(
        folder / f"{file}.parquet",
        backbone="nano",
        method=case.method,
        output=work / f"run of {case.name}",
        overwrite=True,
        resume=True,
        settings={"loss": case.loss, "seed": case.seed},
        options=deftclean.AdaptOptions(
            everything=case.rows == "all",
            test=test / "labels.csv",
            test_data=test / "images",
            detector=folder / "clean.detector" if case.method == "prompts" else None,
        ),
        run=RUN,
    )
    evaluation = result.cleaned.evaluation
    assert evaluation is not None  # noqa: S101 - there are test rows
    return {
        "case": case.name,
        "group": case.group,
        "trained_on": result.cleaned.rows,
        "accuracy": evaluation.accuracy,
        "best": result.cleaned.best,
        "calibration_error": evaluation.calibration_error,
        "epochs": result.config.epochs,
        "seconds": result.seconds,
    }


def run_recipe(recipe: dict[str, Any], data: Path, work: Path) -> dict[str, Any]:
    """Full fine-tuning on part of the truly clean rows, tested on other noisy training rows."""
    folder = scanned(data, work, "human", 0)
    scores = read_scores(folder / "truly.parquet")
    names, given = _lists(scores, "file_name", "given_label")
    held = np.random.default_rng(0).random(len(names)) < HELD_OUT
    rest = folder / "recipe.parquet"
    keep = np.array(scores.table["keep"].to_pylist()) & ~held
    with_keep(scores, folder / "truly.parquet", keep, rest)
    test = folder / "held-out.csv"
    write_labels(test, [(names[row], given[row]) for row in np.flatnonzero(held).tolist()])
    result = deftclean.adapt(
        rest,
        backbone="nano",
        output=work / f"run of {recipe}",
        overwrite=True,
        resume=True,
        settings=recipe,
        options=deftclean.AdaptOptions(test=test, test_data=data / "cifar10n" / "images"),
        run=RUN,
    )
    return {
        "case": str(recipe),
        "trained_on": result.cleaned.rows,
        "accuracies": [epoch.accuracy for epoch in result.cleaned.epochs],
        "seconds": result.seconds,
    }


# ---------------------------------------------------------------- tables


def print_table(lines: list[dict[str, Any]]) -> None:
    """Means over the seeds that are there, in Markdown."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        groups.setdefault(line["group"], []).append(line)
    print("| noise | rows | method | loss | trained on | last epoch, mean (each seed) | best |")
    print("|---|---|---|---|---|---|---|")
    for group, members in groups.items():
        last = [100 * member["accuracy"] for member in members]
        each = ", ".join(f"{value:.1f}" for value in last)
        best = statistics.mean(100 * member["best"] for member in members)
        count = statistics.mean(member["trained_on"] for member in members)
        cells = group.replace(" rows", "").replace(", ", " | ")
        print(f"| {cells} | {count:,.0f} | {statistics.mean(last):.1f} ({each}) | {best:.1f} |")


def print_recipes(lines: list[dict[str, Any]]) -> None:
    """Accuracy after every epoch, on held-out rows with the labels given there."""
    for line in sorted(lines, key=lambda line: -float(line["accuracies"][-1])):
        each = ", ".join(f"{100 * value:.1f}" for value in line["accuracies"])
        print(f"{line['case']}: {each} ({line['seconds']:.0f} s)")


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--recipe", action="store_true", help="look for nano's recipe")
    parser.add_argument("--only", default="", metavar="TEXT", help="cases whose name has it")
    options = parser.parse_args()
    if options.recipe:
        log = options.work / "recipes.jsonl"
        for recipe in RECIPES:
            if str(recipe) not in {line["case"] for line in logged(log)}:
                append(log, run_recipe(recipe, options.data, options.work))
        print_recipes(logged(log))
        return
    log = options.work / "adaptation.jsonl"
    for case in cases():
        if options.only in case.name and case.name not in {line["case"] for line in logged(log)}:
            figures = run_case(case, options.data, options.work)
            append(log, figures)
            print(f"{case.name}: {100 * figures['accuracy']:.1f} %", flush=True)
    print_table(logged(log))


if __name__ == "__main__":
    main()
