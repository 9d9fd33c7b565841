"""The columns of a reviewed table: what people decided, and what follows for `keep`.

A decision of a person outranks every rule; a row that nobody has looked at goes by the rule.
"""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.core.errors import InputError
from deftclean.settings.detector import Rule
from deftclean.table.scores import ScoreTable, decide, noise_rate

FINAL = "final_label"
"""Column of labels that people have decided on."""

DECISION = "review_decision"
"""Column that says what a person decided about a row; null where nobody has looked at it."""

REVIEW_SCHEMA = pa.schema(
    [
        (FINAL, pa.string()),
        (DECISION, pa.string()),
        ("reviewed_by", pa.string()),
        ("reviewed_at", pa.string()),
    ]
)
REVIEW_COLUMNS = tuple(REVIEW_SCHEMA.names)

REVIEWED = "reviewed"
"""Key of the metadata, in reviewed tables only."""


@dataclass(frozen=True)
class Decisions:
    """What people decided about n rows of a table.

    Attributes:
        places: (n,) int64 places in the table, ascending, none twice.
        decisions: (n,) strings, each `keep`, `relabel` or `drop`.
        labels: (n,) strings, the new label of a relabelled row; null elsewhere.
        reviewers: (n,) strings, null where nobody is named.
        times: (n,) strings, as the review says them; null where it says none.
    """

    places: NDArray[np.int64]
    decisions: pa.Array
    labels: pa.Array
    reviewers: pa.Array
    times: pa.Array


@dataclass(frozen=True)
class ReviewCounts:
    """Rows that people have looked at, by what they decided."""

    kept: int
    relabelled: int
    dropped: int

    @property
    def rows(self) -> int:
        """All of them."""
        return self.kept + self.relabelled + self.dropped


def is_reviewed(scores: ScoreTable) -> bool:
    """Whether `apply_decisions` has made the table; its review columns are then its own."""
    return REVIEWED in scores.metadata


def review_counts(scores: ScoreTable) -> ReviewCounts:
    """How much of a table was looked at; nothing where it is no reviewed one."""
    if not is_reviewed(scores):
        return ReviewCounts(0, 0, 0)
    found = pc.value_counts(scores.table[DECISION].drop_null()).to_pylist()
    counts = {entry["values"]: entry["counts"] for entry in found}
    return ReviewCounts(counts.get("keep", 0), counts.get("relabel", 0), counts.get("drop", 0))


def unreviewed(scores: ScoreTable) -> pa.ChunkedArray | pa.Array:
    """(N,) bool, nobody has decided about the row."""
    if is_reviewed(scores):
        return pc.is_null(scores.table[DECISION])
    return pc.is_valid(scores.table["row"])


def refuse_foreign_columns(scores: ScoreTable, name: str) -> None:
    """Refuse a table whose input had columns that a review would write.

    Raises:
        InputError: which they are.
    """
    foreign = [column for column in REVIEW_COLUMNS if column in scores.table.column_names]
    if foreign and not is_reviewed(scores):
        raise InputError(
            f"{name} has columns of its own that a review would write: {', '.join(foreign)}.",
            "Scan again and carry them on under other names: "
            + " ".join(f"--rename {column}=input_{column}" for column in foreign),
        )


def apply_decisions(scores: ScoreTable, made: Decisions) -> ScoreTable:
    """The table with these decisions in it; where a row had one already, the new one counts."""
    count = len(scores)
    mask = np.zeros(count, dtype=bool)
    mask[made.places] = True
    news = dict(
        zip(
            REVIEW_COLUMNS,
            (made.labels, made.decisions, made.reviewers, made.times),
            strict=True,
        )
    )
    columns = {
        name: pc.replace_with_mask(_column(scores, name), pa.array(mask), new)
        for name, new in news.items()
    }
    return _settled(scores, scores.table["keep"], columns)


def decide_unreviewed(scores: ScoreTable, rule: Rule, threshold: float) -> ScoreTable:
    """`scores.decide`, but what people have decided stays."""
    decided = decide(scores, rule, threshold)
    if not is_reviewed(scores):
        return decided
    columns = {name: _column(scores, name) for name in REVIEW_COLUMNS}
    return _settled(decided, decided.table["keep"], columns)


def _column(scores: ScoreTable, name: str) -> pa.Array:
    """One review column in one piece; nulls where there is none yet."""
    if not is_reviewed(scores):
        return pa.nulls(len(scores), pa.string())
    return scores.table[name].cast(pa.string()).combine_chunks()


def _settled(
    scores: ScoreTable, by_rule: pa.ChunkedArray, columns: dict[str, pa.Array]
) -> ScoreTable:
    """What follows from decisions: `keep`, `final_label`, and the metadata.

    Args:
        scores: the table.
        by_rule: (N,) bool, `keep` of the rows that nobody has looked at.
        columns: the review columns; of `final_label` only relabelled rows are read.
    """
    table, decision = scores.table, columns[DECISION]
    decided = pc.is_valid(decision)
    relabelled = pc.fill_null(pc.equal(decision, "relabel"), False)
    keep = pc.if_else(decided, pc.not_equal(decision, "drop"), by_rule)
    given = pc.if_else(keep, table["given_label"], None)
    final = pc.if_else(relabelled, columns[FINAL], given)
    table = table.set_column(table.column_names.index("keep"), "keep", _whole(keep))
    for name, column in {**columns, FINAL: final}.items():
        if name in table.column_names:
            table = table.set_column(table.column_names.index(name), name, _whole(column))
        else:
            table = table.append_column(name, _whole(column))
    made = replace(scores, table=table, metadata={**scores.metadata, REVIEWED: {}})
    counts = review_counts(made)
    reviewed = {
        "rows": counts.rows,
        "kept": counts.kept,
        "relabelled": counts.relabelled,
        "dropped": counts.dropped,
    }
    facts = {**made.metadata, REVIEWED: reviewed, "noise_rate": noise_rate(table)}
    return replace(made, metadata=facts)


def _whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """In one piece, so that the same values are the same bytes in the file."""
    if isinstance(column, pa.ChunkedArray):
        return column.combine_chunks()
    return column
