"""An image folder or a label manifest, read and validated: file names, labels, class names.

No torch here, and no image is opened: whether one can be read is settled later, row by row.
"""

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.errors import InputError, UsageError
from deftclean.labels import few, name_labels
from deftclean.scores import METADATA_KEY, SCORE_COLUMNS, image_root
from deftclean.tables import columns_of, read_table

IMAGE_SUFFIXES = frozenset(
    [
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".gif",
        ".bmp",
        ".dib",
        ".webp",
        ".tif",
        ".tiff",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
        ".avif",
    ]
)

PATH_COLUMNS = (
    "file_name", "filename", "file_path", "filepath", "file", "path",
    "image_path", "image_file", "image_name", "image", "img_path", "img", "uri",
)  # fmt: skip
LABEL_COLUMNS = (
    "label", "labels", "given_label", "noisy_label", "class", "class_name", "class_label",
    "category", "target", "y", "fine_label",
)  # fmt: skip

_SPLITS = frozenset({"train", "training", "val", "valid", "validation", "test", "testing", "dev"})


@dataclass(frozen=True)
class ImageColumn:
    """Images that lie in a Parquet file itself.

    Attributes:
        table: the Parquet file.
        name: the column.
        nested: the bytes are the field `bytes` of a struct, not the column itself.
    """

    table: Path
    name: str
    nested: bool


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
        notes: what a user should know about how the input was read.
    """

    source: str
    root: Path
    columns: pa.Table
    file_names: pa.Array
    named: NDArray[np.bool_]
    given_labels: pa.Array
    label_names: dict[str, str]
    images: ImageColumn | None
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.file_names)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The K classes, in order."""
        return tuple(dict.fromkeys(self.label_names.values()))

    def label_indices(self, class_names: Sequence[str]) -> "np.ma.MaskedArray[Any, Any]":
        """(N,) int64 index of each label in `class_names`; masked: no label, or another one."""
        indices = pc.index_in(self.given_labels, value_set=pa.array(class_names, pa.string()))
        filled = pc.fill_null(indices, 0).to_numpy(zero_copy_only=False).astype(np.int64)
        return np.ma.MaskedArray(filled, mask=indices.is_null().to_numpy(zero_copy_only=False))


@dataclass(frozen=True)
class ManifestOptions:
    """How to read a manifest where the usual names do not say it.

    Attributes:
        path_column: column with the file names (or the images).
        label_column: column with the labels.
        class_names: file with class names: a line each, a JSON list, or a JSON object from label
            to name.
        delimiter: of a CSV file, where it is not a comma (a tab for .tsv).
        rename: input columns to be carried on under another name, old -> new.
        allow_outside: follow links and names that leave the data folder.
        known_labels: class name by label of a saved detector, for input that names no classes
            itself; labels that are not in it stay as they are.
    """

    path_column: str | None = None
    label_column: str | None = None
    class_names: Path | None = None
    delimiter: str | None = None
    rename: Mapping[str, str] | None = None
    allow_outside: bool = False
    known_labels: Mapping[str, str] | None = None


def read_manifest(data: Path, labels: Path | None, options: ManifestOptions) -> Manifest:
    """Read an image folder, or a table of labels with or without one.

    Args:
        data: a folder of images, or a table (then paths are relative to the table's folder,
            unless the images lie in the table).
        labels: a table whose paths are relative to the folder `data`; None where sub-folder
            names are the labels.
        options: columns and class names.

    Raises:
        InputError: what cannot be read, and what to do; all problems of a kind together.
    """
    if not data.exists():
        raise InputError(f"{data} does not exist.", "Give an image folder or a label table.")
    if labels is None and data.is_dir():
        return _from_folder(data, options)
    if labels is None:
        return _from_table(data, None, options)
    if not data.is_dir():
        raise InputError(
            f"{data} is not a folder.",
            "With two arguments the first is the image folder: deftclean scan data/ labels.csv",
        )
    if not labels.is_file():
        raise InputError(f"{labels} is not a file.", "Give a .csv, .tsv, .jsonl or .parquet file.")
    return _from_table(labels, data, options)


# ---------------------------------------------------------------- folders


def _from_folder(root: Path, options: ManifestOptions) -> Manifest:
    given = {
        "--path-column": options.path_column,
        "--label-column": options.label_column,
        "--delimiter": options.delimiter,
        "--rename": options.rename,
    }
    unused = [name for name, value in given.items() if value]
    if unused:
        raise UsageError(
            f"{', '.join(unused)} cannot go with a folder alone: it has no columns.",
            "Give the label table too: deftclean scan data/ labels.csv",
        )
    names, notes = _walk(root, options.allow_outside)
    if not names:
        raise InputError(
            f"{root} holds no images.",
            f"Images end in {', '.join(sorted(IMAGE_SUFFIXES)[:6])}, ... in any case of letters.",
        )
    labels = [name.split("/", 1)[0] if "/" in name else None for name in names]
    folders = {label for label in labels if label is not None}
    if not folders and options.known_labels is None:
        raise InputError(
            f"{root} has no class folders: its {len(names):,} images lie side by side.",
            "Put each class into a sub-folder, or give a label table: "
            "deftclean scan data/ labels.csv",
        )
    if folders and {folder.lower() for folder in folders} <= _SPLITS:
        raise InputError(
            f"The sub-folders of {root} are splits, not classes: {few(sorted(folders))}.",
            f"Scan one of them: deftclean scan {root / min(folders)}",
        )
    labelled = name_labels(
        pa.array(labels, pa.string()), options.class_names, None, options.known_labels
    )
    return Manifest(
        source=root.name or str(root),
        root=root,
        columns=pa.table({}),
        file_names=pa.array(names, pa.string()),
        named=np.ones(len(names), dtype=bool),
        given_labels=labelled.given,
        label_names=labelled.names,
        images=None,
        notes=tuple(notes),
    )


