"""A benchmark's log: one JSON object a line, so that a stopped one goes on where it was."""

import json
from pathlib import Path
from typing import Any


def logged(log: Path) -> list[dict[str, Any]]:
    """What is there already."""
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def append(log: Path, line: dict[str, Any]) -> None:
    """Add what one case gave."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as file:
        file.write(json.dumps(line) + "\n")
