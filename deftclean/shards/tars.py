"""The members of a tar file, and where their bytes are: found once, kept as arrays.

Only headers are read. Links, devices and the like are counted and left out, as are names that lead
out of a folder; a file that is cut off or damaged is refused, since nobody knows what it held.
"""

import contextlib
import hashlib
import os
import secrets
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deftclean.core.errors import RunError
from deftclean.core.files import cache_folder, discard
from deftclean.stores.ranges import Far, FarFile, far, read_ranges

_BLOCK = 512
_ZEROS = bytes(_BLOCK)
_FILES = (b"0", b"\0", b"7")
_FOLDER, _LONG_NAME, _LONG_LINK, _EXTENDED, _GLOBAL = b"5", b"L", b"K", b"x", b"g"
_LONGEST = 64 * 1024  # bytes of a name, or of what an extended header says
_SPACES = 8 * 32  # a checksum is computed as if its own field held spaces


class DamagedTar(Exception):  # noqa: N818 - told together with others, as one InputError
    """Why a file cannot be read as tar, in words."""


@dataclass(frozen=True)
class TarIndex:
    """The files in a tar file.

    Attributes:
        names: (n,) strings, POSIX paths, as they were packed but for a leading `./`.
        offsets: (n,) int64, where the bytes of each begin.
        sizes: (n,) int64, how many they are.
        left_out: how many members are of another kind, by kind.
    """

    names: pa.Array
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    left_out: dict[str, int]

    def __len__(self) -> int:
        return len(self.offsets)


@dataclass
class _Found:
    """What is found on the way; no object for each member."""

    names: bytearray = field(default_factory=bytearray)
    ends: "array[int]" = field(default_factory=lambda: array("q"))
    offsets: "array[int]" = field(default_factory=lambda: array("q"))
    sizes: "array[int]" = field(default_factory=lambda: array("q"))
    left_out: Counter[str] = field(default_factory=Counter)

    def add(self, name: bytes, offset: int, size: int) -> None:
        """One file."""
        name = name.removeprefix(b"./")
        if not _is_plain(name):
            self.left_out["names that lead elsewhere"] += 1
            return
        self.names += name
        self.ends.append(len(self.names))
        self.offsets.append(offset)
        self.sizes.append(size)


def tar_index(path: Path) -> TarIndex:
    """The files in a tar file; kept in the user's cache for as long as the file is the same.

    Raises:
        DamagedTar: it is no tar file, is cut off, or a name in it is no text.
        OSError: it cannot be read.
    """
    away, status = far(path), path.stat()
    if away is None:
        known = f"{path.resolve()}\0{status.st_size}\0{status.st_mtime_ns}\0{status.st_ino}"
    else:
        known = f"{away.url}\0{away.size}\0{away.version}"
    # A store that tells no versions may have another file tomorrow.
    told = away is None or away.version
    kept = _kept(hashlib.sha256(os.fsencode(known)).hexdigest()[:32]) if told else None
    arrays = _load(kept, status.st_size)
    if arrays is None:
        with path.open("rb", buffering=4096) if away is None else FarFile(away) as file:
            arrays = _arrays(_walk(file, status.st_size))
        _store(kept, arrays)
    return _index(arrays)


def read_members(members: Sequence[tuple[Far, int, int]]) -> Iterator[bytes]:
    """The bytes of members of far files, in order.

    Args:
        members: the file, where the bytes begin, how many they are.

    Raises:
        InputError, RunError: as `read_ranges`; or it is not the file that was looked through.
    """
    # With their headers, which tell whether the file is still the same.
    parts = [(away, offset - _BLOCK, offset + size) for away, offset, size in members]
    for (away, offset, _), data in zip(members, read_ranges(parts), strict=True):
        with contextlib.suppress(DamagedTar):
            if _checked(data[:_BLOCK], offset - _BLOCK) in _FILES:
                yield data[_BLOCK:]
                continue
        raise RunError(f"{away.url} has changed since it was looked through.", "Run again.")


