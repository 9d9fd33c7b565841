"""Classes from which nothing is kept: what is trained on the kept rows cannot know them.

They are told; and, where the user asks for it, their most probable rows are kept all the same.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.core.arrow import bool_values, codes, float_values
from deftclean.core.text import few

FILLED = "filled_classes"
"""Key of the metadata, where classes were filled: by class, how many rows are kept for that."""

_BEGINS = "nothing is kept of "
_FILLED_BEGINS = "kept to fill "
_ROUNDED = 6  # digits of a sum of float32: 10 rows of 0.7 are 7


def emptied_classes(table: pa.Table) -> dict[str, int]:
    """Rows by given label, of labels with rows that were scored and none that is kept.

    Args:
        table: its columns `given_label`, `clean_prob` and `keep` are looked at.
    """
    scored = table["given_label"].filter(pc.is_valid(table["clean_prob"]))
    kept = set(pc.unique(table["given_label"].filter(table["keep"])).to_pylist())
    counts = pc.value_counts(scored.drop_null()).to_pylist()
    found = {entry["values"]: entry["counts"] for entry in counts}
    return {name: found[name] for name in sorted(found.keys() - kept)}


def about_emptied(emptied: Mapping[str, int]) -> str:
    """In words; empty where every class keeps a row."""
    if not emptied:
        return ""
    classes = "1 class" if len(emptied) == 1 else f"{len(emptied):,} classes"
    listed = few([f"{name!r} ({count:,} rows)" for name, count in emptied.items()])
    return (
        f"{_BEGINS}{classes}, so that what is trained on the kept rows cannot know them: {listed}; "
        "keep more (deftclean select --threshold; or --fill-classes, their most probable rows), or "
        "look at their rows (deftclean report)"
    )


def about_filled(filled: Mapping[str, int]) -> str:
    """In words; empty where no class was filled."""
    if not filled:
        return ""
    classes = "1 class" if len(filled) == 1 else f"{len(filled):,} classes"
    counts = {name: "1 row" if count == 1 else f"{count:,} rows" for name, count in filled.items()}
    return (
        f"{_FILLED_BEGINS}{classes} that would be left without a row, the most probable rows: "
        f"{few([f'{name!r} ({count})' for name, count in counts.items()])}"
    )


def filling_rows(table: pa.Table, may: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(N,) rows by which no class is left without one: the most probable rows of emptied classes.

    Of each as many as right labels are expected among them: the sum of their `clean_prob`, rounded
    down, at least one. Of equally probable rows the first.

    Args:
        table: N rows, decided.
        may: (N,) which of them may be kept; those without a `clean_prob` never are.
    """
    labels, names = codes(table["given_label"])
    probs = float_values(table["clean_prob"]).astype(np.float64)
    kept = np.bincount(labels[bool_values(table["keep"]) & (labels >= 0)], minlength=len(names))
    empty = np.append(kept == 0, False)  # the last is of rows without a label
    rows = np.flatnonzero(may & ~np.isnan(probs) & empty[labels])
    order = rows[np.lexsort((-probs[rows], labels[rows]))]  # keeps the order of equal ones
    count = np.bincount(labels[order], minlength=len(names))
    expected = np.bincount(labels[order], probs[order], minlength=len(names)).round(_ROUNDED)
    rank = np.arange(len(order)) - np.repeat(np.cumsum(count) - count, count)
    found = np.zeros(len(table), dtype=bool)
    found[order[rank < np.maximum(expected.astype(np.int64), 1)[labels[order]]]] = True
    return found


def told_of(metadata: Mapping[str, Any], emptied: Mapping[str, int]) -> list[str]:
    """What is to be told of classes that `keep` left without a row, or that were filled.

    Args:
        metadata: of the table.
        emptied: as `emptied_classes` finds them.
    """
    texts = (about_filled(metadata.get(FILLED) or {}), about_emptied(emptied))
    return [text for text in texts if text]


def with_emptied(metadata: Mapping[str, Any], table: pa.Table) -> dict[str, Any]:
    """The metadata of a table whose `keep` was decided: its warnings tell of emptied classes."""
    warnings = _without(metadata.get("warnings", []))
    return {**metadata, "warnings": warnings + told_of(metadata, emptied_classes(table))}


def _without(warnings: Iterable[str]) -> list[str]:
    """Warnings that did not follow from an earlier `keep`."""
    return [text for text in warnings if not text.startswith((_BEGINS, _FILLED_BEGINS))]


def new_warnings(after: Mapping[str, Any], before: Mapping[str, Any]) -> tuple[str, ...]:
    """Warnings of a table that one with the same rows, decided otherwise, did not have."""
    known = before.get("warnings", [])
    return tuple(text for text in after["warnings"] if text not in known)
