"""Whether settings fit: a value that a file gives its field's type, a number its bounds."""

from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from deftclean.core.errors import UsageError
from deftclean.core.fields import LARGEST_INTEGER, in_order, setting_of
from deftclean.settings.training import TrainingConfig

LARGEST_FLOAT = 3.4e38
"""Of float32, which weights are; a finite Python number may be larger."""

_WANTED = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def misfit(settings: type, name: str, value: Any) -> str | None:
    """What is wrong with a value.

    By hand: 1.5 and true are no `epochs` ("epochs must be a whole number, not 1.5"); 1 is an `lr`.

    Args:
        settings: a data class whose fields are settings.
        name: of a field.
        value: as TOML gives it, so None never is one.

    Returns:
        One sentence without a stop; None where the value fits.
    """
    hint = get_type_hints(settings)[name]
    wanted = [kind for kind in _members(hint) if kind is not NoneType]
    if any(_fits(kind, value) for kind in wanted):
        return None
    return f"{name} must be {' or '.join(map(_named, wanted))}, not {value!r}"


def refuse_unfit(settings: type, given: Mapping[str, Any]) -> None:
    """Refuse names that are no settings, and values of another kind.

    Args:
        settings: a data class whose fields are settings.
        given: by name; None means not given.

    Raises:
        UsageError: all of them, in one message.
    """
    known = [each.name for each in fields(settings) if each.init]
    problems = []
    for name, value in given.items():
        if name not in known:
            problems.append(f"there is no setting {name!r}{_similar(str(name), known)}")
        elif value is not None and (wrong := misfit(settings, name, _plain(value))):
            problems.append(wrong)
    if problems:
        raise UsageError(
            f"settings: {'; '.join(problems)}.",
            f"They are the fields of {settings.__name__}: {', '.join(sorted(known))}.",
        )


def _similar(name: str, known: list[str]) -> str:
    close = get_close_matches(name.lower(), known, n=2)
    return f" (did you mean {' or '.join(map(repr, close))}?)" if close else ""


def _plain(value: Any) -> Any:
    """NumPy's numbers as Python's."""
    return value.item() if type(value).__module__ == "numpy" and hasattr(value, "item") else value


def refuse_out_of_range(config: TrainingConfig, number: str) -> None:
    """Every setting within its bounds, every number one that float32 holds.

    Args:
        config: the settings, made by `setting`.
        number: what the message calls a number that float32 holds.

    Raises:
        UsageError: all that are not, in one message.
    """
    given = [
        (f"--{each.name.replace('_', '-')}", getattr(config, each.name), said.bounds)
        for each in in_order(config, config.written)
        if (said := setting_of(each)) is not None and getattr(config, each.name) is not None
    ]
    # What is counted comes first, then the others, each in the order of the table.
    problems = [
        f"{option} is {value}; it must be {bounds.words}"
        for option, value, bounds in sorted(given, key=lambda one: one[2].at_least != 1)
        if not bounds.hold(value)
    ]
    problems += [
        f"{option} must be {number}"
        for option, value, _ in given
        if isinstance(value, float) and not abs(value) <= LARGEST_FLOAT
    ]
    problems += [
        f"{option} is {value}; it must be at most {LARGEST_INTEGER}"
        for option, value, _ in given
        if isinstance(value, int) and value > LARGEST_INTEGER
    ]
    if problems:
        raise UsageError("; ".join(problems) + ".")


def _members(hint: Any) -> tuple[Any, ...]:
    """Of a union its members, of another type itself."""
    if get_origin(hint) is Literal or not get_args(hint):
        return (hint,)
    return get_args(hint)


def _fits(kind: Any, value: Any) -> bool:
    if get_origin(kind) is Literal:
        return isinstance(value, str) and value in get_args(kind)
    if kind is float:
        return type(value) in (int, float)
    return type(value) is kind  # true is no whole number


def _named(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return f"one of {', '.join(get_args(kind))}"
    return _WANTED[kind]
