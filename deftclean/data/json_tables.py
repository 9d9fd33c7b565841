"""A JSON file as a table: rows, pairs, columns, a map from file to label, or another tool's export.

Told apart by what is in it; the tools' formats have files of their own.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from deftclean.core.csv_text import encoding_advice
from deftclean.core.errors import InputError
from deftclean.core.tables import (
    DEEPEST,
    json_of_names,
    refuse_endless,
    table_of_objects,
    too_deep,
)
from deftclean.data.coco import coco_table
from deftclean.data.label_studio import annotated_tasks, annotation_rows

_SHOWN = 5  # bad rows that are named


def json_table(
    path: Path, encoding: str | None, label_column: str | None
) -> tuple[pa.Table, str | None, str | None, tuple[str, ...]]:
    """All rows of a JSON file.

    Args:
        path: the file.
        encoding: of it; None for UTF-8.
        label_column: as the user names it; in Label Studio's export, the name of the choices.

    Returns:
        N rows, the columns of file names and labels where the format says them, and notes.

    Raises:
        InputError: it is no JSON, or holds no rows.
    """
    parsed = _parsed(path, encoding)
    if isinstance(parsed, dict):
        found = coco_table(path, parsed)
        if found is not None:
            return found
    rows = _rows(parsed)
    if not rows:
        raise InputError(
            f"{path}: no rows were recognised in it.",
            'Write a list of objects: [{"file_name": "cat/a.jpg", "label": "cat"}, ...]',
        )
    tasks = annotated_tasks(path, rows, label_column)
    if tasks is not None:
        return tasks
    _refuse_deep(path, rows)
    table = table_of_objects(path, rows)
    return annotation_rows(table, label_column) or (table, None, None, ())


def _parsed(path: Path, encoding: str | None) -> Any:
    try:
        refuse_endless(path, ".json")
        text = path.read_text(encoding=encoding or "utf-8-sig")
        parsed, twice = json_of_names(text)
    except UnicodeDecodeError as error:
        hint = encoding_advice(error.object) if encoding is None else f"Is it text in {encoding}?"
        raise InputError(f"{path} cannot be read: {error}.", hint) from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{path} cannot be read: {error}.", "Is the file whole, and JSON?"
        ) from error
    if twice is not None:
        raise InputError(
            f"{path}: an object names {twice!r} twice.", "Of such the last alone would be read."
        )
    return parsed


def _refuse_deep(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    found = [f"row {at}: {deep}" for at, row in enumerate(rows) if (deep := too_deep(dict(row)))]
    if found:
        raise InputError(
            f"{path}: {'; '.join(found[:_SHOWN])} nested more than {DEEPEST} deep.",
            "Leave such columns out.",
        )


# ---------------------------------------------------------------- shapes


def _rows(parsed: Any) -> list[dict[str, Any]]:
    """A row for each picture, from any of the shapes in which people write them; none in others."""
    if isinstance(parsed, list):
        return _of_list(parsed)
    if not isinstance(parsed, dict) or not parsed:
        return []
    inner = next((parsed[name] for name in ("data", "labels", "rows") if name in parsed), None)
    columns = parsed.get("columns")
    if isinstance(columns, list) and isinstance(inner, list):  # pandas, orient="split"
        return _of_columns(columns, inner)
    if isinstance(inner, list) and (found := _of_list(inner)):
        return found
    values = list(parsed.values())
    if all(isinstance(each, str | int) for each in values):
        return [{"file_name": name, "label": label} for name, label in parsed.items()]
    if all(isinstance(each, list) and len(each) == len(values[0]) for each in values):
        return _of_columns(list(parsed), zip(*values, strict=True))
    if all(isinstance(each, dict) and each.keys() == values[0].keys() for each in values):
        by_row = [[each[key] for each in values] for key in values[0]]  # pandas, orient="columns"
        return _of_columns(list(parsed), by_row)
    return []


def _of_columns(names: Sequence[Any], rows: Iterable[Sequence[Any]]) -> list[dict[str, Any]]:
    cells = [row for row in rows if isinstance(row, list | tuple) and len(row) == len(names)]
    return [dict(zip(map(str, names), row, strict=True)) for row in cells]


def _of_list(items: list[Any]) -> list[dict[str, Any]]:
    if all(isinstance(each, dict) for each in items):
        return items
    if all(_is_pair(each) for each in items):
        return [{"file_name": name, "label": label} for name, label in items]
    return []


def _is_pair(item: Any) -> bool:
    return (
        isinstance(item, list)
        and len(item) == 2
        and isinstance(item[0], str)
        and isinstance(item[1], str | int | None)
    )
