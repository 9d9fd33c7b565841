"""The plan of a table in parts: which rows are a unit, and what all who work on it must agree on.

A unit's rows and its files' names follow from its number alone, so that nothing has to be shared
out: whoever works on a unit writes the same bytes under the same names.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from deftclean.applying.folder import PartsFolder
from deftclean.core.cards import record
from deftclean.core.errors import InputError, UsageError
from deftclean.core.text import few, parsed_json
from deftclean.table.parts import PLAN

PLAN_VERSION = 1


@dataclass(frozen=True)
class Unit:
    """Rows [first, end)."""

    first: int
    end: int

    def __str__(self) -> str:
        """For people."""
        return f"rows {self.first:,} to {self.end - 1:,}"

    @property
    def _name(self) -> str:
        return f"rows-{self.first:012d}-{self.end:012d}"

    @property
    def part(self) -> str:
        """The file of its rows."""
        return f"parts/{self._name}.parquet"

    @property
    def facts(self) -> str:
        """The file of what it says of itself; written after the rows."""
        return f"units/{self._name}.json"


def units_of(rows: int, size: int) -> list[Unit]:
    """N rows, so many at a time."""
    return [Unit(first, min(first + size, rows)) for first in range(0, rows, size)]


FOLDERS = ("parts", "units")
"""That units lie in."""


@dataclass(frozen=True)
class Plan:
    """What a folder of parts is to hold.

    Attributes:
        format_version: of the plan.
        rows: N.
        unit_rows: of every unit but the last.
        data: what the rows are, by name.
        judge: detector, model, device and all else that decides a number, by name.
    """

    format_version: int
    rows: int
    unit_rows: int
    data: dict[str, Any]
    judge: dict[str, Any]

    @cached_property
    def text(self) -> bytes:
        """As it is written."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False, indent=1).encode()

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the text, hexadecimal."""
        return hashlib.sha256(self.text).hexdigest()

    @property
    def units(self) -> list[Unit]:
        """All, in the order of their rows."""
        return units_of(self.rows, self.unit_rows)


@dataclass(frozen=True)
class Share:
    """Part `number` of `of`, from 1."""

    number: int
    of: int

    def among(self, units: list[Unit]) -> list[Unit]:
        """Its own: neighbours, since they lie in the same files."""
        first, end = (len(units) * at // self.of for at in (self.number - 1, self.number))
        return units[first:end]

    @classmethod
    def parsed(cls, text: str) -> "Share":
        """From i/n.

        Raises:
            UsageError: it is none.
        """
        number, slash, of = text.partition("/")
        plain = all(each.isascii() and each.isdecimal() for each in (number, of))
        if not slash or not plain or not 1 <= int(number) <= int(of):
            raise UsageError(f"--part {text!r} is not i/n with i from 1 to n.", "As --part 17/400.")
        return cls(int(number), int(of))


def agreed(plan: Plan, folder: PartsFolder, place: str) -> None:
    """Put the plan down, or see that it is the one that is there.

    Args:
        plan: of this process.
        folder: to be filled.
        place: its name, for messages.

    Raises:
        UsageError: another plan is carried out there; in which points it differs.
        InputError: what is there is no plan.
    """
    if folder.create(PLAN, plan.text):
        return
    there = folder.read(PLAN)
    if there == plan.text:
        return
    try:
        other = record(Plan, parsed_json(there or b""))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place}/{PLAN} is damaged: {error}.", "Choose another -o.") from error
    ours, theirs = asdict(plan), asdict(other)
    differs = [text for name in ours for text in _differences(name, ours[name], theirs[name])]
    raise UsageError(
        f"{place} holds the parts of another run: {few(differs, 8)}.",
        "Score with the same options, or choose another -o.",
    )


def _differences(name: str, ours: Any, theirs: Any) -> list[str]:
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        return [
            text
            for inner in sorted({*ours, *theirs})
            for text in _differences(inner, ours.get(inner), theirs.get(inner))
        ]
    return [] if ours == theirs else [f"{name} {_short(theirs)}, here {_short(ours)}"]


def _short(value: Any) -> str:
    return f"{value!r:.40}"
