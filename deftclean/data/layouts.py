"""Which folders of a data set are classes, which are splits above them, and which only wrap both.

Told by the names of splits and by shape: a split has class folders below it, mostly those of the
other splits. What could be either is refused.
"""

import sys
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from deftclean.core.errors import InputError
from deftclean.core.text import few
from deftclean.data.folders import Tree
from deftclean.data.hints import label_table_command, scan_command
from deftclean.data.options import Folders
from deftclean.table.splits import split_kind, split_words

_CONTAINERS = frozenset(
    [
        "images",
        "image",
        "imgs",
        "img",
        "pictures",
        "pics",
        "photos",
        "data",
        "dataset",
        "jpg",
        "jpeg",
        "png",
        "jpegimages",
    ]
)
"""Folders that hold the pictures of a split and are no class."""


@dataclass(frozen=True)
class FolderRows:
    """The images of a folder, and what their places in it say.

    Attributes:
        names: (n,) POSIX names.
        labels: (n,) the class folder; None where an image lies in none.
        splits: (n,) the split; None where there are no splits.
        notes: what was recognised.
    """

    names: list[str]
    labels: list[str | None]
    splits: list[str] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Split:
    """A folder that is, or could be, a split.

    Attributes:
        name: the folder's.
        above: of its class folders, below it: empty where they lie directly in it.
        tree: what holds the class folders.
    """

    name: str
    above: tuple[str, ...]
    tree: Tree

    @property
    def classes(self) -> set[str]:
        return set(self.tree.folders)


def folder_rows(
    root: Path, names: list[str], asked: Folders | None, known: Collection[str]
) -> FolderRows:
    """What the folders of images mean.

    Args:
        root: the data folder, for messages.
        names: (N,) sorted POSIX names of images below it.
        asked: what the user says that its folders are; None to recognise it.
        known: classes of a saved detector, whose folders are no splits and wrap nothing.

    Raises:
        InputError: folders could be splits or classes, or splits hold no classes.
    """
    tree = Tree.of(name.rpartition("/")[0] for name in names)
    if asked == "classes":
        return _of_classes(names, ())
    above, inner = _unwrapped(tree, known)
    splits = _splits(root / "/".join(above), inner, asked, known)
    if splits:
        return _of_splits(names, above, inner, splits)
    rows = _of_classes(names, above)
    said = f"folder {'/'.join(above)} holds everything: the {len(inner.folders):,} folders in it"
    notes = [f"{said} are the classes"] if above else []
    if asked is None and not known:
        notes += _doubts(root, inner)
    return FolderRows(rows.names, rows.labels, None, tuple(notes))


def _doubts(root: Path, tree: Tree) -> list[str]:
    """What to say where every class folder holds folders of the same names: `site_a/cat`."""
    inside = {frozenset(each.folders) for each in tree.folders.values()}
    shared = sorted(inside.pop()) if len(inside) == 1 else []
    loose = any(each.loose for each in tree.folders.values())
    if len(tree.folders) < 2 or len(shared) < 2 or loose:
        return []
    said = f"the classes are {few(list(tree.folders))}, and each of them holds {few(shared)}"
    if any(split_kind(name) for name in shared):
        return [f"{said}: these are not read as splits"]
    command = scan_command(root, None, folders="splits")
    return [f"{said}; if these are the classes: {command}"]


def _unwrapped(tree: Tree, known: Collection[str]) -> tuple[tuple[str, ...], Tree]:
    """The folders around everything, and what lies in the innermost."""
    above, here = [], tree
    while (found := here.only()) is not None:
        name, inner = found
        if name in known or split_kind(name) or inner.loose or not inner.folders:
            break
        above.append(name)
        here = inner
    only = here.only()
    # One class folder with more folders in it is a class.
    return ((), tree) if only and not split_kind(only[0]) else (tuple(above), here)


# ---------------------------------------------------------------- splits


def _splits(root: Path, tree: Tree, asked: Folders | None, known: Collection[str]) -> list[_Split]:
    """The folders that are splits; none where folders are classes."""
    named = {name: split_words(name) for name in tree.folders if name not in known}
    spoken = [name for name, (kind, _) in named.items() if kind]
    found = [_as_split(name, tree, tree.folders if asked else spoken) for name in tree.folders]
    if asked:
        splits = [each for each in found if each.classes]
        if not splits:
            raise _no_classes(root, tree, list(tree.folders))
        return splits
    for words in sorted({named[name][1] for name in spoken}):
        # `cars_train` and `cars_test`, but not `dev board` and `test tube`.
        group = [each for each in found if each.name in spoken and named[each.name][1] == words]
        if _agree(group):
            # Other folders with the same classes are splits by other names.
            return group + [each for each in found if each not in group and _shares(each, group)]
    splits = [each for each in found if each.name in spoken and not named[each.name][1]]
    others = [each for each in found if each not in splits]
    return _splits_by_name(root, tree, splits, others, bool(known))


