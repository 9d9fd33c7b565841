"""Which pictures of a table are in another one too: the same bytes, or nearly the same looks."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.core.arrow import int_array, int_values, valid, whole
from deftclean.core.progress import Progress
from deftclean.gate.alike import MOST_PAIRS, Words, alike, words_of
from deftclean.gate.results import Leak, Leaks
from deftclean.table.copies import first_rows, picture_groups
from deftclean.table.fingerprints import Fingerprints
from deftclean.table.scores import HASH, ScoreTable
from deftclean.table.slim import SlimTable, hash_bytes, read_slim

COMPARED = ("status", "content_sha256", HASH)
"""Columns that are looked at."""

SHOWN = ("row", "file_name")
"""Columns that tell of a row."""


@dataclass(frozen=True)
class OtherPictures:
    """The readable pictures of another table, each once.

    Attributes:
        path: the table.
        scores: what is held of it.
        first: (m,) the first row of each picture.
    """

    path: Path
    scores: SlimTable
    first: NDArray[np.int64]

    @classmethod
    def of(cls, path: Path, key: Fingerprints) -> "OtherPictures":
        """Read it, with the fingerprints of the table that it is compared with.

        Raises:
            InputError, RunError: it cannot be read.
        """
        scores = read_slim(path, COMPARED, key)
        first = first_rows(picture_groups(scores.table))
        kept = scores.table.select([name for name in COMPARED if name != "status"])
        return cls(path, replace(scores, table=kept), first)


@dataclass(frozen=True)
class Elsewhere:
    """Where the pictures of N rows are found in another table.

    Attributes:
        other: that table.
        same: (N,) its first row with the same bytes; -1 where there is none.
        nearly: (N,) of the others, its row with nearly the same picture; -1 where there is none.
        unsearched: why nearly identical pictures were not looked for; empty where they were.
    """

    other: OtherPictures
    same: NDArray[np.int64]
    nearly: NDArray[np.int64]
    unsearched: str

    @property
    def found(self) -> NDArray[np.bool_]:
        """(N,) bool, somewhere."""
        return (self.same >= 0) | (self.nearly >= 0)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was not looked for, and why."""
        if not self.unsearched:
            return ()
        return (f"only identical pictures were looked for, not nearly the same: {self.unsearched}",)

    def first(self, most: int) -> NDArray[np.int64]:
        """Rows that are shown: identical ones first, each in the order of rows."""
        order = [np.flatnonzero(self.same >= 0), np.flatnonzero(self.nearly >= 0)]
        return np.concatenate(order)[:most]

    def leaks(self, scores: ScoreTable, most: int) -> Leaks:
        """What there is to say of them.

        Args:
            scores: the table, or an excerpt that has the rows of `first`, with `SHOWN`.
            most: rows at most.
        """
        rows = self.first(most)
        there = np.where(self.same >= 0, self.same, self.nearly)[rows]
        few = self.other.scores.excerpt(SHOWN, there)
        pairs = zip(
            scores.rows(SHOWN, rows).to_pylist(),
            few.rows(SHOWN, there).to_pylist(),
            (self.same[rows] >= 0).tolist(),
            strict=True,
        )
        return Leaks(
            table=self.other.path,
            same=int(np.count_nonzero(self.same >= 0)),
            nearly=None if self.unsearched else int(np.count_nonzero(self.nearly >= 0)),
            rows=tuple(
                Leak(
                    (one["row"], other["row"]),
                    (str(one["file_name"]), str(other["file_name"])),
                    identical,
                )
                for one, other, identical in pairs
            ),
        )


def look_elsewhere(
    scores: SlimTable, table: Path, other: OtherPictures, progress: Progress
) -> Elsewhere:
    """Look for every picture.

    Args:
        scores: N rows, with `COMPARED`, and fingerprints of the same key.
        table: where they were read, for messages.
        other: where to look.
        progress: told how many pictures were looked for.
    """
    groups = picture_groups(scores.table)
    hashes = whole(other.scores.table["content_sha256"]).take(int_array(other.first))
    place = pc.index_in(whole(scores.table["content_sha256"]), value_set=hashes)
    known = (groups >= 0) & valid(place)
    same = np.full(len(groups), -1, dtype=np.int64)
    same[known] = other.first[int_values(place)[known]]

    once = first_rows(groups)
    mine, there = _words(scores, once)
    others, seen = _words(other.scores, other.first)
    asked = there & (same[once] < 0)
    count, among = int(np.count_nonzero(asked)), int(np.count_nonzero(seen))
    pairs = ((table, once, there), (other.path, other.first, seen))
    without = [str(path) for path, rows, has in pairs if len(rows) and not has.any()]
    unsearched = ""
    if without:
        unsearched = f"no perceptual hashes in {' and '.join(without)}; scan or score again"
    elif count * among > MOST_PAIRS:
        unsearched = f"{count:,} × {among:,} pictures are more than {MOST_PAIRS:,} pairs"
    # Groups may have gaps, of pictures that cannot be read; the last place is of rows in none.
    of_group = np.full(int(groups.max(initial=-1)) + 2, -1, dtype=np.int64)
    if count and among and not unsearched:
        with progress.stage("Comparing pictures", count) as advance:
            found = alike(mine[asked], others[seen], lambda done: advance(done, ""))
        rows = np.append(other.first[seen], -1)
        of_group[groups[once[asked]]] = rows[found]
    return Elsewhere(other, same, np.where(same < 0, of_group[groups], -1), unsearched)


def _words(scores: SlimTable, rows: NDArray[np.int64]) -> tuple[Words, NDArray[np.bool_]]:
    """(n, 4) words of some rows' hashes, and whether they have one."""
    column = whole(scores.table[HASH])
    return words_of(hash_bytes(column)[rows]), valid(column)[rows]
