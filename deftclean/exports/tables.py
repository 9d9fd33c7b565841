"""Exports that are one table: the cleaned set, and cleanlab's columns."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv
import pyarrow.parquet as pq

from deftclean.core.errors import InputError
from deftclean.core.files import whole_file
from deftclean.exports.csv_cells import harmless
from deftclean.exports.rows import ChosenRows
from deftclean.table.scores import SCORE_COLUMNS

LABEL = "label"
INPUT_LABEL = "input_label"
"""Where the input's own column `label` goes if it says something else."""

_NOT_SCORES = ("file_name",)  # stands first, with scores and without


def cleaned_table(rows: ChosenRows, scores: bool) -> pa.Table:
    """`file_name`, `label`, the input's own columns, and the score columns if asked for.

    Args:
        rows: n rows.
        scores: with the columns that deftclean has added.

    Raises:
        InputError: two columns would have one name.
    """
    table = rows.table
    own = [name for name in table.column_names if name not in SCORE_COLUMNS]
    if LABEL in own and _says(table[LABEL], table["given_label"]):
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
            "predicted_label": table["predicted_label"],
        }
    )


def write_plain_table(
    table: pa.Table, path: Path, overwrite: bool, names: tuple[str, ...] = ("file_name",)
) -> None:
    """Write CSV or Parquet, as the name says, whole or not at all; no metadata of ours.

    Args:
        table: what to write.
        path: the file.
        overwrite: replace an existing one.
        names: columns with file names.

    Raises:
        InputError: CSV cannot hold a column.
        RunError, UsageError: the file cannot be written, or exists.
    """
    if path.suffix.lower() == ".csv":
        text = harmless(table, names)
        with whole_file(path, overwrite) as temporary:
            pv.write_csv(text, temporary)
        return
    with whole_file(path, overwrite) as temporary:
        pq.write_table(table, temporary, compression="zstd", row_group_size=64 * 1024)


def _says(own: pa.ChunkedArray, given: pa.ChunkedArray) -> bool:
    """Whether a column holds the given labels themselves, in every row."""
    if not (pa.types.is_string(own.type) or pa.types.is_large_string(own.type)):
        return False
    own = own.cast(pa.string())
    # An empty cell is no label.
    blank = pc.equal(pc.binary_length(pc.fill_null(pc.utf8_trim_whitespace(own), "")), 0)
    same = pc.fill_null(pc.equal(own, given), False)
    return bool(pc.all(pc.or_(same, pc.and_(pc.is_null(given), blank))).as_py())
