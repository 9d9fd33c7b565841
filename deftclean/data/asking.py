"""Which columns hold file names and labels: what cannot be told is asked for, all in one error.

The error names the columns there are and a whole command, with the columns that fit best.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from deftclean.core.errors import InputError
from deftclean.core.text import few
from deftclean.data.columns import (
    LABEL_COLUMNS,
    LABEL_COLUMNS_ELSE,
    PATH_COLUMNS,
    PATH_COLUMNS_IF_FILES,
    called,
    called_freely,
)
from deftclean.data.hints import table_command
from deftclean.data.locating import leads_to_file, name_files
from deftclean.data.one_hot import OneHot, one_hot
from deftclean.data.options import ManifestOptions
from deftclean.table.splits import SPLIT_COLUMNS

_ANNOTATOR = re.compile(r"(label|annotator|annotation|rater|reader|expert|vote|worker)s?[ _-]?\d+")
_SEPARATORS = {"\t": "\t", ";": ";", "|": "|", " ": " "}


@dataclass(frozen=True)
class Meant:
    """What columns mean.

    Attributes:
        path: file names, or images.
        label: labels; None where there are none, or several columns make them.
        classes: columns of 0 and 1 that make them.
    """

    path: str
    label: str | None
    classes: OneHot | None = None


@dataclass(frozen=True)
class Question:
    """A table whose columns are to be understood.

    Attributes:
        path: its file.
        table: N rows.
        root: the data folder.
        given: the same as the user gave it; None for the folder of the table.
        options: as given.
        images: the column with image bytes, where there is one.
        path_column, label_column: where the user, or the format itself, says which they are.
        features: of Hugging Face, by column.
        needed: rows without labels are of no use.
    """

    path: Path
    table: pa.Table
    root: Path
    given: Path | None
    options: ManifestOptions
    images: str | None
    path_column: str | None
    label_column: str | None
    features: Mapping[str, Any]
    needed: bool

    def answer(self) -> Meant:
        """What the columns mean.

        Raises:
            InputError: none or several can be it; of file names and labels together.
        """
        names = self.table.column_names
        paths = [self.images] if self.images else self._paths(names)
        labels = self._labels([name for name in names if name not in paths])
        annotators = list(self.options.annotator or ())
        gone = [
            *self._missing(self.path_column, "--path-column"),
            *self._missing(self.label_column, "--label-column"),
            *(each for name in annotators for each in self._missing(name, "--annotator")),
        ]
        if gone:
            raise InputError(f"{self.path} has no column {', '.join(gone)}.", self._there())
        if len(paths) == 1 and annotators:
            return Meant(paths[0], None)
        if len(paths) == 1 and not labels:
            rest = [name for name in names if name not in (*paths, *called(names, SPLIT_COLUMNS))]
            classes = one_hot(self.table, rest)
            if classes is not None or not self.needed:
                return Meant(paths[0], None, classes)
        if len(paths) == 1 and len(labels) == 1:
            return Meant(paths[0], labels[0])
        raise self._asked(paths, labels)

    def _missing(self, name: str | None, option: str) -> list[str]:
        there = name is None or name == self.images or name in self.table.column_names
        return [] if there else [f"{name!r} ({option})"]

    def _paths(self, names: Sequence[str]) -> list[str]:
        if self.path_column is not None:
            return [self.path_column]
        maybe = called_freely(names, PATH_COLUMNS_IF_FILES)
        return called(names, PATH_COLUMNS) or [
            name for name in maybe if name_files(self.table[name], self.root)
        ]

    def _labels(self, names: Sequence[str]) -> list[str]:
        if self.label_column is not None:
            return [self.label_column]
        listed = [n for n, f in self.features.items() if f.get("_type") == "ClassLabel"]
        if len(listed) == 1 and listed[0] in names:
            return listed
        return called(names, LABEL_COLUMNS) or called_freely(names, LABEL_COLUMNS_ELSE)

    # ------------------------------------------------------------ one error

    def _asked(self, paths: Sequence[str], labels: Sequence[str]) -> InputError:
        names = self.table.column_names
        separator = next((s for s in _SEPARATORS if s in names[0]), None)
        if len(names) == 1 and separator is not None and not paths:
            command = self._command(delimiter=separator)
            return InputError(
                f"{self.path}: no column with the file names was recognised; its one column is "
                f"called {names[0]!r}.",
                f"If that separates columns, say so: {command}",
            )
        if not paths and self.options.header and any(leads_to_file(n, self.root) for n in names):
            return InputError(
                f"{self.path}: no column with the file names was recognised; the name of a column "
                "is that of a file, as if the first line were a row.",
                f"If it is one: {self._command(header=False)}",
            )
        problems = [
            *_problem(paths, "file names"),
            *([] if self.options.annotator else _problem(labels, "labels")),
        ]
        return InputError(f"{self.path}: {'; '.join(problems)}.", self._choice(paths, labels))

    def _choice(self, paths: Sequence[str], labels: Sequence[str]) -> str:
        names = self.table.column_names
        path = paths[0] if len(paths) == 1 else self._likely_path(paths, labels)
        rest = [name for name in labels or names if name != path]
        changes: dict[str, Any] = {}
        if len(paths) != 1:
            changes["path_column"] = path
        voters = [name for name in rest if _ANNOTATOR.fullmatch(name.strip().lower())]
        if len(labels) != 1 and len(voters) > 1 and not labels:
            changes["annotator"] = tuple(voters)
        elif len(labels) != 1 and not self.options.annotator:
            changes["label_column"] = self._likely_label(rest) or next(iter(rest), "NAME")
        return f"{self._there()} Name them, as: {self._command(**changes)}"

    def _there(self) -> str:
        return f"It has the columns {few(self.table.column_names, 12)}."

    def _command(self, **changes: Any) -> str:
        return table_command(self.path, self.given, self.options, **changes)

    def _likely_path(self, paths: Sequence[str], labels: Sequence[str]) -> str:
        """The first column that names files; else one that is called so, or any."""
        names = self.table.column_names
        others = [name for name in names if name not in labels]
        maybe = [*paths, *called_freely(others, PATH_COLUMNS_IF_FILES)]
        found = (n for n in paths or others if name_files(self.table[n], self.root))
        return next(found, (maybe or others or names)[0])

    def _likely_label(self, names: Sequence[str]) -> str | None:
        """The first column that repeats a few values; numbers only where no text does."""
        found = [n for n in names if n.strip().lower() not in SPLIT_COLUMNS]
        repeated = [name for name in found if self._repeats(self.table[name])]
        words = [name for name in repeated if not _is_number(self.table[name])]
        return next(iter([*words, *repeated, *(found if len(found) == 1 else [])]), None)

    def _repeats(self, values: pa.ChunkedArray) -> bool:
        try:
            distinct = pc.count_distinct(values).as_py()
        except pa.ArrowNotImplementedError:
            return False
        return bool(1 < distinct <= max(2, len(values) // 2))


def _problem(found: Sequence[str], what: str) -> list[str]:
    if len(found) == 1:
        return []
    if found:
        return [f"several columns could hold the {what}: {few(found)}"]
    return [f"no column with the {what} was recognised"]


def _is_number(values: pa.ChunkedArray) -> bool:
    if not pa.types.is_string(values.type):
        return not pa.types.is_dictionary(values.type)
    first = values.drop_null().slice(0, 100)
    return bool(pc.all(pc.match_substring_regex(first, r"^\s*[-+.\d]+\s*$")).as_py())
