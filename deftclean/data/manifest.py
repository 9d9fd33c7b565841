"""An image folder or a label manifest, read and validated: file names, labels, class names.

No torch here, and no image is opened: whether one can be read is settled later, row by row.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.core.arrow_types import refuse_unwritable
from deftclean.core.errors import InputError, UsageError
from deftclean.core.switch import recover
from deftclean.core.tables import columns_of, read_table
from deftclean.data.asking import Question
from deftclean.data.collected import (
    found_metadata,
    found_shards,
    metadata_records,
    read_arrow,
    read_shards,
    say_nothing,
)
from deftclean.data.columns import ImageColumn, huggingface_features, image_column, renamed
from deftclean.data.folders import IMAGE_SUFFIXES, walk_images
from deftclean.data.hints import label_table_command, scan_command
from deftclean.data.labels import name_labels
from deftclean.data.layouts import FolderRows, folder_rows
from deftclean.data.options import ManifestOptions
from deftclean.data.records import Records, read_records, without_index
from deftclean.data.several_labels import out_of_lists, refuse_several
from deftclean.data.table_rows import TableRows
from deftclean.shards.patterns import refuse_compressed, shards_in, written_shards
from deftclean.shards.saved_sets import SUFFIX as ARROW
from deftclean.shards.webdataset import of_splits, packed_rows, refuse_links
from deftclean.table.facts import check_facts
from deftclean.table.parts import COMMIT
from deftclean.table.reviewed import REVIEW_COLUMNS, EarlierReview, is_reviewed, review_of
from deftclean.table.scores import METADATA_KEY, ScoreTable, written_columns
from deftclean.table.splits import SPLIT, in_splits
from deftclean.table.ways import opened_root


@dataclass(frozen=True)
class Manifest:
    """N rows: what to look at and what it is said to be.

    Attributes:
        source: what was read, for messages: a folder or a file name.
        root: the data folder that `file_names` are relative to.
        columns: the input's own columns, N rows, as they go into the output.
        file_names: (N,) strings, POSIX paths; a row that names no file is `<table>#<row>`.
        named: (N,) bool, false where the row names no file.
        given_labels: (N,) strings, null where the row has no label; class names where the input
            holds integers.
        label_names: class name by label as the input writes it, in the order of the K classes.
        images: where the bytes are, if they lie in the table.
        labels_file: what the labels were read from; None where they are folder names.
        source_lines: (N,) int64, the line of the labels file that each row begins on, from 1; null
            where it has no lines.
        notes: what a user should know about how the input was read.
        label_column, path_column: where labels and file names (or images) stand in the input;
            None in a folder, or without labels.
        review: what people decided about the rows, in a table of ours that was reviewed.
        splits: those that were read of a table that holds the images; None for all of it.
    """

    source: str
    root: Path
    columns: pa.Table
    file_names: pa.Array
    named: NDArray[np.bool_]
    given_labels: pa.Array
    label_names: dict[str, str]
    images: ImageColumn | None
    labels_file: Path | None
    source_lines: pa.Array
    notes: tuple[str, ...]
    label_column: str | None = None
    path_column: str | None = None
    review: EarlierReview | None = None
    splits: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.file_names)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The K classes, in order."""
        return tuple(dict.fromkeys(self.label_names.values()))

    def label_indices(self, class_names: Sequence[str]) -> "np.ma.MaskedArray[Any, Any]":
        """(N,) int64 index of each label in `class_names`; masked: no label, or another one."""
        indices = pc.index_in(self.given_labels, value_set=pa.array(class_names, pa.string()))
        filled = pc.fill_null(indices, 0).to_numpy().astype(np.int64)
        return np.ma.MaskedArray(filled, mask=indices.is_null().to_numpy(zero_copy_only=False))


def read_manifest(data: Path, labels: Path | None, options: ManifestOptions) -> Manifest:
    """Read an image folder, or a table of labels with or without one.

    Args:
        data: a folder of images, or a table (then paths are relative to the table's folder,
            unless the images lie in the table).
        labels: a table, or a folder of Parquet files of the same columns, whose paths are
            relative to the folder `data`; None where sub-folder names are the labels.
        options: columns and class names.

    Raises:
        InputError: what cannot be read, and what to do; all problems of a kind together.
    """
    table = data if labels is None else labels
    if not table.is_dir():
        recover(table)  # which may be what makes it be there
    if packed := written_shards(data):
        if labels is None:
            return _from_tars(data.parent, packed, options)
        data = data.parent
    if not data.exists():
        raise InputError(f"{data} does not exist.", "Give an image folder or a label table.")
    if (table / COMMIT).is_file():
        raise InputError(
            f"{table} is a score table in parts, which is not read as input.",
            f"Write it as one file first: deftclean export {table} --to parquet -o table.parquet",
        )
    if labels is None and data.is_dir():
        return _from_folder(data, options)
    if labels is None:
        return table_manifest(data, None, options)
    if not data.is_dir():
        raise InputError(
            f"{data} is not a folder.",
            "With two arguments the first is the image folder: deftclean scan data/ labels.csv",
        )
    if shards := found_shards(labels):
        return _from_label_shards(labels, shards, data, options)
    if not labels.is_file():
        raise InputError(
            f"{labels} is not a file, nor a folder of Parquet files.",
            "Give a .csv, .tsv, .jsonl, .json, .txt, .arrow or .parquet file.",
        )
    return table_manifest(labels, data, options)


