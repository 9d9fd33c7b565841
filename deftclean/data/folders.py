"""The images below a folder, by name, and the tree of folders that they lie in. None is opened."""

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from deftclean.core.errors import InputError
from deftclean.core.files import IMAGE_SUFFIXES as IMAGE_SUFFIXES
from deftclean.core.text import few
from deftclean.stores.contents import Listing, listed

SYSTEM_FOLDERS = frozenset(
    [
        "@eadir", "@tmp", "@recycle", "@recently-snapshot", "@sharebin", "#recycle", "#snapshot",
        "lost+found", "__macosx", "$recycle.bin", "recycler", "system volume information",
        "network trash folder", "temporary items", "found.000", "__pycache__",
    ]
)  # fmt: skip
"""What network drives, systems and archives put beside data, in any case of letters."""


def walk_images(root: Path, follow: bool) -> tuple[list[str], tuple[str, ...]]:
    """Relative POSIX names of all images, sorted, and notes on what was left out.

    Args:
        root: the folder.
        follow: go into linked folders too, each once.

    Raises:
        InputError: a folder cannot be listed, or a name is not valid Unicode.
    """
    if (listing := listed(root)) is not None:
        return _listed_images(listing)
    names: list[str] = []
    others: Counter[str] = Counter()
    linked: list[str] = []
    system: list[str] = []
    seen = {root.resolve()}
    for folder, folders, files in os.walk(root, followlinks=follow, onerror=_cannot_list):
        here = _prefix(Path(folder).relative_to(root))
        shown = sorted(name for name in folders if not name.startswith("."))
        visible = [name for name in shown if name.casefold() not in SYSTEM_FOLDERS]
        system += [here + name for name in shown if name.casefold() in SYSTEM_FOLDERS]
        if follow:
            folders[:] = [name for name in visible if _is_new(Path(folder, name), seen)]
        else:
            links = {name for name in visible if Path(folder, name).is_symlink()}
            folders[:] = [name for name in visible if name not in links]
            linked += [here + name for name in sorted(links)]
        # Text only: a Path for each file would take longer than listing it.
        for name in files:
            if name.startswith("."):
                continue
            suffix = _suffix(name)
            if suffix in IMAGE_SUFFIXES:
                names.append(here + name)
            else:
                others[suffix or "no suffix"] += 1
    _refuse_unprintable(names)
    names.sort()
    return names, _notes(others, linked, system)


def _listed_images(listing: Listing) -> tuple[list[str], tuple[str, ...]]:
    """The same of a folder behind a URL, whose names are known already."""
    names: list[str] = []
    others: Counter[str] = Counter()
    system: set[str] = set()
    known: dict[str, str | None] = {}
    for name in listing.names:
        folder, _, last = name.rpartition("/")
        if folder not in known:
            known[folder] = _closed(folder)
        closed = known[folder]
        if closed is not None:
            system |= {closed} - {""}
            continue
        if last.startswith("."):
            continue
        suffix = _suffix(last)
        if suffix in IMAGE_SUFFIXES:
            names.append(name)
        else:
            others[suffix or "no suffix"] += 1
    _refuse_unprintable(names)
    notes = _notes(others, [], sorted(system))
    if listing.odd:
        found = few([ascii(name) for name in listing.odd])
        notes += (
            f"{len(listing.odd):,} objects that no file can be called like are left out ({found})",
        )
    return names, notes


def _closed(folder: str) -> str | None:
    """The folder of the system that a folder lies in, nothing where it is hidden; else None."""
    parts = folder.split("/") if folder else []
    for at, part in enumerate(parts):
        if part.startswith("."):
            return ""
        if part.casefold() in SYSTEM_FOLDERS:
            return "/".join(parts[: at + 1])
    return None


def _prefix(folder: Path) -> str:
    return f"{folder.as_posix()}/" if folder.parts else ""


def _is_new(folder: Path, seen: set[Path]) -> bool:
    """Whether to go into a folder; a link only where it leads to a folder not seen before."""
    place = folder.resolve()
    new = place not in seen or not folder.is_symlink()
    seen.add(place)
    return new


def _suffix(name: str) -> str:
    stem, _, ending = name.rpartition(".")
    return f".{ending.lower()}" if stem and ending else ""


def _notes(others: Counter[str], linked: list[str], system: list[str]) -> tuple[str, ...]:
    notes = []
    if others:
        kinds = ", ".join(f"{suffix} {count:,}" for suffix, count in others.most_common(5))
        total = others.total()
        said = (
            "1 file that is no image was"
            if total == 1
            else f"{total:,} files that are not images were"
        )
        notes.append(f"{said} left out ({kinds})")
    if system:
        notes.append(f"{len(system)} folder(s) of the system were left out ({few(system)})")
    if linked:
        notes.append(
            f"{len(linked)} linked folder(s) were not followed ({few(linked)}); "
            "--allow-outside follows them"
        )
    return tuple(notes)


def _refuse_unprintable(names: list[str]) -> None:
    unprintable = [ascii(name) for name in names if not _is_text(name)]
    if unprintable:
        raise InputError(
            f"{len(unprintable)} file name(s) are not valid Unicode: {few(unprintable)}.",
            "Rename them; a table cannot hold such names.",
        )


def _cannot_list(error: OSError) -> None:
    raise InputError(f"{error.filename} cannot be listed: {error.strerror}.") from error


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


# ---------------------------------------------------------------- as a tree


@dataclass
class Tree:
    """One folder.

    Attributes:
        loose: images directly in it.
        total: images in it and anywhere below.
        folders: by name, those with images.
    """

    loose: int = 0
    total: int = 0
    folders: dict[str, "Tree"] = field(default_factory=dict)

    @classmethod
    def of(cls, folders: Iterable[str]) -> "Tree":
        """The tree of images.

        Args:
            folders: POSIX path of the folder of each image, empty for the root.
        """
        root = cls()
        for path, count in Counter(folders).items():
            here = root
            here.total += count
            for part in path.split("/") if path else ():
                here = here.folders.setdefault(part, cls())
                here.total += count
            here.loose += count
        return root

    def only(self) -> tuple[str, "Tree"] | None:
        """Its one folder, where everything lies in that."""
        if self.loose or len(self.folders) != 1:
            return None
        return next(iter(self.folders.items()))
