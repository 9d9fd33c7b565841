"""The Python interface and the command line do the same unless told otherwise.

Every command runs with its Python function replaced by one that writes down how it was called.
"""

import dataclasses
import inspect
import json
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
import typer
from typer.models import ArgumentInfo

import deftclean
from deftclean.cli.main import app
from deftclean.detection.scan import DEFAULT_MODEL
from deftclean.settings.adaptation import AdaptConfig
from deftclean.settings.detector import DetectorConfig

# What a command cannot do without, by parameter of its function.
REQUIRED = {
    "scan": {"data": "pictures"},
    "score": {"detector": "a.detector", "data": "pictures"},
    "select": {"table": "t.parquet", "output": "o.parquet"},
    "adapt": {"table": "t.parquet"},
    "predict": {"folder": "adapted", "data": "pictures"},
    "export": {"table": "t.parquet", "to": "csv", "output": "o.csv"},
    "check": {"table": "t.parquet"},
    "report": {"table": "t.parquet"},
    "review": {"table": "t.parquet", "decisions": "review.csv", "output": "o.parquet"},
    "corrupt": {"data": "pictures"},
    "dataset": {"name": "cifar10", "root": "cifar", "output": "o"},
    "bench": {},
}
SETTINGS = {"scan": DetectorConfig, "adapt": AdaptConfig}  # what `settings` may hold

# A function calls a parameter as the command does; these have another name.
IN_PYTHON = {
    "recipe": "strategy",
    "no_cache": "cache",
    "no_header": "header",
    "all": "everything",
    "optimizer": "optimiser",
    "map": "changes",
    "other": "labels",
    "from_column": "labels_column",
}
# Of the terminal and the files that a command writes there: nothing that the function is told.
OF_THE_COMMAND = {
    *("quiet", "json", "exit_zero", "format", "output_file", "dry_run", "check overwrite"),
}
# With these, `score` calls `score_parts`, which is told all the others in the same way.
OF_PARTS = {"part", "unit_rows", "engine", "actors"}
OF_THE_WHOLE = {"overwrite", "fail_on", "baseline", "exit_zero"}
# What a function can be told and its command cannot: it has no use for it, or knows it already.
ONLY_IN_PYTHON = {
    "scan": {"reading.known_labels", "reading.exact_names"},
    "score": {
        *("reading.known_labels", "reading.exact_names"),
        *("evidence.template", "evidence.descriptions", "evidence.prompt_texts"),
    },
    "adapt": {"run.model", "run.weights", "run.compile", "settings.method"},
    "predict": {
        *("run.weights", "run.compile"),
        *("reading.known_labels", "reading.exact_names"),
        *("reading.class_names", "reading.rename"),
    },
    "corrupt": {"reading.known_labels", "reading.exact_names"},
    "bench": {"run.weights"},
}


# ---------------------------------------------------------------- options and values for them


@dataclasses.dataclass(frozen=True)
class Trial:
    """One way of giving one option.

    Attributes:
        option: its name in the settings file and at the end of its variable.
        parameter: of the command.
        words: on the command line.
        value: in the settings file and in the environment; None where it cannot stand there.
        expected: what the function is told.
    """

    option: str
    parameter: str
    words: tuple[str, ...]
    value: Any
    expected: Any


def trials(command: str) -> Iterator[Trial]:
    """Every option and optional argument of a command, with a value that is not its default."""
    registered = {each.callback.__name__: each.callback for each in app.registered_commands}
    hints = get_type_hints(registered[command], include_extras=True)
    for name, parameter in inspect.signature(registered[command]).parameters.items():
        kind, info = get_args(hints[name])[:2]
        if name in REQUIRED[command] or name == "dry_run" or name in OF_PARTS:
            continue
        if isinstance(info, ArgumentInfo):
            yield Trial(name, name, ("some.file",), None, "some.file")
            continue
        # In Annotated, Typer takes the first of several names for a default.
        names = [each for each in (info.default, *(info.param_decls or ())) if each is not ...]
        kind = without_none(kind)
        if kind is bool:
            yield from switches(name, names)
        else:
            flag = names[0] if names else f"--{name.replace('_', '-')}"
            word, expected = example(name, kind, parameter.default)
            value = [word] if get_origin(kind) is list else word
            yield Trial(flag[2:].replace("-", "_"), name, (flag, str(word)), value, expected)


def switches(name: str, names: list[str]) -> Iterator[Trial]:
    plain_name = name.replace("_", "-")
    on, _, off = (names[0] if names else f"--{plain_name}/--no-{plain_name}").partition("/")
    option = on[2:].replace("-", "_")
    yield Trial(option, name, (on,), True, not name.startswith("no_"))
    if off:
        yield Trial(option, name, (off,), False, False)


def example(name: str, kind: Any, default: Any) -> tuple[Any, Any]:
    """A word that is not the default, and what it stands for."""
    of_their_own = {
        "rename": ("a=b", {"a": "b"}),
        "seeds": ("4,5", [4, 5]),
        "delimiter": (";", ";"),
        "encoding": ("cp1252", "cp1252"),
    }
    if name in of_their_own:
        return of_their_own[name]
    if get_origin(kind) is list:
        return "words", ["words"]
    if get_origin(kind) is Literal:
        word = next(each for each in get_args(kind) if each != default)
    else:
        word = {int: 3, float: 0.25, str: "words", Path: "some.file"}[kind]
    return word, word


def without_none(kind: Any) -> Any:
    if get_origin(kind) in (Union, types.UnionType):
        (kind,) = (each for each in get_args(kind) if each is not type(None))
    return kind


