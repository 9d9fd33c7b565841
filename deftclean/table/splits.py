"""Names of splits: which words mean one, which one they mean, and which of them are wanted."""

import re
from collections.abc import Collection, Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.core.errors import UsageError
from deftclean.core.text import few

SPLIT = "split"
"""The column that says which split a row is of."""

SPLIT_COLUMNS = ("split", "splits", "subset", "partition", "data_split", "dataset_split")

_KINDS = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
}
_AFFIXES = frozenset(
    [
        "set",
        "sets",
        "data",
        "dataset",
        "split",
        "splits",
        "images",
        "image",
        "imgs",
        "img",
        "pictures",
        "photos",
        "folder",
        "seg",
    ]
)
_WORD = re.compile(r"[a-z]+")
_NUMBERED = re.compile(r"k?folds?[ _-]?\d+")


def split_kind(name: str) -> str | None:
    """`train`, `val` or `test` where a name means one: `Training`, `train_set`, `val2017`.

    Folds are splits that have numbers: `fold_1`.
    """
    kind, others = split_words(name)
    return None if others else kind


def split_words(name: str) -> tuple[str | None, tuple[str, ...]]:
    """The split that a name speaks of, and its other words: `cars_train`, but also `steam train`.

    Returns:
        `train`, `val`, `test`, a fold, or None where it speaks of none or several; words that name
        neither a split nor what every split is called.
    """
    if _NUMBERED.fullmatch(name.strip().lower()):
        return name.strip().lower(), ()
    words = [_without_ending(word) for word in _WORD.findall(name.lower())]
    kinds = {_KINDS[word] for word in words if word in _KINDS}
    others = tuple(word for word in words if word not in _KINDS and word not in _AFFIXES)
    return (kinds.pop() if len(kinds) == 1 else None), others


def _without_ending(word: str) -> str:
    """`trainset` and `testdata` are one word."""
    for ending in ("set", "data", "images"):
        if word.removesuffix(ending) in _KINDS:
            return word.removesuffix(ending)
    return word


def split_names(names: Iterable[str]) -> list[str]:
    """Those of the names of columns that may say of which split a row is."""
    return [name for name in names if name.strip().lower() in SPLIT_COLUMNS]


def split_column(table: pa.Table) -> str | None:
    """The column of text that says of which split a row is; None where no column does.

    Of several such columns, none does.
    """
    found = split_names(table.column_names)
    if len(found) != 1:
        return None
    kind = table.schema.field(found[0]).type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return found[0] if text else None


def counted_splits(values: pa.Array | pa.ChunkedArray) -> dict[str, int]:
    """Rows by split, in order of appearance; rows without one are not counted."""
    found = pc.value_counts(values.cast(pa.string()).drop_null()).to_pylist()
    return {entry["values"]: entry["counts"] for entry in found if entry["values"].strip()}


def are_splits(counts: Collection[str]) -> bool:
    """Whether these are splits: one of them at least is called like one."""
    return any(split_kind(name) for name in counts)


def in_splits(
    values: pa.Array | pa.ChunkedArray, wanted: Sequence[str], source: str
) -> NDArray[np.bool_]:
    """(N,) which rows are of the splits that the user wants.

    Args:
        values: (N,) split of each row.
        wanted: as `--split` names them, in any case of letters; `validation` means `val` too.
        source: what was read, for messages.

    Raises:
        UsageError: there is no such split; all that are not there together.
    """
    texts = values.cast(pa.string())
    there = list(counted_splits(texts))
    chosen = {name: _meant(name, there) for name in wanted}
    unknown = [name for name, found in chosen.items() if not found]
    if unknown:
        raise UsageError(
            f"--split {few(unknown)}: {source} has no such split.",
            f"It has the splits {few(there, 12)}." if there else "It has no splits.",
        )
    every = pa.array([name for found in chosen.values() for name in found], pa.string())
    mask: NDArray[np.bool_] = pc.is_in(texts, value_set=every).to_numpy(zero_copy_only=False)
    return mask


def _meant(name: str, there: Sequence[str]) -> list[str]:
    """The splits that a name means: itself, in any case of letters, or the one of its kind."""
    kind = split_kind(name)
    ways = (
        [each for each in there if each == name],
        [each for each in there if each.strip().lower() == name.strip().lower()],
        [each for each in there if kind is not None and split_kind(each) == kind],
    )
    return next((found for found in ways if found), [])
