"""What Python holds, as file names and labels: pairs, DataFrames, data sets of torchvision.

Nothing is imported for it: what has an attribute is what has it.
"""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deftclean.core.errors import InputError
from deftclean.core.text import few

PATH_NAMES = ("path", "file_name", "filename", "file", "image", "image_path", "filepath")
LABEL_NAMES = ("label", "labels", "class", "target", "category")


@dataclass(frozen=True)
class Rows:
    """N rows.

    Attributes:
        paths: (N,) of the pictures, relative to the working folder or absolute, None where there
            is none; None where the rows are no files.
        labels: (N,) as the caller has them, None where there is none.
        index: of the answer; None for 0 to N - 1.
        names: the data set's own class names; None where it has none.
    """

    paths: Sequence[str | None] | None
    labels: Sequence[Any]
    index: Any = None
    names: Sequence[str] | None = None


def is_frame(data: Any) -> bool:
    """Whether this is a pandas DataFrame."""
    return hasattr(data, "columns") and hasattr(data, "index") and hasattr(data, "to_dict")


def is_pictures(data: Any) -> bool:
    """Whether this is a data set that gives (picture, label) by index and names no files."""
    listed = isinstance(data, list | tuple) or hasattr(data, "tolist") or hasattr(data, "items")
    return hasattr(data, "__getitem__") and hasattr(data, "__len__") and not listed


def is_hugging(data: Any) -> bool:
    """Whether this is a `Dataset` of Hugging Face's library."""
    # A DataFrame can be written too, and may have a column of any name.
    return hasattr(data, "to_parquet") and hasattr(data, "features") and not is_frame(data)


def rows_of_frame(data: Any, labels: Any, path_column: str | None) -> Rows:
    """A DataFrame: a column of paths, and one of labels, or labels beside it.

    Raises:
        InputError: a column is missing, or labels are not as many.
    """
    path = _column(data, path_column, PATH_NAMES, "file names", "path_column=")
    if labels is None or isinstance(labels, str):
        name = _column(data, labels, LABEL_NAMES, "labels", "labels=")
        values = data[name].tolist()
    else:
        values = _as_many(labels, len(data))
    return Rows(_paths(data[path].tolist()), [plain_label(each) for each in values], data.index)


def rows_of_samples(data: Any) -> Rows:
    """A data set with `samples`, pairs of path and class, such as torchvision's ImageFolder."""
    found = rows_of_list(list(data.samples), None)
    names = getattr(data, "classes", None)
    return Rows(found.paths, found.labels, None, None if names is None else list(map(str, names)))


def rows_of_list(data: Sequence[Any], labels: Any) -> Rows:
    """Pairs of path and label (a mapping's too), or paths and labels beside them.

    Raises:
        InputError: an entry is no pair, or labels are not as many.
    """
    index = next((found for each in (labels, data) if (found := _index(each)) is not None), None)
    entries = list(data.items()) if labels is None and hasattr(data, "items") else list(data)
    if labels is not None:
        values = [plain_label(each) for each in _as_many(labels, len(entries))]
        return Rows(_paths(entries), values, index)
    wrong = [at for at, each in enumerate(entries) if not _is_pair(each)]
    if wrong:
        raise InputError(
            f"{len(wrong):,} of {len(entries):,} entries are no pair of path and label (the first "
            f"is number {wrong[0]}: {str(entries[wrong[0]])[:60]!r}).",
            "Give [(path, label), ...], or paths and labels=[...] as many.",
        )
    values = [plain_label(each[1]) for each in entries]
    return Rows(_paths([each[0] for each in entries]), values, index)


def rows_of_folder(folder: Path, labels: Mapping[Any, Any]) -> Rows:
    """Labels by file name within a folder: a mapping, or a Series with names as index."""
    names = [os.fspath(name) for name, _ in labels.items()]
    values = [plain_label(value) for _, value in labels.items()]
    index = _index(labels)
    return Rows([str(folder / name) for name in names], values, names if index is None else index)


def named(labels: Sequence[Any], names: Sequence[str] | None) -> dict[Any, str]:
    """Class name by label, in the order of the names, else of the labels.

    Args:
        labels: (N,) as the caller has them.
        names: class names; whole numbers are places in them. None where labels name themselves.

    Raises:
        InputError: labels that are neither names nor places, whole numbers without names, or two
            labels that are written alike.
    """
    distinct = dict.fromkeys(each for each in labels if each is not None)
    if names is None:
        found = {label: str(label) for label in distinct}
        if found and all(text.strip().isdigit() for text in found.values()):
            raise InputError(
                f"The labels are whole numbers ({few(sorted(found.values()))}), and prompts need "
                "words.",
                'Give their names, that of label 0 first: class_names=["cat", "dog"].',
            )
    else:
        places: dict[Any, str] = {**dict(enumerate(names)), **{name: name for name in names}}
        # A whole number may have become text on its way.
        places = {**{str(at): name for at, name in enumerate(names)}, **places}
        strange = [repr(label) for label in distinct if label not in places]
        if strange:
            raise InputError(
                f"{len(strange):,} label(s) are none of the {len(names):,} class names, nor their "
                f"places: {few(strange)}.",
                "Correct them, or leave class_names out.",
            )
        found = {label: str(places[label]) for label in distinct}
    alike = [text for text in found.values() if not text.strip()]
    twice = len(found) - len(set(found.values()))
    if alike or twice:
        raise InputError(
            "Two labels are written alike, such as 1 and '1', or one is blank: "
            f"{few([repr(label) for label in found])}.",
            "Give each class one label.",
        )
    return found


def _column(data: Any, wanted: str | None, usual: Iterable[str], what: str, option: str) -> Any:
    found = [wanted] if wanted is not None else [name for name in usual if name in data.columns]
    if len(found) != 1 or found[0] not in data.columns:
        there = few([repr(name) for name in data.columns], 10)
        raise InputError(
            f"Which column of the DataFrame holds the {what} is not known; it has {there}.",
            f"Name it: {option}'NAME'.",
        )
    return found[0]


def _index(data: Any) -> Any:
    """The index of a pandas object; None for others, also where `index` is a method."""
    found = getattr(data, "index", None)
    return None if callable(found) else found


def _as_many(labels: Any, count: int) -> list[Any]:
    values = labels.tolist() if hasattr(labels, "tolist") else list(labels)
    if len(values) != count:
        raise InputError(
            f"There are {len(values):,} labels for {count:,} rows.", "Give one label for each row."
        )
    return values


def _paths(values: Sequence[Any]) -> list[str | None]:
    wrong = [each for each in values if not isinstance(each, str | os.PathLike) and not _gap(each)]
    if wrong:
        raise InputError(
            f"{len(wrong):,} of {len(values):,} paths are no text: {few(list(map(repr, wrong)))}.",
            "Give paths of picture files.",
        )
    return [None if _gap(each) or not os.fspath(each) else os.fspath(each) for each in values]


def plain_label(label: Any) -> Any:
    """A label as Python's own text or whole number; None for a gap."""
    if hasattr(label, "item"):
        label = label.item()
    if _gap(label):
        return None
    return int(label) if isinstance(label, float) and label.is_integer() else label


def _gap(value: Any) -> bool:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return True
    return type(value).__name__ in ("NAType", "NaTType")


def _is_pair(entry: Any) -> bool:
    return isinstance(entry, tuple | list) and len(entry) == 2
