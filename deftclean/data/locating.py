"""File names that lead nowhere as they are written, to files that are there: seen by looking.

Tables name files relative to their own folder, without an ending, or as they lay on another
machine. A few names are looked at first: where one of them is right, all stay as they are.
"""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from deftclean.core.errors import InputError, UsageError
from deftclean.core.text import few
from deftclean.data.file_names import relative_name
from deftclean.data.folders import IMAGE_SUFFIXES, walk_images
from deftclean.data.hints import table_command
from deftclean.data.options import ManifestOptions
from deftclean.shards.packed import Shards
from deftclean.stores.contents import Contents

_LOOKED_AT = 32  # names, from all over the table
_DEEPEST = 32  # folders of a name that are left out at most
_MOST_PREFIXES = 4  # that are suggested


@dataclass
class Files:
    """What lies below a folder, looked up as far as it is asked for.

    Attributes:
        root: the folder.
    """

    root: Path
    _listed: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    _anywhere: dict[str, list[str]] | None = None
    _contents: Contents = field(init=False)
    _shards: Shards = field(init=False)

    def __post_init__(self) -> None:
        self._contents, self._shards = Contents(self.root), Shards(self.root)

    def has(self, name: str) -> bool:
        """Whether a file of this name is there."""
        return bool(name) and (self._contents.has(name) or self._shards.has(name))

    def completed(self, name: str) -> list[str]:
        """The images that are called so but for their ending."""
        folder, _, stem = name.rpartition("/")
        if ".." in folder.split("/") or folder.startswith("/"):
            return []  # what lies outside is not looked at
        if folder not in self._listed:
            inside = [*self._contents.names(folder), *self._shards.below(folder)]
            self._listed[folder] = _by_stem(inside)
        return [
            f"{folder}/{each}" if folder else each for each in self._listed[folder].get(stem, ())
        ]

    def anywhere(self, name: str) -> list[str]:
        """The images in any folder that are called so, with an ending or without."""
        if self._anywhere is None:
            found, _ = walk_images(self.root, follow=False)
            found += self._shards.everything()
            self._anywhere = _by_stem(found)
            for each in found:
                self._anywhere.setdefault(each.rpartition("/")[2], []).append(each)
        return self._anywhere.get(name, [])

    def beginning(self, written: str) -> str | None:
        """The shortest beginning of a name without which it leads to a file; None without one."""
        plain = written.replace("\\", "/")
        at = plain.find("/")
        for _ in range(_DEEPEST):
            if at < 0:
                break
            rest = plain[at + 1 :].lstrip("/")
            if self.has(rest) or (rest and self.completed(rest)):
                return written[: len(plain) - len(rest)]
            at = plain.find("/", at + 1)
        return None


def _by_stem(names: Iterable[str]) -> dict[str, list[str]]:
    """Images by their names without folder and ending."""
    found: dict[str, list[str]] = {}
    for name in names:
        stem, dot, ending = name.rpartition("/")[2].rpartition(".")
        if stem and f"{dot}{ending.lower()}" in IMAGE_SUFFIXES:
            found.setdefault(stem, []).append(name)
    return found


def leads_to_file(name: str, root: Path) -> bool:
    """Whether a text is the name of an image below a folder, with its ending or without."""
    files = Files(root)
    return files.has(name) or bool(files.completed(name)) or files.beginning(name) is not None


def name_files(values: pa.Array | pa.ChunkedArray, root: Path) -> bool:
    """Whether a column holds names of images below a folder, with their endings or without.

    Args:
        values: (N,) of any type.
        root: the data folder.
    """
    names = _sample(values, root)
    files = Files(root)
    if any(files.has(name) or files.completed(name) for name in names):
        return True
    written = _written(values)
    return bool(written) and (
        all(map(_has_ending, names))
        or any(map(files.beginning, written))
        or any(map(files.anywhere, names))
    )


