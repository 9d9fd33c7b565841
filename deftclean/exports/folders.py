"""Exports that are a folder of pictures: by class, or with Hugging Face's `metadata.jsonl`.

Every picture is compared with the one that was scored before it goes in.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deftclean.core.errors import InputError, RunError, UsageError
from deftclean.core.progress import Progress
from deftclean.core.text import few
from deftclean.data.folders import IMAGE_SUFFIXES
from deftclean.exports.changes import CHANGES, write_changes
from deftclean.exports.formats import Link
from deftclean.exports.json_lines import read_as_dates, write_json_lines
from deftclean.exports.names import class_folders, file_names
from deftclean.exports.rows import ChosenRows, Written
from deftclean.exports.tables import cleaned_table
from deftclean.images.decoding import ImageError, suffix_of
from deftclean.images.sources import FolderImages, RowImages
from deftclean.images.stored import Encoded, encoded

CLASS_NAMES = "class-names.json"
METADATA = "metadata.jsonl"
SPLIT = "train"
"""The one folder of an image folder: names of others could be taken for further splits."""

_SHARE = 1000  # pictures in one folder: hubs and file browsers dislike huge ones
_EXAMPLES = 5


@dataclass(frozen=True)
class ChosenPictures:
    """The pictures of the chosen rows.

    Attributes:
        rows: n rows.
        images: of all rows of the table.
        link: how a picture goes in.
        skip: leave those out that cannot be had, instead of refusing all.
        output: where the folder will stand; while it is filled it has another name beside that.
        progress: told how far it is.
    """

    rows: ChosenRows
    images: RowImages
    link: Link
    skip: bool
    output: Path
    progress: Progress

    def __post_init__(self) -> None:
        if self.link != "copy" and not isinstance(self.images.source, FolderImages):
            raise UsageError(
                f"--link {self.link}: the pictures lie in a table or behind a URL, so there is "
                "nothing to link to.",
                "Leave --link out.",
            )

    def read(self, index: int) -> bytes:
        """The encoded picture of one of the n rows; raises `ImageError`."""
        return self.images.source.read(int(self.images.of_row[self.rows.places[index]]))

    def encoded(self) -> Iterator[Encoded]:
        """The encoded pictures of all of them, or why there are none."""
        return encoded(self.images.source, self.images.of_row[self.rows.places].tolist())

    def put(self, index: int, data: bytes, path: Path, final: Path) -> None:
        """One picture under a name: `path` now, `final` when the folder is whole.

        Raises:
            RunError: links are not possible here.
            OSError: the disk is full.
        """
        source = self.images.source
        if self.link == "copy" or not isinstance(source, FolderImages):
            path.write_bytes(data)
            return
        original = source.path(int(self.images.of_row[self.rows.places[index]]))
        try:
            if self.link == "hard":
                path.hardlink_to(original)
            else:
                path.symlink_to(os.path.relpath(original, final.parent))
        except OSError as error:
            raise RunError(
                f"--link {self.link}: {self.output} cannot link to {original.parent}: "
                f"{error.strerror or error}.",
                "Hard links stay within one file system. Use --link copy.",
            ) from error


def fill_class_folders(pictures: ChosenPictures, folder: Path) -> Written:
    """A folder for each class, with the pictures of its rows under their own names.

    Where a class cannot be a folder's name, `class-names.json` says which folder is which class.

    Returns:
        rows left out because of their pictures, and how many were corrected

    Raises:
        InputError: pictures are missing or have changed, and are not to be skipped.
        RunError: links are not possible here.
        OSError: the disk is full.
    """
    rows = pictures.rows
    labels = rows.labels.to_pylist()
    folders = class_folders(sorted(set(labels)), (CLASS_NAMES, CHANGES))
    of_row = [folders[label] for label in labels]
    paths = file_names(of_row, _with_suffix(pictures), rows.table["row"].to_pylist())
    fine, left_out = _fill(pictures, paths, folder)
    corrected = write_changes(rows, folder / CHANGES, fine)
    if any(name != label for label, name in folders.items()):
        named = {name: label for label, name in sorted(folders.items())}
        text = json.dumps(named, indent=2, ensure_ascii=False)
        (folder / CLASS_NAMES).write_text(f"{text}\n", encoding="utf-8")
    return Written(left_out, corrected)


def fill_image_folder(pictures: ChosenPictures, scores: bool, folder: Path) -> Written:
    """Pictures named by their row, and `metadata.jsonl`, whose column `file_name` names them.

    The names that the input gives its files stand in the column `source`: they may be what Hugging
    Face takes for a split, and two may meet.

    Args:
        pictures: of n rows.
        scores: with the columns that deftclean has added.
        folder: exists and is empty.

    Returns:
        rows left out because of their pictures, and how many were corrected

    Raises:
        InputError, RunError, OSError: as `fill_class_folders`.
    """
    rows = pictures.rows
    table = cleaned_table(rows, scores)
    if "source" in table.column_names:
        raise InputError(
            "The table has a column source, which the image folder needs for file names.",
            "Scan again with --rename source=NAME.",
        )
    numbers = rows.table["row"].to_pylist()
    names = [
        f"{row // _SHARE:04d}/{row:08d}{PurePosixPath(name).suffix.lower()}"
        for row, name in zip(numbers, _with_suffix(pictures), strict=True)
    ]
    within = folder / SPLIT
    within.mkdir()
    fine, left_out = _fill(pictures, [f"{SPLIT}/{name}" for name in names], folder)
    table = table.rename_columns(["source", *table.column_names[1:]])
    table = table.add_column(0, "file_name", pa.array(names, pa.string()))
    kept = table.filter(pa.array(fine))
    write_json_lines(kept, within / METADATA)
    corrected = write_changes(rows, folder / CHANGES, fine)
    if dates := read_as_dates(kept):
        pictures.progress.warn(
            f"text that looks like dates throughout is read as time stamps by Hugging Face: column "
            f"{few(dates)}"
        )
    return Written(left_out, corrected)


def _with_suffix(pictures: ChosenPictures) -> list[str]:
    """File names of the rows; those that do not end like an image's get a suffix."""
    names: list[str] = pictures.rows.table["file_name"].to_pylist()
    for index, name in enumerate(names):
        if PurePosixPath(name).suffix.lower() not in IMAGE_SUFFIXES:
            try:
                names[index] = name + suffix_of(pictures.read(index))
            except ImageError:
                continue  # reported with the others, when it is to be copied
    return names


