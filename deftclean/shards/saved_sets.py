"""Data sets as `save_to_disk` of Hugging Face's `datasets` leaves them: folders of Arrow files.

The files are mapped, not read: a column of images costs no memory until it is asked for.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.core.arrow_types import plain_schema, plain_table, refuse_bad_text
from deftclean.core.errors import InputError
from deftclean.core.files import read_text
from deftclean.core.text import few

SUFFIX = ".arrow"
_STATE, _SPLITS = "state.json", "dataset_dict.json"
_MAGIC = b"ARROW1"  # of files that are no streams
_END = b"\xff\xff\xff\xff\0\0\0\0"  # of every stream


def saved_files(root: Path) -> list[Path]:
    """The Arrow files of a saved data set, or of all splits of one; none where it is none.

    Raises:
        InputError: it is damaged, incomplete, or of a form that is not read.
    """
    if (root / _SPLITS).is_file():
        splits = _said(root / _SPLITS).get("splits")
        names = splits if isinstance(splits, list) else []
        return [path for name in names for path in _files_of(root / _plain(root / _SPLITS, name))]
    return _files_of(root) if (root / _STATE).is_file() else []


def split_of(path: Path) -> str | None:
    """The split that a file of a data set of several is of."""
    return path.parent.name if (path.parent.parent / _SPLITS).is_file() else None


def _files_of(folder: Path) -> list[Path]:
    state = _said(folder / _STATE)
    if state.get("_indices_data_files"):
        raise InputError(
            f"{folder} names its rows by a list of indices, as old versions of datasets did.",
            "Save it anew: load_from_disk(...).flatten_indices().save_to_disk(...)",
        )
    listed = state.get("_data_files")
    entries = listed if isinstance(listed, list) else []
    names = [entry.get("filename") if isinstance(entry, dict) else None for entry in entries]
    paths = [folder / _plain(folder / _STATE, name) for name in names]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise InputError(
            f"{folder}: {len(missing):,} of its {len(paths):,} files are not there: "
            f"{few(missing)}.",
            "Copy the whole folder.",
        )
    return paths


def _said(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(read_text(path))
        if not isinstance(said, dict):
            raise ValueError("not an object")
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{path} cannot be read: {error}.", "Save the data set anew: save_to_disk(...)"
        ) from error
    return said


def _plain(path: Path, name: Any) -> str:
    """A name in the folder itself, and not of somewhere else."""
    if not isinstance(name, str) or name in ("", ".", "..") or Path(name).name != name:
        raise InputError(f"{path} names a file elsewhere: {name!r}.", "Save the data set anew.")
    return name


# ---------------------------------------------------------------- one file


def arrow_schema(path: Path) -> pa.Schema:
    """Names, types and metadata of the columns.

    Raises:
        InputError: the file is damaged.
    """
    return plain_schema(_mapped(path).schema)


def arrow_table(path: Path, images: tuple[str, bool] | None) -> pa.Table:
    """All rows.

    Args:
        path: the file.
        images: the column with image bytes, and whether they are a field of a struct; of it only
            the struct's `path` is kept, in the column's place, or nothing.

    Raises:
        InputError: the file is damaged.
    """
    table = _mapped(path)
    if images is not None:
        name, nested = images
        at = table.column_names.index(name)
        if nested and table.schema.field(name).type.get_field_index("path") >= 0:
            table = table.set_column(at, name, pc.struct_field(table[name], "path"))
        else:
            table = table.remove_column(at)
    plain = plain_table(table)
    refuse_bad_text(path, plain)
    return plain


def arrow_images(path: Path, name: str, nested: bool) -> Iterator[pa.Array]:
    """The image bytes of all rows, some at a time.

    Raises:
        InputError: the file is damaged.
    """
    for values in _mapped(path)[name].chunks:
        yield pc.struct_field(values, "bytes") if nested else values


def arrow_images_at(
    path: Path, name: str, nested: bool, rows: NDArray[np.int64]
) -> Iterator[bytes | None]:
    """The image bytes of (n,) rows, ascending.

    Raises:
        InputError: the file is damaged.
    """
    column = _mapped(path)[name]
    for row in rows.tolist():
        value = column[row].as_py()
        yield value["bytes"] if nested and value is not None else value


def arrow_rows(path: Path) -> int:
    """How many rows a file has.

    Raises:
        InputError: it is damaged.
    """
    return len(_mapped(path))


def _mapped(path: Path) -> pa.Table:
    try:
        source = pa.memory_map(str(path))
        if source.read(len(_MAGIC)) == _MAGIC:
            return pa.ipc.open_file(source).read_all()
        source.seek(0)
        table = pa.ipc.open_stream(source).read_all()
        source.seek(max(0, source.size() - len(_END)))
        # One that is cut off between two batches would be a smaller one.
        whole = source.read() == _END
    except (pa.ArrowException, OSError) as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path} cannot be read: {text}", "Is the file whole?") from error
    if not whole:
        raise InputError(f"{path} is cut off: it has no end.", "Copy or save it again.")
    return table
