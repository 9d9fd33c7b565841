"""File names as a table writes them, to POSIX paths below the data folder."""

import os
import unicodedata
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.core.errors import InputError
from deftclean.stores.contents import Contents


def relative_names(
    written: pa.Array | pa.ChunkedArray,
    table: Path,
    root: Path,
    first: int = 0,
    chosen: NDArray[np.int64] | None = None,
) -> tuple[pa.Array, NDArray[np.bool_]]:
    """POSIX names relative to the data folder, and which rows have one at all.

    Args:
        written: (N,) the column with the file names.
        table: the file it stands in, after which rows without a name are called.
        root: the data folder.
        first: where the rows begin among all of the table.
        chosen: (N,) which of its rows these are; None where they follow each other.

    Returns:
        (N,) strings, `<table>#<row>` where the row names no file; (N,) bool, false there.

    Raises:
        InputError: the column is not text.
    """
    names = _texts(written, table)
    nameless = pc.fill_null(_is_blank(names), True)
    names = _in_existing_form(_below(names, root), root)
    named = ~nameless.to_numpy(zero_copy_only=False)
    spared = np.flatnonzero(~named)
    rows = (spared + first if chosen is None else chosen[spared]).tolist()
    spare = pa.array([f"{table.name}#{row}" for row in rows], pa.string())
    return pc.replace_with_mask(names, nameless, spare), named


def _texts(written: pa.Array | pa.ChunkedArray, table: Path) -> pa.Array:
    try:
        names = written.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(f"{table}: the file names are not text: {error}.") from error
    return names.combine_chunks() if isinstance(names, pa.ChunkedArray) else names


def _is_blank(texts: pa.Array) -> pa.Array:
    return pc.or_(pc.equal(pc.binary_length(texts), 0), pc.utf8_is_space(texts))


def _below(names: pa.Array, root: Path) -> pa.Array:
    """Names relative to the root; most are so already, and those that are not often repeat."""
    unusual = pc.match_substring(names, "\\")
    for start in ("./", "/"):
        unusual = pc.or_(unusual, pc.starts_with(names, start))
    coded = names.filter(unusual).dictionary_encode()
    # The two ways an absolute name may lead to the root; links in it are resolved in the first.
    ways = (root.resolve().as_posix(), root.absolute().as_posix())
    distinct = [relative_name(name, root, ways) for name in coded.dictionary.to_pylist()]
    clean = pa.array(distinct, pa.string()).take(coded.indices)
    return pc.replace_with_mask(names, unusual, clean)


def _in_existing_form(names: pa.Array, root: Path) -> pa.Array:
    """Names in the Unicode form in which the files have them: composed, or as macOS writes them.

    As with backslashes, a file that is really called so wins.
    """
    foreign = pc.invert(pc.string_is_ascii(names))
    if not pc.any(foreign).as_py():
        return names
    coded = names.filter(foreign).dictionary_encode()
    forms = _Forms(root)
    found = pa.array([forms.of(name) for name in coded.dictionary.to_pylist()], pa.string())
    return pc.replace_with_mask(names, foreign, found.take(coded.indices))


class _Forms:
    """Finds files whose names differ from what is written in their Unicode form alone."""

    def __init__(self, root: Path) -> None:
        self._contents = Contents(root)
        self._listed: dict[str, dict[str, str]] = {}

    def of(self, name: str) -> str:
        """The name of the file that is there; the name itself where there is none."""
        if _composed(name) == unicodedata.normalize("NFD", name):
            return name  # there is no other form
        if not self._contents.known():
            return name  # a web server would have to be asked for each
        parts: list[str] = []
        for part in name.split("/"):
            here = "/".join(parts)
            there = self._contents.has(f"{here}/{part}" if here else part)
            found = part if there else self._names(here).get(_composed(part))
            if not found or part == "..":
                return name
            parts.append(found)
        return "/".join(parts)

    def _names(self, folder: str) -> dict[str, str]:
        """What lies in a folder, by its composed name."""
        if folder not in self._listed:
            found = self._contents.names(folder)
            self._listed[folder] = {_composed(name): name for name in found}
        return self._listed[folder]


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def relative_name(name: str, root: Path, ways: tuple[str, str]) -> str:
    """One name relative to the data folder.

    Args:
        name: as it is written.
        root: the data folder.
        ways: the absolute beginnings that lead to it.
    """
    # A backslash is a separator in tables from Windows; a file really called so wins.
    if "\\" in name and not os.path.lexists(root / name):
        name = name.replace("\\", "/")
    name = name.removeprefix("./")
    if not name.startswith("/"):
        return name
    for way in ways:
        if name.startswith(f"{way}/"):
            return name.removeprefix(f"{way}/")
    # No absolute path goes into a table: the file is `outside` either way.
    return Path(os.path.relpath(name, ways[0])).as_posix()