def _walk(file: IO[bytes] | FarFile, end: int) -> _Found:
    """Every header, one after the other."""
    found, at, name, size = _Found(), 0, None, None
    if end == 0:
        raise DamagedTar("it is empty")
    while at < end:
        file.seek(at)
        head = file.read(_BLOCK)
        if head == _ZEROS:
            _refuse_more(file)
            return found
        kind, length = _checked(head, at), _number(head[124:136], at)
        if size is not None and kind in _FILES:
            length = size
        start = at + _BLOCK
        at = start + -(-length // _BLOCK) * _BLOCK
        if start + length > end:
            raise DamagedTar(f"it is cut off: a member ends at byte {start + length:,} of {end:,}")
        if kind in (_LONG_NAME, _EXTENDED):
            said = file.read(min(length, _LONGEST))
            if kind == _LONG_NAME:
                name = said.rstrip(b"\0")
            else:
                longer, size = _extended(said)
                name = longer or name
            continue
        if kind in _FILES and not head.startswith(b"\0"):
            found.add(name or _name(head), start, length)
        elif kind not in (_FOLDER, _LONG_LINK, _GLOBAL, *_FILES):
            found.left_out["links and devices"] += 1
        if kind not in (_LONG_LINK, _GLOBAL):
            name, size = None, None
    # Between two members, and nothing else tells.
    raise DamagedTar("it is cut off: it does not end as tar files do")


def _refuse_more(file: IO[bytes] | FarFile) -> None:
    """What follows the end of one file is another, which every reader would pass over."""
    if file.read(_LONGEST).strip(b"\0"):
        raise DamagedTar("something follows its end: tar files cannot be joined by cat")


def _checked(head: bytes, at: int) -> bytes:
    """The kind of a member, whose header is whole."""
    if len(head) < _BLOCK:
        raise DamagedTar(f"it is cut off at byte {at:,}")
    with contextlib.suppress(ValueError):
        written = int(head[148:156].strip(b"\0 ") or b"0", 8)
        if written == sum(head) - sum(head[148:156]) + _SPACES:
            return head[156:157]
    raise DamagedTar(f"there is no member at byte {at:,}" if at else "it is no tar file")


def _number(text: bytes, at: int) -> int:
    if text[0] & 0x80:  # of 8 GB and more: in binary
        return int.from_bytes(text[1:], "big")
    with contextlib.suppress(ValueError):
        if (value := int(text.strip(b"\0 ") or b"0", 8)) >= 0:
            return value
    raise DamagedTar(f"a member at byte {at:,} has no size")


def _name(head: bytes) -> bytes:
    name = head[:100].split(b"\0", 1)[0]
    if head[257:263] == b"ustar\0" and (before := head[345:500].split(b"\0", 1)[0]):
        return before + b"/" + name
    return name


def _extended(said: bytes) -> tuple[bytes | None, int | None]:
    """Name and size of the next member, as far as an extended header says them."""
    name, size = None, None
    while said:
        length, _, _ = said.partition(b" ")
        if not length.isdigit() or not 0 < int(length) <= len(said):
            break
        record, said = said[len(length) + 1 : int(length) - 1], said[int(length) :]
        key, _, value = record.partition(b"=")
        if key == b"path":
            name = value
        elif key == b"size" and value.isdigit():
            size = int(value)
    return name, size


def _is_plain(name: bytes) -> bool:
    parts = name.split(b"/")
    return not any(part in (b"", b".", b"..") for part in parts) and b"\\" not in name


# ---------------------------------------------------------------- as arrays, and kept

_Arrays = dict[str, NDArray[np.generic]]


def _arrays(found: _Found) -> _Arrays:
    kinds = sorted(found.left_out)
    return {
        "names": np.frombuffer(bytes(found.names), np.uint8),
        "ends": np.array(found.ends, np.int64),
        "offsets": np.array(found.offsets, np.int64),
        "sizes": np.array(found.sizes, np.int64),
        "kinds": np.array(kinds, dtype="U32"),
        "counts": np.array([found.left_out[kind] for kind in kinds], np.int64),
    }


def _index(arrays: _Arrays) -> TarIndex:
    ends = np.concatenate([[0], arrays["ends"]]).astype(np.int64)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(np.ascontiguousarray(arrays["names"]))]
    names = pa.LargeStringArray.from_buffers(len(ends) - 1, buffers[1], buffers[2])
    try:
        names.validate(full=True)
    except pa.ArrowInvalid as error:
        raise DamagedTar("names in it are not UTF-8") from error
    left_out = zip(arrays["kinds"].tolist(), arrays["counts"].tolist(), strict=True)
    offsets, sizes = arrays["offsets"].astype(np.int64), arrays["sizes"].astype(np.int64)
    return TarIndex(names.cast(pa.string()), offsets, sizes, dict(left_out))


def _kept(key: str) -> Path | None:
    with contextlib.suppress(OSError, ImportError):  # who installs for gates alone has no cache
        return cache_folder() / "tar-indexes" / f"{key}.npz"
    return None


def _load(kept: Path | None, end: int) -> _Arrays | None:
    """What an earlier run has found; None where there is nothing, or it cannot be right."""
    if kept is None or not kept.is_file():
        return None
    try:
        with np.load(kept, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        offsets, sizes, ends = arrays["offsets"], arrays["sizes"], arrays["ends"]
        count = len(offsets) == len(sizes) == len(ends)
        inside = not len(offsets) or bool(
            offsets.min() >= _BLOCK and sizes.min() >= 0 and (offsets + sizes).max() <= end
        )
        rising = bool((np.diff(ends, prepend=0) >= 0).all())
        whole = int(ends[-1]) == len(arrays["names"]) if len(ends) else True
        return arrays if count and inside and rising and whole and "kinds" in arrays else None
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None


def _store(kept: Path | None, arrays: _Arrays) -> None:
    """Whole or not at all; where it cannot be kept, the next run looks again."""
    if kept is None:
        return
    making = kept.with_name(f".{kept.stem}.{secrets.token_hex(4)}.npz")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with making.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        making.replace(kept)
    except OSError:
        discard(making)
