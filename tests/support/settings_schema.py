"""The JSON schema of deftclean.toml, made from the options as they are declared.

`python -m tests.support.settings_schema` writes docs/deftclean.schema.json anew.
"""

import inspect
import json
import types
from collections.abc import Sequence
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from typer.models import OptionInfo

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
    found: dict[str, Any] = {}
    for name, hint in get_type_hints(callback, include_extras=True).items():
        told = [each for each in get_args(hint) if isinstance(each, OptionInfo)]
        if not told or name not in inspect.signature(callback).parameters:
            continue
        # The first of several names stands where a default would.
        declared = [told[0].default, *(told[0].param_decls or ())]
        written = [text.partition("/")[0] for text in declared if isinstance(text, str)]
        names = [text[2:] for text in written if text.startswith("--")]
        for each in names or [name.replace("_", "-")]:
            found[each] = _of(get_args(hint)[0], told[0])
    return found


def _of(kind: Any, told: OptionInfo) -> dict[str, Any]:
    if get_origin(kind) in (Union, types.UnionType):
        (kind,) = (each for each in get_args(kind) if each is not type(None))
    if get_origin(kind) is Literal:
        return {"enum": list(get_args(kind))}
    if isinstance(get_origin(kind), type) and issubclass(get_origin(kind), Sequence):
        return {"type": "array", "items": _of(get_args(kind)[0], told)}
    one: dict[str, Any] = {"type": _TYPES.get(kind, "string")}
    for bound, key in ((told.min, "minimum"), (told.max, "maximum")):
        if bound is not None:
            one[key] = bound
    return one


def main() -> None:
    """Write the file."""
    text = json.dumps(settings_schema(), indent=2)
    (ROOT / "docs" / "deftclean.schema.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
