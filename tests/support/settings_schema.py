"""The JSON schema of deftclean.toml, made from the options as they are declared.

`python -m tests.support.settings_schema` writes docs/deftclean.schema.json anew.
"""

import json
from typing import Any, get_args

from deftclean.cli.help import Parameter, parameters
from deftclean.cli.main import app
from tests.support.places import ROOT

_TYPES = {int: "integer", float: "number", bool: "boolean"}


def settings_schema() -> dict[str, Any]:
    """Of a table for each command, which has a key for each option."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "deftclean.toml",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            str(each.name or each.callback.__name__): {
                "type": "object",
                "additionalProperties": False,
                "properties": _options(each.callback),
            }
            for each in app.registered_commands
            if each.callback is not None
        },
    }


def _options(callback: Any) -> dict[str, Any]:
    shown = [each for each in parameters(callback) if each.is_option]
    return {name[2:]: _of(each) for each in shown for name in each.names}


def _of(option: Parameter) -> dict[str, Any]:
    if option.choices:
        return {"enum": list(option.choices)}
    kind = get_args(option.kind)[0] if option.repeatable else option.kind
    one: dict[str, Any] = {"type": _TYPES.get(kind, "string")}
    for bound, key in ((option.info.min, "minimum"), (option.info.max, "maximum")):
        if bound is not None:
            one[key] = bound
    if not option.repeatable:
        return one
    several = {"type": "array", "items": one}
    return {"anyOf": [several, one]} if one["type"] == "string" else several


def main() -> None:
    """Write the file."""
    text = json.dumps(settings_schema(), indent=2)
    (ROOT / "docs" / "deftclean.schema.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