# ---------------------------------------------------------------- folders


def _from_folder(root: Path, options: ManifestOptions) -> Manifest:
    if shards := found_shards(root):
        read = read_shards(root, shards, options)
        return replace(
            table_manifest(root, root, options, read.records, read.images), labels_file=None
        )
    if (packed := shards_in(root)) and not walk_images(root, options.allow_outside)[0]:
        return _from_tars(root, packed, options)
    given = {
        "--path-column": options.path_column,
        "--label-column": options.label_column,
        "--delimiter": options.delimiter,
        "--rename": options.rename,
    }
    unused = [name for name, value in given.items() if value]
    metadata = found_metadata(root)
    if unused and not metadata:
        raise UsageError(
            f"{', '.join(unused)} cannot go with a folder alone: it has no columns.",
            "Give the label table too: deftclean scan data/ labels.csv",
        )
    names, notes = walk_images(root, options.allow_outside)
    if not names:
        refuse_compressed(root)
        raise InputError(
            f"{root} holds no images.",
            f"Images end in {', '.join(sorted(IMAGE_SUFFIXES)[:6])}, ... in any case of letters.",
        )
    try:
        rows = _folder_rows(root, names, options)
    except InputError:
        if not metadata:
            raise
        return _from_metadata(root, metadata, options, notes)
    named = options.class_names is not None and any(rows.labels)
    if metadata and (unused or (say_nothing(rows.labels) and not named)):
        return _from_metadata(root, metadata, options, notes)
    if metadata:
        said = f"{metadata[0].name} is not read, since folders are classes; to read it: "
        notes = (*notes, said + scan_command(root, metadata[0]))
    rows = _wanted_folders(rows, root, options)
    labelled = name_labels(
        pa.array(rows.labels, pa.string()), options.class_names, None, options.known_labels
    )
    return Manifest(
        source=root.name or str(root),
        root=root,
        columns=pa.table({} if rows.splits is None else {SPLIT: pa.array(rows.splits)}),
        file_names=pa.array(rows.names, pa.string()),
        named=np.ones(len(rows.names), dtype=bool),
        given_labels=labelled.given,
        label_names=labelled.names,
        images=None,
        labels_file=None,
        source_lines=pa.nulls(len(rows.names), pa.int64()),
        notes=(*notes, *rows.notes),
    )


def _from_tars(root: Path, shards: list[Path], options: ManifestOptions) -> Manifest:
    """Pictures in tar files, with their labels beside them."""
    if not options.allow_outside:
        refuse_links(root, shards)
    rows = of_splits(packed_rows(shards, options.label_column), shards, options.split)
    labelled = name_labels(rows.labels, options.class_names, None, options.known_labels)
    return Manifest(
        source=root.name or str(root),
        root=root,
        columns=pa.table({} if rows.splits is None else {SPLIT: rows.splits}),
        file_names=rows.names,
        named=np.ones(len(rows.names), dtype=bool),
        given_labels=labelled.given,
        label_names=labelled.names,
        images=None,
        labels_file=None,
        source_lines=pa.nulls(len(rows.names), pa.int64()),
        notes=(*rows.notes, *labelled.notes),
    )


def _from_label_shards(
    labels: Path, shards: list[Path], data: Path, options: ManifestOptions
) -> Manifest:
    """Labels in a folder of Parquet files, pictures in another folder."""
    read = read_shards(labels, shards, options)
    if read.images is not None:
        raise InputError(
            f"{labels}: its Parquet files hold the images themselves (column {read.images.name}).",
            f"Leave the image folder out: deftclean scan {labels}",
        )
    return replace(table_manifest(labels, data, options, read.records), labels_file=None)


def _from_metadata(
    root: Path, tables: list[Path], options: ManifestOptions, notes: tuple[str, ...]
) -> Manifest:
    """By the metadata that lie in the folder, as Hugging Face's image folders have them."""
    records = metadata_records(root, tables, options)
    made = table_manifest(tables[0], root, options, records)
    several = replace(made, labels_file=None) if len(tables) > 1 else made
    return replace(several, notes=(*notes, *made.notes))


def _folder_rows(root: Path, names: list[str], options: ManifestOptions) -> FolderRows:
    if options.known_labels is None and not any("/" in name for name in names):
        raise InputError(
            f"{root} has no class folders: its {len(names):,} images lie side by side.",
            f"Put each class into a sub-folder, or give a label table: {label_table_command(root)}",
        )
    return folder_rows(root, names, options.folders, options.known_labels or {})


