"""A grid as a TOML file: which data, and which cells to run on them.

Reads and checks; all mistakes of a file are told at once. Runs nothing.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, get_args

from deftclean.core.errors import InputError, UsageError
from deftclean.core.text import few
from deftclean.datasets.dataset import NOISY_SETS
from deftclean.datasets.options import DatasetName
from deftclean.experiments.cells import Adaptation, Cell, CellNoise, LabelledData, Selection
from deftclean.experiments.own_data import OwnData
from deftclean.settings.adaptation import AdaptConfig, Method, resolve_adaptation
from deftclean.settings.checks import misfit
from deftclean.settings.detector import PRESETS, DetectorConfig, resolve
from deftclean.settings.strategies import TOLD, Strategy, StrategyOptions

STRATEGIES: tuple[str, ...] = get_args(Strategy)
ALL_ROWS = "all-rows"
"""In place of a strategy: nothing is selected, and the adaptation learns from every row."""

_DATA_PATHS = ("images", "labels", "truth", "class_names", "test", "test_images")
_DATA_KEYS = (*_DATA_PATHS, "label_column", "truth_column", "test_column")
_GRID_KEYS = (
    "name", "data", "noise", "strategies", "seeds", "preset", "model", "settings",
    "strategy_settings", "sweep", "adapt",
)  # fmt: skip
_ADAPT_KEYS = ("backbone", "method", "settings")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # also the name of a folder
_OURS = ("seed", "method")  # settings that a cell says elsewhere
NOISE_RATIO = "noise_ratio"
"""The one setting that is an argument of `scan` itself: what small-loss is told."""
SEED_LIMIT = 2**63
"""Seeds are below it."""


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
        parsed = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}.", "A grid is a TOML file.") from error
    reader = _Reader(path.parent)
    grid = reader.grid(parsed)
    if reader.problems:
        problems = "\n".join(f"  {problem}" for problem in reader.problems)
        raise InputError(f"{path}:\n{problems}", "See docs: Comparing strategies, A grid file.")
    return grid


@dataclass
class _Reader:
    """One file, and what is wrong with it."""

    folder: Path
    problems: list[str] = field(default_factory=list)

    def grid(self, parsed: Mapping[str, Any]) -> Grid:
        self._known("the file", parsed, ("data", "grid"))
        tables = self._table("data", parsed.get("data", {}))
        data = {name: self._own(name, table) for name, table in tables.items()}
        grids = parsed.get("grid")
        if not isinstance(grids, list) or not grids or not all(isinstance(g, dict) for g in grids):
            self.problems.append("there is no table [[grid]]")
            grids = []
        known = {name: own for name, own in data.items() if own is not None}
        names: list[str] = []
        cells: list[Cell] = []
        for number, table in enumerate(grids, 1):
            name = table.get("name")
            where = f"[[grid]] {name!r}" if isinstance(name, str) else f"[[grid]] number {number}"
            if name in names:
                self.problems.append(f"{where}: there are two of this name")
            names.append(name)
            cells += self._cells(where, table, known, set(data))
        return Grid(tuple(cells), known)

    # ------------------------------------------------------------ data

    def _own(self, name: str, table: Any) -> OwnData | None:
        where = f"[data.{name}]"
        before = len(self.problems)
        if not _NAME.fullmatch(name):
            self.problems.append(f"{where}: a name is made of letters, digits and . _ -")
        if name in get_args(DatasetName):  # the paper's cells of that name would run on it
            self.problems.append(f"{where}: a public data set has this name; choose another one")
        table = self._table(where, table)
        self._known(where, table, _DATA_KEYS)
        for key, value in table.items():
            if key in _DATA_KEYS and not (isinstance(value, str) and value):
                self.problems.append(f"{where} {key} must be a text, not {value!r}")
        needs = {"label_column": "labels", "truth_column": "truth", "test_images": "test",
                 "test_column": "test"}  # fmt: skip
        if "images" not in table:
            self.problems.append(f"{where} needs images, the folder of its pictures")
        for key, other in needs.items():
            if key in table and other not in table:
                self.problems.append(f"{where} {key} goes with {other}")
        if len(self.problems) > before:
            return None
        paths = {key: self.folder / table[key] for key in _DATA_PATHS if key in table}
        columns = {key: value for key, value in table.items() if key not in _DATA_PATHS}
        return OwnData(name, **paths, **columns)

    # ------------------------------------------------------------ cells

    def _cells(
        self, where: str, table: Mapping[str, Any], own: Mapping[str, OwnData], declared: set[str]
    ) -> list[Cell]:
        before = len(self.problems)
        self._known(where, table, _GRID_KEYS)
        name = self._text(where, table, "name")
        data = self._list(where, table, "data", str)
        strategies = self._list(where, table, "strategies", str)
        seeds = self._seeds(where, table.get("seeds", [0]))
        preset = table.get("preset", "real")
        preset_is_known = isinstance(preset, str) and preset in PRESETS
        if not preset_is_known:
            self.problems.append(f"{where} preset {preset!r} is none of {', '.join(PRESETS)}")
        model = table.get("model", "ViT-B-16")
        if not (isinstance(model, str) and model):
            self.problems.append(f"{where} model must be a text, not {model!r}")
        noises = self._noises(where, table.get("noise", ["given"]))
        self._check_data(where, data, noises, own, declared, "adapt" in table)
        self._check_names(where, "strategies", strategies, (*STRATEGIES, ALL_ROWS))
        if ALL_ROWS in strategies and "adapt" not in table:
            self.problems.append(f"{where} strategies: {ALL_ROWS} goes with adapt")
        before_settings = len(self.problems)
        settings = self._settings(where, "settings", table.get("settings", {}))
        self._check_shared(where, settings, strategies)
        of_each = self._of_strategies(where, table.get("strategy_settings", {}), strategies)
        steps = self._sweep(where, table.get("sweep", {}), strategies)
        sound = len(self.problems) == before_settings
        adaptation = self._adaptation(where, table["adapt"]) if "adapt" in table else None
        if adaptation is not None and adaptation.method == "prompts" and strategies != ["deft"]:
            self.problems.append(f"{where} adapt: method prompts goes with the strategy deft alone")
        chosen = [
            (
                strategy,
                {**_taken(strategy, settings), **of_each.get(strategy, {}), **step},
                step,
            )
            for strategy in strategies
            if strategy in (*STRATEGIES, ALL_ROWS) and sound
            for step in (steps if strategy != ALL_ROWS else [{}])
        ]
        for strategy, values, _ in chosen:
            if strategy != ALL_ROWS and preset_is_known:
                self._check_values(where, strategy, preset, values)
            if strategy == TOLD and NOISE_RATIO not in values and 1.0 in (r for _, r in noises):
                self.problems.append(f"{where}: {TOLD} keeps nothing at a noise ratio of 1")
        if len(self.problems) > before:
            return []
        return [
            Cell(
                grid=name,
                column=_column(labelled),
                method=_method(strategy, step, adaptation),
                data=labelled,
                selection=None
                if strategy == ALL_ROWS
                else Selection(strategy, preset, model, values),
                adaptation=adaptation,
                seed=seed,
            )
            for labelled in (LabelledData(of, *noise) for of in data for noise in noises)
            for strategy, values, step in chosen
            for seed in seeds
        ]

    def _check_data(
        self,
        where: str,
        names: Sequence[str],
        noises: Sequence[tuple[CellNoise, float | None]],
        own: Mapping[str, OwnData],
        declared: set[str],
        adapted: bool,
    ) -> None:
        self._check_names(where, "data", names, (*declared, *get_args(DatasetName)))
        noisy = any(kind != "given" for kind, _ in noises)
        for name in dict.fromkeys(names):
            if noisy and name in NOISY_SETS:
                self.problems.append(
                    f"{where} noise is put into true labels, and {name} has wrong ones of its own"
                )
            if name not in own:
                continue
            if noisy and not own[name].truth_is_known:
                self.problems.append(
                    f"{where} noise is put into true labels, and [data.{name}] names no truth"
                )
            if adapted and own[name].test is None:
                self.problems.append(f"{where} adapt is measured on [data.{name}] test, not given")

    def _noises(self, where: str, noise: Any) -> list[tuple[CellNoise, float | None]]:
        if not isinstance(noise, list) or not noise:
            self.problems.append(f'{where} noise must be a list, such as ["given"]')
            return []
        found = [each for entry in noise for each in self._noise(where, entry)]
        if len(set(found)) < len(found):
            self.problems.append(f"{where} noise: one stands there twice")
        return found

    def _noise(self, where: str, entry: Any) -> Iterator[tuple[CellNoise, float | None]]:
        if entry == "given":
            yield "given", None
            return
        kinds = [kind for kind in get_args(CellNoise) if kind != "given"]
        if not isinstance(entry, dict) or entry.get("kind") not in kinds:
            wanted = " or ".join(f'{{kind = "{kind}", ratio = [0.2]}}' for kind in kinds)
            self.problems.append(f'{where} noise {entry!r}: write "given", {wanted}')
            return
        self._known(f"{where} noise", entry, ("kind", "ratio"))
        given = entry.get("ratio")
        for ratio in given if isinstance(given, list) and given else [given]:
            if isinstance(ratio, bool) or not isinstance(ratio, int | float) or not 0 < ratio <= 1:
                self.problems.append(f"{where} noise ratio {ratio!r} must be above 0 and at most 1")
            else:
                yield entry["kind"], float(ratio)

    def _of_strategies(
        self, where: str, table: Any, strategies: Sequence[str]
    ) -> dict[str, dict[str, Any]]:
        table = self._table(f"{where} strategy_settings", table)
        if table.get(ALL_ROWS):
            self.problems.append(f"{where} strategy_settings.{ALL_ROWS}: it has no settings")
        for name in table:
            if name not in strategies:
                self.problems.append(f"{where} strategy_settings.{name} is none of its strategies")
        for name, values in table.items():
            if isinstance(values, dict) and NOISE_RATIO in values and name != TOLD:
                self.problems.append(
                    f"{where} strategy_settings.{name}: {NOISE_RATIO} goes with {TOLD}"
                )
        return {
            name: self._settings(where, f"strategy_settings.{name}", values)
            for name, values in table.items()
        }

    def _check_shared(
        self, where: str, settings: Mapping[str, Any], strategies: Sequence[str]
    ) -> None:
        """A setting that no strategy takes would be left out of every cell without a word."""
        known = [each for each in get_args(Strategy) if each in strategies]
        for key, value in settings.items():
            if strategies and not any(_takes(each, key, value) for each in known):
                self.problems.append(f"{where} settings: none of the strategies takes {key}")

    def _sweep(self, where: str, table: Any, strategies: Sequence[str]) -> list[dict[str, Any]]:
        table = self._table(f"{where} sweep", table)
        for key, values in table.items():
            if not isinstance(values, list) or not values:
                self.problems.append(f"{where} sweep {key} must be a list of values")
                return [{}]
            if any(value in values[:place] for place, value in enumerate(values)):
                self.problems.append(f"{where} sweep {key}: one value stands there twice")
        if table and set(strategies) == {ALL_ROWS}:
            self.problems.append(f"{where} sweep: {ALL_ROWS} has no settings")
        self._settings(where, "sweep", table)
        others = [each for each in strategies if each not in (TOLD, ALL_ROWS)]
        if NOISE_RATIO in table and others:
            self.problems.append(
                f"{where} sweep: {NOISE_RATIO} goes with {TOLD}, not with {few(others)}"
            )
        return [dict(zip(table, step, strict=True)) for step in product(*table.values())]

    def _settings(self, where: str, key: str, table: Any) -> dict[str, Any]:
        table = self._table(f"{where} {key}", table)
        known = [name for name in DetectorConfig().as_dict() if name not in _OURS]
        self._known(f"{where} {key}", table, (*known, NOISE_RATIO))
        swept = key == "sweep"  # where each value is a list of values
        self._check_types(f"{where} {key}", DetectorConfig, table, known, swept)
        ratios = table.get(NOISE_RATIO, [0.0] if swept else 0.0)
        for ratio in ratios if swept else [ratios]:
            if isinstance(ratio, bool) or not isinstance(ratio, int | float) or not 0 <= ratio < 1:
                self.problems.append(f"{where} {key} noise_ratio {ratio!r} must be in [0, 1)")
        return dict(table)

    def _check_types(
        self, where: str, kind: type, table: Mapping[str, Any], known: Sequence[str], swept: bool
    ) -> None:
        for name, given in table.items():
            for value in given if swept else [given]:
                problem = misfit(kind, name, value) if name in known else None
                if problem is not None:
                    self.problems.append(f"{where}: {problem}")

    def _adaptation(self, where: str, table: Any) -> Adaptation | None:
        where = f"{where} adapt"
        table = self._table(where, table)
        self._known(where, table, _ADAPT_KEYS)
        backbone = table.get("backbone", "clip-vit-b16")
        method = table.get("method", "fft")
        if not isinstance(backbone, str):
            self.problems.append(f"{where} backbone must be a text, not {backbone!r}")
            return None
        if method not in get_args(Method):
            self.problems.append(
                f"{where} method {method!r} is none of {', '.join(get_args(Method))}"
            )
            return None
        settings = self._table(f"{where} settings", table.get("settings", {}))
        known = [name for name in AdaptConfig().as_dict() if name not in _OURS]
        before = len(self.problems)
        self._known(f"{where} settings", settings, known)
        self._check_types(f"{where} settings", AdaptConfig, settings, known, False)
        if len(self.problems) == before:
            self._tried(where, lambda: resolve_adaptation(backbone, method, settings))
        return Adaptation(backbone, method, settings)

    def _check_values(
        self, where: str, strategy: Strategy, preset: Any, values: Mapping[str, Any]
    ) -> None:
        detector = {key: value for key, value in values.items() if key != NOISE_RATIO}
        options = StrategyOptions(strategy)
        self._tried(where, lambda: resolve(preset, options.settings(detector), rows=1))

    # ------------------------------------------------------------ values

    def _tried(self, where: str, check: Any) -> None:
        try:
            check()
        except UsageError as error:
            problem = f"{where}: {error.message}"
        else:
            return
        if problem not in self.problems:
            self.problems.append(problem)

    def _known(self, where: str, table: Mapping[str, Any], known: Sequence[str]) -> bool:
        unknown = [key for key in table if key not in known]
        if unknown:
            self.problems.append(
                f"{where}: unknown {few([repr(key) for key in unknown])}; known: {', '.join(known)}"
            )
        return not unknown

    def _check_names(
        self, where: str, key: str, names: Sequence[str], known: Sequence[str]
    ) -> None:
        for name in names:
            if name not in known:
                self.problems.append(f"{where} {key}: {name!r} is none of {', '.join(known)}")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            self.problems.append(f"{where} {key}: {few(twice)} stands there twice")

    def _table(self, where: str, value: Any) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        self.problems.append(f"{where} must be a table, not {value!r}")
        return {}

    def _text(self, where: str, table: Mapping[str, Any], key: str) -> str:
        value = table.get(key)
        if isinstance(value, str) and value.strip():
            return value
        self.problems.append(f"{where} needs {key}, a text")
        return ""

    def _list(self, where: str, table: Mapping[str, Any], key: str, kind: type) -> list[Any]:
        value = table.get(key)
        if isinstance(value, list) and value and all(isinstance(each, kind) for each in value):
            return value
        self.problems.append(f"{where} needs {key}, a list of texts")
        return []

    def _seeds(self, where: str, value: Any) -> list[int]:
        fine = isinstance(value, list) and value
        if fine and all(type(each) is int and 0 <= each < SEED_LIMIT for each in value):
            if len(set(value)) < len(value):
                self.problems.append(f"{where} seeds: one stands there twice")
            return list(value)
        self.problems.append(
            f"{where} seeds must be a list of whole numbers from 0, below 2**63, not {value!r}"
        )
        return []


def _taken(strategy: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Of settings that a grid's strategies share, those that mean something to this one."""
    if strategy == ALL_ROWS:
        return {}
    return {key: value for key, value in settings.items() if _takes(strategy, key, value)}


def _takes(strategy: Strategy, key: str, value: Any) -> bool:
    if key == NOISE_RATIO:
        return strategy == TOLD
    return StrategyOptions(strategy).takes(key, value)


def _column(data: LabelledData) -> str:
    return data.name if data.noise == "given" else f"{data.name}, {data.noise} {data.ratio:g}"


def _method(strategy: str, step: Mapping[str, Any], adaptation: Adaptation | None) -> str:
    parts = [strategy, *(f"{key} {value}" for key, value in step.items())]
    if adaptation is not None:
        settings = [f"{key} {value}" for key, value in adaptation.settings.items()]
        parts.append(" ".join([adaptation.backbone, adaptation.method, *settings]))
    return ", ".join(parts)
