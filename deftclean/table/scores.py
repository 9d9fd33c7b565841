"""The score table: its columns, how it is written and read, and what `keep` means.

pyarrow only; no torch. One row in for each row out, in the same order.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.core.arrow import Column, int_array
from deftclean.core.arrow_types import finite, plain_table, refuse_bad_text
from deftclean.core.errors import InputError, UsageError
from deftclean.core.outputs import check_name, check_output
from deftclean.core.switch import recover, whole_file
from deftclean.core.tables import refuse_double
from deftclean.core.text import parsed_json
from deftclean.settings.detector import Rule
from deftclean.table.emptied import FILLED, with_emptied
from deftclean.table.facts import check_facts, reading, typed
from deftclean.table.parts import Rows, opened_file, opened_parts
from deftclean.table.seal import SEAL, folder_digest, write_sealed
from deftclean.table.ways import placed

Status = Literal[
    "ok", "unreadable", "too_large", "missing", "outside", "unlabeled", "unknown_label"
]
STATUSES: tuple[Status, ...] = get_args(Status)

SCHEMA_VERSION = 6
METADATA_KEY = b"deftclean"
NEAR = "near_duplicates"
"""Key of the metadata: how nearly identical pictures were searched for; None where nobody did."""

QUALITY = "quality"
"""Key of the metadata: `usual`, reasons that hold for most pictures and are no fault here; None
where nobody has looked at the pictures for their own sake."""

OFF_TOPIC = "off_topic"
"""Key of the metadata: how pictures that fit no class were told; None where nobody did."""

SPLITS = "split"
"""Key of the metadata: the splits that were read, where the images lie in the table that was
scanned, so that rows count among those of them; absent where all was read."""

HASH = "perceptual_hash"
"""Column of what pictures look like: see `deftclean.images.look.hash_of`."""

SCORE_SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("file_name", pa.string()),
        ("given_label", pa.string()),
        ("clean_prob", pa.float32()),
        ("clean_top_label", pa.string()),
        ("keep", pa.bool_()),
        ("predicted_label", pa.string()),
        ("predicted_prob", pa.float32()),
        ("suggested_label", pa.string()),
        ("suggested_prob", pa.float32()),
        ("zero_shot_prob", pa.float32()),
        ("deft_prob", pa.float32()),
        ("prompt_prob", pa.float32()),
        ("head_prob", pa.float32()),
        ("neighbours_prob", pa.float32()),
        ("own_prob", pa.float32()),
        ("status", pa.string()),
        ("error", pa.string()),
        ("content_sha256", pa.string()),
        (HASH, pa.string()),
        ("source_line", pa.int64()),
        ("duplicate_of", pa.int64()),
        ("near_duplicate_group", pa.int64()),
        ("quality", pa.string()),
        ("kind", pa.string()),
    ]
)

SCORE_COLUMNS = tuple(SCORE_SCHEMA.names)
_SINCE = {
    "source_line": 2,
    **dict.fromkeys(
        ("suggested_label", "suggested_prob", "deft_prob", "prompt_prob", "head_prob"), 3
    ),
    "neighbours_prob": 3,
    **dict.fromkeys(("duplicate_of", "near_duplicate_group"), 4),
    **dict.fromkeys(("own_prob", "quality", "kind"), 5),
    HASH: 6,
}
"""Schema version that brought a column; 1 for all others."""

_MEANT = {"suggested_label": "predicted_label", "suggested_prob": "predicted_prob"}
"""What older tables, in which one detector judged alone, have in place of a column."""

_PIECE = 65_536  # rows that are read at a time

# Looking for repeated values in these costs as much as writing all the others.
_HARDLY_REPEATED = frozenset(
    {"row", "file_name", "content_sha256", HASH, "source_line", "duplicate_of"}
    | {name for name in SCORE_COLUMNS if name.endswith("_prob")}
)


@dataclass(frozen=True)
class ScoreTable:
    """A table and what is known about it.

    Attributes:
        table: input columns, then the score columns; N rows.
        metadata: schema and tool version, model and its hash, resolved configuration, seed, rule,
            noise rate, warnings; image root and labels file relative to the table. Plain JSON
            values.
    """

    table: pa.Table
    metadata: dict[str, Any]

    def __len__(self) -> int:
        return len(self.table)

    def rows(self, columns: Iterable[str], places: NDArray[np.int64]) -> pa.Table:
        """(n,) rows in their order, with those of the columns that there are."""
        there = [name for name in columns if name in self.table.column_names]
        return self.table.select(there).take(int_array(places))


def keep_flags(table: pa.Table, rule: Rule, threshold: float) -> pa.Array:
    """Which rows are kept, (N,) bool, false for rows without a `clean_prob`.

    `threshold`: ``clean_prob > threshold`` (Eq. 5 at 0.5). `agree`: also
    ``clean_top_label == given_label``.
    """
    # `pa.scalar` and `pa.array` would load pandas, which takes a third of a second.
    thresholds = pa.py_buffer(np.full(len(table), threshold, np.float32))
    limit = pa.Array.from_buffers(pa.float32(), len(table), [None, thresholds])
    none = pa.py_buffer(np.zeros(len(table), np.uint8))  # as bits, more than there are rows
    keep = pc.greater(table["clean_prob"], limit)
    if rule == "agree":
        keep = pc.and_(keep, pc.equal(table["clean_top_label"], table["given_label"]))
    return pc.coalesce(keep, pa.Array.from_buffers(pa.bool_(), len(table), [None, none]))


def noise_rate(table: pa.Table) -> float | None:
    """Rows scored and not kept ÷ rows scored, in [0, 1]; None where no row was scored."""
    scored = pc.is_valid(table["clean_prob"])
    total = pc.sum(scored).as_py() or 0
    kept = pc.sum(pc.and_(scored, table["keep"])).as_py() or 0
    return (total - kept) / total if total else None


def decide(scores: ScoreTable, rule: Rule, threshold: float) -> ScoreTable:
    """The same table with `keep`, and the metadata that tells of it, decided anew."""
    asked = with_rule(scores, rule, threshold)
    return decided_so(asked, keep_flags(scores.table, rule, threshold))


def with_rule(scores: ScoreTable, rule: Rule, threshold: float) -> ScoreTable:
    """The same table, to be decided by another rule; how classes were filled is forgotten."""
    facts = {name: value for name, value in scores.metadata.items() if name != FILLED}
    return replace(scores, metadata={**facts, "rule": rule, "threshold": threshold})


def decided_so(scores: ScoreTable, keep: Column) -> ScoreTable:
    """The same table with (N,) bool `keep` as it is given, and the metadata that tells of it."""
    at = scores.table.column_names.index("keep")
    table = scores.table.set_column(at, SCORE_SCHEMA.field("keep"), keep)
    metadata = {**scores.metadata, "noise_rate": noise_rate(table)}
    return replace(scores, table=table, metadata=with_emptied(metadata, table))


def judged_by(scores: ScoreTable, detector: Path | None) -> ScoreTable:
    """The same table, with the digest of the detector folder that judged in its metadata.

    Args:
        scores: the table.
        detector: the folder; None where no detector was trained.

    Raises:
        OSError: the folder cannot be read.
    """
    digest = None if detector is None else folder_digest(detector)
    return ScoreTable(scores.table, {**scores.metadata, "detector_sha256": digest})


def put_scores(
    scores: ScoreTable,
    temporary: Path,
    path: Path,
    root: Path,
    labels: Path | None,
    detector: Path | None,
) -> None:
    """Write Parquet that is to be moved to its place.

    Args:
        scores: what to write; its metadata get what `placed` adds.
        temporary: where to write, beside `path`.
        path: the table.
        root: the data folder.
        labels: the file that the labels were read from; None where they are folder names.
        detector: the folder of the detector that judged; None for the one beside the table.

    Raises:
        OSError: the disk is full.
    """
    facts = placed(scores.metadata, path, root, labels, detector)
    put_pieces(facts, [scores.table], temporary)


def put_pieces(facts: Mapping[str, Any], pieces: Iterable[pa.Table], temporary: Path) -> None:
    """The same of rows that come some at a time.

    Args:
        facts: the metadata, with what `placed` adds.
        pieces: tables of one schema, in the order of their rows; one at least.
        temporary: where to write.

    Raises:
        OSError: the disk is full.
        RunError: some score is no number; seen when all is written.
    """
    each = iter(pieces)
    first = next(each)
    text = json.dumps(facts, sort_keys=True, ensure_ascii=False)
    before = first.schema.metadata or {}
    kept = {key: value for key, value in before.items() if key not in (METADATA_KEY, SEAL)}
    schema = first.schema.with_metadata({**kept, METADATA_KEY: text.encode()})
    repeated = [name for name in schema.names if name not in _HARDLY_REPEATED]
    whole = finite(chain([first], each), SCORE_COLUMNS)
    plain = (piece.replace_schema_metadata(schema.metadata) for piece in whole)
    write_sealed(schema, plain, temporary, repeated)


def write_scores(
    scores: ScoreTable,
    path: Path,
    root: Path,
    overwrite: bool,
    labels: Path | None = None,
    detector: Path | None = None,
) -> None:
    """Write a table, whole or not at all.

    Args:
        scores, path, root, labels, detector: as `put_scores`.
        overwrite: replace an existing table.

    Raises:
        RunError, UsageError: it cannot be written, or exists.
    """
    with whole_file(path, overwrite) as temporary:
        put_scores(scores, temporary, path, root, labels, detector)


def check_table_output(path: Path, overwrite: bool, inputs: Iterable[Path | None] = ()) -> None:
    """Refuse an output that exists, cannot be made, or is not called a Parquet file.

    Args:
        path, overwrite, inputs: as `check_output`.

    Raises:
        UsageError: what is wrong with it.
    """
    check_name(path)
    if path.suffix.lower() != ".parquet":
        raise UsageError(f"-o {path}: the score table is Parquet.", "Let its name end in .parquet.")
    check_output(path, overwrite, inputs)


def read_scores(path: Path, columns: Iterable[str] | None = None) -> ScoreTable:
    """Read a table that deftclean wrote, as it would be written today.

    Args:
        path: the table, or a folder of its parts.
        columns: those that are needed, of the score columns or others; None for all.

    Raises:
        InputError: it is missing, damaged, not ours, or of a newer schema.
        RunError: a run that was killed has left it half replaced, and that cannot be finished here.
    """
    asked = None if columns is None else list(columns)
    with opened_scores(path) as (rows, metadata):
        table = rows.read(_read(asked, rows.schema.names))
        table = _checked(path, table, 0)
    return _selected(ScoreTable(table, metadata), asked)


def score_pieces(path: Path, columns: Iterable[str] | None = None) -> Iterator[ScoreTable]:
    """The same, some rows at a time and in their order: memory does not grow with the table.

    Args, Raises: as `read_scores`; what is wrong further on in the file is found on the way.
    """
    with opened_scores(path) as (rows, metadata):
        yield from pieces_of(path, rows, metadata, columns)


def pieces_of(
    path: Path, rows: Rows, metadata: dict[str, Any], columns: Iterable[str] | None
) -> Iterator[ScoreTable]:
    """The same of rows that are open, and of their metadata; one piece at least."""
    asked, first = None if columns is None else list(columns), 0
    wanted = _read(asked, rows.schema.names)
    for table in rows.batches(wanted, _PIECE) if rows.count else [rows.read(wanted)]:
        yield _selected(ScoreTable(_checked(path, table, first), metadata), asked)
        first += len(table)


@contextmanager
def opened_scores(path: Path) -> Iterator[tuple[Rows, dict[str, Any]]]:
    """The rows of a file, or of a folder of parts, and their metadata, looked at."""
    recover(path)
    if path.is_dir():
        with reading(path):
            parts = opened_parts(path)
            yield parts, _looked_at(path, parts.schema, parts.commit.metadata)
        return
    if not path.is_file():
        raise InputError(f"{path} is not a file.", "Give a table written by deftclean scan.")
    with reading(path), opened_file(path) as rows:
        metadata = parsed_json((rows.schema.metadata or {})[METADATA_KEY])
        yield rows, _looked_at(path, rows.schema, metadata)


def _looked_at(path: Path, schema: pa.Schema, metadata: Any) -> dict[str, Any]:
    """The metadata, if they are ours and say what the columns are."""
    if not isinstance(metadata, dict):
        raise ValueError("not an object")
    check_facts(path, metadata)
    _check_columns(path, schema.names, metadata)
    check_facts(path, metadata, ("rule", "threshold", "image_root"))
    return metadata


def _checked(path: Path, table: pa.Table, first: int) -> pa.Table:
    """What was read, from a row on, in plain layouts and of the types that it should have."""
    table = typed(path, plain_table(table), SCORE_SCHEMA)
    refuse_bad_text(path, table, first)
    return table


def _selected(read: ScoreTable, asked: list[str] | None) -> ScoreTable:
    made = _upgraded(read)
    if asked is None:
        return made
    kept = [name for name in asked if name in made.table.column_names]
    return ScoreTable(made.table.select(kept), made.metadata)


def _read(wanted: list[str] | None, names: list[str]) -> list[str] | None:
    """Those of a file's columns that are wanted, or stand for one that is; None for all."""
    if wanted is None:
        return None
    stand_ins = [_MEANT[name] for name in wanted if name not in names and name in _MEANT]
    return [name for name in dict.fromkeys([*wanted, *stand_ins]) if name in names]