def _walk(root: Path, follow: bool) -> tuple[list[str], list[str]]:
    """Relative POSIX names of all images, sorted, and notes on what was left out."""
    names: list[str] = []
    others: Counter[str] = Counter()
    linked: list[str] = []
    seen = {root.resolve()}
    for folder, folders, files in os.walk(root, followlinks=follow, onerror=_cannot_list):
        here = Path(folder)
        kept = []
        for name in sorted(folders):
            child = here / name
            if name.startswith("."):
                continue
            if child.is_symlink() and not follow:
                linked.append(child.relative_to(root).as_posix())
            elif not child.is_symlink() or child.resolve() not in seen:
                seen.add(child.resolve())
                kept.append(name)
        folders[:] = kept
        for name in files:
            if name.startswith("."):
                continue
            suffix = Path(name).suffix.lower()
            if suffix in IMAGE_SUFFIXES:
                names.append((here / name).relative_to(root).as_posix())
            else:
                others[suffix or "no suffix"] += 1
    unprintable = [ascii(name) for name in names if not _is_text(name)]
    if unprintable:
        raise InputError(
            f"{len(unprintable)} file name(s) are not valid Unicode: {few(unprintable)}.",
            "Rename them; a table cannot hold such names.",
        )
    notes = []
    if others:
        kinds = ", ".join(f"{suffix} {count:,}" for suffix, count in others.most_common(5))
        notes.append(f"{others.total():,} files that are not images were left out ({kinds})")
    if linked:
        notes.append(
            f"{len(linked)} linked folder(s) were not followed ({few(linked)}); "
            "--allow-outside follows them"
        )
    return sorted(names), notes


def _cannot_list(error: OSError) -> None:
    raise InputError(f"{error.filename} cannot be listed: {error.strerror}.") from error


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


# ---------------------------------------------------------------- tables


def _from_table(path: Path, root: Path | None, options: ManifestOptions) -> Manifest:
    # Parquet tells its columns before its rows are read; other formats are read once, whole.
    parquet = path.suffix.lower() == ".parquet"
    text = None if parquet else read_table(path, options.delimiter, None)
    schema = columns_of(path, None) if text is None else text.schema
    if not schema.names:
        raise InputError(f"{path} has no rows.")
    own = METADATA_KEY in (schema.metadata or {})
    if root is None:
        root = _recorded_root(schema, path) if own else path.parent
    features = _huggingface_features(schema)
    images = _image_column(path, schema, options)
    path_name = images.name if images else _find_path_column(path, schema, options, own)
    label_name = _find_label_column(path, schema, options, own, features, path_name)
    column = (images.name, images.nested) if images else None
    table = read_table(path, None, column) if text is None else text
    if not len(table):
        raise InputError(f"{path} has no rows.")

    name_values = table[path_name] if path_name in table.column_names else None
    file_names, named = _file_names(name_values, path, root, len(table))
    class_list = features.get(label_name, {}).get("names") if label_name else None
    given = table[label_name] if label_name else pa.nulls(len(table), pa.string())
    labelled = name_labels(given, options.class_names, class_list, options.known_labels)
    dropped = set(SCORE_COLUMNS) if own else set()
    columns = table.drop_columns(
        [c for c in table.column_names if c in dropped or c in (path_name, "given_label")]
    )
    return Manifest(
        source=path.name,
        root=root,
        columns=_renamed(columns, options.rename or {}, path),
        file_names=file_names,
        named=named,
        given_labels=labelled.given,
        label_names=labelled.names,
        images=images,
        notes=labelled.notes,
    )


def _recorded_root(schema: pa.Schema, path: Path) -> Path:
    try:
        return image_root(json.loads(schema.metadata[METADATA_KEY]), path)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: its score metadata are damaged.", "Give the image folder as first argument."
        ) from error


