"""What `--help` shows, made from the declarations of a command; for the reference pages too.

Reads Typer's own declarations, not the Click objects it makes of them, which differ from one Typer
to the next. `--help` shows what people use first, in a line or two each; `--help-all` everything.
"""

import inspect
import re
import textwrap
import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from rich.text import Text
from typer.core import TyperCommand, TyperGroup
from typer.models import ArgumentInfo, OptionInfo

from deftclean.cli.terminal import Terminal

PREFIX = "DEFTCLEAN"
ALL = "--help-all"
HELP = ("-h", "--help", ALL)

_WORDS = {Path: "PATH", str: "TEXT", int: "N", float: "X"}
_FEW = 14  # options that are shown without choosing among them
_FIRST = frozenset({"model", "device", "class_names", "fail_on"})
"""Options in panels of their own that people use first."""

_FIRST_SENTENCE = re.compile(r".*?[^.]\.(?= \S|$)", re.DOTALL)
_INDENT, _GAP = 28, "      "  # column of the texts; before a name without a short one
_NARROW, _WIDE = 60, 100  # columns


@dataclass(frozen=True)
class Parameter:
    """An argument or option of a command.

    Attributes:
        name: in Python.
        kind: its type, without None.
        info: what Typer was told about it.
        default: None where there is none.
        required: must be given.
    """

    name: str
    kind: Any
    info: ArgumentInfo | OptionInfo
    default: Any
    required: bool

    @property
    def is_option(self) -> bool:
        """Whether it has a name on the command line."""
        return isinstance(self.info, OptionInfo)

    @property
    def flags(self) -> list[str]:
        """Its names on the command line, short ones and negations too."""
        return [name for each in self._declared for name in each.split("/")]

    @property
    def names(self) -> list[str]:
        """Its long names, without negations."""
        return [name for each in self._declared if (name := each.split("/")[0]).startswith("--")]

    @property
    def _declared(self) -> list[str]:
        plain = self.name.replace("_", "-")
        usual = f"--{plain}/--no-{plain}" if self.kind is bool else f"--{plain}"
        # In Annotated, Typer takes the first of several names for a default until it looks closer.
        first = self.info.default if isinstance(self.info.default, str) else None
        return [*([first] if first else []), *(self.info.param_decls or ())] or [usual]

    @property
    def help(self) -> str:
        """Without markup."""
        return plain_text(self.info.help or "")

    @property
    def panel(self) -> str | None:
        """The heading that it stands under."""
        return self.info.rich_help_panel if isinstance(self.info.rich_help_panel, str) else None

    @property
    def choices(self) -> tuple[str, ...]:
        """What may be given, where that is a list."""
        return get_args(self.kind) if get_origin(self.kind) is Literal else ()

    @property
    def repeatable(self) -> bool:
        """Whether it may be given several times."""
        return get_origin(self.kind) is list

    def variable(self, command: str) -> str:
        """The environment variable that stands for it; empty where none does.

        Args:
            command: its name; empty for options before a command.
        """
        if not getattr(self.info, "allow_from_autoenv", True):
            return ""
        if named := getattr(self.info, "envvar", None):
            return str(named)
        words = [PREFIX, *([command] if command else []), self.name]
        return "_".join(words).upper().replace("-", "_")


def parameters(callback: Callable[..., Any]) -> list[Parameter]:
    """The arguments and options of a command, as they are declared."""
    hints = get_type_hints(callback, include_extras=True)
    found = []
    for name, each in inspect.signature(callback).parameters.items():
        infos = [m for m in get_args(hints[name]) if isinstance(m, ArgumentInfo | OptionInfo)]
        if infos:  # Typer's context has none
            required = each.default is inspect.Parameter.empty
            kind = _without_none(get_args(hints[name])[0])
            default = None if required else each.default
            found.append(Parameter(name, kind, infos[0], default, required))
    return found


def _without_none(kind: Any) -> Any:
    if get_origin(kind) in (Union, types.UnionType):
        (kind,) = (each for each in get_args(kind) if each is not type(None))
    return kind


def plain_text(text: str) -> str:
    """Without Rich's markup."""
    return Text.from_markup(text).plain


def usage(title: str, arguments: Iterable[Parameter]) -> str:
    """How a command is called."""
    words = [each.name.upper() if each.required else f"[{each.name.upper()}]" for each in arguments]
    return " ".join([title, "[OPTIONS]", *(words if " " in title else ["COMMAND ..."])])


def examples(epilog: str) -> list[str]:
    """The commands in what stands below a help."""
    lines = [plain_text(line) for line in epilog.split("\n\n")]
    return [line for line in lines if line.startswith("deftclean")]


class Command(TyperCommand):
    """A command whose help is ours."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Remembers how much help is wanted."""
        ctx.meta[ALL] = ALL in args
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """Print it."""
        name, shown = str(ctx.info_name), parameters(_declared(self.callback))
        _show(_command(name, shown, self.help, self.epilog, bool(ctx.meta[ALL])))


