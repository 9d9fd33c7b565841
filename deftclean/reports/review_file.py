"""review.csv, as the report saves it, to checked decisions about the rows of one table.

Written by a browser, perhaps changed in a spreadsheet: everything in it is checked, and all that is
wrong is told together.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.core.errors import InputError
from deftclean.core.tables import read_table
from deftclean.core.text import few
from deftclean.table.audit import wrong_marks
from deftclean.table.reviewed import Decisions
from deftclean.table.scores import ScoreTable

COLUMNS = (
    "row", "file_name", "content_sha256", "given_label", "decision", "final_label", "reviewer",
    "reviewed_at",
)  # fmt: skip
SAMPLE = "audit_sample"
"""A further column, where the report is an audit."""

_LINES_SHOWN = 3
# The page puts an apostrophe before what a spreadsheet would take for a formula.
_GUARDED = r"^'('*[=+\-@\t\r])"


@dataclass(frozen=True)
class ReviewFile:
    """What a review says about a table.

    Attributes:
        decisions: about the table's rows.
        repeated: how many lines a later line about the same row has replaced.
    """

    decisions: Decisions
    repeated: int


def known_labels(scores: ScoreTable) -> list[str]:
    """Labels that a row may be given: the classes, then other given labels by name."""
    classes = [str(name) for name in scores.metadata.get("class_names", [])]
    usable = pc.equal(scores.table["status"], "ok")
    given = pc.unique(scores.table["given_label"].filter(usable)).drop_null().to_pylist()
    return [*classes, *sorted(set(given) - set(classes))]


def read_review(path: Path, scores: ScoreTable, table: Path) -> ReviewFile:
    """Read review.csv and compare it with the table.

    Commas, semicolons and tabs are recognised as separators. A line belongs to the row of its
    number if content hash and given label are the row's. Of several lines about one row the last
    counts.

    Args:
        path: the file.
        scores: the table.
        table: its file, for messages.

    Raises:
        InputError: it cannot be read, is of another table, or says what cannot be; all together.
    """
    lines = _read(path)
    if not len(lines):
        raise InputError(f"{path} holds no decision.", "Decide in the report, then save again.")
    places, matched = _places(lines, scores)
    _refuse_foreign(path, table, lines, matched)
    given = scores.table["given_label"].combine_chunks().take(pa.array(places))
    status = scores.table["status"].combine_chunks().take(pa.array(places))
    decisions = pc.utf8_lower(lines["decision"])
    labels = lines["final_label"]
    samples = _or_null(lines[SAMPLE])
    empty = _true(pc.equal(labels, ""))
    relabel, drop = (_true(pc.equal(decisions, name)) for name in ("relabel", "drop"))
    keep = _true(pc.equal(decisions, "keep"))
    own = empty | _true(pc.equal(labels, given))
    known = _true(pc.is_in(labels, value_set=pa.array(known_labels(scores), pa.string())))
    _refuse_problems(
        path,
        {
            "the decision is none of keep, relabel, drop": (~(keep | relabel | drop), decisions),
            "the row was not scored, so there is nothing to decide": (
                ~_true(pc.equal(status, "ok")),
                status,
            ),
            "relabel without a final_label": (relabel & empty, None),
            "final_label is no class of the table": (relabel & ~empty & ~known, labels),
            "keep with another final_label": (keep & ~own, labels),
            "drop with a final_label": (drop & ~empty, labels),
            "the row was not drawn in such a sample of this table": (
                wrong_marks(scores, places, samples),
                samples,
            ),
        },
    )
    last = _last_of_each(places)
    chosen = pa.array(last)
    made = Decisions(
        places[last],
        decisions.take(chosen),
        pc.if_else(pa.array(relabel), labels, None).take(chosen),
        _or_null(lines["reviewer"]).take(chosen),
        _or_null(lines["reviewed_at"]).take(chosen),
        samples.take(chosen),
    )
    return ReviewFile(made, len(lines) - len(last))


def _read(path: Path) -> pa.RecordBatch:
    """The columns as text, blanks around cells gone, guarded cells as they were."""
    if not path.is_file():
        raise InputError(f"{path} is not a file.", "Give the review.csv that a report has saved.")
    read = read_table(path, _delimiter(path), None)
    missing = [name for name in COLUMNS if name not in read.column_names]
    if missing:
        raise InputError(
            f"{path} lacks the columns {', '.join(missing)}.",
            "Give the review.csv that a report has saved; columns may be added, not taken away.",
        )
    # Labels may begin or end with blanks; the other cells have no use for them.
    exact = ("file_name", "given_label", "final_label")
    columns = {}
    if SAMPLE not in read.column_names:
        read = read.append_column(SAMPLE, pa.array([""] * len(read), pa.string()))
    for name in (*COLUMNS, SAMPLE):
        cells = pc.replace_substring_regex(read[name].combine_chunks(), _GUARDED, r"\1")
        columns[name] = cells if name in exact else pc.utf8_trim_whitespace(cells)
    return pa.RecordBatch.from_pydict(columns)


def _delimiter(path: Path) -> str:
    """The separator of the first line: spreadsheets write semicolons in half of the world."""
    with path.open("rb") as file:
        first = file.readline(4096)
    return max((",", ";", "\t"), key=lambda mark: first.count(mark.encode()))


def _places(
    lines: pa.RecordBatch, scores: ScoreTable
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Where each line's row stands in the table, 0 where nowhere; and whether it is that row."""
    number = _true(pc.match_substring_regex(lines["row"], r"^\d{1,15}$"))
    rows = pc.if_else(pa.array(number), lines["row"], "-1").cast(pa.int64())
    found = pc.index_in(rows, value_set=scores.table["row"].combine_chunks())
    places = pc.fill_null(found, 0).to_numpy().astype(np.int64)
    at = pa.array(places)
    matched = ~_true(pc.is_null(found))
    for name in ("content_sha256", "given_label"):
        recorded = pc.fill_null(scores.table[name].combine_chunks().take(at), "")
        matched &= _true(pc.equal(lines[name], recorded))
    return places, matched


