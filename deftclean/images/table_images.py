"""Where the pictures of a score table are: in a folder, or in another table. No torch."""

from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from deftclean.core.errors import InputError
from deftclean.data.collected import holds_tables
from deftclean.data.columns import ImageColumn
from deftclean.data.manifest import read_manifest
from deftclean.data.options import ManifestOptions
from deftclean.images.decoding import ImageError
from deftclean.images.row_images import images_at, spool_images, table_names
from deftclean.images.sources import NamedSource, RowImages, TableImages
from deftclean.images.stored import Encoded, encoded, images_below
from deftclean.table.scores import SPLITS, ScoreTable
from deftclean.table.ways import image_root, opened_root


def images_of_table(
    scores: ScoreTable, table: Path, data: Path | None, allow_outside: bool, folder: Path
) -> RowImages:
    """The picture of every row.

    Args:
        scores: the table.
        table: its file.
        data: image folder, or the table that holds the images; None for the folder of the scan.
        allow_outside: follow links and names that leave the data folder.
        folder: may be filled with a copy of images that lie in a table.

    Raises:
        InputError: there is no such folder, or the images lay in a table that is not given.
    """
    if data is not None and holds_tables(data):
        column, files = _column_of(scores, table, data, allow_outside)
        of_row = scores.table["row"].to_numpy().astype(np.int64)
        source = TableImages(spool_images(column, folder / "images-of-table"), files)
        return RowImages(source, of_row)
    root = _root_of(scores, table, data)
    names = scores.table["file_name"].combine_chunks()
    coded = pc.fill_null(names, "").dictionary_encode()
    of_row = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return RowImages(images_below(root, coded.dictionary, allow_outside), of_row)


def encoded_images(
    scores: ScoreTable, table: Path, data: Path | None, allow_outside: bool
) -> Iterator[Encoded]:
    """The encoded picture of every row, one after the other; for a few rows of a large table.

    Args:
        scores: rows in ascending order; their pictures alone are read.
        table: the file they come from.
        data, allow_outside: as `images_of_table`.

    Raises:
        InputError: as `images_of_table`, before any picture is read.
    """
    if data is not None and holds_tables(data):
        column, files = _column_of(scores, table, data, allow_outside)
        rows = scores.table["row"].to_numpy().astype(np.int64)
        return map(_present, images_at(column, rows), repeat(files), rows.tolist())
    root = _root_of(scores, table, data)
    names = pc.fill_null(scores.table["file_name"].combine_chunks(), "")
    return encoded(images_below(root, names, allow_outside), range(len(names)))


def _present(data: bytes | None, files: NamedSource, row: int) -> Encoded:
    if data is None and files.file_names[row].as_py():
        return _read(files, row)
    if data is None:
        return ImageError("missing", "the table holds no image bytes in this row")
    return data


def _read(source: NamedSource, index: int) -> Encoded:
    try:
        return source.read(index)
    except ImageError as error:
        return error


def _root_of(scores: ScoreTable, table: Path, data: Path | None) -> Path:
    """The folder that the file names are relative to."""
    names = scores.table["file_name"]
    if data is None and bool(pc.all(pc.match_substring_regex(names, r"#\d+$")).as_py()):
        raise InputError(
            f"{table}: its images lay in the table that was scanned, not in files.",
            "Give that table: --data train.parquet",
        )
    root = data or opened_root(scores.metadata, table, "--data {}")
    if not root.is_dir():
        raise InputError(
            f"The image folder {root} of {table} does not exist.",
            "Give the folder that holds the images now: --data FOLDER",
        )
    return root


def _column_of(
    scores: ScoreTable, table: Path, data: Path, allow_outside: bool
) -> tuple[ImageColumn, NamedSource]:
    """The column of `data` that holds the images of all rows, and the files that it names."""
    splits = scores.metadata.get(SPLITS)
    manifest = read_manifest(data, None, ManifestOptions(known_labels={}, split=splits))
    if manifest.images is None:
        raise InputError(
            f"--data {data} holds no images.",
            "Give an image folder, or the table that was scanned.",
        )
    last = pc.max(scores.table["row"]).as_py()
    if last is not None and last >= len(manifest):
        raise InputError(
            f"--data {data} has {len(manifest):,} rows; the scores name row {last:,}.",
            "Give the table that was scanned.",
        )
    # As the scan has found them: it may have been given a folder too.
    root = image_root(scores.metadata, table)
    return manifest.images, images_below(root, table_names(manifest), allow_outside)