class Group(TyperGroup):
    """The commands, with a help that is ours."""

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """Print it."""
        lines = ["[b]Usage:[/b] deftclean [OPTIONS] COMMAND ...", "", str(self.help), ""]
        lines += ["[b]Commands:[/b]"]
        for name, command in self.commands.items():
            lines += _entry(f"  {name}", (str(command.help).splitlines() or [""])[0])
        lines += ["", "[b]Options:[/b]"]
        for each in parameters(_declared(self.callback)):
            lines += _option(each, "", whole=True)
        lines += _entry(f"{_GAP}--install-completion", "Let the shell complete commands, options.")
        lines += _entry("  -h, --help", "Of a command: deftclean COMMAND --help")
        _show([*lines, "", str(self.epilog)])


def _declared(callback: Any) -> Callable[..., Any]:
    """The function that a command was made from, with the signature that says its options."""
    return cast(
        "Callable[..., Any]", inspect.unwrap(callback, stop=lambda f: hasattr(f, "__signature__"))
    )


def _show(lines: Iterable[str]) -> None:
    Terminal().print("\n".join(lines), highlight=False, soft_wrap=True)


def _width() -> int:
    return max(_NARROW, min(_WIDE, Terminal().width))


def _command(
    name: str, shown: list[Parameter], text: str | None, epilog: str | None, whole: bool
) -> Iterator[str]:
    """Lines, in Rich's markup."""
    arguments = [each for each in shown if not each.is_option]
    options = [each for each in shown if each.is_option]
    yield f"[b]Usage:[/b] {_safe(usage(f'deftclean {name}', arguments))}"
    yield ""
    for part in inspect.cleandoc(text or "").split("\n\n"):
        yield from (_safe(line) for line in textwrap.wrap(plain_text(part), _width()))
        yield ""
    if arguments:
        yield "[b]Arguments:[/b]"
        for each in arguments:
            yield from _entry(f"  {each.name.upper()}", each.help)
        yield ""
    first = options
    if not whole and len(options) > _FEW:
        first = [each for each in options if each.panel is None or each.name in _FIRST]
    yield from _options(name, first, whole)
    if rest := [each for each in options if each not in first]:
        yield f"[b]More options[/b], explained by deftclean {name} {ALL}:"
        for panel in dict.fromkeys(each.panel for each in rest):
            names = " ".join(_long(each) for each in rest if each.panel == panel)
            yield from _entry(f"  {panel}", names)
        yield ""
    if commands := examples(epilog or ""):
        yield "[b]Examples:[/b]"
        yield from (f"  {_safe(line)}" for line in commands)


def _options(name: str, options: list[Parameter], whole: bool) -> Iterator[str]:
    panels = dict.fromkeys(each.panel for each in options) if whole else {None: None}
    for panel in panels:
        yield f"[b]{panel or 'Options'}:[/b]"
        for each in options:
            if not whole or each.panel == panel:
                yield from _option(each, name, whole)
        if panel is None:
            yield from _entry(f"  -h, --help, {ALL}", "This, or everything that can be set.")
        yield ""


def _option(option: Parameter, command: str, whole: bool) -> Iterator[str]:
    short = [flag for flag in option.flags if not flag.startswith("--")]
    long = [flag for flag in option.flags if flag.startswith("--")]
    head = f"  {short[0]}, " if short else _GAP
    head += "/".join(long) if option.kind is bool else ", ".join(long)
    if option.kind is not bool:
        head += f" {_taken(option)}"
    text = option.help
    if not whole and (sentence := _FIRST_SENTENCE.match(text)):
        text = sentence.group()
    notes = []
    if option.choices:
        notes.append(f"One of: {', '.join(option.choices)}.")
    if option.required:
        notes.append("Required.")
    if option.default is not None and not isinstance(option.default, bool):
        notes.append(f"Default: {option.default}.")
    elif option.default is True:
        notes.append("Default: yes.")
    if whole and (variable := option.variable(command)):
        notes.append(f"[{variable}]")
    yield from _entry(head, " ".join([text, *notes]))


def _taken(option: Parameter) -> str:
    if option.choices:
        return "WORD"
    kind = get_args(option.kind)[0] if option.repeatable else option.kind
    return _WORDS[kind]


def _long(option: Parameter) -> str:
    return next(flag for flag in option.flags if flag.startswith("--"))


def _entry(head: str, text: str) -> Iterator[str]:
    """A name, and beside it or below it what is said of it."""
    room = _width() - _INDENT
    lines = textwrap.wrap(text, room, break_on_hyphens=False) or [""]
    if len(head) < _INDENT - 1:
        beside, lines = lines[0], lines[1:]
        yield f"[cyan]{_safe(head.ljust(_INDENT))}[/cyan]{_safe(beside)}".rstrip()
    else:
        yield f"[cyan]{_safe(head)}[/cyan]"
    yield from (f"{' ' * _INDENT}{_safe(line)}" for line in lines)


def _safe(text: str) -> str:
    """Text that Rich takes for no markup."""
    return text.replace("[", "\\[")
