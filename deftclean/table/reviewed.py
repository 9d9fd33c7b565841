"""The columns of a reviewed table: what people decided, and what follows for `keep`.

A decision of a person outranks every rule; a row that nobody has looked at goes by the rule.
"""

import hashlib
import json
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.core.arrow import Column, bool_array, bool_values
from deftclean.core.errors import InputError
from deftclean.settings.detector import Rule
from deftclean.table.emptied import FILLED, filling_rows, with_emptied
from deftclean.table.scores import ScoreTable, decided_so, keep_flags, noise_rate, with_rule

FINAL = "final_label"
"""Column of labels that people have decided on."""

DECISION = "review_decision"
"""Column that says what a person decided about a row; null where nobody has looked at it."""

AUDIT = "audit_sample"
"""Column that says which random sample a row was drawn in; see `deftclean.table.audit`."""

KNOWN = "known_to_scan"
"""Column: whether the scan knew the decision, so that `clean_prob` follows from it."""

REVIEW_SCHEMA = pa.schema(
    [
        (FINAL, pa.string()),
        (DECISION, pa.string()),
        ("reviewed_by", pa.string()),
        ("reviewed_at", pa.string()),
        (AUDIT, pa.string()),
        (KNOWN, pa.bool_()),
    ]
)
REVIEW_COLUMNS = tuple(REVIEW_SCHEMA.names)

OLDEST_COLUMNS = (FINAL, DECISION, "reviewed_by", "reviewed_at")
"""Columns that every reviewed table has; in older ones the others are null."""

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
        samples: (n,) strings, the random sample that a row was drawn in; null where it was not.
    """

    places: NDArray[np.int64]
    decisions: pa.Array
    labels: pa.Array
    reviewers: pa.Array
    times: pa.Array
    samples: pa.Array


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


@dataclass(frozen=True)
class EarlierReview:
    """What people decided about the N rows of a table that is now read as input.

    Attributes:
        columns: the review columns, N rows.
        sha256: (N,) hashes of the pictures that they looked at.
    """

    columns: pa.Table
    sha256: pa.Array

    def of_same_pictures(self, sha256: pa.ChunkedArray) -> "EarlierReview":
        """Without decisions about pictures that are not what they were.

        Args:
            sha256: (N,) hashes of the pictures now.
        """
        same = pc.equal(self.sha256, sha256)  # null where there is no picture
        columns = [pc.if_else(same, column, None) for column in self.columns.columns]
        return replace(self, columns=pa.Table.from_arrays(columns, schema=REVIEW_SCHEMA))

    @property
    def rows(self) -> int:
        """How many rows are decided about."""
        return len(self.columns) - int(self.columns[DECISION].null_count)

    @property
    def digest(self) -> str:
        """Of what was decided, not of who did and when."""
        decided = self.columns.select([DECISION, FINAL]).to_pylist()
        return hashlib.sha256(json.dumps(decided).encode()).hexdigest()


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
    return bool_array(np.ones(len(scores), dtype=bool))


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
    """The table with these decisions in it; where a row had one already, the new one counts.

    A row that was drawn in a sample stays in it, whoever looks at it again.
    """
    mask = np.zeros(len(scores), dtype=bool)
    mask[made.places] = True
    old = review_of(scores)
    at = pa.array(made.places)
    news = {
        FINAL: made.labels,
        DECISION: made.decisions,
        "reviewed_by": made.reviewers,
        "reviewed_at": made.times,
        AUDIT: pc.coalesce(made.samples, old[AUDIT].combine_chunks().take(at)),
        KNOWN: pc.fill_null(old[KNOWN].combine_chunks().take(at), False),
    }
    columns = {
        name: pc.replace_with_mask(old[name].combine_chunks(), pa.array(mask), new)
        for name, new in news.items()
    }
    return _settled(scores, scores.table["keep"], columns)


def review_of(scores: ScoreTable) -> pa.Table:
    """The review columns alone, N rows; nulls where nobody has looked at the table."""
    there = set(scores.table.column_names) if is_reviewed(scores) else set()
    columns = [
        scores.table[field.name].cast(field.type)
        if field.name in there
        else pa.nulls(len(scores), field.type)
        for field in REVIEW_SCHEMA
    ]
    return pa.Table.from_arrays(columns, schema=REVIEW_SCHEMA)


def with_review(scores: ScoreTable, review: pa.Table, known: bool) -> ScoreTable:
    """A new table of the same rows with what people decided about them before.

    Args:
        scores: N rows, not reviewed yet.
        review: (N,) review columns, as `review_of` gives them.
        known: whether the scan took the decisions as true.

    Samples are not carried on: the new scan flags other rows, and knows those.
    """
    columns = {name: review[name].combine_chunks() for name in REVIEW_COLUMNS}
    decided = pc.is_valid(columns[DECISION])
    columns[AUDIT] = pa.nulls(len(scores), pa.string())
    columns[KNOWN] = pc.if_else(decided, pa.scalar(known), None)
    return _settled(scores, scores.table["keep"], columns)


def decide_unreviewed(scores: ScoreTable, rule: Rule, threshold: float) -> ScoreTable:
    """`scores.decide`, but what people have decided stays."""
    asked = with_rule(scores, rule, threshold)
    return with_keep(asked, keep_flags(scores.table, rule, threshold))


def fill_classes(scores: ScoreTable) -> ScoreTable:
    """The table, decided, with rows kept of classes that have none: see `emptied.filling_rows`.

    No row is kept that people have decided about. The metadata tell how many are.
    """
    table = scores.table
    more = filling_rows(table, bool_values(unreviewed(scores)))
    labels = pc.value_counts(table["given_label"].filter(bool_array(more))).to_pylist()
    counts = {entry["values"]: entry["counts"] for entry in labels}
    filled = {name: counts[name] for name in sorted(counts)}
    asked = replace(scores, metadata={**scores.metadata, FILLED: filled})
    return with_keep(asked, pc.or_(table["keep"], bool_array(more)))


def with_keep(scores: ScoreTable, keep: Column) -> ScoreTable:
    """The table with `keep` as it is given, but what people have decided stays.

    Args:
        scores: N rows.
        keep: (N,) bool; what it says of rows that people have decided about does not count.
    """
    if not is_reviewed(scores):
        return decided_so(scores, keep)
    review = review_of(scores)
    columns = {name: review[name].combine_chunks() for name in REVIEW_COLUMNS}
    return _settled(scores, keep, columns)


def _settled(scores: ScoreTable, by_rule: Column, columns: dict[str, pa.Array]) -> ScoreTable:
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
    keep = pc.and_(keep, pc.is_valid(table["clean_prob"]))  # its picture may be gone by now
    given = pc.if_else(keep, table["given_label"].cast(pa.string()), None)
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
    return replace(made, metadata=with_emptied(facts, table))


def _whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """In one piece, so that the same values are the same bytes in the file."""
    if isinstance(column, pa.ChunkedArray):
        return column.combine_chunks()
    return column
