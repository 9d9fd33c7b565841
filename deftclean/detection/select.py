"""`select()`, whole: `keep` decided anew. No torch.

A table is read twice: the columns from which decisions follow, then all of them, some rows at a
time, which are written as they come.
"""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from deftclean.core.switch import whole_file
from deftclean.detection.result import ScanResult
from deftclean.detection.scan import check_threshold
from deftclean.settings.detector import Rule
from deftclean.stores.door import opens_urls
from deftclean.table.emptied import new_warnings
from deftclean.table.fingerprints import Fingerprints
from deftclean.table.kinds import with_kinds
from deftclean.table.reviewed import decide_unreviewed, with_keep
from deftclean.table.reviewed import fill_classes as filled
from deftclean.table.scores import SCORE_SCHEMA, check_table_output, opened_scores, put_pieces
from deftclean.table.slim import SlimTable, read_slim, written_scores
from deftclean.table.summary import summarise, summed_columns
from deftclean.table.ways import detector_of, image_root, labels_file, placed


@opens_urls("table", output="output")
def select(
    table: str | Path,
    *,
    output: str | Path,
    rule: Rule | None = None,
    threshold: float | None = None,
    fill_classes: bool = False,
    overwrite: bool = False,
) -> ScanResult:
    """Decide anew which rows of a score table are kept, without torch.

    Args:
        table: written by `scan` or `score`.
        output: the new table.
        rule: None for the table's.
        threshold: in [0, 1]; None for the table's.
        fill_classes: a class that would be left without a row keeps its most probable rows: as many
            as the evidence expects right labels among them (the sum of their `clean_prob`, rounded
            down, at least one); none that people have decided about.
        overwrite: replace an existing output.

    Raises:
        UsageError: options or table are wrong.
        RunError: the output cannot be written.
    """
    began = time.monotonic()
    table, output = Path(table), Path(output)
    check_table_output(output, overwrite, [table])
    check_threshold(threshold)
    scores = _read(table)
    rule = rule or scores.metadata["rule"]
    threshold = scores.metadata["threshold"] if threshold is None else threshold
    decided = decide_unreviewed(scores, rule, threshold)
    made = with_kinds(filled(decided) if fill_classes else decided)
    root, labels = image_root(scores.metadata, table), labels_file(scores.metadata, table)
    facts = placed(made.metadata, output, root, labels, detector_of(scores.metadata, table))
    with whole_file(output, overwrite) as temporary:
        put_pieces(facts, _decided(scores, made.table), temporary)
    return ScanResult(
        output,
        None,
        written_scores(output),
        summarise(replace(scores, table=made.table, metadata=made.metadata)),
        new_warnings(made.metadata, scores.metadata),
        time.monotonic() - began,
    )


def _read(path: Path) -> SlimTable:
    """What is decided follows from few columns, and is held of every row; see `_decided`."""
    with opened_scores(path) as (rows, _):
        columns = (*summed_columns(rows.schema.names), "clean_top_label", "suggested_prob")
    return read_slim(path, columns, Fingerprints())


def _decided(scores: SlimTable, made: pa.Table) -> Iterator[pa.Table]:
    """All columns, some rows at a time.

    Args:
        scores: the table that is decided anew.
        made: its rows, decided.
    """
    first = 0
    for piece in scores.pieces():
        here = made.slice(first, len(piece))
        table = with_keep(piece, here["keep"]).table
        at = table.column_names.index("kind")
        yield table.set_column(at, SCORE_SCHEMA.field("kind"), here["kind"].cast(pa.string()))
        first += len(piece)
