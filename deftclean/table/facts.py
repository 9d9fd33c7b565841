"""What a score table says of itself, looked at once: types of its metadata and of its columns."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from deftclean.core.cards import misfits
from deftclean.core.errors import InputError
from deftclean.core.text import few
from deftclean.settings.detector import Rule
from deftclean.table.emptied import FILLED
from deftclean.table.estimate import EVIDENCE, WITNESS_COLUMNS

_FACTS: Mapping[str, Any] = {
    "schema_version": int,
    "tool_version": str,
    "strategy": str | None,  # None in a table of all rows, which nobody has judged
    "model": str | None,
    "class_names": list[str],
    "rule": Rule,
    "threshold": float,
    "noise_rate": float | None,
    "zero_shot_agreement": float | None,
    "warnings": list[str],
    "image_root": str,
    "labels_file": str | None,
    "detector": str | None,
    "detector_sha256": str | None,
    EVIDENCE: dict[str, Any] | None,
    "near_duplicates": dict[str, float] | None,
    "quality": dict[str, list[str]] | None,
    "split": list[str],
    "off_topic": dict[str, float] | None,
    FILLED: dict[str, int] | None,
}
_HEARD: Mapping[str, Any] = {
    "witnesses": dict[str, float],
    "informed": float,
    "level": float,
    "estimated_noise": dict[str, float] | None,
    "estimated_noise_of": dict[str, dict[str, float]],
}
_ENDS = ("estimate", "low", "high")


def check_facts(path: Path, metadata: Mapping[str, Any], needed: Sequence[str] = ()) -> None:
    """Refuse metadata that were edited or damaged.

    Args:
        path: the table, for messages.
        metadata: plain JSON values.
        needed: names of those that must be there.

    Raises:
        InputError: all values that are missing or not of their type.
    """
    wrong = [f"{name!r} is missing" for name in needed if name not in metadata]
    wrong += misfits(metadata, _FACTS) or _wrong_evidence(metadata.get(EVIDENCE))
    if wrong:
        raise InputError(f"{path}: its score metadata are damaged: {few(wrong)}.", "Scan again.")


def _wrong_evidence(evidence: Mapping[str, Any] | None) -> list[str]:
    if evidence is None:
        return []
    wrong = [f"{EVIDENCE}: {text}" for text in misfits(evidence, _HEARD)]
    if wrong:
        return wrong
    strangers = set(evidence.get("witnesses", {})) - set(WITNESS_COLUMNS)
    found = evidence.get("estimated_noise")
    if strangers:
        wrong.append(f"{EVIDENCE}: no witnesses: {few(sorted(strangers))}")
    if found is not None:
        missing = [name for name in _ENDS if name not in found]
        missing += [name for name in ("level", "informed") if name not in evidence]
        wrong += [f"{EVIDENCE}: {name!r} is missing" for name in missing]
    return wrong


def typed(path: Path, table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The same table, its columns of the types that a schema says.

    Args:
        path: the table, for messages.
        table: columns that the schema does not name stay as they are.
        schema: of the score columns.

    Raises:
        InputError: columns that hold something else.
    """
    wrong = []
    for at, field in enumerate(table.schema):
        place = schema.get_field_index(field.name)
        if place < 0 or field.type == schema.field(place).type:
            continue
        kind = schema.field(place).type
        try:
            table = table.set_column(at, schema.field(place), table.column(at).cast(kind))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            wrong.append(f"{field.name} holds {field.type}, not {kind}")
    if wrong:
        raise InputError(f"{path} is damaged: {few(wrong)}.", "Scan again.")
    return table


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns what goes wrong while a score table is read into `InputError`."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{path} cannot be read: {str(error).splitlines()[0]}",
            "It is not a Parquet file, or it is damaged.",
        ) from error
    except (KeyError, ValueError, RecursionError) as error:
        raise InputError(
            f"{path} is not a score table.", "Give a table written by deftclean scan or score."
        ) from error
