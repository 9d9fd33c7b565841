"""How results show themselves: one short line, and a small table in a notebook."""

import html
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import PurePath
from typing import Any, ClassVar


class Shown:
    """Mixed into a result: `facts` are shown instead of every field with its whole table.

    The dataclass below must leave its own representation out: ``@dataclass(repr=False)``.
    """

    __slots__: ClassVar[tuple[str, ...]] = ()

    def facts(self) -> Mapping[str, object]:
        """What to show, by name; None is left out."""
        return {}

    def __repr__(self) -> str:
        """One line: ``ScanResult(rows=1000, kept=812)``."""
        shown = ", ".join(f"{name.replace(' ', '_')}={text}" for name, text in _texts(self.facts()))
        return f"{type(self).__name__}({shown})"

    def _repr_html_(self) -> str:
        """A table, everything escaped: file names and labels may hold markup."""
        rows = "".join(
            f'<tr><th scope="row" style="text-align:left">{html.escape(name)}</th>'
            f'<td style="text-align:left">{html.escape(text)}</td></tr>'
            for name, text in _texts(self.facts())
        )
        return f"<table><caption>{html.escape(type(self).__name__)}</caption>{rows}</table>"


def _texts(facts: Mapping[str, object]) -> list[tuple[str, str]]:
    return [(name, _text(value)) for name, value in facts.items() if value is not None]


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{count:,} {name}" for name, count in value.items()) or "none"
    return str(value)


def plain(value: object) -> Any:
    """What JSON can hold of a result: its attributes by name, and theirs; no tables and tensors.

    Args:
        value: a dataclass, or what stands in one.
    """
    if is_dataclass(value) and not isinstance(value, type):
        told = {each.name: getattr(value, each.name) for each in fields(value)}
        return {name: plain(each) for name, each in told.items() if _is_plain(each)}
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items() if _is_plain(each)}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value if _is_plain(each)]
    if isinstance(value, PurePath):
        return str(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _is_plain(value: object) -> bool:
    kinds = (str, int, float, PurePath, Mapping, list, tuple)
    return value is None or isinstance(value, kinds) or is_dataclass(value)


def percent(share: float | None) -> str | None:
    """A share as people write it; None stays None."""
    return None if share is None else f"{share:.1%}"
