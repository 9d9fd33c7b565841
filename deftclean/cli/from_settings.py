"""Options of a command, made from the fields of settings classes.

A command names a class as the type of one of its parameters; `takes` puts an option for each field
in its place, and hands the command the whole. Help text, panel and bounds stand with the fields;
does not know which classes there are, nor what becomes of the values.
"""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, dataclass, fields, replace
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import typer

from deftclean.core.errors import UsageError
from deftclean.core.fields import LARGEST_INTEGER, Setting, in_order, setting_of

Command = Callable[..., None]


@dataclass(frozen=True)
class Options:
    """The options that a command takes for a settings class.

    Attributes:
        kind: a dataclass; its fields made by `setting` become options.
        order: names of fields that come first in the help; the others follow.
        panel: of settings that name none.
        preset: a preset or a recipe decides what is not given: the command gets a dict of what is,
            and bounds are checked by who knows the rest.
        left_out: fields that the command has no use for.
    """

    kind: type[Any]
    order: tuple[str, ...] = ()
    panel: str | None = None
    preset: bool = False
    left_out: frozenset[str] = frozenset()

    def without(self, *names: str) -> "Options":
        """All but these fields."""
        return replace(self, left_out=self.left_out | set(names))

    def only(self, *names: str) -> "Options":
        """These fields alone."""
        return replace(self, left_out=frozenset(each.name for each in fields(self.kind)) - {*names})

    def parameters(self) -> list[inspect.Parameter]:
        """An option for each field, as Typer takes them."""
        return [each.parameter() for each in self._members()]

    def take(self, given: dict[str, Any]) -> Any:
        """What was given, taken out of the values of all options and put together.

        Raises:
            UsageError: a value is not of the form it must have.
        """
        values = {each.field.name: each.value(given.pop(each.name)) for each in self._members()}
        chosen = {name: value for name, value in values.items() if value is not None}
        return chosen if self.preset else self.kind(**chosen)

    def _members(self) -> list["_Option"]:
        hints = get_type_hints(self.kind)
        return [
            _Option(each, said, hints[each.name], self)
            for each in in_order(self.kind, self.order)
            if (said := setting_of(each)) is not None and each.name not in self.left_out
        ]


@dataclass(frozen=True)
class _Option:
    """One field as an option."""

    field: "Field[Any]"
    said: Setting
    hint: Any
    group: Options

    @property
    def name(self) -> str:
        """In Python, environment variables and the settings file."""
        return self.said.option or self.field.name

    @property
    def _negates(self) -> bool:
        return self.name == f"no_{self.field.name}"

    def parameter(self) -> inspect.Parameter:
        """As Typer takes it."""
        said, by_preset = self.said, self.group.preset and self.said.preset
        default, kind, flags = self.field.default, self.hint, list(said.flags)
        if _holds(kind, Sequence) or _holds(kind, Mapping):
            default, kind = None, list[str] | None
        elif _holds(kind, Path):
            kind = Path | None
        if by_preset:
            default, kind = None, kind | None
        elif kind is bool:
            default = not default if self._negates else default
            flags = flags or [f"--{self.name.replace('_', '-')}"]  # without a --no-...
        option = typer.Option(
            *flags,
            help=said.help,
            envvar=said.variable,
            rich_help_panel=said.panel or (self.group.panel if said.preset else None),
            min=None if self.group.preset else said.bounds.at_least,
        )
        annotated: Any = Annotated  # type checkers know no types made at run time
        return inspect.Parameter(
            self.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=default,
            annotation=annotated[kind, option],
        )

    def value(self, given: Any) -> Any:
        """Of the field; None where nothing was given."""
        if self._negates and given is not None:
            return not given
        if isinstance(given, int) and abs(given) > LARGEST_INTEGER:
            raise UsageError(f"--{self.name.replace('_', '-')} is {given}; it must be of 64 bits.")
        if not isinstance(given, list | tuple):
            return given
        return (self._pairs(given) if _holds(self.hint, Mapping) else tuple(given)) or None

    def _pairs(self, given: Sequence[str]) -> dict[str, str]:
        pairs = [text.partition("=") for text in given]
        wrong = [old for old, equals, new in pairs if not (old and equals and new)]
        if wrong:
            raise UsageError(f"--{self.name} {wrong[0]!r}: write it as OLD=NEW.")
        return {old: new for old, _, new in pairs}


def _holds(hint: Any, kind: type) -> bool:
    """Whether a type, or a member of a union, is `kind` or `kind[...]`."""
    members = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return any(kind in (each, get_origin(each)) for each in members)


def takes(**groups: Options) -> Callable[[Command], Command]:
    """A command with the options of settings classes.

    Args:
        groups: by the parameter of the command that gets them put together.
    """

    def wrap(command: Command) -> Command:
        signature = inspect.signature(command, eval_str=True)
        parameters: list[inspect.Parameter] = []
        for each in signature.parameters.values():
            made = groups[each.name].parameters() if each.name in groups else None
            parameters += made or [each.replace(kind=inspect.Parameter.KEYWORD_ONLY)]

        @functools.wraps(command)
        def run(**given: Any) -> None:
            for name, group in groups.items():
                given[name] = group.take(given)
            command(**given)

        shown: Any = run
        shown.__signature__ = signature.replace(parameters=parameters)
        shown.__annotations__ = {each.name: each.annotation for each in parameters}
        return run

    return wrap
