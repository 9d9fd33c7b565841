"""Cells that hold several labels, which one class per picture does not allow: seen by evidence.

A class may be called "crane, bird": a separator alone says nothing. What says something is that the
parts of a cell are labels of other rows, or that they stand in many cells in any order.
"""

import ast
import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from deftclean.core.errors import InputError

_SEPARATORS = ("|", ";", ",", "/", "+", "&")
_LONGEST = 4096  # letters of a cell that is looked at as a list
_FEWEST = 3  # labels of many parts, of which none stands alone


def refuse_several(path: Path, name: str, values: pa.Array | pa.ChunkedArray) -> None:
    """Refuse cells whose parts are labels themselves.

    Args:
        path: the table, for messages.
        name: of the column.
        values: (N,) labels as they are written.

    Raises:
        InputError: rows have several labels; how many, and which.
    """
    if _is_text(values.type):
        labels = _counts(values)
        if several := _several(labels):
            raise _refusal(path, name, {text: labels[text] for text in several})


def out_of_lists(
    path: Path, name: str, values: pa.Array | pa.ChunkedArray
) -> tuple[pa.Array | pa.ChunkedArray, tuple[str, ...]]:
    """Labels that stand in lists of one: as Arrow has lists, or as JSON and Python write them.

    Args:
        path, name, values: as `refuse_several`.

    Returns:
        (N,) labels, and what a user should know.

    Raises:
        InputError: lists hold several; how many, and which.
    """
    kind = values.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _of_lists(path, name, values)
    labels = _counts(values) if _is_text(kind) else {}
    lists = {text: _as_list(text) for text in labels} if _look_like_lists(labels) else {}
    if not lists or any(found is None for found in lists.values()):
        return values, ()
    return _of_texts(path, name, values, labels, lists)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _counts(values: pa.Array | pa.ChunkedArray) -> dict[str, int]:
    found = pc.value_counts(values.drop_null()).to_pylist()
    return {each["values"]: each["counts"] for each in found if each["values"].strip()}


def _refusal(path: Path, name: str, counts: Mapping[str, int]) -> InputError:
    shown = Counter(counts).most_common(3)
    listed = ", ".join(f"{text!r} ({rows:,} rows)" for text, rows in shown)
    return InputError(
        f"{path}: {sum(counts.values()):,} rows have several labels in column {name!r}: {listed}"
        f"{' and more' if len(counts) > len(shown) else ''}.",
        "One class per picture is needed: leave these rows out, or give each its main label. If "
        "these are classes of their own, list all classes, a line each: --class-names names.txt",
    )


# ---------------------------------------------------------------- parts


def _several(labels: Mapping[str, int]) -> list[str]:
    """The labels that are several, if there is evidence of that."""
    found: list[str] = []
    for separator in _SEPARATORS:
        parts = {
            text: pieces
            for text in labels
            if separator in text and all(pieces := [p.strip() for p in text.split(separator)])
        }
        found += [text for text, pieces in parts.items() if all(p in labels for p in pieces)]
        if _in_any_order(parts) and 2 * len(parts) >= len(labels):
            found += parts
    return list(dict.fromkeys(found))


def _in_any_order(parts: Mapping[str, list[str]]) -> bool:
    """Whether the same parts stand in many labels, at other places: not so in a hierarchy."""
    if len(parts) < _FEWEST:
        return False
    places: defaultdict[str, list[int]] = defaultdict(list)
    for pieces in parts.values():
        for place, piece in enumerate(pieces):
            places[piece].append(place)
    often = sum(len(each) > 1 for each in places.values())
    return 2 * often >= len(places) and any(len(set(each)) > 1 for each in places.values())


# ---------------------------------------------------------------- lists


def _of_lists(
    path: Path, name: str, values: pa.Array | pa.ChunkedArray
) -> tuple[pa.Array, tuple[str, ...]]:
    values = _one_array(values)
    sizes = pc.list_value_length(values)
    several = values.filter(pc.fill_null(pc.greater(sizes, 1), False))
    if len(several):
        raise _refusal(
            path, name, Counter(json.dumps(each, default=str) for each in several.to_pylist())
        )
    none = pa.nulls(len(values), values.type.value_type)
    filled = pc.fill_null(pc.equal(sizes, 1), False)
    return pc.replace_with_mask(none, filled, pc.list_flatten(values)), _said(name)


def _of_texts(
    path: Path,
    name: str,
    values: pa.Array | pa.ChunkedArray,
    labels: Mapping[str, int],
    lists: Mapping[str, list[str] | None],
) -> tuple[pa.Array, tuple[str, ...]]:
    several = {text: labels[text] for text, found in lists.items() if found and len(found) > 1}
    if several:
        raise _refusal(path, name, several)
    coded = _one_array(values).cast(pa.string()).dictionary_encode()
    inner = [next(iter(lists.get(text) or ()), None) for text in coded.dictionary.to_pylist()]
    return pa.array(inner, pa.string()).take(coded.indices), _said(name)


def _one_array(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def _said(name: str) -> tuple[str, ...]:
    return (f"column {name} holds lists of one label each, read as labels",)


def _look_like_lists(labels: Mapping[str, int]) -> bool:
    return bool(labels) and all(
        text.strip().startswith("[") and text.strip().endswith("]") and len(text) < _LONGEST
        for text in labels
    )


def _as_list(text: str) -> list[str] | None:
    """`["cat"]` as JSON or as Python writes it; None where it is something else."""
    for parse in (json.loads, ast.literal_eval):
        try:
            found = parse(text.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(found, list) and all(isinstance(each, str | int) for each in found):
            return [str(each) for each in found]
    return None
