r"""Exports that are one table: the cleaned set, and cleanlab's columns.

In CSV, text that a spreadsheet would run as a formula is made harmless: a text cell that begins
with ``= + - @``, a tab or a line break gets an apostrophe before it. So that this can be undone, a
cell that begins with apostrophes before such a character gets one more: take one apostrophe off
every cell that matches ``^'+[=+\-@\t\r\n]`` and all are as they were. Plain numbers such as ``-5``
are no formulas and stay. File names must go on naming their files; they get ``./`` instead.
"""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from deftclean.core.errors import InputError
from deftclean.core.text import few
from deftclean.exports.rows import ChosenRows
from deftclean.table.scores import SCORE_COLUMNS

LABEL = "label"
INPUT_LABEL = "input_label"
"""Where the input's own column `label` goes if it says something else."""

_FORMULA = r"^'*[=+\-@\t\r\n]"
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_NOT_SCORES = ("file_name",)  # stands first, with scores and without


def cleaned_table(rows: ChosenRows, scores: bool, repeats: bool | None = None) -> pa.Table:
    """`file_name`, `label`, the input's own columns, and the score columns if asked for.

    Args:
        rows: n rows.
        scores: with the columns that deftclean has added.
        repeats: see `repeats_labels`; None to find it out from these rows.

    Raises:
        InputError: two columns would have one name.
    """
    table = rows.table
    own = [name for name in table.column_names if name not in SCORE_COLUMNS]
    if LABEL in own and (repeats_labels(table) if repeats is None else repeats):
        own.remove(LABEL)
    renamed = [INPUT_LABEL if name == LABEL else name for name in own]
    if INPUT_LABEL in own and LABEL in own:
        raise InputError(
            f"The table has columns {LABEL} and {INPUT_LABEL}, and the second name is needed.",
            f"Scan again with --rename {INPUT_LABEL}=NAME.",
        )
    added = [name for name in SCORE_COLUMNS if name not in _NOT_SCORES] if scores else []
    names = ["file_name", LABEL, *renamed, *added]
    columns = [table["file_name"], rows.labels, *(table[name] for name in [*own, *added])]
    return pa.table(columns, names=names)


def cleanlab_table(rows: ChosenRows) -> pa.Table:
    """What cleanlab's `find_label_issues` of `CleanLearning` returns, and where rows come from.

    `label_quality` is `clean_prob`, in [0, 1]; higher = more likely right; null where a row was
    not scored, which is no issue then.
    """
    table = rows.table
    flagged = pc.and_(pc.is_valid(table["clean_prob"]), pc.invert(table["keep"]))
    return pa.table(
        {
            "row": table["row"],
            "file_name": table["file_name"],
            "is_label_issue": flagged,
            "label_quality": table["clean_prob"],
            "given_label": table["given_label"],
            "predicted_label": table["suggested_label"],
        }
    )


def plain_rows(
    path: Path, table: pa.Table, names: tuple[str, ...] = ("file_name",)
) -> tuple[pa.Table, bool]:
    """Rows as a file holds them, and whether it is CSV, as its name says.

    Args:
        path: the file.
        table: what it is to hold, or some rows of that.
        names: columns with file names.

    Raises:
        InputError: CSV cannot hold a column.
    """
    is_csv = path.suffix.lower() == ".csv"
    return (harmless(table, names) if is_csv else table), is_csv


def repeats_labels(table: pa.Table) -> bool:
    """Whether the input's own column `label` holds the given labels themselves, in every row."""
    if LABEL not in table.column_names:
        return False
    own, given = table[LABEL], table["given_label"]
    if not (pa.types.is_string(own.type) or pa.types.is_large_string(own.type)):
        return False
    own = own.cast(pa.string())
    # An empty cell is no label.
    blank = pc.equal(pc.binary_length(pc.fill_null(pc.utf8_trim_whitespace(own), "")), 0)
    same = pc.fill_null(pc.equal(own, given), False)
    return bool(pc.all(pc.or_(same, pc.and_(pc.is_null(given), blank))).as_py())


# ---------------------------------------------------------------- harmless cells


def harmless(table: pa.Table, names: tuple[str, ...] = ()) -> pa.Table:
    """A table for CSV: text made harmless, in cells and in column names.

    Args:
        table: columns of plain values.
        names: columns with file names.

    Raises:
        InputError: columns that no cell can hold.
    """
    table = _flat(table)
    for at, field in enumerate(table.schema):
        if not pa.types.is_string(field.type):
            continue
        column = table.column(at)
        clean = _named(column) if field.name in names else _quoted(column)
        table = table.set_column(at, field.name, clean)
    headings = _quoted(pa.array(table.column_names, pa.string())).to_pylist()
    return table.rename_columns(headings)


def _quoted(texts: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    formulas = pc.match_substring_regex(texts, _FORMULA)
    if not pc.any(formulas).as_py():
        return texts
    formulas = pc.and_(formulas, pc.invert(pc.match_substring_regex(texts, _NUMBER)))
    return pc.if_else(formulas, pc.replace_substring_regex(texts, "^", "'"), texts)


def _named(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.replace_substring_regex(texts, r"^([=+\-@\t\r\n])", r"./\1")


def _flat(table: pa.Table) -> pa.Table:
    """Dictionaries and large strings as plain strings.

    Raises:
        InputError: lists, structs, maps or bytes; all such columns together.
    """
    refuse_columns(table, _fits, "CSV")
    for at, field in enumerate(table.schema):
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
            kind = pa.string()
        if kind != field.type:
            table = table.set_column(at, field.name, table.column(at).cast(kind))
    return table


def refuse_columns(table: pa.Table, fits: Callable[[pa.DataType], bool], what: str) -> None:
    """Refuse columns of types that a format has no place for, all together.

    Args:
        table: to be written.
        fits: whether the format holds a type.
        what: the format, for the message.

    Raises:
        InputError: which they are.
    """
    bad = [f"{field.name} ({field.type})" for field in table.schema if not fits(field.type)]
    if bad:
        raise InputError(
            f"{what} cannot hold {len(bad)} column(s): {few(bad)}.",
            "Export --to parquet, or scan a table without them.",
        )


def _fits(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    nested = pa.types.is_nested(kind)
    binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    return not (nested or binary or pa.types.is_fixed_size_binary(kind))
