"""What a score table names: its images, its labels and its detector, by ways from the table.

A way is relative, or a URL; nothing absolute of this machine goes into a table.
"""

import os
import posixpath
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deftclean.core.errors import InputError
from deftclean.core.outputs import detector_folder
from deftclean.stores.mirror import image_folder
from deftclean.stores.urls import Url, shown_place


def placed(
    metadata: Mapping[str, Any],
    table: Path,
    root: Path,
    labels: Path | None,
    detector: Path | None,
) -> dict[str, Any]:
    """The metadata of a table with the ways from it to what it is about.

    Args:
        metadata: of the table.
        table: where it will stand.
        root: the data folder.
        labels: the file that the labels were read from; None where they are folder names.
        detector: the folder of the detector that judged; None for the one beside the table.
    """
    return {
        **metadata,
        "image_root": _way(table, root),
        "labels_file": None if labels is None else _way(table, labels),
        # Not named where it lies beside the table: bytes do not depend on what a table is called.
        "detector": None
        if detector is None or detector.resolve() == detector_folder(table).resolve()
        else _way(table, detector),
    }


def _way(table: Path, place: Path) -> str:
    here, there = shown_place(table.resolve()), shown_place(place)
    there = there or shown_place(place.resolve())
    if there is not None and not _in_one(here, there):
        return str(there)
    if here is not None and there is not None:  # each may have its place in a mirror of its own
        return posixpath.relpath(f"/{there.path}", f"/{here.parent.path}")
    if here is not None and there is None:
        return place.resolve().name  # of another machine: who reads the table names it anew
    return Path(os.path.relpath(place.resolve(), table.resolve().parent)).as_posix()


def _in_one(here: Url | None, there: Url) -> bool:
    """Whether a relative way leads from one to the other."""
    return here is not None and (here.scheme, here.root) == (there.scheme, there.root)


def image_root(metadata: Mapping[str, Any], table: Path) -> Path:
    """The data folder a table's file names are relative to."""
    return _at_way(str(metadata["image_root"]), table)


def opened_root(metadata: Mapping[str, Any], table: Path, hint: str) -> Path:
    """The same, to read from: on disk, or in the bucket that the table itself came from.

    Args:
        metadata, table: of the table.
        hint: how the user names a folder, with `{}` for it.

    Raises:
        InputError: it is behind a URL that the user has not given.
    """
    root = image_root(metadata, table)
    url, home = shown_place(root), shown_place(table.resolve())
    url = url or shown_place(root.resolve())
    if url is None and home is None:
        return root
    if url is None or not _in_one(home, url):
        where = "on another machine" if url is None else f"behind a URL, {url}"
        raise InputError(
            f"{table}: its images lie {where}, which is not opened for the table's sake.",
            f"If you trust it: {hint.format('FOLDER' if url is None else url)}",
        )
    return image_folder(root, table)


def labels_file(metadata: Mapping[str, Any], table: Path) -> Path | None:
    """The file that a table's labels were read from; None where they are folder names."""
    way = metadata.get("labels_file")
    return None if way is None else _at_way(way, table)


def detector_of(metadata: Mapping[str, Any], table: Path) -> Path | None:
    """The folder of the detector that judged a table's rows; None where none was trained."""
    if metadata.get("detector_sha256") is None:
        return None
    way = metadata.get("detector")
    return detector_folder(table) if way is None else _at_way(way, table)


def _at_way(way: str, table: Path) -> Path:
    """Where a way leads; a URL stays one, as a path, and is opened by nobody."""
    named = Path(way)
    return named if shown_place(named) is not None else table.resolve().parent / named
