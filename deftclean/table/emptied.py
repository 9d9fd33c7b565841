"""Classes from which nothing is kept: what is trained on the kept rows cannot know them."""

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from deftclean.core.text import few

_BEGINS = "nothing is kept of "


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
        "keep more (deftclean select --threshold), or look at their rows (deftclean report)"
    )


def with_emptied(metadata: Mapping[str, Any], table: pa.Table) -> dict[str, Any]:
    """The metadata of a table whose `keep` was decided: its warnings tell of emptied classes."""
    warnings = _without(metadata.get("warnings", []))
    if text := about_emptied(emptied_classes(table)):
        warnings.append(text)
    return {**metadata, "warnings": warnings}


def _without(warnings: Iterable[str]) -> list[str]:
    """Warnings that did not follow from an earlier `keep`."""
    return [text for text in warnings if not text.startswith(_BEGINS)]


def new_warnings(after: Mapping[str, Any], before: Mapping[str, Any]) -> tuple[str, ...]:
    """Warnings of a table that one with the same rows, decided otherwise, did not have."""
    known = before.get("warnings", [])
    return tuple(text for text in after["warnings"] if text not in known)
