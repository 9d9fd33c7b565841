"""Option values from deftclean.toml or pyproject.toml, which flags and environment outrank."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deftclean.core.errors import UsageError
from deftclean.core.files import read_text


def file_settings(config: Path | None, known: Mapping[str, set[str]]) -> dict[str, Any]:
    """Option values from a settings file, by command; nothing where there is no such file.

    Args:
        config: the file; None for deftclean.toml or pyproject.toml in the current folder.
        known: the options of every command, by their Python names.

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


def _checked(path: Path, parsed: dict[str, Any], known: Mapping[str, set[str]]) -> dict[str, Any]:
    problems, checked = [], {}
    for name, table in parsed.items():
        if name not in known or not isinstance(table, dict):
            problems.append(f"[{name}] is no command")
            continue
        values = {key.replace("-", "_"): value for key, value in table.items()}
        problems += [f"[{name}] has no option {key!r}" for key in values if key not in known[name]]
        checked[name] = values
    if problems:
        raise UsageError(f"{path}: {'; '.join(problems)}.", "See deftclean COMMAND --help.")
    return checked