def _huggingface_features(schema: pa.Schema) -> dict[str, Any]:
    raw = (schema.metadata or {}).get(b"huggingface")
    if raw is None:
        return {}
    try:
        features = json.loads(raw)["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    return {k: v for k, v in features.items() if isinstance(v, dict)}


def _image_column(path: Path, schema: pa.Schema, options: ManifestOptions) -> ImageColumn | None:
    if path.suffix.lower() != ".parquet":
        return None
    nested = [
        f.name
        for f in schema
        if pa.types.is_struct(f.type) and f.type.get_field_index("bytes") >= 0
    ]
    flat = [f.name for f in schema if _is_binary(f.type)]
    found = nested + flat
    if options.path_column is not None:
        found = [name for name in found if name == options.path_column]
    elif any(name.strip().lower() in PATH_COLUMNS for name in set(schema.names) - set(found)):
        # A hash or a thumbnail beside a column of file names.
        found = [name for name in found if name.strip().lower() in PATH_COLUMNS]
    if len(found) > 1:
        raise InputError(
            f"{path} has several columns with image bytes: {few(found)}.",
            f"Choose one: --path-column {found[0]}",
        )
    return ImageColumn(path, found[0], found[0] in nested) if found else None


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _find_path_column(path: Path, schema: pa.Schema, options: ManifestOptions, own: bool) -> str:
    if own and options.path_column is None:
        return "file_name"
    return _find(path, schema, options.path_column, PATH_COLUMNS, "file names", "--path-column")


def _find_label_column(
    path: Path,
    schema: pa.Schema,
    options: ManifestOptions,
    own: bool,
    features: Mapping[str, Any],
    path_name: str,
) -> str | None:
    """The column with the labels; None where a saved detector may score rows without any."""
    if options.label_column is None:
        if own:
            return "given_label"
        labelled = [n for n, f in features.items() if f.get("_type") == "ClassLabel"]
        if len(labelled) == 1 and labelled[0] in schema.names:
            return labelled[0]
    rest = pa.schema([field for field in schema if field.name != path_name])
    usual = any(name.strip().lower() in LABEL_COLUMNS for name in rest.names)
    if options.label_column is None and options.known_labels is not None and not usual:
        return None
    return _find(path, rest, options.label_column, LABEL_COLUMNS, "labels", "--label-column")


def _find(
    path: Path, schema: pa.Schema, given: str | None, usual: Sequence[str], what: str, option: str
) -> str:
    alone = len(schema.names) == 1 and what == "file names"
    there = f"It has the columns {few(schema.names, 12)}."
    if given is not None:
        if given not in schema.names:
            raise InputError(f"{path} has no column {given!r} ({option}).", there)
        return given
    found = [name for name in schema.names if name.strip().lower() in usual]
    if not found:
        more = (
            " Is it separated by something else than commas? Say so: --delimiter ';'"
            if alone
            else ""
        )
        raise InputError(
            f"{path}: no column with the {what} was recognised.",
            f"{there} Name it: {option} NAME.{more}",
        )
    if len(found) > 1:
        raise InputError(
            f"{path}: several columns could hold the {what}: {few(found)}.",
            f"Choose one: {option} {found[0]!r}",
        )
    return str(found[0])


def _file_names(
    values: pa.ChunkedArray | None, path: Path, root: Path, rows: int
) -> tuple[pa.Array, NDArray[np.bool_]]:
    """POSIX names relative to the root, and which rows have one at all."""
    fallback = [f"{path.name}#{row}" for row in range(rows)]
    if values is None:
        return pa.array(fallback, pa.string()), np.zeros(rows, dtype=bool)
    try:
        names = values.cast(pa.string()).to_pylist()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(f"{path}: the file names are not text: {error}.") from error
    named = np.array([bool(name and name.strip()) for name in names], dtype=bool)
    prefixes = tuple(f"{way.as_posix()}/" for way in (root.resolve(), root.absolute()))
    clean = [
        _relative(name, root, prefixes) if there else spare
        for name, there, spare in zip(names, named.tolist(), fallback, strict=True)
    ]
    return pa.array(clean, pa.string()), named


def _relative(name: str, root: Path, prefixes: tuple[str, ...]) -> str:
    # A backslash is a separator in tables from Windows; a file really called so wins.
    if "\\" in name and not os.path.lexists(root / name):
        name = name.replace("\\", "/")
    name = name.removeprefix("./")
    if not name.startswith("/"):
        return name
    for prefix in prefixes:
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    # No absolute path goes into a table: the file is `outside` either way.
    return Path(os.path.relpath(name, root.resolve())).as_posix()


def _renamed(columns: pa.Table, rename: Mapping[str, str], path: Path) -> pa.Table:
    unknown = [name for name in rename if name not in columns.column_names]
    if unknown:
        raise InputError(
            f"--rename: {path} carries on no column {few(unknown)}.",
            f"It carries on {few(columns.column_names, 12) or 'no columns'}.",
        )
    names = [rename.get(name, name) for name in columns.column_names]
    clash = sorted({name for name in names if name in SCORE_COLUMNS})
    if clash:
        raise InputError(
            f"{path} has columns that the score table writes itself: {few(clash)}.",
            "Carry them on under other names: "
            + " ".join(f"--rename {name}=input_{name}" for name in clash),
        )
    doubled = [name for name, count in Counter(names).items() if count > 1]
    if doubled:
        raise InputError(f"{path}: two columns would be called {few(doubled)}.", "See --rename.")
    return columns.rename_columns(names)
