"""What a folder of ours says of itself, in a JSON file: its card, read back.

Such a file may have been edited, or come from anybody: every value is looked at once, here, so that
nobody who uses it has to.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from deftclean.core.errors import InputError, UsageError
from deftclean.core.fields import LARGEST_INTEGER
from deftclean.core.files import read_text
from deftclean.core.text import few, parsed_json

Card = TypeVar("Card")


def card_from(path: Path, newest: int, make: Callable[[dict[str, Any]], Card]) -> Card:
    """Read a card.

    Args:
        path: the file, in the folder that it is about.
        newest: format version that this program writes.
        make: the card from the values of the file.

    Raises:
        InputError: it is damaged, or of a newer format.
    """
    try:
        values = parsed_json(read_text(path))
        if wrong := misfits(values, {"format_version": int}):
            raise ValueError(wrong[0])
        if values["format_version"] > newest:
            raise InputError(
                f"{path.parent} was written by a newer deftclean.", "Update deftclean."
            )
        return make(values)
    except UsageError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is damaged: {error}") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path} is damaged: {error}.") from error


def record(kind: type[Card], values: Any) -> Card:
    """A data class from plain values, each of which must be of its field's type.

    Args:
        kind: a data class of plain values, lists, tuples, dicts and such classes.
        values: as JSON gives them; lists for tuples, objects for data classes.

    Raises:
        ValueError: what is missing, unknown, or of another type; all of it.
        UsageError: as the data class itself.
    """
    if not isinstance(values, dict):
        raise ValueError(f"it must be an object, not {_kind_of(values)}")
    hints = get_type_hints(kind)
    made: Any = kind
    known = {each.name: each for each in fields(made)}
    wrong = [f"{name!r} is unknown" for name in values if name not in known]
    wrong += [
        f"{name!r} is missing"
        for name, each in known.items()
        if name not in values and each.default is MISSING and each.default_factory is MISSING
    ]
    wrong += misfits({name: values[name] for name in known if name in values}, hints)
    if wrong:
        raise ValueError(few(wrong))
    return kind(**{name: _built(name, value, hints[name]) for name, value in values.items()})


def misfits(values: Mapping[str, Any], hints: Mapping[str, Any]) -> list[str]:
    """What is wrong with plain values, by name.

    Args:
        values: as JSON gives them.
        hints: the type of each; of what has none, any value is fine.
    """
    return [
        f"{name!r} is {_kind_of(values[name])}"
        for name, hint in hints.items()
        if name in values and not _fits(values[name], hint)
    ]


def _fits(value: Any, hint: Any) -> bool:
    kind, inner = get_origin(hint) or hint, get_args(hint)
    if kind is Any:
        return True
    if kind in (Union, UnionType):
        return any(_fits(value, each) for each in inner)
    if kind is Literal:
        return isinstance(value, str) and value in inner
    if kind in (list, tuple):
        return isinstance(value, list) and all(_fits(each, inner[0]) for each in value)
    if kind is dict:
        return isinstance(value, dict) and all(_fits(each, inner[1]) for each in value.values())
    if is_dataclass(kind):
        return isinstance(value, dict)
    return _is_plain(value, kind)


def _is_plain(value: Any, kind: Any) -> bool:
    if kind in (None, NoneType):
        return value is None
    if kind is float:
        return type(value) in (int, float) and math.isfinite(value)
    if kind is int:
        return type(value) is int and abs(value) <= LARGEST_INTEGER
    return type(value) is kind  # true is no number


def _built(name: str, value: Any, hint: Any) -> Any:
    """Tuples for lists and data classes for objects, where the hint says so."""
    members = [each for each in get_args(hint) if each is not NoneType] or [hint]
    if get_origin(hint) is tuple:
        return tuple(_built(name, each, get_args(hint)[0]) for each in value)
    for kind in members:
        if is_dataclass(kind) and isinstance(kind, type) and isinstance(value, dict):
            try:
                return record(kind, value)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error
    return value


def _kind_of(value: Any) -> str:
    """What a value is, in a few words."""
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of something else"
    return f"{value!r:.60}"
