"""Whether a value that a file gives fits the type of a setting. Looks at types, not at ranges."""

from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

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
