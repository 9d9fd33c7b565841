"""Names of folders and files that every usual file system takes, and that never meet.

A label may hold slashes, dots, or nothing but blanks; two labels may differ in the case of a
letter alone, which macOS and Windows do not tell apart.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

_FORBIDDEN = frozenset('/\\:*?"<>|')
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$"]
    + [f"{port}{number}" for port in ("com", "lpt") for number in "123456789¹²³"]
)
_LONGEST = 150  # bytes; file systems take 255, and a number or a suffix may follow


def class_folders(labels: Iterable[str], reserved: Iterable[str] = ()) -> dict[str, str]:
    """A folder for every label: the label itself wherever that can be one.

    Args:
        labels: the labels; those that stand first keep their name where two would meet.
        reserved: names that something else has.

    Returns:
        folder by label
    """
    folders: dict[str, str] = {}
    taken = {_folded(name) for name in reserved}
    waiting = []
    # A label that can be used as it is comes before one that only becomes the same.
    for label in labels:
        name = safe_name(label)
        if name == label and _folded(name) not in taken:
            folders[label] = name
            taken.add(_folded(name))
        else:
            waiting.append(label)
    for label in waiting:
        name, number = safe_name(label), 2
        while _folded(name) in taken:
            name, number = f"{safe_name(label)}-{number}", number + 1
        folders[label] = name
        taken.add(_folded(name))
    return folders


def file_names(folders: Sequence[str], names: Sequence[str], rows: Sequence[int]) -> list[str]:
    """A file for every row: `folder/base name`, with the row where two would meet.

    Args:
        folders: (n,) of the rows.
        names: (n,) POSIX paths, of which the last part counts.
        rows: (n,) numbers that differ.

    Returns:
        (n,) POSIX paths that differ, whatever the case of letters
    """
    bases = [safe_name(PurePosixPath(name).name) for name in names]
    paths = [f"{folder}/{base}" for folder, base in zip(folders, bases, strict=True)]
    while True:
        counts = Counter(map(_folded, paths))
        if len(counts) == len(paths):
            return paths
        paths = [
            path if counts[_folded(path)] == 1 else _numbered(path, row)
            for path, row in zip(paths, rows, strict=True)
        ]


def safe_name(text: str) -> str:
    """One part of a path: no separators, reserved characters or devices, not hidden, not long."""
    plain = "".join("_" if c in _FORBIDDEN or not c.isprintable() else c for c in text)
    plain = _shortened(plain)
    end = len(plain.rstrip(". "))  # Windows drops dots and blanks at the end
    plain = plain[:end] + "_" * (len(plain) - end)
    if plain.startswith("."):
        plain = f"_{plain[1:]}"
    if plain.partition(".")[0].rstrip().casefold() in _DEVICES:
        plain = f"_{plain}"
    return plain or "_"


def _shortened(text: str) -> str:
    """At most so many bytes, the suffix kept."""
    if len(text.encode()) <= _LONGEST:
        return text
    stem, dot, suffix = text.rpartition(".")
    ending = f".{suffix}" if stem and dot and len(suffix) <= 8 else ""
    room = _LONGEST - len(ending.encode())
    return text.encode()[:room].decode(errors="ignore") + ending


def _numbered(path: str, row: int) -> str:
    whole = PurePosixPath(path)
    return (whole.parent / f"{whole.stem}-{row}{whole.suffix}").as_posix()


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKD", name).casefold())
