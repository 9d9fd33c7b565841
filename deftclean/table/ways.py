"""The ways from a score table to what it is about: image folder, labels, detector.

They are relative to the table's folder, so that all of it can be moved together.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deftclean.core.outputs import detector_folder


def placed(
    metadata: Mapping[str, Any],
    path: Path,
    root: Path,
    labels: Path | None,
    detector: Path | None,
) -> dict[str, Any]:
    """The metadata of a table with the ways from it to what it is about.

    Args:
        metadata: of the table.
        path, root, labels, detector: as `put_scores`.
    """
    return {
        **metadata,
        "image_root": _way(path, root),
        "labels_file": None if labels is None else _way(path, labels),
        # Not named where it lies beside the table: bytes do not depend on what a table is called.
        "detector": None
        if detector is None or detector.resolve() == detector_folder(path).resolve()
        else _way(path, detector),
    }


def image_root(metadata: Mapping[str, Any], table: Path) -> Path:
    """The data folder a table's file names are relative to."""
    return table.resolve().parent / str(metadata["image_root"])


def labels_file(metadata: Mapping[str, Any], table: Path) -> Path | None:
    """The file that a table's labels were read from; None where they are folder names."""
    return _at_way(metadata.get("labels_file"), table)


def detector_of(metadata: Mapping[str, Any], table: Path) -> Path | None:
    """The folder of the detector that judged a table's rows; None where none was trained."""
    if metadata.get("detector_sha256") is None:
        return None
    return _at_way(metadata.get("detector"), table) or detector_folder(table)


def _at_way(way: str | None, table: Path) -> Path | None:
    return None if way is None else table.resolve().parent / way


def _way(table: Path, place: Path) -> str:
    return Path(os.path.relpath(place.resolve(), table.resolve().parent)).as_posix()
