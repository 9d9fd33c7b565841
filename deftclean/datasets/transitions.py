"""Transition matrices: from class changes, or from a file. `matrix[true, noisy]`, rows sum to 1."""

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deftclean.core.errors import InputError, UsageError
from deftclean.core.files import read_text
from deftclean.core.text import few, named_once, unambiguous_json

Matrix = NDArray[np.float64]

_FORMS = (
    "A CSV file with class names in its first line and first column, a JSON object "
    '{"cat": {"cat": 0.8, "dog": 0.2}}, or K x K numbers in the order of the classes '
    "(.csv, .json, .npy)."
)
_TOLERANCE = 1e-3  # of a row's sum: three digits are what papers print


def changes_matrix(changes: Sequence[str], class_names: Sequence[str], ratio: float) -> Matrix:
    """Asymmetric noise, (K, K): each class named becomes one other class with chance `ratio`.

    Args:
        changes: `cat=dog`, or several such separated by commas.
        class_names: the K classes, in order.
        ratio: in [0, 1].

    Raises:
        UsageError: a change is not written so, names no class, or a class changes twice.
    """
    pairs = [_pair(part) for text in changes for part in _parts(text)]
    known = set(class_names)
    unknown = sorted({name for pair in pairs for name in pair if name not in known})
    twice = [old for old, count in Counter(old for old, _ in pairs).items() if count > 1]
    same = sorted({old for old, new in pairs if old == new})
    problems = []
    if unknown:
        problems.append(f"no classes: {few([repr(name) for name in unknown])}")
    if twice:
        problems.append(f"changed twice: {few([repr(name) for name in twice])}; use --transition")
    if same:
        problems.append(f"changed into themselves: {few([repr(name) for name in same])}")
    if problems:
        raise UsageError(
            f"--map: {'; '.join(problems)}.", f"The classes are {few(list(class_names), 12)}."
        )
    matrix = np.eye(len(class_names))
    place = {name: index for index, name in enumerate(class_names)}
    for old, new in pairs:
        matrix[place[old], place[old]] -= ratio
        matrix[place[old], place[new]] += ratio
    return matrix


def _parts(text: str) -> list[str]:
    parts = text.split(",")
    # A class name may hold a comma itself.
    return parts if all("=" in part for part in parts) else [text]


def _pair(text: str) -> tuple[str, str]:
    old, _, new = (part.strip() for part in text.partition("="))
    if not (old and new):
        raise UsageError(f"--map {text!r}: write it as CLASS=OTHER_CLASS.")
    return old, new


def read_transition(path: Path, class_names: Sequence[str]) -> Matrix:
    """A transition matrix, (K, K), from a file. Classes that it does not name stay as they are.

    Args:
        path: CSV, JSON or .npy (never unpickled).
        class_names: the K classes, in order.

    Raises:
        InputError: it cannot be read, or is no such matrix; all problems together.
    """
    try:
        found = _read(path)
        if isinstance(found, Mapping):
            matrix: Matrix = _by_name(path, found, class_names)
        else:
            matrix = np.array(found, dtype=np.float64)
    except (
        *(OSError, ValueError, TypeError, AttributeError),
        *(csv.Error, OverflowError, RecursionError),
    ) as error:
        raise InputError(f"--transition {path} cannot be read: {error}.", _FORMS) from error
    _check(path, matrix, class_names)
    matrix /= matrix.sum(axis=1, keepdims=True)
    return matrix


def _read(path: Path) -> Any:
    match path.suffix.lower():
        case ".npy":
            if not path.is_file():
                raise ValueError("it is not a regular file")
            return np.load(path, allow_pickle=False)
        case ".json":
            return unambiguous_json(read_text(path))
        case ".csv":
            lines = io.StringIO(read_text(path), newline="")
            rows = [row for row in csv.reader(lines, strict=True) if row]
            return _named_cells(rows) if rows and not _is_number(rows[0][-1]) else rows
    raise ValueError("its name ends neither in .csv nor in .json nor in .npy")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _named_cells(rows: list[list[str]]) -> dict[str, dict[str, str]]:
    head = rows[0][1:]
    return named_once(
        [(row[0], named_once(list(zip(head, row[1:], strict=True)))) for row in rows[1:]]
    )


def _by_name(
    path: Path, found: Mapping[str, Mapping[str, Any]], class_names: Sequence[str]
) -> Matrix:
    place = {name: index for index, name in enumerate(class_names)}
    named = {*found, *(name for row in found.values() for name in row)}
    if unknown := sorted(named - set(place)):
        raise InputError(
            f"--transition {path}: no classes: {few([repr(name) for name in unknown])}.",
            f"The classes are {few(list(class_names), 12)}.",
        )
    matrix = np.eye(len(class_names))
    for true, row in found.items():
        matrix[place[true]] = 0
        for noisy, chance in row.items():
            matrix[place[true], place[noisy]] = float(chance)
    return matrix


def _check(path: Path, matrix: Matrix, class_names: Sequence[str]) -> None:
    count = len(class_names)
    if matrix.shape != (count, count):
        shape = " x ".join(map(str, matrix.shape))
        raise InputError(
            f"--transition {path} is {shape}; with {count} classes it must be {count} x {count}.",
            _FORMS,
        )
    outside = ~((matrix >= 0) & (matrix <= 1)).all(axis=1)
    off = ~outside & (np.abs(matrix.sum(axis=1) - 1) > _TOLERANCE)
    problems = [
        f"{few([repr(class_names[row]) for row in np.flatnonzero(rows).tolist()])}: {what}"
        for rows, what in ((outside, "not all from 0 to 1"), (off, "the row does not sum to 1"))
        if rows.any()
    ]
    if problems:
        raise InputError(f"--transition {path}: {'; '.join(problems)}.", _FORMS)