def _check_columns(path: Path, names: list[str], metadata: Mapping[str, Any]) -> None:
    if metadata.get("schema_version", 0) > SCHEMA_VERSION:
        raise InputError(
            f"{path} was written by a newer deftclean ({metadata.get('tool_version')}).",
            "Update deftclean.",
        )
    refuse_double(path, names)
    missing = [name for name in written_columns(metadata) if name not in names]
    if missing:
        raise InputError(f"{path} lacks the score columns {', '.join(missing)}.")


def written_columns(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """The score columns that a table of ours has, by the schema version in its metadata."""
    version = metadata.get("schema_version", 0)
    return tuple(name for name in SCORE_COLUMNS if _SINCE.get(name, 1) <= max(version, 1))


def _upgraded(scores: ScoreTable) -> ScoreTable:
    """A table of an older schema with the columns of this one: what they mean there, or null."""
    table, metadata = scores.table, scores.metadata
    version = metadata.get("schema_version", 0)
    if version >= SCHEMA_VERSION:
        return scores
    new = [name for name in SCORE_COLUMNS if _SINCE.get(name, 1) > max(version, 1)]
    meant = dict(_MEANT)
    if metadata.get("strategy", "deft") == "deft":
        meant["deft_prob"] = "clean_prob"
    # What has such a name in an older table came with the input.
    table = table.rename_columns([f"input_{n}" if n in new else n for n in table.column_names])
    for name in new:
        field = SCORE_SCHEMA.field(name)
        known = meant.get(name)
        column = table[known] if known in table.column_names else pa.nulls(len(table), field.type)
        table = table.append_column(field, column)
    return ScoreTable(table, {**metadata, "schema_version": SCHEMA_VERSION})