# ---------------------------------------------------------------- calls


class CalledError(Exception):
    """In place of the work."""


@pytest.fixture(scope="module")
def group() -> Any:
    return typer.main.get_command(app)


@pytest.fixture
def told(group: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """What a command with these words tells its function."""
    monkeypatch.chdir(tmp_path)

    def run(command: str, *words: str) -> dict[str, Any]:
        name = "score_parts" if {"--part", "--engine"} & {*words} else command
        function, calls = getattr(deftclean, name), []

        def instead(*arguments: Any, **named: Any) -> None:
            calls.append(inspect.signature(function).bind(*arguments, **named).arguments)
            raise CalledError

        needed = [
            word
            for name, value in REQUIRED[command].items()
            for word in ([f"--{name}", value] if name in ("to", "output") else [value])
        ]
        with monkeypatch.context() as patch:
            patch.setattr(sys.modules[function.__module__], name, instead)
            with pytest.raises(CalledError):
                group.main([command, *needed, *words], standalone_mode=False)
        return everything(name, calls[0])

    return run


def everything(command: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """All that a function is told, defaults included: `output`, `run.device`, `settings.lr`."""
    found = {}
    for name, parameter in inspect.signature(getattr(deftclean, command)).parameters.items():
        value = arguments.get(name, parameter.default)
        options = next(filter(dataclasses.is_dataclass, get_args(parameter.annotation)), None)
        if name == "settings":
            # What is not said is for preset and recipe to decide, all but the seed.
            fields = dict.fromkeys(each.name for each in dataclasses.fields(SETTINGS[command]))
            fields.update({"seed": 0, **(value or {})})
        elif options is not None:
            whole = value or options()
            fields = {each.name: getattr(whole, each.name) for each in dataclasses.fields(options)}
        else:
            found[name] = plain(value)
            continue
        found.update({f"{name}.{field}": plain(each) for field, each in fields.items()})
    if command == "scan":
        found["run.model"] = found["run.model"] or DEFAULT_MODEL
    found.pop("progress", None)
    return found


def plain(value: Any) -> Any:
    value = (list(value) or None) if isinstance(value, tuple | list) else value
    return str(value) if isinstance(value, Path) else value


# ---------------------------------------------------------------- tests


@pytest.mark.parametrize("command", REQUIRED)
def test_without_options_both_do_the_same(command, told):
    assert told(command) == everything(command, REQUIRED[command])


@pytest.mark.parametrize("command", REQUIRED)
def test_an_option_tells_the_function_what_its_name_says_and_nothing_else(command, told):
    usual = told(command)
    for trial in trials(command):
        found = told(command, *trial.words)
        assert found.keys() == usual.keys()
        changed = {name: value for name, value in found.items() if value != usual[name]}
        if OF_THE_COMMAND & {trial.parameter, f"{command} {trial.parameter}"}:
            # JSON lists more rows.
            assert changed == ({"top": 1000} if trial.option == "format" else {}), trial
            continue
        ((name, value),) = changed.items()
        assert name.rpartition(".")[2] == IN_PYTHON.get(trial.parameter, trial.parameter), trial
        assert value == trial.expected, trial


def test_parts_are_told_the_same_as_the_whole(told):
    usual = told("score")
    for trial in trials("score"):
        if {trial.parameter, trial.option} & {*OF_THE_WHOLE, *OF_THE_COMMAND}:
            continue
        whole, part = told("score", *trial.words), told("score", *trial.words, "--part", "2/3")
        assert {name: part[name] for name in whole.keys() & part.keys()} == {
            name: value for name, value in whole.items() if name in part
        }, trial
        assert whole != usual
    one = told("score", "--part", "2/3", "--unit-rows", "7")
    assert (one["parts.part"], one["parts.unit_rows"]) == ("2/3", 7)
    other = told("score", "--engine", "ray", "--actors", "2")
    assert (other["parts.engine"], other["parts.actors"]) == ("ray", 2)


@pytest.mark.parametrize("command", REQUIRED)
def test_whatever_a_function_can_be_told_has_an_option(command, told):
    usual, reached = told(command), set(REQUIRED[command])
    for trial in trials(command):
        found = told(command, *trial.words)
        reached |= {name for name, value in found.items() if value != usual[name]}
    only = ONLY_IN_PYTHON.get(command, set()) | {"run.ranks"}  # which torchrun says
    assert usual.keys() - reached == only & usual.keys()


@pytest.mark.parametrize("command", REQUIRED)
def test_environment_and_settings_file_say_the_same_as_the_command_line(
    command, told, tmp_path, monkeypatch
):
    for trial in trials(command):
        if trial.value is None:
            continue
        wanted = told(command, *trial.words)
        words = trial.value if isinstance(trial.value, list) else [trial.value]
        with monkeypatch.context() as patch:
            patch.setenv(f"DEFTCLEAN_{command}_{trial.option}".upper(), str(words[0]))
            assert told(command) == wanted, trial
        file = tmp_path / "deftclean.toml"
        file.write_text(f"[{command}]\n{trial.option} = {json.dumps(trial.value)}\n")
        assert told(command) == wanted, trial
        file.unlink()


@pytest.mark.parametrize("name", REQUIRED)
def test_results_are_typed(name):
    function = getattr(deftclean, name)
    result = inspect.signature(function).return_annotation
    if not isinstance(result, str):
        result = get_type_hints(function)["return"].__name__
    assert dataclasses.is_dataclass(getattr(deftclean, result))
