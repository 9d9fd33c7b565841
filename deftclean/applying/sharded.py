"""The rows of a data set, a unit at a time: out of Parquet files without reading the others.

A manifest of any other kind is read whole, and cut.
"""

import hashlib
import os
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from deftclean.applying.options import UNIT_ROWS
from deftclean.applying.plan import Unit
from deftclean.core.tables import columns_of, read_rows
from deftclean.data.collected import concatenated, found_shards, splits_of
from deftclean.data.columns import ImageColumn, image_column
from deftclean.data.manifest import Manifest, read_manifest, table_manifest
from deftclean.data.options import ManifestOptions
from deftclean.data.records import Records
from deftclean.table.scores import METADATA_KEY
from deftclean.table.splits import SPLIT


def _digest(manifest: Manifest) -> str:
    """Of names, labels and all that is carried on."""
    table = pa.table({"file": manifest.file_names, "label": manifest.given_labels})
    digest = hashlib.sha256()
    for each in (table, manifest.columns):
        # In batches of one size, so that it does not matter in which pieces they were read.
        for batch in each.combine_chunks().to_batches(UNIT_ROWS):
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, each.schema) as stream:
                stream.write_batch(batch)
            digest.update(sink.getvalue())
    return digest.hexdigest()


def _footer(path: Path) -> str:
    """SHA-256 of a Parquet file's footer: sizes, places and extremes of all that is in it."""
    with path.open("rb") as file:
        size = file.seek(-8, os.SEEK_END)
        length = int.from_bytes(file.read(4), "little")
        file.seek(max(0, size - length))
        return hashlib.sha256(file.read(length)).hexdigest()


class RowsToScore(Protocol):
    """N rows that are asked for unit by unit."""

    @property
    def first(self) -> Manifest:
        """Of the first rows, or of all: where they come from and how they are read."""

    @property
    def count(self) -> int:
        """N."""

    @property
    def identity(self) -> dict[str, Any]:
        """What the rows are, as plain values: other rows have another one."""

    def of(self, unit: Unit) -> Manifest:
        """The rows of a unit.

        Raises:
            InputError: they cannot be read.
        """


@dataclass(frozen=True)
class WholeRows:
    """Rows of a manifest that was read whole."""

    first: Manifest

    @property
    def count(self) -> int:
        """See `RowsToScore`."""
        return len(self.first)

    @cached_property
    def identity(self) -> dict[str, Any]:
        """See `RowsToScore`."""
        return {"source": self.first.source, "sha256": _digest(self.first)}

    def of(self, unit: Unit) -> Manifest:
        """See `RowsToScore`."""
        manifest, images = self.first, self.first.images
        count = unit.end - unit.first
        return replace(
            manifest,
            columns=manifest.columns.slice(unit.first, count),
            file_names=manifest.file_names.slice(unit.first, count),
            named=manifest.named[unit.first : unit.end],
            given_labels=manifest.given_labels.slice(unit.first, count),
            source_lines=manifest.source_lines.slice(unit.first, count),
            images=None if images is None else replace(images, rows=(unit.first, unit.end)),
            review=None,
        )


def rows_to_score(data: Path, labels: Path | None, options: ManifestOptions) -> RowsToScore:
    """The rows, and how they are read.

    Args:
        data, labels, options: as `read_manifest`.

    Raises:
        InputError: as `read_manifest`.
    """
    table = data if labels is None else labels
    files = _parquet_files(table)
    # Votes and splits are of all rows; one of our own tables may bring decisions.
    if not files or options.split or options.merge_rows or options.annotator:
        return WholeRows(read_manifest(data, labels, options))
    schema = columns_of(files[0], None)
    images = image_column(files[0], schema, options.path_column)
    if images is not None and labels is not None:
        return WholeRows(read_manifest(data, labels, options))
    counted = tuple((path, pq.read_metadata(path).num_rows) for path in files)
    shards = _Shards(data, labels, counted, schema, images)
    records = shards.records(0, min(UNIT_ROWS, shards.count))
    first = shards.manifest(records, options)
    exact = replace(
        options,
        exact_names=True,
        path_column=first.path_column,
        label_column=first.label_column,
    )
    again = shards.manifest(records, exact)
    if not again.file_names.equals(first.file_names):
        return WholeRows(read_manifest(data, labels, options))
    return ShardedRows(shards, exact, replace(again, notes=first.notes))


def _parquet_files(table: Path) -> list[Path]:
    """Of one file, or of a folder of such and no images; none where any is our own table."""
    if table.is_dir():
        found = found_shards(table)
        return found if all(path.suffix == ".parquet" for path in found) else []
    if table.suffix.lower() != ".parquet" or not table.is_file():
        return []
    return [] if METADATA_KEY in (columns_of(table, None).metadata or {}) else [table]


@dataclass(frozen=True)
class _Shards:
    """Parquet files of the same columns.

    Attributes:
        data, labels: as the user gave them.
        files: with how many rows each has.
        schema: of the first.
        images: the column with image bytes, if there is one.
    """

    data: Path
    labels: Path | None
    files: tuple[tuple[Path, int], ...]
    schema: pa.Schema
    images: ImageColumn | None

    @property
    def count(self) -> int:
        """N."""
        return sum(rows for _, rows in self.files)

    def manifest(self, records: Records, options: ManifestOptions) -> Manifest:
        """What some of the rows mean."""
        table = self.data if self.labels is None else self.labels
        given = None if table.is_file() and self.labels is None else self.data
        images = self.images
        if images is not None:
            others = tuple(path for path, _ in self.files[1:])
            end = records.first + len(records.table)
            images = replace(images, others=others, rows=(records.first, end))
        made = table_manifest(table, given, options, records, images)
        return made if table.is_file() else replace(made, labels_file=None)

    def records(self, first: int, end: int) -> Records:
        """Rows [first, end), read."""
        found, start = [], 0
        bytes_of = None if self.images is None else (self.images.name, self.images.nested)
        splits = splits_of([path for path, _ in self.files], self.schema)
        for number, (path, rows) in enumerate(self.files):
            low, high = max(first - start, 0), min(end - start, rows)
            if low < high:
                part = read_rows(path, bytes_of, low, high)
                if splits is not None:
                    split = pa.array([splits[number]] * len(part), pa.string())
                    part = part.append_column(SPLIT, split)
                found.append(part)
            start += rows
        table = concatenated(self.data, [path for path, _ in self.files], found)
        table = table.replace_schema_metadata(self.schema.metadata)
        return Records(table, pa.nulls(len(table), pa.int64()), first=first)


@dataclass(frozen=True)
class ShardedRows:
    """Rows of Parquet files, of which no more is read than is asked for.

    Attributes:
        shards: the files.
        options: which columns mean what, settled on the first rows for all.
        first: the first rows.
    """

    shards: _Shards
    options: ManifestOptions
    first: Manifest

    @property
    def count(self) -> int:
        """See `RowsToScore`."""
        return self.shards.count

    @property
    def identity(self) -> dict[str, Any]:
        """See `RowsToScore`."""
        files = {path.name: [rows, _footer(path)] for path, rows in self.shards.files}
        columns = [self.options.path_column, self.options.label_column]
        return {"source": self.first.source, "files": files, "columns": columns}

    def of(self, unit: Unit) -> Manifest:
        """See `RowsToScore`."""
        return self.shards.manifest(self.shards.records(unit.first, unit.end), self.options)
