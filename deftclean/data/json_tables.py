"""A JSON file as a table: rows, pairs, columns, a map from file to label, or another tool's export.

Told apart by what is in it; the tools' formats have files of their own.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from deftclean.core.csv_text import encoding_advice
from deftclean.core.errors import InputError
from deftclean.core.tables import (
    DEEPEST,
    refuse_double,
    refuse_endless,
    table_of_objects,
    too_deep,
)
from deftclean.core.text import DoubledNameError, few, unambiguous_json
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
    rows = _rows(path, parsed)
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
        return unambiguous_json(text)
    except UnicodeDecodeError as error:
        hint = encoding_advice(error.object) if encoding is None else f"Is it text in {encoding}?"
        raise InputError(f"{path} cannot be read: {error}.", hint) from error
    except DoubledNameError as error:
        raise InputError(f"{path}: {error}.", "Of such the last alone would be read.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{path} cannot be read: {error}.", "Is the file whole, and JSON?"
        ) from error


def _refuse_deep(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    found = [f"row {at}: {deep}" for at, row in enumerate(rows) if (deep := too_deep(dict(row)))]
    if found:
        raise InputError(
            f"{path}: {'; '.join(found[:_SHOWN])} nested more than {DEEPEST} deep.",
            "Leave such columns out.",
        )


# ---------------------------------------------------------------- shapes


def _rows(path: Path, parsed: Any) -> list[dict[str, Any]]:
    """A row for each picture, from any of the shapes in which people write them; none in others.

    Raises:
        InputError: columns have the same name, or rows are of another length.
    """
    if isinstance(parsed, list):
        return _of_list(parsed)
    if not isinstance(parsed, dict) or not parsed:
        return []
    inner = next((parsed[name] for name in ("data", "labels", "rows") if name in parsed), None)
    columns = parsed.get("columns")
    if isinstance(columns, list) and isinstance(inner, list):  # pandas, orient="split"
        return _of_columns(path, columns, inner)
    if isinstance(inner, list) and (found := _of_list(inner)):
        return found
    values = list(parsed.values())
    if all(isinstance(each, str | int) for each in values):
        return [{"file_name": name, "label": label} for name, label in parsed.items()]
    if all(isinstance(each, list) and len(each) == len(values[0]) for each in values):
        return [dict(zip(parsed, row, strict=True)) for row in zip(*values, strict=True)]
    if all(isinstance(each, dict) and each.keys() == values[0].keys() for each in values):
        # pandas, orient="columns"
        return [{name: column[key] for name, column in parsed.items()} for key in values[0]]
    return []


def _of_columns(
    path: Path, columns: Sequence[Any], rows: Sequence[Sequence[Any]]
) -> list[dict[str, Any]]:
    names = list(map(str, columns))
    refuse_double(path, names)
    bad = [str(at) for at, row in enumerate(rows) if not _is_row(row, len(names))]
    if bad:
        raise InputError(
            f"{path}: {len(bad):,} of {len(rows):,} rows are no list of {len(names):,} values, "
            f"one for each column (row {few(bad)}, from 0).",
            f"Its columns are {few(names, 12)}.",
        )
    return [dict(zip(names, row, strict=True)) for row in rows]


def _is_row(row: Any, size: int) -> bool:
    return isinstance(row, list | tuple) and len(row) == size


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
