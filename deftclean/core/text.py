"""Text from file names and labels, made harmless where it is shown."""

import html
from collections.abc import Sequence


def visible(text: str) -> str:
    r"""Control characters, and others that cannot be seen, as escapes: "a\nb" -> "a\\nb".

    What stays is printable, on one line, and allowed in XML.
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def markdown(text: str) -> str:
    """Text that Markdown shows as it is, on one line, also in the cell of a table."""
    for sign in "\\`*_{}[]()#|!~":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(html.escape(text, quote=False).split())


def few(items: Sequence[str], limit: int = 5) -> str:
    """The first of `items`, and how many more."""
    more = f" and {len(items) - limit} more" if len(items) > limit else ""
    return ", ".join(items[:limit]) + more
