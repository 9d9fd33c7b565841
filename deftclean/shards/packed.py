"""Pictures by the name of their shard and their own: `shard.tar/key.jpg`.

Of a name, the part up to a file called .tar is the shard; who reads a table of such names needs
nothing but the folder.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.core.errors import InputError
from deftclean.shards.patterns import SUFFIX, shards_in
from deftclean.shards.tars import DamagedTar, TarIndex, read_members, tar_index
from deftclean.stores.mirror import bring_named
from deftclean.stores.ranges import Far, far

NOT_PACKED, NOT_THERE, OUTSIDE = -1, -2, -3
"""In place of a shard's number: the name is of no shard, or not in it, or the shard leads out."""

_INNER = r"^(?P<shard>(?:[^/]+/)*?[^/]+\.[tT][aA][rR])/(?P<inner>.+)$"


@dataclass(frozen=True)
class Packed:
    """Where F pictures lie.

    Attributes:
        shards: tar files.
        shard: (F,) place in `shards`, or `NOT_PACKED`, `NOT_THERE`, `OUTSIDE`.
        offsets: (F,) int64, where the bytes begin.
        sizes: (F,) int64, how many they are.
    """

    shards: tuple[Path, ...]
    shard: NDArray[np.int64]
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]

    def read(self, picture: int) -> bytes:
        """The bytes of one that is in a shard.

        Raises:
            OSError: the shard cannot be read.
        """
        if self.is_far(picture):
            return next(self.read_far([picture]))
        with self.shards[int(self.shard[picture])].open("rb") as file:
            file.seek(int(self.offsets[picture]))
            return file.read(int(self.sizes[picture]))

    def is_far(self, picture: int) -> bool:
        """Whether its shard is behind a URL, and not here."""
        return self.shard[picture] >= 0 and self._far[int(self.shard[picture])] is not None

    def read_far(self, pictures: Sequence[int]) -> Iterator[bytes]:
        """The bytes of some that are in shards behind URLs, many at once.

        Raises:
            InputError, RunError: as `read_members`.
        """
        members = []
        for picture in pictures:
            away = self._far[int(self.shard[picture])]
            assert away is not None  # noqa: S101 - `is_far`
            members.append((away, int(self.offsets[picture]), int(self.sizes[picture])))
        return read_members(members)

    @cached_property
    def _far(self) -> list[Far | None]:
        return [far(shard) for shard in self.shards]


def located_in_shards(root: Path, names: pa.Array, allow_outside: bool) -> Packed | None:
    """Where pictures lie, by name; None where none of them is in a shard.

    Args:
        root: the data folder.
        names: F strings, relative to it.
        allow_outside: also open shards that a link leads to outside the folder.

    Raises:
        InputError: a shard is damaged.
    """
    if not pc.any(pc.match_substring(names, ".tar/", ignore_case=True)).as_py():
        return None  # seen in a tenth of the time that cutting names takes
    cut = pc.extract_regex(names, _INNER)
    if cut.null_count == len(cut):
        return None
    coded = pc.struct_field(cut, "shard").dictionary_encode()
    shards = [root / name for name in coded.dictionary.to_pylist()]
    number = pc.fill_null(coded.indices, NOT_PACKED).to_numpy().astype(np.int64)
    files = [
        _is_shard(shard) or bring_named(root, name)
        for shard, name in zip(shards, coded.dictionary.to_pylist(), strict=True)
    ]
    number[~np.array([*files, False])[number]] = NOT_PACKED
    if not any(files):
        return None
    offsets, sizes = np.zeros(len(names), np.int64), np.zeros(len(names), np.int64)
    inner = pc.struct_field(cut, "inner")
    home = root.resolve()
    for at, shard in enumerate(shards):
        rows = np.flatnonzero(number == at)
        if not len(rows):
            continue
        if not allow_outside and not shard.resolve().is_relative_to(home):
            number[rows] = OUTSIDE
            continue
        index = _opened(shard)
        found = _places(index.names, inner.take(pa.array(rows)))
        number[rows[found < 0]] = NOT_THERE
        rows, found = rows[found >= 0], found[found >= 0]
        offsets[rows], sizes[rows] = index.offsets[found], index.sizes[found]
    return Packed(tuple(shards), number, offsets, sizes)


def _is_shard(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _opened(shard: Path) -> TarIndex:
    try:
        return tar_index(shard)
    except (DamagedTar, OSError) as error:
        raise InputError(
            f"{shard} cannot be read: {getattr(error, 'strerror', None) or error}.",
            "Fetch or pack it again.",
        ) from error


def _places(names: pa.Array, asked: pa.Array) -> NDArray[np.int64]:
    """(n,) place of each name; of several members of one name, the last; -1 without one."""
    backwards = names.take(pa.array(np.arange(len(names))[::-1]))
    unique = backwards.unique()
    at = pc.fill_null(pc.index_in(asked, value_set=unique), -1).to_numpy().astype(np.int64)
    firsts = pc.index_in(unique, value_set=backwards).to_numpy().astype(np.int64)
    places = len(names) - 1 - firsts
    return np.where(at < 0, -1, places[at] if len(places) else -1)


@dataclass
class Shards:
    """The names in the shards of a folder, looked up as far as they are asked for.

    Attributes:
        root: the folder.
    """

    root: Path
    _known: dict[str, pa.Array] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        """Whether a member of a shard is called so.

        Raises:
            InputError: the shard is damaged.
        """
        found = re.fullmatch(_INNER, name)
        if found is None:
            return False
        return bool(pc.any(pc.equal(self.members(found["shard"]), found["inner"])).as_py())

    def members(self, shard: str) -> pa.Array:
        """(n,) names in a shard; none where there is no such shard.

        Raises:
            InputError: it is damaged.
        """
        if shard not in self._known:
            path = self.root / shard
            there = shard.lower().endswith(SUFFIX) and _is_shard(path)
            self._known[shard] = _opened(path).names if there else pa.array([], pa.string())
        return self._known[shard]

    def below(self, folder: str) -> list[str]:
        """What lies in a shard, or in a folder in one; in the words of the folder around them."""
        found = re.fullmatch(_INNER, f"{folder}/x")
        if found is None:
            return []
        names, before = self.members(found["shard"]), found["inner"].removesuffix("x")
        here = names.filter(pc.starts_with(names, before)).to_pylist()
        return sorted(rest for name in here if "/" not in (rest := name.removeprefix(before)))

    def everything(self) -> list[str]:
        """All names, with those of their shards."""
        shards = [path.name for path in shards_in(self.root)] if self.root.is_dir() else []
        return [f"{shard}/{name}" for shard in shards for name in self.members(shard).to_pylist()]
