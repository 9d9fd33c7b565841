"""Tar files of pictures and their labels, in the layout of WebDataset, as rows.

A sample is what has the same name up to its first dot: `0001.jpg` and `0001.cls`, `0001.json` or
`0001.txt`.
"""

import json
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.core.errors import InputError
from deftclean.core.files import IMAGE_SUFFIXES
from deftclean.core.text import few
from deftclean.shards.tars import DamagedTar, TarIndex, read_members, tar_index
from deftclean.stores.ranges import far
from deftclean.table.splits import in_splits, split_words

_LABELS = ("cls", "json", "txt")
"""Endings of members that may say a label, the plainest first."""

_KEYS = ("label", "cls", "class", "category")
_LARGEST = 1024 * 1024  # bytes of a member that says a label
_CAPTIONS = 0.5  # share of different texts above which they are no labels
_AT_ONCE = 8  # shards that are looked through, which behind URLs is waiting
_FEWEST = 20  # texts from which on that can be told


@dataclass(frozen=True)
class PackedRows:
    """Pictures in tar files.

    Attributes:
        names: (N,) strings, `shard.tar/key.jpg`.
        labels: (N,) strings, null where nothing says one.
        shards: (N,) place of the shard of each.
        notes: what a user should know.
        splits: (N,) strings, where the names of shards say them.
    """

    names: pa.Array
    labels: pa.Array
    shards: NDArray[np.int64]
    notes: tuple[str, ...]
    splits: pa.Array | None = None


def packed_rows(paths: Sequence[Path], key: str | None) -> PackedRows:
    """The pictures of all shards, in order, and what stands beside them about their labels.

    Args:
        paths: tar files of one folder.
        key: of JSON members; None for the usual ones.

    Raises:
        InputError: shards are damaged, or hold no pictures; all of them together.
    """
    indexes = _indexes(paths)
    parts = [_Shard(path, index) for path, index in zip(paths, indexes, strict=True)]
    images = [part.images() for part in parts]
    if not any(map(len, images)):
        raise InputError(
            f"{paths[0].parent}: its {len(paths):,} tar files hold no images.",
            f"Samples are key.jpg beside key.cls; there are {_kinds(parts)}.",
        )
    names = pa.concat_arrays([part.named(at) for part, at in zip(parts, images, strict=True)])
    shards = np.repeat(np.arange(len(parts)), [len(at) for at in images])
    labels, said = _labels(parts, images, key)
    return PackedRows(names, labels, shards, (*said, *_notes(parts)))


def refuse_links(root: Path, paths: Sequence[Path]) -> None:
    """Refuse shards that a link leads to outside their folder.

    Raises:
        InputError: which they are.
    """
    home = root.resolve()
    out = [path.name for path in paths if not path.resolve().is_relative_to(home)]
    if out:
        raise InputError(
            f"{root}: {len(out):,} of its tar files lie elsewhere, by links: {few(out)}.",
            "--allow-outside follows them.",
        )


def of_splits(rows: PackedRows, paths: Sequence[Path], wanted: Sequence[str] | None) -> PackedRows:
    """The rows with their splits, as `train-000.tar` has them; those that are wanted.

    Args:
        rows: of all shards.
        paths: the shards.
        wanted: splits; None for all.

    Raises:
        UsageError: there are no such splits.
    """
    said = [split_words(path.stem.split("-")[0])[0] for path in paths]
    splits = pa.array(said, pa.string()).take(pa.array(rows.shards)) if all(said) else None
    if wanted is None:
        return replace(rows, splits=splits)
    none = pa.array([], pa.string()) if splits is None else splits
    chosen = pa.array(np.flatnonzero(in_splits(none, wanted, str(paths[0].parent))))
    return PackedRows(
        rows.names.take(chosen),
        rows.labels.take(chosen),
        rows.shards[chosen.to_numpy()],
        (*rows.notes, f"{len(chosen):,} images are of --split {', '.join(wanted)}"),
        none.take(chosen),
    )


def _indexes(paths: Sequence[Path]) -> list[TarIndex]:
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        answers = list(threads.map(_index_of, paths))
    wrong = [
        f"{path.name}: {answer}"
        for path, answer in zip(paths, answers, strict=True)
        if isinstance(answer, str)
    ]
    if wrong:
        raise InputError(
            f"{paths[0].parent}: {len(wrong):,} of {len(paths):,} tar files cannot be read: "
            f"{few(wrong)}.",
            "Fetch or pack them again, or leave them out: train-{000..009}.tar",
        )
    return [answer for answer in answers if not isinstance(answer, str)]


def _index_of(path: Path) -> TarIndex | str:
    """What is in a file, or why it cannot be read."""
    try:
        return tar_index(path)
    except (DamagedTar, OSError) as error:
        return str(getattr(error, "strerror", None) or error)


