"""What people decided, in a report or another tool, to checked decisions about a table's rows.

Written by a browser or by other software, perhaps changed in a spreadsheet: everything in it is
checked, and all that is wrong is told together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.core.errors import InputError
from deftclean.core.text import few
from deftclean.reports.answers import COLUMNS as COLUMNS
from deftclean.reports.answers import Lines
from deftclean.reports.review_lines import SAMPLE as SAMPLE
from deftclean.reports.review_lines import read_lines
from deftclean.table.audit import wrong_marks
from deftclean.table.reviewed import FINAL, Decisions, is_reviewed
from deftclean.table.scores import ScoreTable

_LINES_SHOWN = 3
_NEW = "one that is meant to be new: --new-class NAME"


@dataclass(frozen=True)
class ReviewFile:
    """What a review says about a table.

    Attributes:
        decisions: about the table's rows.
        repeated: how many lines a later line about the same row has replaced.
        undecided: tasks or samples of another tool that nobody has decided about.
    """

    decisions: Decisions
    repeated: int
    undecided: int


def known_labels(scores: ScoreTable) -> list[str]:
    """Labels that a row may be given: the classes, then those given or decided on, by name."""
    classes = [str(name) for name in scores.metadata.get("class_names", [])]
    usable = pc.equal(scores.table["status"], "ok")
    given = pc.unique(scores.table["given_label"].filter(usable)).drop_null().to_pylist()
    if is_reviewed(scores):
        given += pc.unique(scores.table[FINAL]).drop_null().to_pylist()
    return [*classes, *sorted(set(given) - set(classes))]


def read_review(
    path: Path, scores: ScoreTable, table: Path, new_classes: Sequence[str] = ()
) -> ReviewFile:
    """Read what people decided and compare it with the table.

    In review.csv, commas, semicolons and tabs are recognised as separators. A line belongs to the
    row of its number if content hash and given label are the row's, and in an answer of another
    tool the file name. Of several lines about one row the last counts.

    Args:
        path: the file, of a report, Label Studio or FiftyOne.
        scores: the table.
        table: its file, for messages.
        new_classes: labels that rows may be given too, though no row has them yet.

    Raises:
        InputError: it cannot be read, is of another table, or says what cannot be; all together.
    """
    read = read_lines(path, scores)
    lines = read.cells
    if not len(lines):
        raise InputError(f"{path} holds no decision.", read.tool.how)
    places, matched = _places(read, scores)
    _refuse_foreign(path, table, read, matched)
    given = scores.table["given_label"].combine_chunks().take(pa.array(places))
    status = scores.table["status"].combine_chunks().take(pa.array(places))
    decisions = pc.utf8_lower(lines["decision"])
    labels = lines["final_label"]
    samples = _or_null(lines[SAMPLE])
    empty = _true(pc.equal(labels, ""))
    relabel, drop = (_true(pc.equal(decisions, name)) for name in ("relabel", "drop"))
    keep = _true(pc.equal(decisions, "keep"))
    own = empty | _true(pc.equal(labels, given))
    known = _true(
        pc.is_in(labels, value_set=pa.array([*known_labels(scores), *new_classes], pa.string()))
    )
    reasons = pa.array(read.wrong, pa.string())
    _refuse_problems(
        path,
        read,
        {
            **{
                str(why): (_true(pc.equal(reasons, why)), None)
                for why in dict.fromkeys(read.wrong)
                if why is not None
            },
            "the decision is none of keep, relabel, drop": (~(keep | relabel | drop), decisions),
            "the row was not scored, so there is nothing to decide": (
                ~_true(pc.equal(status, "ok")),
                status,
            ),
            "relabel without a final_label": (relabel & empty, None),
            f"final_label is no class of the table ({_NEW})": (relabel & ~empty & ~known, labels),
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
    return ReviewFile(made, len(lines) - len(last), read.undecided)


def _places(read: Lines, scores: ScoreTable) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Where each line's row stands in the table, 0 where nowhere; and whether it is that row."""
    lines = read.cells
    number = _true(pc.match_substring_regex(lines["row"], r"^\d{1,15}$"))
    rows = pc.if_else(pa.array(number), lines["row"], "-1").cast(pa.int64())
    found = pc.index_in(rows, value_set=scores.table["row"].combine_chunks())
    places = pc.fill_null(found, 0).to_numpy().astype(np.int64)
    at = pa.array(places)
    matched = ~_true(pc.is_null(found))
    for name in ("content_sha256", "given_label", *(("file_name",) if read.by_name else ())):
        recorded = pc.fill_null(scores.table[name].combine_chunks().take(at), "")
        matched &= _true(pc.fill_null(pc.equal(lines[name], recorded), True))  # null: not known
    return places, matched


def _refuse_foreign(path: Path, table: Path, read: Lines, matched: NDArray[np.bool_]) -> None:
    if matched.all():
        return
    wrong = np.flatnonzero(~matched)
    names = few(read.cells["file_name"].take(pa.array(wrong[:4])).to_pylist(), _LINES_SHOWN)
    raise InputError(
        f"{path} was not made from {table}: {len(wrong):,} of its {len(matched):,} "
        f"{read.tool.unit}s are about other rows, pictures or given labels "
        f"({_at(wrong, read)}: {names}).",
        f"Give the table that the {read.tool.made} from, or one that select or review made of it.",
    )


def _refuse_problems(
    path: Path, read: Lines, kinds: dict[str, tuple[NDArray[np.bool_], pa.Array | None]]
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
        problems.append(f"{what} ({_at(wrong, read)}{shown})")
    if problems:
        raise InputError(
            f"{path}: {'; '.join(problems)}.",
            f"Correct these {read.tool.unit}s, or decide again in {read.tool.home}.",
        )


def _at(wrong: NDArray[np.int64], read: Lines) -> str:
    """The numbers of lines, tasks or samples."""
    word = read.tool.unit if len(wrong) == 1 else f"{read.tool.unit}s"
    return f"{word} {few([read.at[index] for index in wrong.tolist()], _LINES_SHOWN)}"


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
