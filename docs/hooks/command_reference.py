"""MkDocs hook: the page of commands and options, made from the commands themselves at build time.

The same declarations that `--help` shows, for reading: nothing here is written by hand, so nothing
can be out of date. Reads Typer's own declarations, not the Click objects it makes of them, which
differ from one Typer to the next.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from deftclean.cli.help import Parameter, examples, parameters, plain_text, usage
from deftclean.cli.main import app

PAGE = "reference/commands.md"
KINDS = {Path: "path", str: "text", int: "integer", float: "number"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page to those that MkDocs has found."""
    files.append(File.generated(config, PAGE, content=page()))
    return files


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


def _section(
    title: str, callback: Callable[..., Any], text: str, epilog: str | None
) -> Iterator[str]:
    yield f"## {title}"
    yield _escaped(plain_text(text))
    shown = parameters(callback)
    arguments = [each for each in shown if not each.is_option]
    options = [each for each in shown if each.is_option]
    yield f"```text\n{usage(title, arguments)}\n```"
    if arguments:
        named = [(f"`{each.name.upper()}`", _kind(each), _help(each)) for each in arguments]
        yield _table(("argument", "takes", "meaning"), named)
    for panel in dict.fromkeys(each.panel for each in options):
        if panel is not None:
            yield f"### {_escaped(panel)} {{ #{title.replace(' ', '-')}-{_slug(panel)} }}"
        rows = [
            (_names(each), _kind(each), _default(each), _variable(title, each), _help(each))
            for each in options
            if each.panel == panel
        ]
        yield _table(("option", "takes", "default", "environment", "meaning"), rows)
    if commands := examples(epilog or ""):
        yield "\n".join(["```sh", *commands, "```"])


def _names(option: Parameter) -> str:
    return " ".join(f"`{name}`" for name in option.flags)


def _kind(parameter: Parameter) -> str:
    kind = parameter.kind
    if kind is bool:
        return "flag"
    if get_origin(kind) is list:
        return f"{KINDS[get_args(kind)[0]]}, repeatable"
    if parameter.choices:
        return " ".join(f"`{each}`" for each in parameter.choices)
    return KINDS[kind]


def _default(option: Parameter) -> str:
    if option.required:
        return "required"
    if isinstance(option.default, bool):
        return "yes" if option.default else "no"
    return "" if option.default is None else f"`{option.default}`"


def _variable(title: str, option: Parameter) -> str:
    variable = option.variable(title.removeprefix("deftclean").strip())
    return f"`{variable}`" if variable else ""


def _help(parameter: Parameter) -> str:
    return _escaped(parameter.help)


def _slug(text: str) -> str:
    words = "".join(c if c.isalnum() else " " for c in text.lower()).split()
    return "-".join(words)


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join(f"| {' | '.join(cell or ' ' for cell in line)} |" for line in lines)


def _escaped(text: str) -> str:
    for character in "\\`*_[]<>|":
        text = text.replace(character, f"\\{character}")
    return text.replace("\n\n", "\0").replace("\n", " ").replace("\0", "\n\n")
