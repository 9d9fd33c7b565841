"""Where a row of a score table comes from: a line of the labels file, an image, or a table."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deftclean.stores.urls import shown_place
from deftclean.table.scores import ScoreTable
from deftclean.table.ways import image_root, labels_file

ROW_NUMBER = re.compile(r"#\d+$")
"""What names end in that say only where in its table a row stands: `<table>#<row>`."""


@dataclass(frozen=True)
class Place:
    """What a finding points at.

    Attributes:
        path: a file, as it is reached from the current folder.
        line: of that file, from 1; None where it has no lines.
    """

    path: str
    line: int | None

    def __str__(self) -> str:
        return self.path if self.line is None else f"{self.path}:{self.line}"

    def seen_from(self, folder: Path) -> "Place":
        """The same place, reached from another folder."""
        return Place(_way(Path(self.path), folder), self.line)


class Places:
    """Finds the places of rows.

    A row of CSV, TSV or JSON lines is at its line of that file; one of a Parquet file is at that
    file; one of an image folder is at its image. Where the table does not say what it was made
    from, because an older deftclean wrote it, a row is at its image too.

    Args:
        scores: the table, or an excerpt of it; of its columns `file_name` and `source_line` are
            looked at.
        path: its file.
    """

    def __init__(self, scores: ScoreTable, path: Path) -> None:
        self._scores = scores
        self._labels = labels_file(scores.metadata, path)
        self._root = image_root(scores.metadata, path)
        self.table = Place(_way(path, Path()), None)
        self.source = self.table if self._labels is None else _place(self._labels, None)

    def of(self, rows: NDArray[np.int64]) -> list[Place]:
        """The places of some rows of the table."""
        found = self._scores.rows(["file_name", "source_line"], rows).to_pylist()
        return [self._of(str(entry["file_name"]), entry["source_line"]) for entry in found]

    def _of(self, name: str, line: int | None) -> Place:
        if self._labels is not None:
            return _place(self._labels, line)
        # A row of a Parquet file that an older deftclean scanned has a number for a name.
        return self.source if ROW_NUMBER.search(name) else _place(self._root / name, None)


def repository_root(start: Path) -> Path:
    """The repository that a folder belongs to, or else the folder itself."""
    start = start.resolve()
    return next((f for f in (start, *start.parents) if (f / ".git").exists()), start)


def _place(path: Path, line: int | None) -> Place:
    return Place(_way(path, Path()), line)


def _way(path: Path, folder: Path) -> str:
    """No absolute path: the same in every checkout. A URL is shown as it is."""
    if (url := shown_place(path)) is not None:
        return str(url)
    return Path(os.path.relpath(path.absolute(), folder.resolve())).as_posix()
