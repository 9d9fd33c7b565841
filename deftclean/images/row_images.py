"""The encoded image of every row, wherever the manifest says that it lies. No torch here.

Parquet gives out whole row groups, and a shuffled epoch over one would read everything many times:
images that lie in a Parquet column are copied once to a flat file. Row groups stream through, so
memory stays flat.
"""

import contextlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from deftclean.core.errors import InputError, RunError
from deftclean.core.files import private_folder
from deftclean.data.columns import ImageColumn
from deftclean.data.manifest import Manifest
from deftclean.data.options import ManifestOptions
from deftclean.images.sources import RowImages, SpooledImages, TableImages
from deftclean.images.stored import images_below
from deftclean.shards.saved_sets import SUFFIX as ARROW
from deftclean.shards.saved_sets import arrow_images, arrow_images_at, arrow_rows

_ROWS_AT_ONCE = 256


@contextmanager
def work_folder() -> Iterator[Path]:
    """A private folder for what only this run needs; gone afterwards.

    Raises:
        RunError: there is no temporary folder that can be written to.
    """
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(private_folder(Path(tempfile.gettempdir())))
        except OSError as error:
            raise RunError(
                f"There is no temporary folder to work in: {error.strerror or error}.",
                "Set TMPDIR to a folder that can be written to.",
            ) from error
        yield folder


def row_images(manifest: Manifest, reading: ManifestOptions, folder: Path) -> RowImages:
    """Where the bytes of each row's image come from; `folder` may be filled with a copy."""
    if manifest.images is not None:
        files = images_below(manifest.root, table_names(manifest), reading.allow_outside)
        source = TableImages(spool_images(manifest.images, folder / "images"), files)
        return RowImages(source, np.arange(len(manifest)))
    files, of_row = _distinct(table_names(manifest))
    return RowImages(images_below(manifest.root, files, reading.allow_outside), of_row)


def table_names(manifest: Manifest) -> pa.Array:
    """(N,) the file that each row of a table names; empty where it names none."""
    if manifest.named.all():
        return manifest.file_names
    return pc.if_else(pa.array(manifest.named), manifest.file_names, "")


def _distinct(names: pa.Array) -> tuple[pa.Array, NDArray[np.int64]]:
    """Every name once, in the order of the (N,) rows; and (N,) which one a row has."""
    # Those of a folder stand sorted: to look for equal ones would take as much memory again.
    if pc.all(pc.less(names[:-1], names[1:])).as_py():
        return names, np.arange(len(names))
    coded = names.dictionary_encode()
    return coded.dictionary, coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)


# ---------------------------------------------------------------- in a Parquet column


def spool_images(column: ImageColumn, path: Path) -> SpooledImages:
    """Copy the image bytes of every row that is meant to `path`.

    Raises:
        InputError: the table is damaged.
        RunError: the disk is full.
    """
    sizes, present = [], []
    try:
        with path.open("wb") as spool:
            for data in _all_images(column):
                spool.write(data or b"")
                sizes.append(len(data or b""))
                present.append(data is not None)
    except OSError as error:
        raise RunError(
            f"The images of {column.table.name} could not be unpacked to the temporary folder: "
            f"{error.strerror or error}.",
            "It needs as much space as the images; set TMPDIR to a larger disk.",
        ) from error
    return SpooledImages(path, np.cumsum(sizes, dtype=np.int64), np.array(present, dtype=bool))


def images_at(column: ImageColumn, rows: NDArray[np.int64]) -> Iterator[bytes | None]:
    """The image bytes of some rows, None where the table holds none, without a copy on disk.

    Row groups that hold none of the rows are not read.

    Args:
        column: where the bytes are.
        rows: (n,) ascending, of those that are chosen.

    Raises:
        InputError: the table is damaged.
    """
    rows = rows if column.chosen is None else column.chosen[rows]
    start = 0
    for table in column.tables:
        if table.suffix == ARROW:
            end = start + arrow_rows(table)
            first, last = np.searchsorted(rows, [start, end])
            wanted = rows[first:last] - start
            yield from arrow_images_at(table, column.name, column.nested, wanted)
            start = end
            continue
        with _opened(table) as file:
            end = start + file.metadata.num_rows
            first, last = np.searchsorted(rows, [start, end])
            yield from _images_of_file(file, column, rows[first:last] - start)
            start = end


def _images_of_file(
    file: pq.ParquetFile, column: ImageColumn, rows: NDArray[np.int64]
) -> Iterator[bytes | None]:
    sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
    ends = np.cumsum(sizes)
    for group in np.unique(np.searchsorted(ends, rows, side="right")).tolist():
        at = int(ends[group]) - sizes[group]
        for values in _batches(file, column, [group]):
            first, last = np.searchsorted(rows, [at, at + len(values)])
            yield from (values[row].as_py() for row in (rows[first:last] - at).tolist())
            at += len(values)


@contextmanager
def _opened(table: Path) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(table) as file:
            yield file
    except pa.ArrowException as error:
        raise InputError(
            f"{table} cannot be read: {str(error).splitlines()[0]}", "Is the file whole?"
        ) from error


def _all_images(column: ImageColumn) -> Iterator[bytes | None]:
    if column.rows is not None or column.chosen is not None:
        every = 0 if column.chosen is None else len(column.chosen)
        yield from images_at(column, np.arange(*(column.rows or (0, every))))
        return
    for table in column.tables:
        for values in _batches_of(table, column):
            yield from (value.as_py() for value in values)


def _batches_of(table: Path, column: ImageColumn) -> Iterator[pa.Array]:
    if table.suffix == ARROW:
        yield from arrow_images(table, column.name, column.nested)
        return
    with _opened(table) as file:
        yield from _batches(file, column, None)


def _batches(
    file: pq.ParquetFile, column: ImageColumn, groups: list[int] | None
) -> Iterator[pa.Array]:
    name = f"{column.name}.bytes" if column.nested else column.name
    for batch in file.iter_batches(_ROWS_AT_ONCE, row_groups=groups, columns=[name]):
        values = batch.column(0)
        yield pc.struct_field(values, "bytes") if column.nested else values
