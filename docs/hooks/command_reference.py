"""MkDocs hook: the page of commands and options, made from the commands themselves at build time.

The same declarations that `--help` shows, for reading: nothing here is written by hand, so nothing
can be out of date. Reads Typer's own declarations, not the Click objects it makes of them, which
differ from one Typer to the next.
"""

import inspect
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from rich.text import Text
from typer.models import ArgumentInfo, OptionInfo

from deftclean.cli.main import app

PAGE = "reference/commands.md"
PREFIX = "DEFTCLEAN"
KINDS = {Path: "path", str: "text", int: "integer", float: "number"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page to those that MkDocs has found."""
    files.append(File.generated(config, PAGE, content=page()))
    return files


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


def page() -> str:
    """The whole page, in Markdown."""
    parts = [
        "# Commands and options",
        "What `deftclean COMMAND --help` says. [Commands](../usage.md) says what they are for.",
    ]
    root = app.registered_callback
    if root is not None and root.callback is not None:
        parts += _section("deftclean", root.callback, str(app.info.help), "")
    for command in sorted(app.registered_commands, key=_name):
        if command.callback is not None:
            text = inspect.getdoc(command.callback) or ""
            parts += _section(f"deftclean {_name(command)}", command.callback, text, command.epilog)
    return "\n\n".join(parts) + "\n"


def _name(command: Any) -> str:
    return str(command.name or command.callback.__name__).replace("_", "-")


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


def _section(
    title: str, callback: Callable[..., Any], text: str, epilog: str | None
) -> Iterator[str]:
    yield f"## {title}"
    yield _escaped(_plain(text))
    shown = parameters(callback)
    arguments = [each for each in shown if isinstance(each.info, ArgumentInfo)]
    options = [each for each in shown if isinstance(each.info, OptionInfo)]
    yield f"```text\n{_usage(title, arguments)}\n```"
    if arguments:
        named = [(f"`{each.name.upper()}`", _kind(each), _help(each)) for each in arguments]
        yield _table(("argument", "takes", "meaning"), named)
    for panel in dict.fromkeys(each.info.rich_help_panel for each in options):
        if panel is not None:
            yield f"### {_escaped(panel)} {{ #{title.replace(' ', '-')}-{_slug(panel)} }}"
        rows = [
            (_names(each), _kind(each), _default(each), _variable(title, each), _help(each))
            for each in options
            if each.info.rich_help_panel == panel
        ]
        yield _table(("option", "takes", "default", "environment", "meaning"), rows)
    if examples := _examples(epilog or ""):
        yield f"```sh\n{examples}\n```"


def _usage(title: str, arguments: list[Parameter]) -> str:
    words = [each.name.upper() if each.required else f"[{each.name.upper()}]" for each in arguments]
    return " ".join([title, "[OPTIONS]", *(words if " " in title else ["COMMAND ..."])])


def _names(option: Parameter) -> str:
    plain = option.name.replace("_", "-")
    usual = f"--{plain}/--no-{plain}" if option.kind is bool else f"--{plain}"
    # In Annotated, Typer takes the first of several names for a default until it looks closer.
    first = option.info.default if isinstance(option.info.default, str) else None
    names = [*([first] if first else []), *(option.info.param_decls or ())] or [usual]
    return " ".join(f"`{name}`" for each in names for name in each.split("/"))


def _kind(parameter: Parameter) -> str:
    kind = parameter.kind
    if kind is bool:
        return "flag"
    if get_origin(kind) is list:
        return f"{KINDS[get_args(kind)[0]]}, repeatable"
    if get_origin(kind) is Literal:
        return " ".join(f"`{each}`" for each in get_args(kind))
    return KINDS[kind]


def _default(option: Parameter) -> str:
    if option.required:
        return "required"
    if isinstance(option.default, bool):
        return "yes" if option.default else "no"
    return "" if option.default is None else f"`{option.default}`"


def _variable(title: str, option: Parameter) -> str:
    if not getattr(option.info, "allow_from_autoenv", True):
        return ""
    if named := getattr(option.info, "envvar", None):
        return f"`{named}`"
    words = [PREFIX, *title.split()[1:], option.name]
    return f"`{'_'.join(words).upper().replace('-', '_')}`"


def _help(parameter: Parameter) -> str:
    return _escaped(_plain(parameter.info.help or ""))


def _slug(text: str) -> str:
    words = "".join(c if c.isalnum() else " " for c in text.lower()).split()
    return "-".join(words)


def _examples(epilog: str) -> str:
    lines = [_plain(line) for line in epilog.split("\n\n")]
    return "\n".join(line for line in lines if line.startswith("deftclean"))


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join(f"| {' | '.join(cell or ' ' for cell in line)} |" for line in lines)


def _plain(text: str) -> str:
    """Without Rich's markup."""
    return Text.from_markup(text).plain


def _escaped(text: str) -> str:
    for character in "\\`*_[]<>|":
        text = text.replace(character, f"\\{character}")
    return text.replace("\n\n", "\0").replace("\n", " ").replace("\0", "\n\n")
