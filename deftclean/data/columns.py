"""Which column of a table holds what: file names or images, and labels."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deftclean.core.errors import InputError
from deftclean.core.text import few
from deftclean.data.folders import IMAGE_SUFFIXES
from deftclean.shards.saved_sets import SUFFIX as ARROW
from deftclean.shards.saved_sets import arrow_images
from deftclean.table.scores import SCORE_COLUMNS

_LOOKED_AT = 16  # values of a column of bytes, to see whether they are text
_LONGEST_NAME, _LONGEST_SUFFIX = 4096, 8  # bytes, of a path and its ending
PATH_COLUMNS = (
    "file_name", "filename", "file_path", "filepath", "file", "path",
    "image_path", "image_file", "image_name", "image", "img_path", "img", "uri",
)  # fmt: skip
PATH_COLUMNS_IF_FILES = (
    "id", "image_id", "imageid", "img_id", "image_name_id", "id_code", "img_name", "imagename",
    "image_filename", "image_index", "name", "photo", "picture", "photo_id", "picture_id", "files",
    "images", "paths", "filenames", "url", "image_url",
)  # fmt: skip
"""Names of columns that may hold file names, and are taken for such where files are called so."""

LABEL_COLUMNS = (
    "label", "labels", "given_label", "noisy_label", "class", "class_name", "class_label",
    "category", "target", "y", "fine_label",
)  # fmt: skip

LABEL_COLUMNS_ELSE = (
    "breed", "species", "variety", "cultivar", "dx", "diagnosis", "disease", "finding", "emotion",
    "expression", "genre", "digit", "character", "label_name", "category_name", "label_id",
    "class_id", "category_id", "image_label", "ground_truth", "annotation", "choice", "tag", "type",
)  # fmt: skip
"""Names of columns that hold labels where none is called more plainly."""


@dataclass(frozen=True)
class ImageColumn:
    """Images that lie in a Parquet file itself, or in several that follow each other.

    Attributes:
        table: the first Parquet file.
        name: the column.
        nested: the bytes are the field `bytes` of a struct, not the column itself.
        others: the files after it.
        chosen: (n,) ascending, rows of all files that are read; None for all.
        rows: first and end of those that are meant, of the n; None for all.
    """

    table: Path
    name: str
    nested: bool
    others: tuple[Path, ...] = ()
    rows: tuple[int, int] | None = None
    chosen: NDArray[np.int64] | None = field(default=None, compare=False)

    @property
    def tables(self) -> tuple[Path, ...]:
        """All files, in the order of the rows."""
        return (self.table, *self.others)


def huggingface_features(path: Path, schema: pa.Schema) -> dict[str, Any]:
    """What Hugging Face's `datasets` says of each column; empty where it says nothing.

    Args:
        path: the table, for messages.
        schema: its columns.

    Raises:
        InputError: features are there, and not of the form that `datasets` writes.
    """
    raw = (schema.metadata or {}).get(b"huggingface")
    if raw is None:
        return {}
    try:
        said = json.loads(raw)["info"]["features"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    if not isinstance(said, dict):
        raise _damaged(path, "info.features is not an object")
    # Lists of one feature, as Sequence was written once, say nothing of labels or images.
    features = {name: each for name, each in said.items() if isinstance(each, dict)}
    for name, each in features.items():
        names = each.get("names")
        if each.get("_type") == "ClassLabel" and not _is_names(names):
            raise _damaged(path, f"names of column {name!r} are not a list of text")
    return features


def _is_names(names: Any) -> bool:
    return names is None or (isinstance(names, list) and all(isinstance(n, str) for n in names))


def _damaged(path: Path, what: str) -> InputError:
    return InputError(
        f"{path}: its Hugging Face metadata (schema metadata `huggingface`) are damaged: {what}.",
        "Write the file again with datasets, or without these metadata.",
    )


def image_column(path: Path, schema: pa.Schema, wanted: str | None) -> ImageColumn | None:
    """The column of a Parquet file with image bytes, if it has one.

    Args:
        path: the table.
        schema: its columns.
        wanted: the path column as the user names it; None to recognise it.

    Raises:
        InputError: there are several.
    """
    if path.suffix.lower() not in (".parquet", ARROW):
        return None
    nested = [f.name for f in schema if _has_bytes(path, f)]
    flat = [f.name for f in schema if _is_binary(f.type) and not _holds_names(path, f.name)]
    found = nested + flat
    if wanted is not None:
        found = [name for name in found if name == wanted]
    elif any(name.strip().lower() in PATH_COLUMNS for name in set(schema.names) - set(found)):
        # A hash or a thumbnail beside a column of file names.
        found = [name for name in found if name.strip().lower() in PATH_COLUMNS]
    if len(found) > 1:
        raise InputError(
            f"{path} has several columns with image bytes: {few(found)}.",
            f"Choose one: --path-column {found[0]}",
        )
    return ImageColumn(path, found[0], found[0] in nested) if found else None


def _has_bytes(path: Path, field: pa.Field) -> bool:
    """Whether a column is a struct with bytes, as `datasets` writes images."""
    kind = field.type
    if not pa.types.is_struct(kind) or kind.get_field_index("bytes") < 0:
        return False
    inner = kind.field("bytes").type
    if not (_is_binary(inner) or pa.types.is_null(inner)):
        raise InputError(
            f"{path}: field bytes of column {field.name!r} holds {inner}, not bytes.",
            "Write encoded images there, or name a column of file names: --path-column NAME.",
        )
    return True


def _holds_names(path: Path, name: str) -> bool:
    """Whether a column of bytes holds text: Parquet's older writers do not mark text as such."""
    if path.suffix.lower() == ARROW:
        values = next(arrow_images(path, name, nested=False), None)
        first = [] if values is None else values.slice(0, _LOOKED_AT).drop_null().to_pylist()
        return bool(first) and all(map(_is_name, first))
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        batch = next(file.iter_batches(_LOOKED_AT, columns=[name]), None)
    first = [] if batch is None else batch.column(0).drop_null().to_pylist()
    return bool(first) and all(map(_is_name, first))


def _is_name(data: bytes) -> bool:
    ending = data[-_LONGEST_SUFFIX:].lower().decode("latin-1")
    return len(data) < _LONGEST_NAME and ending.endswith(tuple(IMAGE_SUFFIXES))


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def find_path_column(path: Path, schema: pa.Schema, wanted: str | None) -> str:
    """The column with the file names.

    Raises:
        InputError: none or several can be it.
    """
    return _find(path, schema, wanted, PATH_COLUMNS, "file names", "--path-column")


def find_label_column(path: Path, schema: pa.Schema, wanted: str | None) -> str:
    """The column with the labels.

    Args:
        path: the table.
        schema: its columns, without the one with the file names.
        wanted: the column as the user names it; None to recognise it.

    Raises:
        InputError: none or several can be it.
    """
    return _find(path, schema, wanted, LABEL_COLUMNS, "labels", "--label-column")


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


def called(names: Sequence[str], usual: Sequence[str]) -> list[str]:
    """The columns that have one of the usual names, in any case of letters."""
    return [name for name in names if name.strip().lower() in usual]


def called_freely(names: Sequence[str], usual: Sequence[str]) -> list[str]:
    """The same with spaces or hyphens for underscores."""
    plain = {name: name.strip().lower().replace(" ", "_").replace("-", "_") for name in names}
    return [name for name, found in plain.items() if found in usual]


def renamed(columns: pa.Table, rename: Mapping[str, str], path: Path) -> pa.Table:
    """The columns as they go into the output, under their new names.

    Raises:
        InputError: a name is not there, stands twice, or is one of the score table's own.
    """
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
