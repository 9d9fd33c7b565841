"""A manifest's table with other labels in it, written as the input writes labels."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.core.errors import InputError
from deftclean.data.columns import ImageColumn
from deftclean.data.manifest import Manifest

_ROWS_AT_ONCE = 256


def noisy_table(manifest: Manifest, noisy: pa.Array, wrong: pa.Array) -> pa.Table:
    """`file_name`, then the input's columns with other labels in the label column.

    A label that has not changed stays exactly as it is written; a changed one is written as the
    input writes that class (an integer where it holds integers).

    Args:
        manifest: N rows.
        noisy: (N,) class names.
        wrong: (N,) bool, where to put them.
    """
    name = manifest.label_column or "label"
    columns = manifest.columns
    written = columns[name] if name in columns.column_names else manifest.given_labels
    labels = _replaced(written, manifest.label_names, noisy, wrong)
    own = dict(zip(columns.column_names, columns.columns, strict=True))
    # In its own place where it has one, else before the other columns.
    placed = own | {name: labels} if name in own else {name: labels} | own
    return pa.table({"file_name": manifest.file_names, **placed})


def _replaced(
    written: pa.Array | pa.ChunkedArray, names: dict[str, str], noisy: pa.Array, wrong: pa.Array
) -> pa.Array | pa.ChunkedArray:
    if pa.types.is_dictionary(written.type):
        written = written.cast(written.type.value_type)
    by_name = {name: label for label, name in reversed(names.items())}
    coded = noisy.dictionary_encode()
    labels = pa.array([by_name[name] for name in coded.dictionary.to_pylist()], pa.string())
    return pc.if_else(wrong, labels.take(coded.indices).cast(written.type), written)


def write_with_images(images: ImageColumn, name: str, labels: pa.ChunkedArray, file: Path) -> None:
    """Parquet files again as one, their images included, with another label column.

    Row groups stream through, so memory stays flat.

    Args:
        images: in which files the N rows stand.
        name: the label column's.
        labels: (N,) what goes there.
        file: what to write.

    Raises:
        InputError: a source is damaged.
    """
    import pyarrow.parquet as pq

    done, seen, source = 0, 0, images.table
    try:
        first = pq.read_schema(source)
        at = first.get_field_index(name)
        schema = first.set(at, pa.field(name, labels.type))
        with pq.ParquetWriter(file, schema, compression="zstd") as writer:
            for source in images.tables:
                with pq.ParquetFile(source) as table:
                    for whole in table.iter_batches(_ROWS_AT_ONCE):
                        batch = _chosen(whole, images.chosen, seen)
                        seen += len(whole)
                        part = labels.slice(done, len(batch)).combine_chunks()
                        columns = [*batch.columns[:at], part, *batch.columns[at + 1 :]]
                        writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
                        done += len(batch)
    except pa.ArrowException as error:
        raise InputError(
            f"{source} cannot be read: {str(error).splitlines()[0]}", "Is the file whole?"
        ) from error


def _chosen(batch: pa.RecordBatch, rows: NDArray[np.int64] | None, start: int) -> pa.RecordBatch:
    """Those of a batch's rows that are chosen; it begins at row `start` of all."""
    if rows is None:
        return batch
    first, last = np.searchsorted(rows, [start, start + len(batch)])
    return batch.take(pa.array(rows[first:last] - start))
