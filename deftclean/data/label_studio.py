"""Label Studio's exports: tasks with annotations (JSON), or a row an annotation (CSV, JSON-MIN).

The choice is the label. Tasks that `deftclean export` wrote come back by their `file_name`.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pyarrow as pa

from deftclean.core.errors import InputError
from deftclean.core.tables import table_of_objects
from deftclean.core.text import few
from deftclean.data.votes import AGREEMENT, majority
from deftclean.table.reviewed import FINAL
from deftclean.table.scores import SCORE_COLUMNS

_OURS = (*SCORE_COLUMNS, FINAL)
_MARKS = {"annotation_id", "lead_time"}
"""Columns that stand in every table of Label Studio's, and hardly in another."""

_THEIRS = ("id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", AGREEMENT)
_UPLOAD = re.compile(r"^/?data/upload/(\d+/)?([0-9a-f]{8}-)?")

Found = tuple[pa.Table, str | None, str | None, tuple[str, ...]]


def annotated_tasks(
    path: Path, rows: Sequence[Mapping[str, Any]], label_column: str | None
) -> Found | None:
    """A row for each task: `file_name`, `label`, and the task's own data; None of other objects.

    Args:
        path: the file, for messages.
        rows: the objects in it.
        label_column: the name of the choices that are the labels, where there are several.

    Raises:
        InputError: there are no choices, several kinds of them, or several in one answer.
    """
    if not all(isinstance(r.get("data"), dict) and _has_answers(r) for r in rows):
        return None
    answers = [list(_answers(row)) for row in rows]
    kinds = Counter(kind for task in answers for kind, _ in task)
    wanted = label_column or next(iter(kinds), None)
    if wanted not in kinds or (label_column is None and len(kinds) > 1):
        raise _no_choices(path, list(kinds))
    votes = [[choices for kind, choices in task if kind == wanted] for task in answers]
    _refuse_several(path, votes)
    flat = [(at, each[0]) for at, task in enumerate(votes) for each in task if each]
    table = table_of_objects(path, [_data(row["data"]) for row in rows])
    return _voted(table, str(wanted), flat, len(rows))


def _voted(table: pa.Table, name: str, votes: list[tuple[int, str]], count: int) -> Found:
    """The table with the label of each task under the name of its choices."""
    told = majority(
        np.array([at for at, _ in votes], np.int64), pa.array([v for _, v in votes], pa.string())
    )
    places = pa.array(np.searchsorted(told.rows, np.arange(count)))
    there = np.isin(np.arange(count), told.rows)
    none = pa.array(np.where(there, np.asarray(places), 0), mask=~there)
    table = table.drop_columns([n for n in (name, AGREEMENT) if n in table.column_names])
    table = table.append_column(name, told.labels.take(none))
    notes = [f"Label Studio: {count:,} tasks, {len(votes):,} annotations"]
    if bare := int((~there).sum()):
        notes[0] += f"; {bare:,} tasks without one have no label"
    if len(votes) > len(told.rows):
        table = table.append_column(AGREEMENT, told.agreement.take(none))
        notes.append(told.note("the annotators of a task"))
    return table, "file_name", name, tuple(notes)


def _has_answers(row: Mapping[str, Any]) -> bool:
    return any(isinstance(row.get(name), list) for name in ("annotations", "completions"))


def _answers(row: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Name of the choices and what was chosen, of every answer that was not cancelled."""
    for answer in row.get("annotations") or row.get("completions") or ():
        if not isinstance(answer, dict) or answer.get("was_cancelled"):
            continue
        for result in answer.get("result") or ():
            value = result.get("value") if isinstance(result, dict) else None
            chosen = value.get("choices") if isinstance(value, dict) else None
            if isinstance(chosen, list) and chosen:
                yield str(result.get("from_name")), [str(each) for each in chosen]


def _no_choices(path: Path, kinds: list[str]) -> InputError:
    if kinds:
        return InputError(
            f"{path}: Label Studio's tasks hold the choices {few(kinds)}.",
            f"Say which are the labels: --label-column {kinds[0]}",
        )
    return InputError(
        f"{path}: Label Studio's tasks hold no choices.",
        "Export tasks that have been annotated with choices, one for each picture.",
    )


def _refuse_several(path: Path, votes: Sequence[Sequence[list[str]]]) -> None:
    several = [each for task in votes for each in task if len(each) > 1]
    if several:
        raise InputError(
            f"{path}: {len(several):,} annotations choose several labels, as {few(several[0])}.",
            "One class per picture is needed: leave these tasks out, or choose one label there.",
        )


def _data(data: Mapping[str, Any]) -> dict[str, Any]:
    """A task's data with `file_name` first, without what we have written there ourselves."""
    named = data.get("file_name")
    if not isinstance(named, str):
        texts = {name: value for name, value in data.items() if isinstance(value, str)}
        key = "image" if "image" in texts else next(iter(texts), "")
        named = picture_name(texts.get(key, ""))
    rest = {n: v for n, v in data.items() if n not in _OURS and n != "image"}
    return {"file_name": named, **rest}


def picture_name(address: str) -> str:
    """The file that an address of Label Studio's is about, as far as the address says.

    Of files that it serves, the path below its document root; of uploads, the name before the
    upload; of others, the path.
    """
    _, served, place = address.partition("/data/local-files/?d=")
    if served:
        return unquote(place)
    if uploaded := _UPLOAD.match(address):
        return unquote(address[uploaded.end() :])
    parts = urlsplit(address)
    return unquote(parts.path).lstrip("/") if parts.scheme and parts.netloc else address


# ---------------------------------------------------------------- a row an annotation


def annotation_rows(table: pa.Table, label_column: str | None) -> Found | None:
    """The same of Label Studio's tables; None of other tables.

    Args:
        table: N rows.
        label_column: as the user names it.
    """
    names = table.column_names
    if not set(names) >= _MARKS:
        return None
    file = "file_name" if "file_name" in names else "image" if "image" in names else None
    wanted = {file, label_column}  # a choice may be called as a column of ours
    kept = [n for n in names if n in wanted or (n not in _OURS and n != "image")]
    table = table.select(kept)
    if file == "image":
        found = [None if v is None else picture_name(v) for v in table["image"].to_pylist()]
        table = table.set_column(kept.index(file), file, pa.array(found, pa.string()))
    others = [name for name in kept if name not in (*_THEIRS, file)]
    usual = [name for name in ("label", "choice") if name in others]
    label = label_column or next(iter([*usual, *(others if len(others) == 1 else [])]), None)
    if label in kept:
        column = _out_of_choices(table[label])
        table = table.set_column(kept.index(label), label, column)
    note = f"Label Studio: {len(table):,} annotations"
    return table, file, label, (note,)


def _out_of_choices(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """`{"choices": ["cat", "dog"]}` as the list in it; one choice is written as plain text."""
    if not pa.types.is_string(values.type):
        return values
    texts = values.to_pylist()
    if not any(text is not None and text.startswith('{"choices"') for text in texts):
        return values
    return pa.chunked_array([pa.array(map(_choices_in, texts), pa.list_(pa.string()))])


def _choices_in(text: str | None) -> list[str]:
    try:
        return [str(each) for each in json.loads(text or "")["choices"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        return [text] if text else []