def located(
    values: pa.Array | pa.ChunkedArray,
    table: Path,
    root: Path,
    given: Path | None,
    options: ManifestOptions,
) -> tuple[pa.Array | pa.ChunkedArray, tuple[str, ...]]:
    """Names as they lead to files below the data folder, and what was done to them.

    Args:
        values: (N,) names as they are written.
        table: the file that they stand in.
        root: the data folder.
        given: the same as the user gave it; None for the folder of the table.
        options: prefixes to strip, an ending.

    Raises:
        UsageError: no name begins with a prefix that is to be stripped.
        InputError: names fit two files, or all lead elsewhere and it can be said where.
    """
    search = _Search(table, root, given, options)
    stripped = values
    if options.strip_prefix:
        stripped = search.stripped(_texts(values))
    sample = _sample(stripped, root)
    if not sample or any(map(search.files.has, sample)):
        return stripped, ()
    names = _texts(stripped)
    for way in (
        ()
        if options.exact_names
        else (
            search.in_table_folder,
            search.with_endings,
            search.refuse_prefix,
            search.elsewhere,
        )
    ):
        if (found := way(names, sample)) is not None:
            return found
    if options.suffix:
        return search.with_suffix(names, options.suffix), ()
    return stripped, ()


Found = tuple[pa.Array, tuple[str, ...]]


@dataclass(frozen=True)
class _Search:
    """Ways to understand names none of which is right as it is written; None where one fails."""

    table: Path
    root: Path
    given: Path | None
    options: ManifestOptions
    files: Files = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", Files(self.root))

    def stripped(self, names: pa.Array) -> pa.Array:
        """Names without what the user wants stripped."""
        for prefix in self.options.strip_prefix or ():
            start = prefix.replace("\\", "/").rstrip("/")
            slashed = pc.replace_substring(names, "\\", "/")
            begins = pc.fill_null(pc.starts_with(slashed, f"{start}/" if start else "/"), False)
            if not pc.any(begins).as_py():
                first = next(iter(names.drop_null().slice(0, 1).to_pylist()), "")
                raise UsageError(
                    f"--strip-prefix {prefix!r}: no file name of {self.table} begins so.",
                    f"The first is {first!r}.",
                )
            rest = pc.utf8_ltrim(pc.utf8_slice_codeunits(slashed, len(start)), "/")
            names = pc.if_else(begins, rest, names)
        return names

    def with_suffix(self, names: pa.Array, suffix: str) -> pa.Array:
        """All names without an image's ending, with this one, though no file is called so."""
        ending = suffix if suffix.startswith(".") else f".{suffix}"
        bare = pc.invert(_endings(names))
        return pc.if_else(bare, pc.binary_join_element_wise(names, ending, ""), names)

    def in_table_folder(self, names: pa.Array, sample: Sequence[str]) -> Found | None:
        """Names relative to the folder of the table, which the data folder lies in or beside."""
        way = os.path.relpath(self.root.resolve(), self.table.parent.resolve())
        start = f"{Path(way).as_posix()}/"
        inner = [name.removeprefix(start) for name in sample if name.startswith(start)]
        if way == "." or not any(self.files.has(n) or self.files.completed(n) for n in inner):
            return None
        plain = _plain(names)
        rest = pc.utf8_slice_codeunits(plain, len(start))
        found = pc.if_else(pc.starts_with(plain, start), rest, names)
        note = f"file names are relative to the folder of {self.table.name}"
        if any(map(self.files.has, inner)):
            return found, (note,)
        ended = self.with_endings(found, inner)
        return None if ended is None else (ended[0], (note, *ended[1]))

    def with_endings(self, names: pa.Array, sample: Sequence[str]) -> Found | None:
        """Names without an ending, with those of the files that are called so."""
        if not any(map(self.files.completed, sample)):
            return None
        coded = _plain(names).dictionary_encode()
        fitting = {name: self._fitting(name) for name in coded.dictionary.to_pylist()}
        self._refuse_two(fitting)
        mapped = [fitting[n][0] if fitting[n] else n for n in coded.dictionary.to_pylist()]
        made = pa.array(mapped, pa.string()).take(coded.indices)
        used = Counter(Path(f[0]).suffix for f in fitting.values() if f)
        listed = ", ".join(f"{ending} {count:,}" for ending, count in used.most_common(3))
        return made, (f"file names have no ending; completed by the files there ({listed})",)

    def _fitting(self, name: str) -> list[str]:
        """The files that a name without an ending may mean."""
        files = self.files.completed(name)
        wanted = f".{(self.options.suffix or '').removeprefix('.').lower()}"
        return [each for each in files if each.lower().endswith(wanted)] or files

    def _refuse_two(self, fitting: dict[str, list[str]]) -> None:
        double = {name: files for name, files in fitting.items() if len(files) > 1}
        if not double:
            return
        name, files = next(iter(double.items()))
        endings = Counter(Path(each).suffix for fits in fitting.values() for each in fits)
        suffix = max((Path(each).suffix for each in files), key=lambda ending: endings[ending])
        raise InputError(
            f"{self.table}: {len(double):,} file names without an ending fit several files, as "
            f"{name!r}: {few(files)}.",
            f"Say which: {self._command(self.given, suffix=suffix)}",
        )

    def refuse_prefix(self, names: pa.Array, sample: Sequence[str]) -> Found | None:  # noqa: ARG002
        """Names that would be right without their beginning are refused with how to leave it out.

        Raises:
            InputError: there is such a beginning.
        """
        found = Counter(filter(None, map(self.files.beginning, _written(names))))
        if not found or len(found) > _MOST_PREFIXES:
            return None
        prefixes = tuple(prefix for prefix, _ in found.most_common())
        first = _written(names)[0]
        earlier = tuple(self.options.strip_prefix or ())
        raise InputError(
            f"{self.table}: no file is where its name says, as {first!r}.",
            "Without their beginning the names are right: "
            f"{self._command(self.given, strip_prefix=(*earlier, *prefixes))}",
        )

    def elsewhere(self, names: pa.Array, sample: Sequence[str]) -> Found | None:
        """Names of files in other folders below: bare ones are found, others are said."""
        inner = [self.files.anywhere(name.rpartition("/")[2]) for name in sample]
        ends = [
            [each for each in found if _tail(each, name)]
            for name, found in zip(sample, inner, strict=True)
        ]
        folders = Counter(_above(each, n) for n, f in zip(sample, ends, strict=True) for each in f)
        if not folders:
            return None
        best = self.root / folders.most_common(1)[0][0]
        if any("/" in name for name in sample):
            raise InputError(
                f"{self.table}: no file is where its name says, as {sample[0]!r}.",
                f"Such files lie in {best}: {self._command(best)}",
            )
        coded = _plain(names).dictionary_encode()
        fitting = {name: self.files.anywhere(name) for name in coded.dictionary.to_pylist()}
        double = {name: files for name, files in fitting.items() if len(files) > 1}
        if double:
            name, files = next(iter(double.items()))
            raise InputError(
                f"{self.table}: {len(double):,} file names fit files in several folders, as "
                f"{name!r}: {few(files)}.",
                f"Say which folder: {self._command(best)}",
            )
        mapped = [fitting[n][0] if fitting[n] else n for n in coded.dictionary.to_pylist()]
        note = f"files are found by their names in {few([f'{each}/' for each in folders])}"
        return pa.array(mapped, pa.string()).take(coded.indices), (note,)

    def _command(self, data: Path | None, **changes: Any) -> str:
        return table_command(self.table, data, self.options, **changes)


