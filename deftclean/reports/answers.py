"""What people answered about rows, whatever tool they answered in, as lines for `review_file`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

COLUMNS = (
    "row", "file_name", "content_sha256", "given_label", "decision", "final_label", "reviewer",
    "reviewed_at",
)  # fmt: skip

TWO_WAYS = "people have answered in different ways"


@dataclass(frozen=True)
class Tool:
    """Where people answered, as messages say it.

    Attributes:
        unit: what one answer stands in: line, task, sample.
        home: where to correct it.
        how: what to do where nothing is answered.
        made: what the answers belong to, from the table.
    """

    unit: str
    home: str
    how: str
    made: str


@dataclass(frozen=True)
class Answer:
    """One answer about one row.

    Attributes:
        at: number of its unit, as the tool shows it.
        row: number of the row.
        file_name: of its picture.
        content_sha256, given_label: as the tool was told them; None where it was not.
        decision: `keep`, `relabel` or `drop`.
        label: the label that was chosen; empty for none.
        reviewer, time: None where unknown.
        wrong: why the answer is none; None where it is one.
    """

    at: str
    row: str
    file_name: str
    content_sha256: str | None
    given_label: str | None
    decision: str
    label: str
    reviewer: str | None = None
    time: str | None = None
    wrong: str | None = None


@dataclass(frozen=True)
class Lines:
    """n answers that are to be compared with a table.

    Attributes:
        cells: (n,) of `COLUMNS` and `audit_sample`, text; null in `content_sha256` and
            `given_label` where that is not known.
        at: (n,) numbers, as messages name them.
        wrong: (n,) why an answer is none; None where it is one.
        tool: where they come from.
        undecided: units without an answer.
        by_name: whether a file name must be the row's: tools are told no hash of old exports.
    """

    cells: pa.RecordBatch
    at: Sequence[str]
    wrong: Sequence[str | None]
    tool: Tool
    undecided: int = 0
    by_name: bool = False


def lines_of(answers: Sequence[Answer], undecided: int, tool: Tool, sample: str) -> Lines:
    """Answers of another tool; those about one row that differ are none.

    Args:
        answers: in the order of the file.
        undecided: units without an answer.
        tool: where they come from.
        sample: name of the column of random samples, which other tools know nothing of.
    """
    said: dict[str, set[tuple[str, str]]] = {}
    for each in answers:
        said.setdefault(each.row, set()).add((each.decision, each.label))
    columns: dict[str, list[str | None]] = {
        "row": [each.row for each in answers],
        "file_name": [each.file_name for each in answers],
        "content_sha256": [each.content_sha256 for each in answers],
        "given_label": [each.given_label for each in answers],
        "decision": [each.decision for each in answers],
        "final_label": [each.label for each in answers],
        "reviewer": [each.reviewer or "" for each in answers],
        "reviewed_at": [each.time or "" for each in answers],
        sample: [""] * len(answers),
    }
    return Lines(
        pa.RecordBatch.from_pydict({k: pa.array(v, pa.string()) for k, v in columns.items()}),
        [each.at for each in answers],
        [each.wrong or (TWO_WAYS if len(said[each.row]) > 1 else None) for each in answers],
        tool,
        undecided,
        by_name=True,
    )


def text_of(values: Mapping[str, Any], name: str) -> str | None:
    """A value as text: 7, "7" and MongoDB's {"$numberLong": "7"} are the same; None for none."""
    value = values.get(name)
    if isinstance(value, Mapping) and len(value) == 1:
        (value,) = value.values()
    if value is None or isinstance(value, bool | float | list | Mapping) or value == "":
        return None
    return str(value)


def list_of(values: Mapping[str, Any], name: str) -> list[Any]:
    """A value that should be a list; empty where it is none."""
    value = values.get(name)
    return list(value) if isinstance(value, list) else []
