"""The Python interface and the command line do the same unless told otherwise."""

import dataclasses
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_type_hints

import pytest

import deftclean
from deftclean.adaptation.adapt import adapt
from deftclean.adaptation.options import AdaptOptions
from deftclean.adaptation.predict import predict
from deftclean.cli import adapt as cli_adapt
from deftclean.cli import bench as cli_bench
from deftclean.cli import check as cli_check
from deftclean.cli import corrupt as cli_corrupt
from deftclean.cli import dataset as cli_dataset
from deftclean.cli import export as cli_export
from deftclean.cli import main as cli
from deftclean.cli import report as cli_report
from deftclean.core.run import RunOptions
from deftclean.data.options import ManifestOptions
from deftclean.datasets.corrupt import corrupt
from deftclean.datasets.dataset import dataset
from deftclean.datasets.options import DatasetOptions, NoiseOptions
from deftclean.detection import scan as api
from deftclean.detection.score import score
from deftclean.detection.select import select
from deftclean.experiments.bench import bench
from deftclean.exports.export import export
from deftclean.gate.check import check
from deftclean.reports.report import report
from deftclean.reports.review import review
from deftclean.settings.adaptation import AdaptConfig
from deftclean.settings.detector import DetectorConfig

# command, function, and what its parameters `run`, `reading`, `options` and `settings` hold
PAIRS: dict[str, tuple[Callable[..., Any], Callable[..., Any], dict[str, type]]] = {
    "scan": (
        cli.scan,
        api.scan,
        {"run": RunOptions, "reading": ManifestOptions, "settings": DetectorConfig},
    ),
    "score": (cli.score, score, {"run": RunOptions, "reading": ManifestOptions}),
    "select": (cli.select, select, {}),
    "adapt": (
        cli_adapt.adapt,
        adapt,
        {"run": RunOptions, "options": AdaptOptions, "settings": AdaptConfig},
    ),
    "predict": (cli_adapt.predict, predict, {"run": RunOptions, "reading": ManifestOptions}),
    "export": (cli_export.export, export, {}),
    "check": (cli_check.check, check, {}),
    "report": (cli_report.report, report, {}),
    "review": (cli_report.review, review, {}),
    "corrupt": (
        cli_corrupt.corrupt,
        corrupt,
        {"options": NoiseOptions, "reading": ManifestOptions},
    ),
    "dataset": (cli_dataset.dataset, dataset, {"options": DatasetOptions}),
    "bench": (cli_bench.bench, bench, {"run": RunOptions}),
}
OTHER_NAMES = {"compiled": "compile", "all": "everything", "optimizer": "optimiser"}
OTHER_NAMES_OF = {"corrupt": {"map": "changes", "other": "labels", "from_column": "labels_column"}}
ONLY_A_COMMAND_HAS = {"quiet", "exit_zero", "format", "output_file", "dry_run"}
BY_FORMAT = {("check", "top"), ("check", "overwrite")}  # of the file that a command writes
ONLY_IN_PYTHON = {"settings", "reading", "run", "options", "progress"}
NOT_HERE = {  # fields of the shared groups that a command has no use for
    "scan": {"known_labels", "cache"},
    "score": {"known_labels", "cache"},
    "adapt": {"model", "compile", "cache"},
    "corrupt": {"known_labels"},
    "bench": {"weights", "cache"},
    "predict": {
        "model", "weights", "compile", "cache", "known_labels", "class_names", "rename",
    },
}  # fmt: skip


def defaults_of(function: Callable[..., Any]) -> dict[str, Any]:
    return {name: each.default for name, each in inspect.signature(function).parameters.items()}


def field_defaults(group: type) -> dict[str, Any]:
    return {field.name: field.default for field in dataclasses.fields(group)}


def renamed(command: str) -> dict[str, str]:
    return OTHER_NAMES | OTHER_NAMES_OF.get(command, {})


def plain(value: Any) -> Any:
    value = list(value or []) or None if isinstance(value, tuple | list) else value
    return str(value) if isinstance(value, Path) else value


@pytest.mark.parametrize("name", PAIRS)
def test_every_option_has_the_default_of_its_parameter(name):
    command, function, groups = PAIRS[name]
    python = defaults_of(function)
    for option, default in defaults_of(command).items():
        if option in ONLY_A_COMMAND_HAS or (name, option) in BY_FORMAT:
            continue
        if option == "no_cache":
            assert default is not RunOptions().cache
            continue
        parameter = renamed(name).get(option, option)
        if parameter in python:
            assert plain(default) == plain(python[parameter]), option
            continue
        holders = [key for key, group in groups.items() if parameter in field_defaults(group)]
        assert holders, f"--{option} cannot be said in Python"
        expected = field_defaults(groups[holders[0]])[parameter]
        if (name, option) == ("scan", "model"):
            assert (default, expected) == (api.DEFAULT_MODEL, None)
        elif holders[0] == "settings":
            # None leaves the choice to the preset or the recipe.
            assert default is None or default == expected, option
        else:
            assert plain(default) == plain(expected), option


@pytest.mark.parametrize("name", PAIRS)
def test_every_parameter_has_its_option(name):
    command, function, groups = PAIRS[name]
    options = {renamed(name).get(option, option) for option in defaults_of(command)}
    wanted = set(defaults_of(function)) - ONLY_IN_PYTHON
    wanted |= {field for group in groups.values() for field in field_defaults(group)}
    assert wanted - options == NOT_HERE.get(name, set())


@pytest.mark.parametrize("name", PAIRS)
def test_results_are_typed(name):
    function = getattr(deftclean, name)
    result = inspect.signature(function).return_annotation
    if not isinstance(result, str):
        result = get_type_hints(function)["return"].__name__
    assert dataclasses.is_dataclass(getattr(deftclean, result))
