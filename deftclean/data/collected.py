"""Tables that lie in a folder, as Hugging Face and Roboflow have them.

Of a folder of images, `metadata.csv`, `.jsonl`, `.parquet` or `_classes.csv`, in it or in each
folder of a split; of a folder without images, its Parquet files, one after the other.
"""

import os
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deftclean.core.errors import InputError
from deftclean.core.files import METADATA, ROBOFLOW
from deftclean.core.tables import columns_of, read_table
from deftclean.core.text import few
from deftclean.data.columns import ImageColumn, image_column
from deftclean.data.folders import walk_images
from deftclean.data.options import ManifestOptions
from deftclean.data.records import Records, read_records
from deftclean.shards.saved_sets import SUFFIX as ARROW
from deftclean.shards.saved_sets import arrow_schema, arrow_table, saved_files, split_of
from deftclean.table.scores import METADATA_KEY
from deftclean.table.splits import SPLIT, split_words

FILE = "file_name"
_FILE_OF_ROBOFLOW = "filename"


def found_metadata(root: Path) -> list[Path]:
    """The metadata of a folder: its own, or else those of the folders in it."""
    own = [root / name for name in METADATA if (root / name).is_file()]
    if own:
        return own[:1]
    # Names alone: what each of very many files is, nobody has to ask.
    folders = [root / name for name in sorted(next(os.walk(root))[1])]
    inside = ((folder, name) for folder in folders for name in METADATA)
    found = {folder: folder / name for folder, name in inside if (folder / name).is_file()}
    return list(found.values())


def say_nothing(labels: Collection[str | None]) -> bool:
    """Whether folders are no classes: there are none, or they only number the pictures."""
    folders = {label for label in labels if label is not None}
    return all(folder.isdecimal() for folder in folders)


def metadata_records(root: Path, tables: list[Path], options: ManifestOptions) -> Records:
    """The rows of all metadata, their file names relative to the folder, with a column `split`.

    Args:
        root: the folder.
        tables: its metadata.
        options: encoding and such.

    Raises:
        InputError: a table cannot be read, names no files, or fits the others not.
    """
    parts = [_placed(root, table, options, len(tables)) for table in tables]
    note = f"labels are read from {few([str(each.relative_to(root)) for each in tables])}"
    if len(parts) == 1:
        return replace(parts[0], notes=(note, *parts[0].notes))
    try:
        table = pa.concat_tables([part.table for part in parts], promote_options="permissive")
    except pa.ArrowException as error:
        raise InputError(
            f"{root}: columns of its metadata are of different types: {str(error).splitlines()[0]}",
            f"Give one of them: deftclean scan {tables[0].parent}",
        ) from error
    notes = tuple(dict.fromkeys(each for part in parts for each in part.notes))
    return Records(table, pa.nulls(len(table), pa.int64()), FILE, None, (note, *notes))


def _placed(root: Path, path: Path, options: ManifestOptions, count: int) -> Records:
    if path.suffix == ".parquet":
        table = read_table(path, None, None)
        records = Records(table, pa.nulls(len(table), pa.int64()))
    else:
        records = read_records(path, options)
    table = records.table
    if path.name == ROBOFLOW:
        same = {_FILE_OF_ROBOFLOW: FILE}
        table = table.rename_columns([same.get(name, name) for name in table.column_names])
        records = replace(records, table=table)
    if FILE not in table.column_names:
        raise InputError(
            f"{path} has no column {FILE}.", f"It has the columns {few(table.column_names, 12)}."
        )
    if path.parent == root:
        return replace(records, path_column=FILE)
    above = path.parent.relative_to(root).as_posix()
    names = pc.binary_join_element_wise(f"{above}/", table[FILE].cast(pa.string()), "")
    table = table.set_column(table.column_names.index(FILE), FILE, names)
    split = split_words(above)[0]
    if SPLIT not in table.column_names and (split or count > 1):
        values = pa.array([split or above] * len(table), pa.string())
        table = table.append_column(SPLIT, values)
    return replace(records, table=table, path_column=FILE)


# ---------------------------------------------------------------- Parquet files, one after another


