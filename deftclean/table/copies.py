"""Rows that show the same picture, or nearly so, and those that contradict each other or leak.

pyarrow and NumPy only. What is the same follows from the hash of the bytes, so that tables of every
age can be asked; what is nearly the same, `scan` and `score` have found out, see
`deftclean.evidence.near_copies`.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.core.arrow import (
    Column,
    bool_array,
    bool_values,
    codes,
    valid,
    whole,
)
from deftclean.table.reviewed import DECISION, FINAL
from deftclean.table.scores import NEAR, ScoreTable

COPIES = (
    *("duplicates", "conflicting_duplicates"),
    *("near_duplicates", "conflicting_near_duplicates", "leaked"),
)
"""What may be counted of them, as gates name it."""

SPLIT = "split"
"""Column of the input that says which part of the data a row belongs to: train, test ..."""

COLUMNS = (
    "given_label",
    "status",
    "content_sha256",
    "near_duplicate_group",
    SPLIT,
    FINAL,
    DECISION,
)
"""Columns that are looked at, where a table has them."""

SHOWN = ("row", "file_name", "given_label", FINAL, DECISION)
"""Columns that tell of a row, where a table has them."""

_WITH_PICTURE = ("ok", "unlabeled", "unknown_label")
_NO_HASHES = "the table has no hashes of pictures"
_NOT_SEARCHED = "nearly identical pictures were not searched for when the table was made"


def _first_rows(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N,) the first row of each row's group; of a row in none (-1), itself."""
    rows = np.arange(len(groups))
    first = np.zeros(int(groups.max(initial=-1)) + 2, dtype=np.int64)
    first[groups[::-1]] = rows[::-1]  # the last to be written is the first row
    return np.where(groups >= 0, first[groups], rows)


