"""What a field of a settings class says of itself: its help text, its option, its bounds.

Does not know how a command line is made of that. No typer here.
"""

from collections.abc import Sequence
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any, TypeVar

from deftclean.core.errors import UsageError

T = TypeVar("T")

EVERY_DRAW = "Of every random draw; same seed, same bytes."
"""Help text of a seed."""

LARGEST_INTEGER = 2**63 - 1
"""Of 64 bits: what tables, tensors and random generators hold."""

_KEY = "setting"  # of a field's metadata


@dataclass(frozen=True)
class Bounds:
    """The numbers that a setting may have; None where there is no such bound."""

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None

    def hold(self, value: float) -> bool:
        """Whether a number is within; NaN is not, where there is a bound at all."""
        return (
            (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
            and (self.below is None or value < self.below)
        )

    @property
    def words(self) -> str:
        """What a number must be: `at least 1`, `0 or more`, `above 0`, `in [0, 1)`."""
        if self.at_least is not None and self.below is not None:
            return f"in [{self.at_least:g}, {self.below:g})"
        parts = []
        if self.at_least is not None:
            parts.append("0 or more" if self.at_least == 0 else f"at least {self.at_least:g}")
        for name in ("above", "at_most", "below"):
            if (bound := getattr(self, name)) is not None:
                parts.append(f"{name.replace('_', ' ')} {bound:g}")
        return " and ".join(parts)


@dataclass(frozen=True)
class Setting:
    """What is known of a field beside its type and default.

    Attributes:
        help: one text for everybody who may set it.
        option: the name of its option in Python, in environment variables and in the settings file,
            where it is not the field's; `no_x` of a field `x` says the opposite.
        flags: on the command line, where they do not follow from the name.
        panel: of the help; None for the one of the other settings of the class.
        bounds: of a number.
        preset: a preset or a recipe may decide it. Where none does, the option shows its default
            and stands among the general ones.
        variable: its environment variable, where the option is called what nothing can be called in
            Python.
    """

    help: str
    option: str | None = None
    flags: Sequence[str] = ()
    panel: str | None = None
    bounds: Bounds = Bounds()
    preset: bool = True
    variable: str | None = None


def setting(
    default: T,
    help: str,
    *,
    option: str | None = None,
    flags: Sequence[str] = (),
    panel: str | None = None,
    preset: bool = True,
    variable: str | None = None,
    **bounds: float,
) -> T:
    """A field of a dataclass that can be an option; see `Setting` and `Bounds`.

    Returns:
        What `dataclasses.field` returns; for type checkers, as there, the default.
    """
    said = Setting(help, option, flags, panel, Bounds(**bounds), preset, variable)
    made: T = field(default=default, metadata={_KEY: said})
    return made


def check_integer(option: str, value: int) -> None:
    """Refuse a number that tables, tensors and random generators do not hold.

    Raises:
        UsageError: it is beyond 64 bits.
    """
    if abs(value) > LARGEST_INTEGER:
        raise UsageError(f"{option} is {value}; it must be at most {LARGEST_INTEGER}.")


def reworded(kind: Any, name: str, help: str, **changes: Any) -> Any:
    """A field of a base class once more, with another help text.

    Args:
        kind: the base class.
        name: of the field, which was made by `setting`.
        help: what is said of it here.
        changes: `default`, and attributes of `Setting`; the others are as they were.
    """
    base = next(each for each in fields(kind) if each.name == name)
    default = changes.pop("default", base.default)
    said = replace(base.metadata[_KEY], help=help, **changes)
    return field(default=default, metadata={_KEY: said})


def setting_of(each: "Field[Any]") -> Setting | None:
    """What a field says of itself; None where it was not made by `setting`."""
    found: Setting | None = each.metadata.get(_KEY)
    return found


def in_order(kind: Any, first: Sequence[str]) -> list["Field[Any]"]:
    """The fields of a dataclass: those named, in this order, and then whatever is not.

    So a list of names says in which order things stand, and nothing is lost that it forgets.

    Raises:
        KeyError: there is no such field.
    """
    by_name = {each.name: each for each in fields(kind)}
    return [by_name[name] for name in dict.fromkeys((*first, *by_name))]