def _above(found: str, name: str) -> str:
    """The folder below which a file has this name, with an ending or without."""
    return "/".join(found.split("/")[: -1 - name.count("/")])


def _tail(found: str, name: str) -> bool:
    """Whether a file's path ends with a name, with an ending or without."""
    whole = f"/{found}"
    return whole.endswith(f"/{name}") or whole.rpartition(".")[0].endswith(f"/{name}")


# ---------------------------------------------------------------- names


def _texts(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    try:
        texts = values.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        texts = pa.nulls(len(values), pa.string())
    return texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts


def _plain(names: pa.Array) -> pa.Array:
    """Names with slashes between their parts, and no dot before them."""
    return pc.replace_substring_regex(pc.replace_substring(names, "\\", "/"), r"^(\./)+", "")


def _endings(names: pa.Array) -> pa.Array:
    """(N,) bool, whether names end like images."""
    lower = pc.utf8_lower(names)
    found = pa.array([False] * len(names)) if not len(names) else pc.equal(lower, None)
    for suffix in IMAGE_SUFFIXES:
        found = pc.or_kleene(found, pc.ends_with(lower, suffix))
    return pc.fill_null(found, True)


def _has_ending(name: str) -> bool:
    return name.lower().endswith(tuple(IMAGE_SUFFIXES))


def _written(values: pa.Array | pa.ChunkedArray) -> list[str]:
    """A few names from all over the table, as they are written."""
    step = max(1, len(values) // _LOOKED_AT)
    places = pa.array(range(0, len(values), step), pa.int64())
    few_names = _texts(values.take(places)).to_pylist()
    return list(dict.fromkeys(name for name in few_names if name and name.strip()))


def _sample(values: pa.Array | pa.ChunkedArray, root: Path) -> list[str]:
    """The same relative to the data folder."""
    ways = (root.resolve().as_posix(), root.absolute().as_posix())
    return [relative_name(name, root, ways) for name in _written(values)]