def _refuse_foreign(
    path: Path, table: Path, lines: pa.RecordBatch, matched: NDArray[np.bool_]
) -> None:
    if matched.all():
        return
    wrong = np.flatnonzero(~matched)
    names = few(lines["file_name"].take(pa.array(wrong[:4])).to_pylist(), _LINES_SHOWN)
    raise InputError(
        f"{path} was not made from {table}: {len(wrong):,} of its {len(lines):,} lines are about "
        f"other rows, pictures or given labels ({_at(wrong)}: {names}).",
        "Give the table that the report was made from, or one that select or review made of it.",
    )


def _refuse_problems(
    path: Path, kinds: dict[str, tuple[NDArray[np.bool_], pa.Array | None]]
) -> None:
    problems = []
    for what, (flags, values) in kinds.items():
        wrong = np.flatnonzero(flags)
        if not len(wrong):
            continue
        shown = ""
        if values is not None:
            distinct = pc.unique(values.take(pa.array(wrong))).to_pylist()
            shown = f": {few([repr(value) for value in distinct], _LINES_SHOWN)}"
        problems.append(f"{what} ({_at(wrong)}{shown})")
    if problems:
        raise InputError(
            f"{path}: {'; '.join(problems)}.", "Correct these lines, or decide again in the report."
        )


def _at(wrong: NDArray[np.int64]) -> str:
    """The numbers of lines, the names of the columns being line 1."""
    word = "line" if len(wrong) == 1 else "lines"
    return f"{word} {few([str(index + 2) for index in wrong.tolist()], _LINES_SHOWN)}"


def _last_of_each(places: NDArray[np.int64]) -> NDArray[np.int64]:
    """The last line about each row, in the order of the rows."""
    _, from_behind = np.unique(places[::-1], return_index=True)
    last: NDArray[np.int64] = len(places) - 1 - from_behind
    return last


def _or_null(texts: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(texts, ""), None, texts)


def _true(flags: pa.Array) -> NDArray[np.bool_]:
    """(n,) bool, false where null."""
    found: NDArray[np.bool_] = pc.fill_null(flags, False).to_numpy(zero_copy_only=False)
    return found