def _fill(
    pictures: ChosenPictures, paths: Sequence[str], folder: Path
) -> tuple[NDArray[np.bool_], dict[str, int]]:
    """Put every picture that still is what it was where `paths` say; (n,) which were put."""
    recorded = pictures.rows.table["content_sha256"].to_pylist()
    fine = np.zeros(len(paths), dtype=bool)
    problems: list[tuple[str, int]] = []
    made: set[Path] = set()
    with pictures.progress.stage("Exporting pictures", len(paths)) as advance:
        read = pictures.encoded()
        for index, (path, expected, data) in enumerate(zip(paths, recorded, read, strict=True)):
            advance(1, "")
            if isinstance(data, ImageError):
                problems.append((data.status, index))
                continue
            if hashlib.sha256(data).hexdigest() != expected:
                problems.append(("changed", index))
                continue
            target = folder / path
            if target.parent not in made:
                target.parent.mkdir(parents=True, exist_ok=True)
                made.add(target.parent)
            pictures.put(index, data, target, pictures.output / path)
            fine[index] = True
    return fine, _reported(pictures, problems)


def _reported(pictures: ChosenPictures, problems: list[tuple[str, int]]) -> dict[str, int]:
    """How many pictures cannot be had, by reason.

    Raises:
        InputError: there are such pictures and they are not to be skipped, or there are no others.
    """
    counts = dict(sorted(Counter(kind for kind, _ in problems).items()))
    if not problems:
        return counts
    names = pictures.rows.table["file_name"]
    listed = ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
    first = ", ".join(f"{names[at].as_py()} ({kind})" for kind, at in problems[:_EXAMPLES])
    more = f" and {len(problems) - _EXAMPLES:,} more" if len(problems) > _EXAMPLES else ""
    text = (
        f"{len(problems):,} of {len(pictures.rows):,} pictures are not what they were when they "
        f"were scored: {listed}: {first}{more}"
    )
    if not pictures.skip or len(problems) == len(pictures.rows):
        raise InputError(
            f"{text}.",
            "Give the folder that holds them now (--data FOLDER), leave them out "
            "(--skip-changed), or scan again.",
        )
    pictures.progress.warn(f"{text}; they were left out")
    return counts
