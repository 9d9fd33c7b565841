"""Files with numbers of the user's own: which line is of which row, and whether the form is right.

Read without torch and before any picture. Shapes: N rows, n lines, D numbers in each, K classes.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.core.errors import InputError
from deftclean.core.tables import read_table
from deftclean.core.text import few

_TABLES = (".parquet", ".csv", ".tsv", ".jsonl", ".ndjson")
SUFFIXES = (".npy", ".safetensors", *_TABLES)
_BY_ROW = "A line for each row, in the same order; or a table with a column file_name."


@dataclass(frozen=True)
class OwnFile:
    """Numbers, and which of them are whose.

    Attributes:
        option: that named the file, for messages.
        path: the file.
        values: (n, D), any kind of numbers; may be mapped from the file.
        lines: (N,) the line of each row; -1 where there is none.
        columns: D names; None where the file has none.
    """

    option: str
    path: Path
    values: NDArray[np.generic]
    lines: NDArray[np.int64]
    columns: tuple[str, ...] | None

    def of_classes(self, class_names: Sequence[str]) -> "OwnFile":
        """The same, its columns those of the K classes in their order.

        Columns without names, or called 0, 1 ..., are in this order already.

        Raises:
            InputError: they are not as many, or called otherwise.
        """
        names, count = self.columns, self.values.shape[1]
        if names is not None and set(names) == set(class_names):
            order = [names.index(name) for name in class_names]
            return OwnFile(self.option, self.path, self.values[:, order], self.lines, names)
        numbered = names is None or list(names) == [str(at) for at in range(count)]
        if numbered and count == len(class_names):
            return self
        if not numbered and names is not None:
            strange = [name for name in names if name not in class_names]
            missing = [name for name in class_names if name not in names]
            said = [f"no classes are {few(strange)}"] if strange else []
            said += [f"of {few(missing)} there is none"] if missing else []
            raise InputError(
                f"{self.option} {self.path}: its columns are not the {len(class_names):,} classes: "
                f"{'; '.join(said)}.",
                f"Name a column after each class: {few(list(class_names), 12)}.",
            )
        raise InputError(
            f"{self.option} {self.path} has {count:,} columns; there are {len(class_names):,} "
            "classes.",
            f"A column for each class, in this order: {few(list(class_names), 12)}.",
        )


def read_own(
    option: str, path: Path, file_names: pa.ChunkedArray, name_columns: Collection[str]
) -> OwnFile:
    """Numbers for N rows, by row or by file name.

    Args:
        option: that named the file.
        path: its ending names the format.
        file_names: (N,) of the rows.
        name_columns: lower-case names that a column of file names may have.

    Raises:
        InputError: the file is missing, damaged, of another form, or of other rows.
    """
    suffix, count = path.suffix.lower(), len(file_names)
    if suffix not in SUFFIXES:
        raise InputError(f"{option} {path}: it must end in {', '.join(SUFFIXES)}.")
    if not path.is_file():
        raise InputError(f"{option} {path} does not exist or is no file.")
    names, columns = None, None
    if suffix in _TABLES:
        table = read_table(path, None, None)
        names, values, columns = _of_table(option, path, table, name_columns)
    else:
        values = _npy(option, path) if suffix == ".npy" else _tensor(option, path)
    _check_form(option, path, values)
    if names is not None:
        return OwnFile(option, path, values, _by_name(option, path, names, file_names), columns)
    if len(values) != count:
        raise InputError(
            f"{option} {path} has {len(values):,} lines; the data have {count:,} rows.", _BY_ROW
        )
    return OwnFile(option, path, values, np.arange(count), columns)


def _check_form(option: str, path: Path, values: NDArray[np.generic]) -> None:
    if values.ndim != 2 or values.shape[1] < 2:
        shape = " x ".join(f"{size:,}" for size in values.shape) or "a single number"
        raise InputError(
            f"{option} {path} holds {shape}; it must be a line of two or more numbers for each "
            "row.",
            _BY_ROW,
        )
    if not (np.issubdtype(values.dtype, np.floating) or np.issubdtype(values.dtype, np.integer)):
        raise InputError(f"{option} {path} holds {values.dtype}, not numbers.")


def _npy(option: str, path: Path) -> NDArray[np.generic]:
    try:
        values: NDArray[np.generic] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(option, path, error) from error
    return values


def _tensor(option: str, path: Path) -> NDArray[np.generic]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            names = list(file.keys())
            if len(names) != 1:
                raise InputError(
                    f"{option} {path} holds {len(names):,} tensors: {few(names)}.",
                    "Write one alone.",
                )
            values: NDArray[np.generic] = file.get_tensor(names[0])
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise _damaged(option, path, error) from error
    return values


def _damaged(option: str, path: Path, error: Exception) -> InputError:
    said = str(error).splitlines()[0] if str(error) else type(error).__name__
    return InputError(f"{option} {path} cannot be read: {said}", "Is the file whole?")


# ---------------------------------------------------------------- tables


def _of_table(
    option: str, path: Path, table: pa.Table, name_columns: Collection[str]
) -> tuple[pa.ChunkedArray | None, NDArray[np.generic], tuple[str, ...] | None]:
    """File names where there are some, numbers, and what their columns are called."""
    named = [name for name in table.column_names if name.strip().lower() in name_columns]
    if len(named) > 1:
        raise InputError(
            f"{option} {path} has several columns that may hold file names: {few(named)}.",
            "Leave one alone.",
        )
    names = table[named[0]].cast(pa.string()) if named else None
    rest = table.drop_columns(named)
    lists = [field.name for field in rest.schema if _is_list(field.type)]
    if lists:
        if len(lists) > 1:
            raise InputError(
                f"{option} {path} has several columns of lists: {few(lists)}.", "Leave one alone."
            )
        return names, _of_lists(option, path, rest[lists[0]]), None
    numbers = {name: _numbers(rest[name]) for name in rest.column_names}
    wrong = [name for name, found in numbers.items() if found is None]
    if wrong:
        raise InputError(
            f"{option} {path}: columns hold no numbers, or not in every line: {few(wrong)}.",
            "Leave the file names (column file_name) and columns of numbers.",
        )
    columns = [found for found in numbers.values() if found is not None]
    values = np.stack(columns, axis=1) if columns else np.empty((len(table), 0))
    return names, values, tuple(numbers)


def _is_list(kind: pa.DataType) -> bool:
    kinds = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(is_one(kind) for is_one in kinds)


def _of_lists(option: str, path: Path, column: pa.ChunkedArray) -> NDArray[np.generic]:
    whole = column.combine_chunks()
    sizes = pc.list_value_length(whole)
    lengths = pc.unique(sizes).to_pylist()
    if len(lengths) > 1 or None in lengths:
        raise InputError(
            f"{option} {path}: lists are of different lengths: {few([str(n) for n in lengths])}."
        )
    flat = _numbers(pa.chunked_array([whole.flatten()]))
    if flat is None:
        raise InputError(f"{option} {path}: its lists hold something else than numbers.")
    return flat.reshape(len(whole), -1)


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float32] | None:
    """(n,) of a column; None where it holds something else, or nothing somewhere."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = pc.utf8_trim_whitespace(column)
    try:
        found = column.cast(pa.float32(), safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    if found.null_count:
        return None
    values: NDArray[np.float32] = found.to_numpy()
    return values


def _by_name(
    option: str, path: Path, names: pa.ChunkedArray, file_names: pa.ChunkedArray
) -> NDArray[np.int64]:
    counts = pc.value_counts(names)
    twice = counts.field(0).filter(pc.greater(counts.field(1), 1)).to_pylist()
    if twice:
        raise InputError(
            f"{option} {path} has several lines of {len(twice):,} files: "
            f"{few([json.dumps(name, ensure_ascii=False) for name in twice])}."
        )
    places = pc.index_in(file_names.cast(pa.string()), value_set=names.combine_chunks())
    lines: NDArray[np.int64] = pc.fill_null(places, -1).to_numpy().astype(np.int64)
    if (lines < 0).all():
        raise InputError(
            f"{option} {path}: of the {len(names):,} files that it names none is in the data: "
            f"{names[0].as_py()!r}, where the data have {file_names[0].as_py()!r}.",
            "File names are relative to the data folder.",
        )
    return lines