def disagreeing(groups: NDArray[np.int64], values: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(N,) bool, rows of a group in which there is more than one value; that have a value.

    Args:
        groups: (N,) number of the group, 0 or more; -1 for none.
        values: (N,) place of the value; -1 for none, which contradicts nobody.
    """
    counted = (groups >= 0) & (values >= 0)
    among, theirs = groups[counted], values[counted]
    size = int(among.max(initial=-1)) + 1
    one = np.zeros(size, dtype=np.int64)
    one[among] = theirs
    mixed = np.zeros(size, dtype=bool)
    mixed[among[one[among] != theirs]] = True
    found = np.zeros(len(groups), dtype=bool)
    found[counted] = mixed[among]
    return found


@dataclass(frozen=True)
class CopyCounts:
    """How many rows show a picture of another row; None where it is not known.

    Attributes:
        duplicates: rows whose bytes an earlier row has.
        conflicting_duplicates: rows of identical pictures with more than one label.
        near_duplicates: rows in a group of nearly identical pictures.
        conflicting_near_duplicates: those of a group with more than one label.
        leaked: rows whose picture is in another split too, or in the table compared with.
    """

    duplicates: int | None
    conflicting_duplicates: int | None
    near_duplicates: int | None
    conflicting_near_duplicates: int | None
    leaked: int | None

    @property
    def lines(self) -> list[str]:
        """In words, as lines of a summary; only what there is."""
        lines = []
        if self.duplicates:
            lines.append(f"duplicates     {self.duplicates:,} repeat the picture of an earlier row")
        if self.conflicting_duplicates:
            lines.append(f"  in conflict  {_conflict(self.conflicting_duplicates)}")
        if self.near_duplicates:
            lines.append(f"near copies    {self.near_duplicates:,} show nearly the same picture")
        if self.conflicting_near_duplicates:
            lines.append(f"  in conflict  {_conflict(self.conflicting_near_duplicates)}")
        if self.leaked:
            lines.append(f"leaked         {self.leaked:,} show a picture that is elsewhere too")
        return lines


def _conflict(count: int) -> str:
    return f"{count:,} of such a picture with different labels: one at least is wrong"


@dataclass(frozen=True)
class Copies:
    """The same for each of N rows; (N,) bool, or why it is not known. See `CopyCounts`."""

    flags: dict[str, NDArray[np.bool_] | str]

    @property
    def counts(self) -> CopyCounts:
        """Of all rows."""
        return CopyCounts(**{name: self.count(name) for name in COPIES})

    def count(self, metric: str, chosen: NDArray[np.bool_] | None = None) -> int | None:
        """Rows that a metric counts; None where it is not known.

        Args:
            metric: one of `COPIES`.
            chosen: (N,) bool, count these alone.
        """
        found = self.flags[metric]
        if isinstance(found, str):
            return None
        return int(np.count_nonzero(found if chosen is None else found & chosen))

    def reason(self, metric: str) -> str:
        """Why it is not known."""
        found = self.flags[metric]
        return found if isinstance(found, str) else ""


def copies_of(scores: ScoreTable, elsewhere: NDArray[np.bool_] | None = None) -> Copies:
    """Look at every row.

    Where people have decided about a row, their label counts: a dropped one contradicts nobody.

    Args:
        scores: N rows, with those of `COLUMNS` that the table has.
        elsewhere: (N,) the row's picture is where it should not be; None where nobody has looked.
    """
    table = scores.table
    same, hashed = picture_groups(table), valid(table["content_sha256"]).any()
    labels, near = _labels(table), _near_groups(scores)
    exact: dict[str, NDArray[np.bool_] | str] = dict.fromkeys(COPIES[:2], _NO_HASHES)
    if hashed or not len(table):
        repeats = _first_rows(same) != np.arange(len(same))
        exact = dict(zip(COPIES[:2], (repeats, disagreeing(same, labels)), strict=True))
    nearly: dict[str, NDArray[np.bool_] | str] = dict.fromkeys(COPIES[2:4], _NOT_SEARCHED)
    if near is not None:
        nearly = dict(zip(COPIES[2:4], (near >= 0, disagreeing(near, labels)), strict=True))
    return Copies({**exact, **nearly, COPIES[4]: _leaked(table, same, near, elsewhere)})


def same_or_nearly(identical: bool) -> str:
    """What one row shows, in the eyes of another, in words."""
    return "the same picture as" if identical else "nearly the same picture as"


@dataclass(frozen=True)
class Conflict:
    """Two rows that show the same picture, or nearly so, and were given different labels.

    Attributes:
        rows, file_names, labels: of a group's first row, and of the first with another label.
        identical: byte by byte.
    """

    rows: tuple[int, int]
    file_names: tuple[str, str]
    labels: tuple[str, str]
    identical: bool

    @property
    def statement(self) -> str:
        """In words."""
        (one, other), (label, second) = self.file_names, self.labels
        what = same_or_nearly(self.identical)
        return (
            f"{one} (row {self.rows[0]}) {label!r}: {what} {other} (row {self.rows[1]}) {second!r}"
        )


def conflicts_of(scores: ScoreTable, most: int) -> tuple[Conflict, ...]:
    """One pair of each group with more than one label, in the order of rows, identical ones first.

    Args:
        scores: as `copies_of`, with `SHOWN`.
        most: pairs at most.
    """
    return told_conflicts(scores, *conflicting_pairs(scores, most))


def conflicting_pairs(scores: ScoreTable, most: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """(P, 2) rows of each pair; and (P,) whether they are identical.

    Args:
        scores, most: as `conflicts_of`; what is shown need not be there.
    """
    table = scores.table
    same = picture_groups(table)
    labels, near = _labels(table), _near_groups(scores)
    pairs = _contradictions(same, labels)
    exact = len(pairs)
    if near is not None:
        nearly = _contradictions(near, labels)
        apart = (same[nearly[:, 0]] != same[nearly[:, 1]]) | (same[nearly[:, 0]] < 0)
        pairs = np.concatenate([pairs, nearly[apart]])
    return pairs[:most], np.arange(len(pairs))[:most] < exact


def told_conflicts(
    scores: ScoreTable, pairs: NDArray[np.int64], identical: NDArray[np.bool_]
) -> tuple[Conflict, ...]:
    """Conflicts as people read them.

    Args:
        scores: the table, or an excerpt that has their rows; with `SHOWN`.
        pairs, identical: as `conflicting_pairs` finds them.
    """
    shown = scores.rows(SHOWN, pairs.ravel())
    told = shown.append_column("label", _label_column(shown)).to_pylist()
    return tuple(
        Conflict(
            (one["row"], other["row"]),
            (str(one["file_name"]), str(other["file_name"])),
            (str(one["label"]), str(other["label"])),
            same,
        )
        for one, other, same in zip(told[::2], told[1::2], identical.tolist(), strict=True)
    )


def _contradictions(groups: NDArray[np.int64], values: NDArray[np.int64]) -> NDArray[np.int64]:
    """(G, 2) of each group with several values its first row, and the first with another value."""
    rows = np.flatnonzero(disagreeing(groups, values))
    first = np.zeros(int(groups.max(initial=-1)) + 1, dtype=np.int64)
    first[groups[rows[::-1]]] = rows[::-1]
    other = rows[values[rows] != values[first[groups[rows]]]]
    second = np.full(len(first), -1, dtype=np.int64)
    second[groups[other[::-1]]] = other[::-1]
    there = np.flatnonzero(second >= 0)
    pairs = np.stack([first[there], second[there]], axis=1)
    return pairs[np.argsort(pairs[:, 0], kind="stable")]


def picture_groups(table: pa.Table) -> NDArray[np.int64]:
    """(N,) number of each row's picture by its bytes, -1 where there is none that can be read."""
    return np.where(_readable(table), codes(table["content_sha256"])[0], -1)


def first_rows(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """(G,) ascending, the first row of each group; of rows in none (-1), none."""
    return np.flatnonzero((groups >= 0) & (_first_rows(groups) == np.arange(len(groups))))


def _readable(table: pa.Table) -> NDArray[np.bool_]:
    """(N,) bool; bytes of other rows are no picture."""
    places, distinct = codes(table["status"])
    fine = [status in _WITH_PICTURE for status in distinct.to_pylist()]
    return np.array([*fine, False])[places]


def _labels(table: pa.Table) -> NDArray[np.int64]:
    """(N,) place of the label in force; -1 where there is none."""
    labels, names = codes(table["given_label"])
    if DECISION not in table.column_names:
        return labels
    if FINAL in table.column_names:
        final, others = codes(table[FINAL])
        place = {name: at for at, name in enumerate(names.to_pylist())}
        own = [place.setdefault(name, len(place)) for name in others.to_pylist()]
        relabelled = bool_values(pc.equal(whole(table[DECISION]), "relabel"))
        labels = np.where(relabelled, np.array([*own, -1])[final], labels)
    dropped = bool_values(pc.equal(whole(table[DECISION]), "drop"))
    return np.where(dropped, -1, labels)


def _label_column(table: pa.Table) -> pa.Array:
    """(N,) labels, those that people chose where they did."""
    given = whole(table["given_label"])
    if not {DECISION, FINAL} <= set(table.column_names):
        return given
    relabelled = bool_array(bool_values(pc.equal(whole(table[DECISION]), "relabel")))
    return pc.if_else(relabelled, whole(table[FINAL]), given)


def _near_groups(scores: ScoreTable) -> NDArray[np.int64] | None:
    """(N,) group, -1 for none; None where nobody has looked for any."""
    if scores.metadata.get(NEAR) is None:
        return None
    return codes(scores.table["near_duplicate_group"])[0]


def _leaked(
    table: pa.Table,
    same: NDArray[np.int64],
    near: NDArray[np.int64] | None,
    elsewhere: NDArray[np.bool_] | None,
) -> NDArray[np.bool_] | str:
    if SPLIT not in table.column_names and elsewhere is None:
        return f"the table has no column {SPLIT!r}, and no --against was given"
    found = np.zeros(len(table), dtype=bool) if elsewhere is None else elsewhere
    if SPLIT not in table.column_names:
        return found
    split = _splits(table[SPLIT])
    found = found | disagreeing(same, split)
    return found if near is None else found | disagreeing(near, split)


def _splits(column: Column) -> NDArray[np.int64]:
    """(N,) place of the split; -1 where there is none: an empty cell says nothing."""
    places, distinct = codes(column)
    named = np.array([*(bool(str(name).strip()) for name in distinct.to_pylist()), False])
    return np.where(named[places], places, -1)