class _Shard:
    """One tar file, its names cut into keys and endings."""

    def __init__(self, path: Path, index: TarIndex) -> None:
        self.path = path
        self.index = index
        cut = pc.extract_regex(index.names, r"^(?P<key>(?:.*/)?[^/.]+)\.(?P<ending>[^/]+)$")
        self.keys = pc.struct_field(cut, "key")
        self.endings = pc.utf8_lower(pc.struct_field(cut, "ending"))

    def images(self) -> NDArray[np.int64]:
        """Places of its pictures; of several members of one name, the last."""
        endings = pa.array([each.removeprefix(".") for each in sorted(IMAGE_SUFFIXES)])
        flags = pc.fill_null(pc.is_in(self.endings, value_set=endings), False)
        places = np.flatnonzero(flags.to_numpy(zero_copy_only=False))
        return _last_of_same(self.index.names, places)

    def named(self, places: NDArray[np.int64]) -> pa.Array:
        """Names of some members, with that of the shard."""
        names = self.index.names.take(pa.array(places))
        return pc.binary_join_element_wise(f"{self.path.name}/", names, "")

    def texts(self, ending: str) -> tuple[pa.Array, list[bytes]]:
        """Keys and bytes of the members of an ending."""
        flags = pc.fill_null(pc.equal(self.endings, ending), False)
        places = np.flatnonzero(flags.to_numpy(zero_copy_only=False))
        offsets, sizes = self.index.offsets[places].tolist(), self.index.sizes[places].tolist()
        found: list[bytes] = []
        if (away := far(self.path)) is not None:
            members = [(away, at, min(n, _LARGEST)) for at, n in zip(offsets, sizes, strict=True)]
            return self.keys.take(pa.array(places)), list(read_members(members))
        with self.path.open("rb", buffering=4096) as file:
            for offset, size in zip(offsets, sizes, strict=True):
                file.seek(offset)
                found.append(file.read(min(size, _LARGEST)))
        return self.keys.take(pa.array(places)), found


def _last_of_same(names: pa.Array, places: NDArray[np.int64]) -> NDArray[np.int64]:
    """What is packed twice under one name is, as `tar` has it, the last."""
    chosen = names.take(pa.array(places))
    if pc.count_distinct(chosen).as_py() == len(chosen):
        return places
    last = dict(zip(chosen.to_pylist(), places.tolist(), strict=True))
    return np.array(sorted(last.values()), dtype=np.int64)


# ---------------------------------------------------------------- labels


def _labels(
    parts: Sequence[_Shard],
    images: Sequence[NDArray[np.int64]],
    key: str | None,
) -> tuple[pa.Array, tuple[str, ...]]:
    """(N,) labels from the first kind of member that says any, and which that is."""
    for ending in ("json",) if key is not None else _LABELS:
        found = [_of_shard(part, at, ending, key) for part, at in zip(parts, images, strict=True)]
        labels = pa.concat_arrays(found)
        if labels.null_count < len(labels):
            _refuse_captions(parts[0].path.parent, labels, ending)
            return labels, (f"labels are read from the .{ending} beside each image",)
    return pa.nulls(sum(map(len, images)), pa.string()), ()


def _of_shard(
    part: _Shard,
    images: NDArray[np.int64],
    ending: str,
    key: str | None,
) -> pa.Array:
    """Labels of the pictures of one shard, null where it says none."""
    keys, texts = part.texts(ending)
    if not len(keys):
        return pa.nulls(len(images), pa.string())
    keys_of = (key,) if key is not None else _KEYS
    bad: list[str] = []
    said = [
        _in_json(text, keys_of, bad) if ending == "json" else _plain(text, bad) for text in texts
    ]
    if bad:
        raise InputError(
            f"{part.path}: {len(bad):,} of its {len(texts):,} .{ending} members are not "
            f"{'JSON objects' if ending == 'json' else 'text'}: {few(bad)}.",
            "Give a table of labels: deftclean scan shards/ labels.csv",
        )
    # Of several members of one name the last counts.
    last = pa.array(list(dict(zip(keys.to_pylist(), said, strict=True)).values()), pa.string())
    places = pc.index_in(part.keys.take(pa.array(images)), value_set=keys.unique())
    return last.take(places)


def _plain(text: bytes, bad: list[str]) -> str | None:
    try:
        return text.decode("utf-8-sig").strip() or None
    except UnicodeDecodeError:
        bad.append(ascii(text[:20]))
        return None


def _in_json(text: bytes, keys: Sequence[str], bad: list[str]) -> str | None:
    try:
        said = json.loads(text)
        if not isinstance(said, dict):
            raise ValueError
    except (ValueError, RecursionError):
        bad.append(ascii(text[:20]))
        return None
    value = next((said[key] for key in keys if said.get(key) is not None), None)
    return str(value) if isinstance(value, str | int) and str(value).strip() else None


def _refuse_captions(folder: Path, labels: pa.Array, ending: str) -> None:
    different, count = len(labels.drop_null().unique()), len(labels) - labels.null_count
    if ending == "txt" and count >= _FEWEST and different > _CAPTIONS * count:
        raise InputError(
            f"{folder}: of the {count:,} texts beside its images (.txt) {different:,} are "
            "different: they are captions and no labels.",
            "Give a table of labels: deftclean scan shards/ labels.csv",
        )


# ---------------------------------------------------------------- what to say


def _notes(parts: Sequence[_Shard]) -> tuple[str, ...]:
    notes = [f"{len(parts):,} tar files are read as one data set"]
    left_out: Counter[str] = Counter()
    for part in parts:
        left_out.update(part.index.left_out)
    notes += [f"{count:,} members are left out: {kind}" for kind, count in left_out.items()]
    dotted = sum(_dotted(part) for part in parts)
    if dotted:
        notes.append(
            f"{dotted:,} members are left out: images with several dots in their names, which are "
            "a sample's further images (key.mask.png)"
        )
    return tuple(notes)


def _dotted(part: _Shard) -> int:
    pattern = rf"\.({'|'.join(each.removeprefix('.') for each in sorted(IMAGE_SUFFIXES))})$"
    flags = pc.match_substring_regex(part.endings, pattern)
    return pc.sum(pc.fill_null(flags, False)).as_py() or 0


def _kinds(parts: Sequence[_Shard]) -> str:
    counts: Counter[str] = Counter()
    for part in parts:
        for entry in pc.value_counts(pc.fill_null(part.endings, "no ending")).to_pylist():
            counts[entry["values"]] += entry["counts"]
    return ", ".join(f"{count:,} .{kind}" for kind, count in counts.most_common(5)) or "no files"
