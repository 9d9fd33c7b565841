"""The default recipe against its opponents, on the built-in model `nano`.

    python -m benchmarks.arena [--cells NAME...] [--recipes NAME...] [--seeds 0 1 2] [--tuned]

Every run is one scan of a data set whose truth is known, with cached features (`--tuner none`) or,
with --tuned, with the default tuner on the cells that are measured so. Its figures are appended to
OUTPUT.csv, and a run that stands there is not run again. OUTPUT.md has the means over the seeds and
says of every demand whether it is met. --without leaves witnesses out of `evidence`: one says
nothing, and so nobody hears it.
"""

import argparse
import contextlib
import math
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray

import deftclean
from benchmarks.arena_cells import CELLS, Cell, Files
from benchmarks.arena_figures import (
    Key,
    Run,
    add_run,
    best_wrong_f1,
    calibration_error,
    failed,
    read_runs,
)
from benchmarks.arena_report import page
from deftclean.core.errors import CollapseError
from deftclean.core.metrics import selection_metrics
from deftclean.detection import evidence
from deftclean.detection.result import ScanResult
from deftclean.evidence.given_labels import GivenLabels
from deftclean.evidence.known import Known
from deftclean.evidence.pool import Testimony
from deftclean.evidence.weigh import testify
from deftclean.evidence.witness import UNTAUGHT, WITNESSES, Witness, WitnessName
from deftclean.settings.strategies import TOLD, TRAINED, Strategy

RECIPES: tuple[Strategy, ...] = (
    *("evidence", "deft", "label-match", "zero-shot-margin", "knn", "confident-learning"),
    *("gmm", "small-loss"),
)
TUNER = "vpt-deep"


def measure(cell: Cell, files: Files, recipe: Strategy, tuned: bool, seed: int) -> Run:
    """One scan and its figures."""
    settings: dict[str, Any] = {"seed": seed}
    if not tuned:
        settings["tuner"] = "none"
    tuner = TUNER if tuned else "none"
    try:
        result = scanned(cell, files, recipe, settings)
    except CollapseError as error:
        print(error.message)
        return failed(cell.name, tuner, recipe, seed)
    table = result.scores.table
    given = np.array(table["given_label"].to_pylist(), dtype=object)
    names = table["file_name"].to_pylist()
    right = np.asarray(given == np.array([files.truth[name] for name in names], dtype=object))
    prob = table["clean_prob"].to_numpy().astype(np.float64)
    found = selection_metrics(right, table["keep"].to_numpy(), prob)
    said = result.scores.metadata.get("evidence", {}).get("estimated_noise") or {}
    return Run(
        cell.name,
        tuner,
        recipe,
        seed,
        found.judged,
        found.auroc or 0.0,
        found.wrong_f1 or 0.0,
        best_wrong_f1(right, prob),
        found.noise_rate,
        said.get("estimate", found.estimated_noise_rate),
        said.get("low"),
        said.get("high"),
        calibration_error(right, prob),
        result.seconds,
    )


def scanned(cell: Cell, files: Files, recipe: Strategy, settings: dict[str, Any]) -> ScanResult:
    """One scan, whose table is read and gone."""
    with tempfile.TemporaryDirectory() as name:
        return deftclean.scan(
            files.images,
            files.labels,
            output=Path(name) / "clean.parquet",
            noise=cell.preset,
            strategy=recipe,
            noise_ratio=files.wrong if recipe == TOLD else None,
            settings=settings,
            run=deftclean.RunOptions(model="nano", device="cpu"),
        )


@contextlib.contextmanager
def muted(names: Sequence[WitnessName]) -> Iterator[None]:
    """Let witnesses find all classes equally likely, so that nobody hears them."""

    def asked(
        witnesses: Sequence[Witness],
        given: GivenLabels,
        known: Known,
        generator: np.random.Generator,
    ) -> Testimony:
        heard = [
            _Mute(each.name, given.classes) if each.name in names else each for each in witnesses
        ]
        return testify(heard, given, known, generator)

    with patch.object(evidence, "testify", asked):
        yield


@dataclass(frozen=True)
class _Mute:
    name: WitnessName
    classes: int

    def log_probs(self, pictures: NDArray[np.int64]) -> torch.Tensor:
        """(B, K), all the same."""
        return torch.full((len(pictures), self.classes), -math.log(self.classes))


# ---------------------------------------------------------------- all runs


@dataclass(frozen=True)
class Asked:
    """Which runs.

    Attributes:
        cells: data sets.
        recipes: how rows are selected.
        tuned: with a visual tuner.
        seeds: of the scan, and of labels that are drawn.
        without: witnesses that `evidence` does not hear.
    """

    cells: Sequence[Cell]
    recipes: Sequence[Strategy]
    tuned: bool
    seeds: Sequence[int]
    without: Sequence[WitnessName]

    def label(self, recipe: Strategy) -> str:
        """Name of a recipe in the file."""
        left_out = " and ".join(self.without)
        return f"{recipe} without {left_out}" if left_out and recipe == "evidence" else recipe

    def missing(self, cell: Cell, seed: int, done: Collection[Key]) -> list[Strategy]:
        """Recipes that have not run."""
        tuner = TUNER if self.tuned else "none"
        named = {each: (cell.name, tuner, self.label(each), seed) for each in self.recipes}
        return [recipe for recipe, key in named.items() if key not in done]


def run_missing(asked: Asked, data: Path, output: Path) -> None:
    """Every run that does not stand in the file."""
    for seed in asked.seeds:
        for cell in asked.cells:
            recipes = asked.missing(cell, seed, {run.key for run in read_runs(output)})
            if not recipes:
                continue
            with tempfile.TemporaryDirectory() as folder, muted(asked.without):
                files = cell.files(data, Path(folder), seed)
                # So that no run pays for pictures and features that later ones find cached.
                scanned(cell, files, "label-match", {})
                for recipe in recipes:
                    run = measure(cell, files, recipe, asked.tuned, seed)
                    run = replace(run, recipe=asked.label(recipe))
                    add_run(output, run)
                    print(run.line, flush=True)


def main() -> None:
    """Run what is missing, then write the tables."""
    cells = {cell.name: cell for cell in CELLS}
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    shared, results = Path("../shared/data"), Path("benchmarks/results/arena")
    parser.add_argument("--data", type=Path, default=shared, help="cifar10n, cifar100, signs")
    parser.add_argument("-o", "--output", type=Path, default=results, help="without its suffix")
    parser.add_argument("--cells", nargs="+", choices=list(cells), default=list(cells))
    parser.add_argument("--recipes", nargs="*", choices=RECIPES, help="default: all; none: no run")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--tuned", action="store_true", help=f"with {TUNER}")
    without = [name for name in WITNESSES if name not in (UNTAUGHT, "own")]
    parser.add_argument("--without", nargs="+", choices=without, default=[])
    options = parser.parse_args()
    recipes = RECIPES if options.recipes is None else options.recipes
    if options.without:
        recipes = [each for each in recipes if each == "evidence"]
    if options.tuned:  # the others are the same without
        recipes = [each for each in recipes if each in TRAINED or each in ("evidence", "deft")]
    chosen = [cells[name] for name in options.cells if cells[name].tuned or not options.tuned]
    asked = Asked(chosen, recipes, options.tuned, options.seeds, options.without)
    figures = options.output.with_suffix(".csv")
    run_missing(asked, options.data, figures)
    options.output.with_suffix(".md").write_text(page(read_runs(figures)), encoding="utf-8")


if __name__ == "__main__":
    main()
