"""A grid as a TOML file: which data, and which cells to run on them.

Reads and checks; all mistakes of a file are told at once. Runs nothing.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from deftclean.core.errors import InputError
from deftclean.core.files import read_text
from deftclean.datasets.dataset import NOISY_SETS
from deftclean.datasets.options import DatasetName
from deftclean.experiments.cells import Adaptation, Cell, CellNoise, LabelledData, Selection
from deftclean.experiments.grid_form import Problems
from deftclean.experiments.grid_settings import (
    ALL_ROWS,
    STRATEGIES,
    Variant,
    check_variant,
    read_adaptation,
    read_variants,
)
from deftclean.experiments.own_data import OwnData
from deftclean.settings.detector import PRESETS, Noise

_DATA_PATHS = ("images", "labels", "truth", "class_names", "test", "test_images")
_DATA_KEYS = (*_DATA_PATHS, "label_column", "truth_column", "test_column")
_GOES_WITH = {
    "label_column": "labels",
    "truth_column": "truth",
    "test_images": "test",
    "test_column": "test",
}
_GRID_KEYS = (
    "name", "data", "noise", "strategies", "seeds", "preset", "model", "settings",
    "strategy_settings", "sweep", "adapt",
)  # fmt: skip
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # also the name of a folder
SEED_LIMIT = 2**63
"""Seeds are below it."""

NoiseOfData = tuple[CellNoise, float | None]
"""Kind and ratio."""


@dataclass(frozen=True)
class Grid:
    """What a grid file says.

    Attributes:
        cells: in the order of the file: by grid, data, noise, strategy, sweep and seed.
        data: data sets of the user's own, by name.
    """

    cells: tuple[Cell, ...]
    data: Mapping[str, OwnData]


def read_grid(path: str | Path) -> Grid:
    """Read a grid file.

    Args:
        path: TOML; paths in it are relative to it.

    Raises:
        InputError: it cannot be read, or what is wrong with it: everything at once.
    """
    path = Path(path)
    try:
        parsed = tomllib.loads(read_text(path))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: {error}.", "A grid is a TOML file.") from error
    reader = _Reader(path.parent)
    grid = reader.grid(parsed)
    if reader.problems.told:
        problems = "; ".join(reader.problems.told)
        raise InputError(f"{path}: {problems}.", "See docs: Comparing strategies, A grid file.")
    return grid


@dataclass
class _Reader:
    """One file, and what is wrong with it."""

    folder: Path
    problems: Problems = field(default_factory=Problems)

    def grid(self, parsed: Mapping[str, Any]) -> Grid:
        self.problems.unknown("the file", parsed, ("data", "grid"))
        tables = self.problems.table("data", parsed.get("data", {}))
        data = {name: self._own(name, table) for name, table in tables.items()}
        grids = parsed.get("grid")
        if not isinstance(grids, list) or not grids or not all(isinstance(g, dict) for g in grids):
            self.problems.add("there is no table [[grid]]")
            grids = []
        known = {name: own for name, own in data.items() if own is not None}
        names: list[str] = []
        cells: list[Cell] = []
        for number, table in enumerate(grids, 1):
            name = table.get("name")
            where = f"[[grid]] {name!r}" if isinstance(name, str) else f"[[grid]] number {number}"
            if name in names:
                self.problems.add(f"{where}: there are two of this name")
            names.append(name)
            cells += self._cells(where, table, known, set(data))
        return Grid(tuple(cells), known)

    # ------------------------------------------------------------ data

    def _own(self, name: str, table: Any) -> OwnData | None:
        where = f"[data.{name}]"
        before = len(self.problems)
        if not _NAME.fullmatch(name):
            self.problems.add(f"{where}: a name is made of letters, digits and . _ -")
        if name in get_args(DatasetName):  # the paper's cells of that name would run on it
            self.problems.add(f"{where}: a public data set has this name; choose another one")
        table = self.problems.table(where, table)
        self.problems.unknown(where, table, _DATA_KEYS)
        for key, value in table.items():
            if key in _DATA_KEYS and not (isinstance(value, str) and value):
                self.problems.add(f"{where} {key} must be a text, not {value!r}")
        if "images" not in table:
            self.problems.add(f"{where} needs images, the folder of its pictures")
        for key, other in _GOES_WITH.items():
            if key in table and other not in table:
                self.problems.add(f"{where} {key} goes with {other}")
        if len(self.problems) > before:
            return None
        paths = {key: self.folder / table[key] for key in _DATA_PATHS if key in table}
        columns = {key: value for key, value in table.items() if key not in _DATA_PATHS}
        return OwnData(name, **paths, **columns)

    # ------------------------------------------------------------ cells

    def _cells(
        self, where: str, table: Mapping[str, Any], own: Mapping[str, OwnData], declared: set[str]
    ) -> list[Cell]:
        problems, before = self.problems, len(self.problems)
        problems.unknown(where, table, _GRID_KEYS)
        name = problems.text(where, table, "name")
        data = problems.texts(where, table, "data")
        strategies = problems.texts(where, table, "strategies")
        seeds = self._seeds(where, table.get("seeds", [0]))
        preset = self._preset(where, table.get("preset", "real"))
        model = self._model(where, table.get("model", "ViT-B-16"))
        noises = self._noises(where, table.get("noise", ["given"]))
        self._check_data(where, data, noises, own, declared, "adapt" in table)
        self._check_strategies(where, strategies, "adapt" in table)
        variants = read_variants(problems, where, table, strategies)
        adaptation = self._adaptation(where, table, strategies)
        for variant in variants:
            check_variant(problems, where, variant, preset, [ratio for _, ratio in noises])
        if preset is None or len(problems) > before:
            return []
        return [
            Cell(
                grid=name,
                column=_column(labelled),
                method=_method(variant, adaptation),
                data=labelled,
                selection=_selection(variant, preset, model),
                adaptation=adaptation,
                seed=seed,
            )
            for labelled in (LabelledData(of, *noise) for of in data for noise in noises)
            for variant in variants
            for seed in seeds
        ]

    def _preset(self, where: str, preset: Any) -> Noise | None:
        """None where there is none of this name."""
        if isinstance(preset, str) and preset in PRESETS:
            return preset
        self.problems.add(f"{where} preset {preset!r} is none of {', '.join(PRESETS)}")
        return None

    def _model(self, where: str, model: Any) -> str:
        if isinstance(model, str) and model:
            return model
        self.problems.add(f"{where} model must be a text, not {model!r}")
        return ""

    def _check_strategies(self, where: str, names: Sequence[str], adapted: bool) -> None:
        self.problems.names(where, "strategies", names, (*STRATEGIES, ALL_ROWS))
        if ALL_ROWS in names and not adapted:
            self.problems.add(f"{where} strategies: {ALL_ROWS} goes with adapt")

    def _adaptation(
        self, where: str, table: Mapping[str, Any], strategies: Sequence[str]
    ) -> Adaptation | None:
        if "adapt" not in table:
            return None
        found = read_adaptation(self.problems, where, table["adapt"])
        if found is not None and found.method == "prompts" and strategies != ["deft"]:
            self.problems.add(f"{where} adapt: method prompts goes with the strategy deft alone")
        return found

    def _check_data(
        self,
        where: str,
        names: Sequence[str],
        noises: Sequence[NoiseOfData],
        own: Mapping[str, OwnData],
        declared: set[str],
        adapted: bool,
    ) -> None:
        self.problems.names(where, "data", names, (*declared, *get_args(DatasetName)))
        noisy = any(kind != "given" for kind, _ in noises)
        for name in dict.fromkeys(names):
            if noisy and name in NOISY_SETS:
                self.problems.add(
                    f"{where} noise is put into true labels, and {name} has wrong ones of its own"
                )
            if name not in own:
                continue
            if noisy and not own[name].truth_is_known:
                self.problems.add(
                    f"{where} noise is put into true labels, and [data.{name}] names no truth"
                )
            if adapted and own[name].test is None:
                self.problems.add(f"{where} adapt is measured on [data.{name}] test, not given")

    def _noises(self, where: str, noise: Any) -> list[NoiseOfData]:
        if not isinstance(noise, list) or not noise:
            self.problems.add(f'{where} noise must be a list, such as ["given"]')
            return []
        found = [each for entry in noise for each in self._noise(where, entry)]
        if len(set(found)) < len(found):
            self.problems.add(f"{where} noise: one stands there twice")
        return found

    def _noise(self, where: str, entry: Any) -> Iterator[NoiseOfData]:
        if entry == "given":
            yield "given", None
            return
        kinds = [kind for kind in get_args(CellNoise) if kind != "given"]
        if not isinstance(entry, dict) or entry.get("kind") not in kinds:
            wanted = " or ".join(f'{{kind = "{kind}", ratio = [0.2]}}' for kind in kinds)
            self.problems.add(f'{where} noise {entry!r}: write "given", {wanted}')
            return
        self.problems.unknown(f"{where} noise", entry, ("kind", "ratio"))
        given = entry.get("ratio")
        for ratio in given if isinstance(given, list) and given else [given]:
            if isinstance(ratio, bool) or not isinstance(ratio, int | float) or not 0 < ratio <= 1:
                self.problems.add(f"{where} noise ratio {ratio!r} must be above 0 and at most 1")
            else:
                yield entry["kind"], float(ratio)

    def _seeds(self, where: str, value: Any) -> list[int]:
        fine = isinstance(value, list) and value
        if fine and all(type(each) is int and 0 <= each < SEED_LIMIT for each in value):
            if len(set(value)) < len(value):
                self.problems.add(f"{where} seeds: one stands there twice")
            return list(value)
        self.problems.add(
            f"{where} seeds must be a list of whole numbers from 0, below 2**63, not {value!r}"
        )
        return []


def _column(data: LabelledData) -> str:
    return data.name if data.noise == "given" else f"{data.name}, {data.noise} {data.ratio:g}"


def _method(variant: Variant, adaptation: Adaptation | None) -> str:
    parts = [variant.strategy, *(f"{key} {value}" for key, value in variant.step.items())]
    if adaptation is not None:
        settings = [f"{key} {value}" for key, value in adaptation.settings.items()]
        parts.append(" ".join([adaptation.backbone, adaptation.method, *settings]))
    return ", ".join(parts)


def _selection(variant: Variant, preset: Noise, model: str) -> Selection | None:
    if variant.strategy == ALL_ROWS:
        return None
    return Selection(variant.strategy, preset, model, variant.settings)
