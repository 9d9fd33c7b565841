"""Text from file names and labels, made harmless where it is shown."""

import html
import json
import re
from collections.abc import Sequence
from typing import Any

_COMMAND = re.compile("::(?=[A-Za-z-]+(?: .*?)?::)")  # GitHub's, at a line's start
_LINE_END = re.compile(r"\r\n?|\n")
_HASHES = re.compile(r"##(?=\w*\[)")  # Azure's, GitHub's, TeamCity's, anywhere: "##vso[task.x]"


def visible(text: str) -> str:
    r"""Text that is seen and does nothing: the one function for whatever stands in a name or label.

    Control characters, and others that cannot be seen, become escapes: "a\nb" -> "a\\nb". What
    stays is printable, on one line, and allowed in XML. What a CI service would take for a command
    is broken in the same way: "::error::x" -> ":\\x3aerror::x", "##vso[x]" -> "#\\x23vso[x]".
    """
    return _COMMAND.sub(r":\\x3a", on_one_line(text))


def parsed_json(text: str | bytes) -> Any:
    r"""A JSON document of text that can be written again.

    Raises:
        ValueError: it is none, or holds half a character, "\ud800", which no file can.
        RecursionError: it is nested too deeply.
    """
    values = json.loads(text)
    json.dumps(values, ensure_ascii=False).encode()
    return values


def lines_of(text: str) -> list[str]:
    r"""The lines of a text, as editors count them; none after the last line end.

    >>> lines_of("a\r\nb\x85\n\n")
    ['a', 'b\x85', '']

    What else `str.splitlines` ends a line at, such as a line separator, may stand in a name.
    """
    lines = _LINE_END.split(text)
    return lines if lines[-1] else lines[:-1]


class DoubledNameError(ValueError):
    """Something is named twice, of which readers take the last and say nothing."""


def named_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Values by name.

    Raises:
        DoubledNameError: a name stands twice.
    """
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise DoubledNameError(f"{twice!r} is named twice")
    return made


_DECODER = json.JSONDecoder(object_pairs_hook=named_once)


def unambiguous_json(text: str) -> Any:
    """What JSON says.

    Raises:
        DoubledNameError: an object names something twice.
        ValueError, RecursionError: it is no JSON, or nested too deeply.
    """
    return _DECODER.decode(text)


def on_one_line(text: str) -> str:
    """The same for a format that puts whole lines together and never wraps them.

    GitHub's commands are broken only where the text begins with one.
    """
    seen = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    seen = _HASHES.sub(r"#\\x23", seen)
    return _COMMAND.sub(r":\\x3a", seen, count=1) if seen.lstrip().startswith("::") else seen


def quiet_json(text: str) -> str:
    """JSON with the same values, in which no text is a command to a CI service that reads along."""
    return text.replace("##", "#\\u0023")


def markdown(text: str) -> str:
    """Text that Markdown shows as it is, on one line, also in the cell of a table."""
    for sign in "\\`*_{}[]()#|!~":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(html.escape(text, quote=False).split())


def readable_name(name: str) -> str:
    """A class name as words: `pickup_truck` -> `pickup truck`."""
    return name.replace("_", " ")


def few(items: Sequence[str], limit: int = 5) -> str:
    """The first of `items`, and how many more."""
    more = f" and {len(items) - limit} more" if len(items) > limit else ""
    return ", ".join(items[:limit]) + more
