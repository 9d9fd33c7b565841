"""Option values from deftclean.toml or pyproject.toml, which flags and environment outrank."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deftclean.core.errors import UsageError


def file_settings(config: Path | None, known: Mapping[str, set[str]]) -> dict[str, Any]:
    """Option values from a settings file, by command; nothing where there is no such file.

    Args:
        config: the file; None for deftclean.toml or pyproject.toml in the current folder.
        known: the options of every command, by their Python names.

    Raises:
        UsageError: the file cannot be read, or names a command or an option that does not exist.
    """
    candidates = [config] if config else [Path("deftclean.toml"), Path("pyproject.toml")]
    for path in candidates:
        if not path.is_file():
            if config:
                raise UsageError(f"--config {path} is not a file.")
            continue
        try:
            parsed = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"{path} cannot be read: {error}.") from error
        if path.name == "pyproject.toml":
            parsed = parsed.get("tool", {}).get("deftclean", {})
        if parsed:
            return _checked(path, parsed, known)
    return {}


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
