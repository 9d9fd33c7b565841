"""A file with decisions, whatever has written it, to lines that `review_file` checks.

What it is, is seen by its content: review.csv of a report; Label Studio's JSON, JSON-MIN or CSV;
FiftyOne's samples.json, or the folder with it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from deftclean.core.errors import InputError
from deftclean.core.tables import read_table
from deftclean.core.text import parsed_json
from deftclean.reports import fiftyone_samples, label_studio
from deftclean.reports.answers import COLUMNS, Lines, Tool, lines_of
from deftclean.table.reviewed import FINAL
from deftclean.table.scores import ScoreTable

SAMPLE = "audit_sample"
"""A further column, where the report is an audit."""

REPORT = Tool("line", "the report", "Decide in the report, then save again.", "report was made")

_KNOWN = (
    "Give the review.csv that a report has saved, an export of Label Studio (JSON, JSON-MIN or "
    "CSV) or FiftyOne's samples.json, of what deftclean export has made."
)
# The page puts an apostrophe before what a spreadsheet would take for a formula.
_GUARDED = r"^'('*[=+\-@\t\r])"


def read_lines(path: Path, scores: ScoreTable) -> Lines:
    """Read what people decided.

    Args:
        path: the file; a folder that holds FiftyOne's samples.json stands for that.
        scores: the table, by which FiftyOne's changed labels are told from old ones.

    Raises:
        InputError: it cannot be read, or is none of what is known.
    """
    if path.is_dir() and (path / fiftyone_samples.SAMPLES).is_file():
        path = path / fiftyone_samples.SAMPLES
    if not path.is_file():
        raise InputError(f"{path} is not a file.", _KNOWN)
    try:
        if _is_json(path):
            return _of_json(path, scores)
        read = read_table(path, _delimiter(path), None)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    if label_studio.ANNOTATION in read.column_names and "decision" not in read.column_names:
        records = [
            {**record, "id": record.get("id") or str(at)}
            for at, record in enumerate(read.to_pylist(), 1)
        ]
        return lines_of(*label_studio.of_records(records), label_studio.TOOL, SAMPLE)
    return _of_report(path, read)


def _of_json(path: Path, scores: ScoreTable) -> Lines:
    try:
        said = parsed_json(path.read_bytes().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON document: {str(error)[:120]}.", _KNOWN) from error
    if isinstance(said, Mapping) and isinstance(said.get("samples"), list):
        samples = _objects(path, said["samples"])
        found = fiftyone_samples.of_samples(samples, _of_table(scores))
        return lines_of(*found, fiftyone_samples.TOOL, SAMPLE)
    tasks = _objects(path, said)
    if all(label_studio.ANNOTATION in task for task in tasks):
        return lines_of(*label_studio.of_records(tasks), label_studio.TOOL, SAMPLE)
    if all("data" in task for task in tasks):
        return lines_of(*label_studio.of_tasks(tasks), label_studio.TOOL, SAMPLE)
    raise InputError(f"{path} is JSON, but neither tasks with `data` nor samples.", _KNOWN)


def _objects(path: Path, said: Any) -> list[Mapping[str, Any]]:
    if not isinstance(said, list) or not all(isinstance(each, Mapping) for each in said):
        raise InputError(f"{path} is JSON, but no list of tasks or samples.", _KNOWN)
    return said


def _of_table(scores: ScoreTable) -> dict[str, tuple[str | None, str | None]]:
    """By row: its given and its final label, null where it was not reviewed."""
    table = scores.table
    final = table[FINAL] if FINAL in table.column_names else pa.nulls(len(table), pa.string())
    labels = zip(table["given_label"].to_pylist(), final.to_pylist(), strict=True)
    return dict(zip(map(str, table["row"].to_pylist()), labels, strict=True))


def _is_json(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(256).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"[", b"{")


def _of_report(path: Path, read: pa.Table) -> Lines:
    """The columns as text, blanks around cells gone, guarded cells as they were."""
    missing = [name for name in COLUMNS if name not in read.column_names]
    if missing:
        raise InputError(
            f"{path} lacks the columns {', '.join(missing)}.",
            f"{_KNOWN} Columns may be added, not taken away.",
        )
    # Labels may begin or end with blanks; the other cells have no use for them.
    exact = ("file_name", "given_label", "final_label")
    columns = {}
    if SAMPLE not in read.column_names:
        read = read.append_column(SAMPLE, pa.array([""] * len(read), pa.string()))
    for name in (*COLUMNS, SAMPLE):
        cells = pc.replace_substring_regex(read[name].combine_chunks(), _GUARDED, r"\1")
        columns[name] = cells if name in exact else pc.utf8_trim_whitespace(cells)
    # The names of the columns are line 1.
    at = [str(index + 2) for index in range(len(read))]
    return Lines(pa.RecordBatch.from_pydict(columns), at, [None] * len(at), REPORT)


def _delimiter(path: Path) -> str:
    """The separator of the first line: spreadsheets write semicolons in half of the world."""
    with path.open("rb") as file:
        first = file.readline(4096)
    return max((",", ";", "\t"), key=lambda mark: first.count(mark.encode()))
