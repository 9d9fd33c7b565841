"""An export that is one table, read and written some rows at a time: memory hardly grows with it.

Which rows are chosen and under which labels is settled before, from the few columns that say so.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from deftclean.core.arrow import int_array
from deftclean.exports.changes import LOG_COLUMNS
from deftclean.exports.formats import Target
from deftclean.exports.rows import ChosenRows
from deftclean.exports.tables import (
    LABEL,
    cleaned_table,
    cleanlab_table,
    plain_rows,
    repeats_labels,
)
from deftclean.table.reviewed import DECISION, FINAL
from deftclean.table.scores import score_pieces

_DECIDING = ("given_label", "status", "keep", "clean_prob", FINAL, LABEL)
_CORRECTING = ("row", "suggested_label", "suggested_prob", DECISION)

_GROUP = 64 * 1024  # rows of a row group of Parquet


def deciding(corrects: bool) -> tuple[str, ...]:
    """Columns that say which rows an export holds, under which labels.

    Args:
        corrects: suggestions are applied.
    """
    return (*_DECIDING, *_CORRECTING) if corrects else _DECIDING


def put_rows(
    source: Path, chosen: ChosenRows, to: Target, scores: bool, temporary: Path, path: Path
) -> ChosenRows:
    """Write the chosen rows of a score table as one table that is to be moved to its place.

    Args:
        source: the score table.
        chosen: n of its rows, with the columns `deciding` alone.
        to: `csv`, `parquet` or `cleanlab`.
        scores: with the columns that deftclean has added.
        temporary: where to write.
        path: the file; its name says the format.

    Returns:
        those that were written with a suggested label, with the columns that their log needs

    Raises:
        InputError: the table is damaged, or CSV cannot hold a column.
        OSError: the disk is full.
    """
    repeats = repeats_labels(chosen.table)
    logged: list[pa.Table] = []

    def tables() -> Iterator[pa.Table]:
        for rows in _pieces(source, chosen):
            if rows.changed is not None:
                log = rows.table.select([n for n in LOG_COLUMNS if n in rows.table.column_names])
                logged.append(log.filter(pa.array(rows.changed)))
            yield cleanlab_table(rows) if to == "cleanlab" else cleaned_table(rows, scores, repeats)

    _write(tables(), temporary, path)
    return _changed(chosen, logged)


def _pieces(source: Path, chosen: ChosenRows) -> Iterator[ChosenRows]:
    """The chosen rows with all their columns, some at a time; never none."""
    first = 0
    for piece in score_pieces(source):
        start, end = np.searchsorted(chosen.places, [first, first + len(piece)]).tolist()
        if start < end:
            places = chosen.places[start:end]
            table = piece.table.take(int_array(places - first))
            keep = chosen.table["keep"].slice(start, end - start)  # true of a changed row
            at = table.column_names.index("keep")
            yield replace(
                chosen,
                table=table.set_column(at, table.schema.field(at), keep),
                labels=chosen.labels.slice(start, end - start),
                places=places,
                changed=None if chosen.changed is None else chosen.changed[start:end],
            )
        first += len(piece)


def _changed(chosen: ChosenRows, logged: list[pa.Table]) -> ChosenRows:
    if chosen.changed is None:
        return chosen
    there: NDArray[np.int64] = np.flatnonzero(chosen.changed)
    return replace(
        chosen,
        table=pa.concat_tables(logged),
        labels=chosen.labels.take(int_array(there)),
        places=chosen.places[there],
        changed=np.ones(len(there), dtype=bool),
    )


def _write(tables: Iterator[pa.Table], temporary: Path, path: Path) -> None:
    """Write rows of one schema, one piece after the other; there is one at least."""
    first, is_csv = plain_rows(path, next(tables))
    if is_csv:
        with pv.CSVWriter(temporary, first.schema) as lines:
            lines.write_table(first)
            for table in tables:
                lines.write_table(plain_rows(path, table)[0])
        return
    with pq.ParquetWriter(temporary, first.schema, compression="zstd") as groups:
        waiting = first
        for table in tables:
            waiting = pa.concat_tables([waiting, table])
            while len(waiting) >= _GROUP:
                groups.write_table(waiting.slice(0, _GROUP), row_group_size=_GROUP)
                waiting = waiting.slice(_GROUP)
        if len(waiting):
            groups.write_table(waiting, row_group_size=_GROUP)