def _splits_by_name(
    root: Path, tree: Tree, splits: list[_Split], others: list[_Split], known: bool
) -> list[_Split]:
    """The same where no class stands in two of the folders that are called like splits."""
    filled = any(each.classes for each in splits)
    if not splits or (others and not filled):
        return []
    if not filled and not known:
        raise _no_classes(root, tree, [each.name for each in splits])
    if all(_shares(each, splits) for each in others):
        return splits + others
    raise _ambiguous(root, splits, others)


def _as_split(name: str, tree: Tree, named: Collection[str]) -> _Split:
    """A folder in the eyes of who takes it for a split: `seg_train/seg_train/cat`."""
    elsewhere = {child for each in named if each != name for child in tree.folders[each].folders}
    above, here = [], tree.folders[name]
    while (found := here.only()) is not None:
        inside, inner = found
        holder = inside.lower() in _CONTAINERS or inside.lower() == name.lower()
        wraps = inside not in elsewhere and len(inner.folders) > 1 and not inner.loose
        if not (holder or wraps):
            break
        above.append(inside)
        here = inner
    return _Split(name, tuple(above), here)


def _agree(splits: list[_Split]) -> bool:
    """Whether two folders called like different splits hold a class of the same name."""
    pairs = {(name, split_words(each.name)[0]) for each in splits for name in each.classes}
    return len({name for name, _ in pairs}) < len(pairs)


def _shares(split: _Split, others: list[_Split]) -> bool:
    return any(split.classes & each.classes for each in others if each is not split)


def _no_classes(root: Path, tree: Tree, names: list[str]) -> InputError:
    return InputError(
        f"The sub-folders of {root} are splits, not classes: {few(sorted(names))}; and no class "
        f"folders lie in them, but {tree.total:,} images side by side.",
        f"Give a label table: {label_table_command(root)}",
    )


def _ambiguous(root: Path, splits: list[_Split], others: list[_Split]) -> InputError:
    inside = max(splits, key=lambda each: each.tree.total)
    place = root.joinpath(inside.name, *inside.above)
    return InputError(
        f"{root}: {few([each.name for each in splits])} may be a split, with the classes "
        f"{few(sorted(inside.classes))} in it, or a class beside "
        f"{few([each.name for each in others])}.",
        f"{scan_command(place, None)} if it is a split, "
        f"{scan_command(root, None, folders='classes')} if all of them are classes",
    )


# ---------------------------------------------------------------- rows


def _of_classes(names: list[str], above: tuple[str, ...]) -> FolderRows:
    start = len("".join(f"{name}/" for name in above))
    labels = [_folder_of(name[start:]) for name in names]
    return FolderRows(names, labels)


def _folder_of(name: str) -> str | None:
    """The first folder of a name; the same object for all names in it, since there are many."""
    folder, slash, _ = name.partition("/")
    return sys.intern(folder) if slash else None


def _of_splits(
    names: list[str], above: tuple[str, ...], tree: Tree, splits: list[_Split]
) -> FolderRows:
    """Rows of the splits alone; what lies beside them is counted in a note."""
    called = _called(splits)
    depth = len(above)
    # Of each split: what its column says, and how many letters stand before a class folder.
    starts = {each.name: "/".join((*above, each.name, *each.above, "")) for each in splits}
    kept: list[str] = []
    labels: list[str | None] = []
    of_split: list[str] = []
    for name in names:
        folder = name.split("/", depth + 1)[depth : depth + 1]
        if not folder or folder[0] not in starts or name.count("/") <= depth:
            continue
        inner = name.removeprefix(starts[folder[0]])
        kept.append(name)
        labels.append(_folder_of(inner) if inner != name else None)
        of_split.append(called[folder[0]])
    notes = _notes(above, tree, splits, Counter(of_split), called)
    return FolderRows(kept, labels, of_split, notes)


def _called(splits: list[_Split]) -> Mapping[str, str]:
    """What the column says: `train`, `val`, `test`; the folder's name where two would be one."""
    kinds = {each.name: split_words(each.name)[0] or each.name for each in splits}
    twice = {kind for kind, count in Counter(kinds.values()).items() if count > 1}
    return {name: name if kind in twice else kind for name, kind in kinds.items()}


def _notes(
    above: tuple[str, ...],
    tree: Tree,
    splits: list[_Split],
    counts: Mapping[str, int],
    called: Mapping[str, str],
) -> tuple[str, ...]:
    classes = {name for each in splits for name in each.classes}
    folders = ["/".join((*above, each.name, *each.above)) for each in splits]
    listed = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    said = [
        f"split folders {few(folders)}; {len(classes):,} classes below them "
        f"(images: {listed}); --split {called[splits[0].name]} reads it alone"
    ]
    flat = [each.name for each in splits if not each.classes]
    if flat:
        said.append(f"no class folders lie in {few(flat)}: these images have no label")
    beside = {name: each.total for name, each in tree.folders.items() if name not in called}
    if beside or tree.loose:
        extra = [f"{name}/ ({count:,} images)" for name, count in beside.items()]
        extra += [f"{tree.loose:,} images beside them"] if tree.loose else []
        said.append(f"no split, and left out: {few(extra)}")
    return tuple(said)