@dataclass(frozen=True)
class Shards:
    """A folder of Parquet files as one table.

    Attributes:
        records: all rows.
        images: the column with image bytes, where there is one.
    """

    records: Records
    images: ImageColumn | None


def holds_tables(data: Path) -> bool:
    """Whether this is a table, or a folder of such and no images."""
    return data.is_file() or bool(found_shards(data))


def found_shards(root: Path) -> list[Path]:
    """The files of a folder that are one table; not tables of our own.

    Those of a data set saved to disk by Hugging Face's `datasets`; or the Parquet files of a folder
    without images, or of its `data`.
    """
    if not root.is_dir():
        return []
    if saved := saved_files(root):
        return saved
    places = (root, root / "data")
    found = next((each for place in places if (each := sorted(place.glob("*.parquet")))), [])
    if not found or walk_images(root, follow=False)[0]:
        return []
    return [path for path in found if METADATA_KEY not in (columns_of(path, None).metadata or {})]


def splits_of(paths: list[Path], schema: pa.Schema) -> list[str | None] | None:
    """The split that the name of each file says; None where one does not, or a column does.

    Args:
        paths: the files.
        schema: of their columns.
    """
    splits = [split_of(path) or split_words(path.stem.split("-")[0])[0] for path in paths]
    return splits if SPLIT not in schema.names and all(splits) else None


def concatenated(root: Path, paths: list[Path], parts: list[pa.Table]) -> pa.Table:
    """The rows of several files.

    Args:
        root: the folder, for messages.
        paths: the files.
        parts: their rows.

    Raises:
        InputError: columns are of different types.
    """
    try:
        return pa.concat_tables(parts, promote_options="permissive")
    except pa.ArrowException as error:
        raise InputError(
            f"{root}: columns of its files are of different types: {str(error).splitlines()[0]}",
            f"Give one of them: deftclean scan {paths[0]}",
        ) from error


def _schema(path: Path) -> pa.Schema:
    return arrow_schema(path) if path.suffix == ARROW else columns_of(path, None)


def _rows(path: Path, images: tuple[str, bool] | None) -> pa.Table:
    return arrow_table(path, images) if path.suffix == ARROW else read_table(path, None, images)


def read_shards(root: Path, paths: list[Path], options: ManifestOptions) -> Shards:
    """All rows of Parquet files of the same columns, with a column `split` where names say one.

    Args:
        root: the folder, for messages.
        paths: `found_shards`.
        options: the column with images.

    Raises:
        InputError: columns differ, or a file is damaged.
    """
    schema, kind = _schema(paths[0]), "Arrow" if paths[0].suffix == ARROW else "Parquet"
    others = [str(path) for path in paths if _schema(path).names != schema.names]
    if others:
        raise InputError(
            f"{root}: {len(others)} of its {len(paths)} {kind} files have other columns than "
            f"{paths[0].name}: {few(others)}.",
            f"Give one of them: deftclean scan {paths[0]}",
        )
    images = image_column(paths[0], schema, options.path_column)
    column = (images.name, images.nested) if images else None
    parts = [_rows(path, column) for path in paths]
    table = concatenated(root, paths, parts)
    splits = splits_of(paths, schema)
    if splits is not None:
        of_row = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        table = table.append_column(SPLIT, pa.array(splits, pa.string()).take(pa.array(of_row)))
    note = f"{len(paths)} {kind} files are read as one table: {few([p.name for p in paths])}"
    records = Records(
        table.replace_schema_metadata(schema.metadata),
        pa.nulls(len(table), pa.int64()),
        notes=(note,),
    )
    return Shards(records, images and replace(images, others=tuple(paths[1:])))


def read_arrow(path: Path, options: ManifestOptions) -> Shards:
    """All rows of one Arrow file, as the cache of Hugging Face's `datasets` has them.

    Raises:
        InputError: it is damaged.
    """
    schema = arrow_schema(path)
    images = image_column(path, schema, options.path_column)
    table = arrow_table(path, (images.name, images.nested) if images else None)
    table = table.replace_schema_metadata(schema.metadata)
    return Shards(Records(table, pa.nulls(len(table), pa.int64())), images)
