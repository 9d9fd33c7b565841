"""`select()`, whole: `keep` decided anew. No torch."""

import time
from pathlib import Path

from deftclean.detection.result import ScanResult
from deftclean.detection.scan import check_threshold
from deftclean.settings.detector import Rule
from deftclean.stores.door import opens_urls
from deftclean.table.emptied import new_warnings
from deftclean.table.kinds import with_kinds
from deftclean.table.reviewed import decide_unreviewed
from deftclean.table.scores import check_table_output, read_scores, write_scores
from deftclean.table.summary import summarise
from deftclean.table.ways import detector_of, image_root, labels_file


@opens_urls("table", output="output")
def select(
    table: str | Path,
    *,
    output: str | Path,
    rule: Rule | None = None,
    threshold: float | None = None,
    overwrite: bool = False,
) -> ScanResult:
    """Decide anew which rows of a score table are kept, without torch.

    Args:
        table: written by `scan` or `score`.
        output: the new table.
        rule: None for the table's.
        threshold: in [0, 1]; None for the table's.
        overwrite: replace an existing output.

    Raises:
        UsageError: options or table are wrong.
        RunError: the output cannot be written.
    """
    began = time.monotonic()
    table, output = Path(table), Path(output)
    check_table_output(output, overwrite, [table])
    check_threshold(threshold)
    scores = read_scores(table)
    rule = rule or scores.metadata["rule"]
    threshold = scores.metadata["threshold"] if threshold is None else threshold
    made = with_kinds(decide_unreviewed(scores, rule, threshold))
    root, labels = image_root(scores.metadata, table), labels_file(scores.metadata, table)
    write_scores(made, output, root, overwrite, labels, detector_of(scores.metadata, table))
    return ScanResult(
        output,
        None,
        made,
        summarise(made),
        new_warnings(made.metadata, scores.metadata),
        time.monotonic() - began,
    )