def _wanted_folders(rows: FolderRows, root: Path, options: ManifestOptions) -> FolderRows:
    """The rows of the splits that the user wants."""
    if options.split is None:
        return rows
    splits = pa.array(rows.splits or [], pa.string())
    chosen = np.flatnonzero(in_splits(splits, options.split, str(root))).tolist()
    return FolderRows(
        [rows.names[row] for row in chosen],
        [rows.labels[row] for row in chosen],
        [(rows.splits or [])[row] for row in chosen],
        (*rows.notes, f"{len(chosen):,} images are of --split {', '.join(options.split)}"),
    )


def table_manifest(
    path: Path,
    given: Path | None,
    options: ManifestOptions,
    records: Records | None = None,
    images: ImageColumn | None = None,
) -> Manifest:
    """The rows of a table, or of those of its rows that are given.

    Args:
        path: the table.
        given: the folder that file names are relative to, as the user gave it; None for the
            table's own.
        options: columns and class names.
        records: rows that were read already; None to read all.
        images: the column with image bytes, where rows are given.

    Raises:
        InputError: as `read_manifest`.
    """
    if records is None and path.suffix.lower() == ARROW:
        read = read_arrow(path, options)
        records, images = read.records, read.images
    # Parquet tells its columns before its rows are read; other formats are read once, whole.
    if records is None and path.suffix.lower() != ".parquet":
        records = read_records(path, options)
    schema = columns_of(path, None) if records is None else records.table.schema
    if not schema.names:
        raise InputError(f"{path} has no rows.")
    own = METADATA_KEY in (schema.metadata or {})
    metadata = _own_metadata(schema) if own else {}
    check_facts(path, metadata)
    root = given
    if root is None:
        root = _recorded_root(metadata, path) if own else path.parent
    if records is None:
        images = image_column(path, schema, options.path_column)
        table = read_table(path, None, (images.name, images.nested) if images else None)
        records = Records(table, pa.nulls(len(table), pa.int64()))
    if not len(records.table):
        raise InputError(f"{path} has no rows.")
    table, notes = without_index(records.table, options)
    features = huggingface_features(path, schema)
    usual = ("file_name", "given_label") if own else (None, None)
    question = Question(
        path=path,
        table=table,
        root=root,
        given=given,
        options=options,
        images=images.name if images else None,
        path_column=options.path_column or records.path_column or usual[0],
        label_column=options.label_column or records.label_column or usual[1],
        features=features,
        needed=options.known_labels is None,
    )
    meant = question.answer()
    rows = TableRows.of(question, meant, records.lines, own, records.first)
    class_list = features.get(rows.label_column, {}).get("names") if rows.label_column else None
    labels, lists = out_of_lists(path, rows.label_column or "", rows.labels)
    if options.class_names is None and class_list is None and question.needed:
        refuse_several(path, rows.label_column or "label", labels)
    labelled = name_labels(labels, options.class_names, class_list, options.known_labels)
    review = _earlier_review(ScoreTable(rows.table, metadata)) if own else None
    rename = options.rename or {}
    replaced = {rows.path_column}
    if rows.label_column == "given_label" and "given_label" not in rename:
        replaced.add("given_label")  # the output has it in words
    if own:
        replaced |= {*written_columns(metadata), *(REVIEW_COLUMNS if review is not None else ())}
    if lists:  # what goes on is what was read
        rows = rows.with_labels(labels)
    kept = rows.table.drop_columns([n for n in rows.table.column_names if n in replaced])
    columns = rows.with_agreement(path, renamed(kept, rename, path))
    refuse_unwritable(path, columns)
    if images is not None and rows.chosen is not None:
        images = replace(images, chosen=rows.chosen)
    return Manifest(
        source=path.name,
        root=root,
        columns=columns,
        file_names=rows.file_names,
        named=rows.named,
        given_labels=labelled.given,
        label_names=labelled.names,
        images=images,
        labels_file=path,
        source_lines=rows.lines,
        notes=(*records.notes, *notes, *rows.notes, *lists, *labelled.notes),
        label_column=rows.label_column,
        path_column=rows.path_column,
        review=review,
        splits=None if images is None or options.split is None else tuple(options.split),
    )


def _earlier_review(scores: ScoreTable) -> EarlierReview | None:
    """What people decided about a table of ours; None where nobody has looked at it."""
    if not is_reviewed(scores):
        return None
    sha256 = scores.table["content_sha256"].combine_chunks()
    return EarlierReview(review_of(scores), sha256)


def _own_metadata(schema: pa.Schema) -> dict[str, Any]:
    """What a score table says of itself; nothing where that is damaged."""
    try:
        metadata = json.loads(schema.metadata[METADATA_KEY])
    except (ValueError, RecursionError):
        return {}
    return metadata if isinstance(metadata, dict) else {}


def _recorded_root(metadata: Mapping[str, Any], path: Path) -> Path:
    if "image_root" not in metadata:
        raise InputError(
            f"{path}: its score metadata are damaged.", "Give the image folder as first argument."
        )
    return opened_root(metadata, path, f"deftclean scan {{}} {path}")
