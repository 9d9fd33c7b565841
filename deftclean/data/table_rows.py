"""The rows of a table whose columns are understood: which are read, their files, their votes."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.core.errors import InputError, UsageError
from deftclean.core.text import few
from deftclean.data.asking import Meant, Question
from deftclean.data.file_names import relative_names
from deftclean.data.locating import located
from deftclean.data.options import ManifestOptions
from deftclean.data.votes import AGREEMENT, Majority, of_columns, of_rows
from deftclean.table.splits import are_splits, counted_splits, in_splits, split_column

_LOOKED_AT = 100_000  # rows, for pictures that stand in several


@dataclass(frozen=True)
class TableRows:
    """N rows.

    Attributes:
        table: all columns.
        lines: (N,) int64, of the file; null where there are none.
        path_column: of file names or images.
        label_column: None where labels do not stand in one column.
        file_names: (N,) POSIX names below the data folder.
        named: (N,) bool, false where a row names no file.
        labels: (N,) as they are written.
        agreement: (N,) float32 share of the annotators' votes; None where they are not several.
        chosen: (N,) ascending, which rows of the table they are; None for all.
        notes: what a user should know.
    """

    table: pa.Table
    lines: pa.Array
    path_column: str
    label_column: str | None
    file_names: pa.Array
    named: NDArray[np.bool_]
    labels: pa.Array | pa.ChunkedArray
    agreement: pa.Array | None = None
    notes: tuple[str, ...] = ()
    chosen: NDArray[np.int64] | None = None

    @classmethod
    def of(
        cls, asked: Question, meant: Meant, lines: pa.Array, own: bool, first: int = 0
    ) -> "TableRows":
        """The rows that the user wants.

        Args:
            asked: the table.
            meant: its columns.
            lines: (N,) of the file.
            own: the table is a score table, whose names are right and rows fixed.
            first: where the rows begin among all of the file.

        Raises:
            UsageError, InputError: splits, names or votes that are not there or do not fit.
        """
        path, options, table = asked.path, asked.options, asked.table
        inside = asked.images is not None
        if options.merge_rows and (own or inside):
            what = "a score table" if own else "a table that holds the images itself"
            raise UsageError(
                f"--merge-rows cannot go with {path}, {what}.", "Leave --merge-rows out."
            )
        classes = None if meant.classes is None else meant.classes.labels(path)
        chosen = _rows_of_splits(path, table, options)
        if chosen.rows is not None:
            taken = pa.array(chosen.rows)
            table, lines = table.take(taken), lines.take(taken)
            classes = None if classes is None else classes.take(taken)
        named_by = table[meant.path] if meant.path in table.column_names else pa.nulls(len(table))
        notes = (*chosen.notes, *((meant.classes.note,) if meant.classes else ()))
        if not (own or inside):
            named_by, found = located(named_by, path, asked.root, asked.given, options)
            notes += found
        # Where images lie in the table, a row that names no file is called as it stands there.
        counted = chosen.rows if inside else None
        file_names, named = relative_names(named_by, path, asked.root, first, counted)
        labels = table[meant.label] if meant.label else pa.nulls(len(table), pa.string())
        rows = cls(
            table, lines, meant.path, meant.label, file_names, named,
            labels if classes is None else classes, None, notes, chosen.rows,
        )  # fmt: skip
        return rows if own or inside else rows._voted(asked)

    def _voted(self, asked: Question) -> "TableRows":
        """With the majority of several annotators, where there are such."""
        rows, annotators = self, list(asked.options.annotator or ())
        if annotators and asked.options.merge_rows:
            raise UsageError("--annotator and --merge-rows exclude each other.", "Give one.")
        if annotators:
            votes = of_columns(self.table, annotators)
            return rows._of(votes, f"{len(annotators)} annotators")
        if asked.options.merge_rows:
            votes = of_rows(self.file_names, self.labels)
            who = f"{len(self.table):,} rows about {len(votes.rows):,} pictures"
            return rows._taken(votes.rows)._of(votes, who)
        conflicts = self._conflicts()
        if not conflicts:
            return rows
        note = (
            f"{conflicts:,} pictures stand in several rows with different labels; --merge-rows "
            "takes their majority"
        )
        return replace(self, notes=(*self.notes, note))

    def _conflicts(self) -> int:
        """Pictures that rows give different labels; of a large table, its first rows tell."""
        first = self.file_names.slice(0, _LOOKED_AT)
        if pc.count_distinct(first).as_py() == len(first):
            return 0
        if pa.types.is_nested(self.labels.type):
            return 0
        pairs = pa.table({"file": self.file_names, "label": self.labels}).filter(
            _says_something(self.labels)
        )
        counted = pairs.group_by("file").aggregate([("label", "count_distinct")])
        return pc.sum(pc.greater(counted["label_count_distinct"], 1)).as_py() or 0

    def _taken(self, rows: NDArray[np.int64]) -> "TableRows":
        """These rows; their labels are what the votes say."""
        taken = pa.array(rows)
        return replace(
            self,
            table=self.table.take(taken),
            lines=self.lines.take(taken),
            file_names=self.file_names.take(taken),
            named=self.named[rows],
        )

    def _of(self, votes: Majority, who: str) -> "TableRows":
        return replace(
            self,
            label_column=None,
            labels=votes.labels,
            agreement=votes.agreement,
            notes=(*self.notes, votes.note(who)),
        )

    def with_labels(self, labels: pa.Array | pa.ChunkedArray) -> "TableRows":
        """The same with other values in the label column: (N,)."""
        if self.label_column is None:
            return self
        at = self.table.column_names.index(self.label_column)
        return replace(self, table=self.table.set_column(at, self.label_column, labels))

    def with_agreement(self, path: Path, columns: pa.Table) -> pa.Table:
        """The columns that are carried on, and the agreement where there are votes.

        Args:
            path: the table, for messages.
            columns: of N rows.

        Raises:
            InputError: there is such a column already.
        """
        if self.agreement is None:
            return columns
        if AGREEMENT in columns.column_names:
            raise InputError(
                f"{path} has a column {AGREEMENT} of its own.",
                f"Carry it on under another name: --rename {AGREEMENT}=input_{AGREEMENT}",
            )
        return columns.append_column(AGREEMENT, self.agreement)


def _says_something(labels: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """(N,) bool; not true of what is read as no label: a cell of a CSV file is never null."""
    if pa.types.is_dictionary(labels.type):
        labels = labels.cast(labels.type.value_type)
    kind = labels.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return pc.not_equal(pc.utf8_trim_whitespace(labels), "")
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return pc.match_substring_regex(labels, r"\S")
    return pc.is_valid(labels)


# ---------------------------------------------------------------- splits


@dataclass(frozen=True)
class _Chosen:
    """The rows of a table that are read.

    Attributes:
        rows: (n,) ascending; None for all.
        notes: what a user should know about the splits.
    """

    rows: NDArray[np.int64] | None = None
    notes: tuple[str, ...] = ()


def _rows_of_splits(path: Path, table: pa.Table, options: ManifestOptions) -> _Chosen:
    """The rows of the splits that the user wants, by the table's column.

    Args:
        path: the table, for messages.
        table: N rows.
        options: with `split`.

    Raises:
        UsageError: there is no column of splits, or no such split.
    """
    name = split_column(table)
    counts = {} if name is None else counted_splits(table[name])
    if options.split is None:
        if not are_splits(counts):
            return _Chosen()
        listed = few([f"{split} {count:,}" for split, count in counts.items()])
        first = next(iter(counts))
        return _Chosen(None, (f"column {name}: {listed}; --split {first} reads it alone",))
    if name is None:
        raise UsageError(
            f"--split {few(options.split)}: {path} has no column called split.",
            f"It has the columns {few(table.column_names, 12)}.",
        )
    rows = np.flatnonzero(in_splits(table[name], options.split, str(path)))
    return _Chosen(rows, (f"{len(rows):,} rows are of --split {', '.join(options.split)}",))
