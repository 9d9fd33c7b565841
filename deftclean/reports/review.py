"""The command `review`, whole: what people decided goes into the score table. No torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deftclean.core.results import Shown, percent
from deftclean.reports.review_file import read_review
from deftclean.stores.door import opens_urls
from deftclean.table.audit import Audited, audited
from deftclean.table.emptied import new_warnings
from deftclean.table.kinds import with_kinds
from deftclean.table.reviewed import (
    ReviewCounts,
    apply_decisions,
    refuse_foreign_columns,
    review_counts,
)
from deftclean.table.scores import ScoreTable, check_table_output, read_scores, write_scores
from deftclean.table.summary import Summary, summarise
from deftclean.table.ways import detector_of, image_root, labels_file


@dataclass(frozen=True, repr=False)
class ReviewResult(Shown):
    """What `review` made.

    Attributes:
        output: the new table's file.
        scores: the table.
        summary: the table in short.
        merged: rows that the review decided about.
        repeated: lines that a later line about the same row has replaced.
        undecided: tasks or samples of another tool that nobody has decided about.
        reviewed: all rows of the table that people have looked at, in this review or before.
        audited: what they prove, if they are a random sample.
        warnings: what the decisions led to that may mislead.
    """

    output: Path
    scores: ScoreTable
    summary: Summary
    merged: int
    repeated: int
    undecided: int
    reviewed: ReviewCounts
    audited: Audited | None
    warnings: tuple[str, ...]

    def facts(self) -> Mapping[str, object]:
        """What a notebook shows."""
        return {
            "rows": self.summary.rows,
            "kept": self.summary.kept,
            "noise rate": percent(self.summary.noise_rate),
            "merged": self.merged,
            "repeated": self.repeated or None,
            "undecided": self.undecided or None,
            "table": self.output,
        }


@opens_urls("table", "decisions", output="output")
def review(
    table: str | Path,
    decisions: str | Path,
    *,
    output: str | Path,
    overwrite: bool = False,
    new_class: Sequence[str] = (),
) -> ReviewResult:
    """Merge what people decided, in a report or another tool, into the score table.

    `keep` becomes what they decided; `final_label` is the label to train on, null for a row that is
    not kept. Who decided and when is what the file says, so merging twice gives the same bytes. A
    table that is reviewed already takes further reviews; the later decision counts.

    Args:
        table: the score table that the report was made from, or what select or review made of it.
        decisions: review.csv, as the report saves it; or the results of what `export` made, as
            Label Studio (JSON, JSON-MIN, CSV) or FiftyOne (`samples.json` or its folder) export
            them. Recognised by content.
        output: the new table.
        overwrite: replace an existing output.
        new_class: labels that rows may be given too, though no row has them yet.

    Raises:
        UsageError: the output exists, or a file is not what it should be.
        InputError: the decisions are about another table, or cannot be; all problems together.
        RunError: the output cannot be written.
    """
    table, output = Path(table), Path(output)
    check_table_output(output, overwrite, [table, Path(decisions)])
    scores = read_scores(table)
    refuse_foreign_columns(scores, str(table))
    read = read_review(Path(decisions), scores, table, new_class)
    made = with_kinds(apply_decisions(scores, read.decisions))
    root, labels = image_root(scores.metadata, table), labels_file(scores.metadata, table)
    write_scores(made, output, root, overwrite, labels, detector_of(scores.metadata, table))
    return ReviewResult(
        output,
        made,
        summarise(made),
        len(read.decisions.places),
        read.repeated,
        read.undecided,
        review_counts(made),
        audited(made),
        new_warnings(made.metadata, scores.metadata),
    )
