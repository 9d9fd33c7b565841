"""Option values from deftclean.toml or pyproject.toml, which flags and environment outrank.

An option has one name: `--from` on the command line is `from` in the file and `FROM` at the end of
its variable, whatever it is called in Python.
"""

import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from deftclean.core.errors import UsageError
from deftclean.core.files import read_text

_PREFIX = "DEFTCLEAN"
_OTHERS = {"DEFTCLEAN_CACHE_DIR"}  # of no single command


class Known(NamedTuple):
    """An option: Python's name of it, and whether it may be given several times."""

    name: str
    repeatable: bool

    def value(self, written: Any) -> Any:
        """What is written in a file; one text alone is a list of one."""
        return [written] if self.repeatable and isinstance(written, str) else written


Names = Mapping[str, Mapping[str, Known]]
"""By command: every option, by its own name, with `_` for `-`."""


def known_options(group: Any) -> Names:
    """The options of every command of a Typer group."""
    return {
        command: {
            name: Known(each.name, bool(each.multiple))
            for each in made.params
            for name in _names(each)
        }
        for command, made in group.commands.items()
    }


def _names(option: Any) -> list[str]:
    if option.param_type_name != "option":
        return []
    return [text[2:].replace("-", "_") for text in option.opts if text.startswith("--")]


def unknown_variables(environment: Mapping[str, str], group: Any) -> list[str]:
    """Warnings of variables that look as if they were for deftclean, and are for no option."""
    known = _OTHERS | {f"{_PREFIX}_{each.name}".upper() for each in group.params}
    for command, made in group.commands.items():
        for each in made.params:
            known |= _variables(command, each)
    found = [name for name in environment if name.startswith(f"{_PREFIX}_") and name not in known]
    return [
        f"the variable {name} is of no option, and is not looked at{_similar(name, known)}"
        for name in sorted(found)
    ]


def _variables(command: str, parameter: Any) -> set[str]:
    if named := parameter.envvar:
        return {named} if isinstance(named, str) else set(named)
    return {f"{_PREFIX}_{command}_{parameter.name}".upper().replace("-", "_")}


def _similar(name: str, names: Iterable[str]) -> str:
    close = get_close_matches(name, list(names), n=2)
    return f" (did you mean {' or '.join(close)}?)" if close else ""


def file_settings(config: Path | None, known: Names) -> dict[str, Any]:
    """Option values from a settings file, by command; nothing where there is no such file.

    Args:
        config: the file; None for deftclean.toml or pyproject.toml in the current folder.
        known: the options of every command.

    Raises:
        UsageError: the file cannot be read, or names a command or an option that does not exist.
    """
    for path in [config] if config else [Path("deftclean.toml"), Path("pyproject.toml")]:
        if not path.is_file():
            if config:
                raise UsageError(f"--config {path} is not a file.")
            continue
        parsed = _parsed(path, foreign=config is None and path.name == "pyproject.toml")
        if path.name == "pyproject.toml":
            parsed = _ours(path, parsed)
        if parsed:
            return _checked(path, parsed, known)
    return {}


def _parsed(path: Path, foreign: bool) -> dict[str, Any]:
    """What a TOML file says.

    Args:
        path: the file.
        foreign: it is for other tools first: where it is damaged and does not name this one, it
            says nothing.
    """
    text = ""
    try:
        text = read_text(path)
        return tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        if foreign and "deftclean" not in text:
            return {}
        raise UsageError(f"{path} cannot be read: {error}.", "It is TOML, in UTF-8.") from error


def _ours(path: Path, parsed: dict[str, Any]) -> dict[str, Any]:
    tools = parsed.get("tool", {})
    ours = tools.get("deftclean", {}) if isinstance(tools, dict) else {}
    if not isinstance(ours, dict):
        raise UsageError(f"{path}: tool.deftclean is no table.", "Write [tool.deftclean.scan] ...")
    return ours


def _checked(path: Path, parsed: dict[str, Any], known: Names) -> dict[str, Any]:
    problems, checked = [], {}
    for name, table in parsed.items():
        if name not in known or not isinstance(table, dict):
            problems.append(f"[{name}] is no command{_similar(name, known)}")
            continue
        options, values = known[name], {}
        for key, value in table.items():
            if (option := key.replace("-", "_")) in options:
                values[options[option].name] = options[option].value(value)
            else:
                near = _similar(key, [each.replace("_", "-") for each in options])
                problems.append(f"[{name}] has no option {key!r}{near}")
        checked[name] = values
    if problems:
        raise UsageError(f"{path}: {'; '.join(problems)}.", "See deftclean COMMAND --help.")
    return checked
