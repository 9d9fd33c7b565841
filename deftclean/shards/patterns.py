"""Lists of shards as people write them: a folder, one file, train-{000..099}.tar, *.tar."""

import contextlib
import os
import re
from itertools import product
from pathlib import Path

from deftclean.core.errors import InputError
from deftclean.core.text import few

SUFFIX = ".tar"
_PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
_MOST = 1_000_000  # names that braces may stand for


def written_shards(data: Path) -> list[Path]:
    """The tar files that a path names which is no folder; none where it names something else.

    Raises:
        InputError: some of them are not there, or are compressed.
    """
    name = data.name
    if name.lower().endswith(_PACKED):
        raise InputError(
            f"{data} is compressed, so that no picture in it can be found without all before it.",
            "Unpack it: gunzip (bunzip2, unxz, unzstd), which leaves a .tar.",
        )
    if not name.lower().endswith(SUFFIX):
        return []
    if data.is_file():
        return [data]
    if "{" in name:
        return _braces(data)
    if any(sign in name for sign in "*?["):
        found = sorted(path for path in data.parent.glob(name) if path.is_file())
        if not found:
            raise InputError(f"No file is called like {data}.", "Quote it: 'train-*.tar'")
        return found
    return []


def _braces(data: Path) -> list[Path]:
    paths = [data.with_name(name) for name in _spelled(data.name)]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise InputError(
            f"{data}: {len(missing):,} of its {len(paths):,} files are not there: {few(missing)}."
        )
    return paths


def _spelled(name: str) -> list[str]:
    """Names with braces written out: {a,b} and {00..12}."""
    parts = re.split(r"\{([^{}]*)\}", name)
    choices = [_choices(part) if at % 2 else [part] for at, part in enumerate(parts)]
    count = 1
    for each in choices:
        count *= len(each)
    if count > _MOST:
        raise InputError(f"{name} stands for {count:,} files; at most {_MOST:,} are opened.")
    return ["".join(each) for each in product(*choices)]


def _choices(text: str) -> list[str]:
    found = re.fullmatch(r"(\d+)\.\.(\d+)", text)
    if found is None:
        return text.split(",")
    first, last = int(found[1]), int(found[2])
    if abs(last - first) >= _MOST:
        raise InputError(f"{{{text}}} stands for too many files; at most {_MOST:,} are opened.")
    step = 1 if last >= first else -1
    return [str(at).zfill(len(found[1])) for at in range(first, last + step, step)]


def shards_in(root: Path) -> list[Path]:
    """The tar files directly in a folder, sorted."""
    return [path for name in _ending(root, (SUFFIX,)) if (path := root / name).is_file()]


def refuse_compressed(root: Path) -> None:
    """Say of a folder without pictures that its shards are packed in another way.

    Raises:
        InputError: they are.
    """
    if packed := _ending(root, _PACKED):
        raise InputError(
            f"{root}: its {len(packed):,} shards are compressed ({few(packed)}), so that no "
            "picture in them can be found without all before it.",
            "Unpack them: gunzip (bunzip2, unxz, unzstd), which leaves .tar files.",
        )


def _ending(root: Path, endings: tuple[str, ...]) -> list[str]:
    # Names alone: what each of very many files is, nobody has to ask.
    # Anything else that goes wrong says nothing of what lies there.
    gone = (FileNotFoundError, NotADirectoryError, PermissionError)
    with contextlib.suppress(*gone), os.scandir(root) as entries:
        names = [entry.name for entry in entries]
        return sorted(n for n in names if n.lower().endswith(endings) and not n.startswith("."))
    return []
