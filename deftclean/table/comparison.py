"""Two score tables, row by row: which row of the one is which of the other, and what changed.

Rows are the same by `file_name`; those left over, as files that were moved, by the hash of their
content. Rows that the name or the hash does not tell apart are a multiset: as many of them as there
are in both tables are the same, those with the same label and problem first.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.core.arrow import bool_values, groups, pairs, valid
from deftclean.table.fingerprints import Fingerprints
from deftclean.table.problems import FINE, FLAGGED, KINDS, Problems
from deftclean.table.scores import ScoreTable
from deftclean.table.slim import NUMBERED, SlimTable, slimmed

CHANGES = (
    *("new_problems", "newly_flagged", "newly_bad", "cleared", "relabelled", "moved"),
    *("new_rows", "gone_rows"),
)
"""What a comparison counts."""

_FACTS = ("rule", "threshold", "strategy", "model", "weights_sha256")
_OF_THE_LABEL = np.array([FLAGGED, KINDS.index("unknown_label")])
"""Kinds of problems that another label puts an end to."""

_TOLD_APART_BY = ["status", "keep", "given_label", "file_name", "content_sha256"]


@dataclass(frozen=True)
class Comparison:
    """A table of N rows against an earlier one of M rows.

    Attributes:
        partner: (N,) int64 row of the earlier table that is the same; -1 for a new row.
        known: (N,) bool, the row had the same problem, with the same label, in the earlier table.
        of_rows: rows of this table, (n,) ascending, for every change but `gone_rows`.
        gone: (m,) rows of the earlier table that are in this one no more.
        notes: why figures may differ though the data do not.
    """

    partner: NDArray[np.int64]
    known: NDArray[np.bool_]
    of_rows: dict[str, NDArray[np.int64]]
    gone: NDArray[np.int64]
    notes: tuple[str, ...]

    def rows(self, change: str) -> NDArray[np.int64]:
        """The rows of one of `expressions.CHANGES`: of this table, or the earlier one's if gone."""
        return self.gone if change == "gone_rows" else self.of_rows[change]


def compare(new: ScoreTable, new_rows: Problems, old: ScoreTable, old_rows: Problems) -> Comparison:
    """Find the rows of `old` in `new`, and what became of them.

    Args:
        new: N rows, slim or not; of its columns `file_name` and `content_sha256` are looked at.
        new_rows: their problems.
        old: M rows; slim, and with the same fingerprints, if `new` is.
        old_rows: their problems.
    """
    key = Fingerprints()
    here, there = (s if isinstance(s, SlimTable) else slimmed(s, key) for s in (new, old))
    labels = _labels_of_old(new_rows, old_rows)
    sides = _Side(here, new_rows.labels, new_rows.kinds), _Side(there, labels, old_rows.kinds)
    partner, moved = _partners(*sides)
    matched = partner >= 0
    # The place -1, of a row without a partner, is the one appended.
    kinds_before = np.append(old_rows.kinds, np.int8(FINE))[partner]
    relabelled = matched & (np.append(labels, np.int32(-1))[partner] != new_rows.labels)
    bad, flagged = new_rows.kinds != FINE, new_rows.kinds == FLAGGED
    same = matched & (kinds_before == new_rows.kinds)
    known = bad & same & ~(relabelled & np.isin(new_rows.kinds, _OF_THE_LABEL))
    newly = bad & ~known
    gone = np.ones(len(old_rows), dtype=bool)
    gone[partner[matched]] = False
    found = {
        "new_problems": newly,
        "newly_flagged": newly & flagged,
        "newly_bad": newly & ~flagged,
        "cleared": matched & ~bad & (kinds_before != FINE),
        "relabelled": relabelled,
        "moved": moved,
        "new_rows": ~matched,
    }
    of_rows = {name: np.flatnonzero(found[name]) for name in CHANGES if name in found}
    return Comparison(partner, known, of_rows, np.flatnonzero(gone), _notes(new, old))


# ---------------------------------------------------------------- the same rows


@dataclass(frozen=True)
class _Side:
    """What n rows of one of the tables are told apart by.

    Attributes:
        scores: the table.
        labels: (n,) int32 place of the given label among those of both tables, -1 for none.
        kinds: (n,) int8.
    """

    scores: SlimTable
    labels: NDArray[np.int32]
    kinds: NDArray[np.int8]

    @cached_property
    def named(self) -> NDArray[np.bool_]:
        """(n,) whether a row has a name: `<table>#<row>` is where it stands, not which it is."""
        return self.has_name & ~bool_values(self.scores.table[NUMBERED])

    @property
    def has_name(self) -> NDArray[np.bool_]:
        """(n,) whether there is a name, if only a number."""
        return valid(self.scores.table["file_name"])

    def with_identity(self, column: str | None) -> NDArray[np.bool_]:
        """(n,) whether a row has what a column tells; for None, that it has no name and no hash."""
        if column == "file_name":
            return self.named
        hashed = valid(self.scores.table["content_sha256"])
        return ~self.named & ~hashed if column is None else hashed

    def told_apart(
        self,
        rows: NDArray[np.int32],
        identity: NDArray[np.int32],
        told_by: tuple[bool, bool],
        labels: int,
    ) -> NDArray[np.int64]:
        """(k,) keys of some rows, of their identity and, if so told, label and kind."""
        key, (by_label, by_kind) = identity.astype(np.int64), told_by
        if by_label:
            key = key * labels + (self.labels[rows] + 1)
        return key * len(KINDS) + self.kinds[rows] if by_kind else key

    def by_content(self, rows: NDArray[np.int32], tied: NDArray[np.bool_]) -> NDArray[np.int32]:
        """(k,) places of some rows, the tied ones last, in an order that only values decide."""
        places = _rows(tied)
        if not len(places):
            return np.arange(len(rows), dtype=np.int32)
        columns = self.scores.rows(_TOLD_APART_BY, rows[places].astype(np.int64))
        order = pc.sort_indices(columns, [(name, "ascending") for name in _TOLD_APART_BY])
        by_value = np.frombuffer(order.buffers()[1], np.uint64, len(order)).astype(np.int64)
        return np.concatenate([_rows(~tied), places[by_value]])


_Pair: TypeAlias = tuple[NDArray[np.int32], NDArray[np.int32]]

_FULL = ((True, True), (True, False), (False, False))  # told apart by label, by kind of problem
_ROUNDS = {"file_name": _FULL, "content_sha256": _FULL, None: _FULL[:2]}
"""The same by file name, by content, and where there is neither by label; each time first with all
that tells rows apart, then with less."""


def _partners(new: _Side, old: _Side) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """(N,) row of the earlier table, -1 where there is none; and whether it has another name there.

    Every row is taken once.
    """
    partner = np.full(len(new.labels), -1, dtype=np.int64)
    moved = np.zeros(len(partner), dtype=bool)
    free = np.ones(len(old.labels), dtype=bool)
    for column in _ROUNDS:
        here = _rows((partner < 0) & new.with_identity(column))
        there = _rows(free & old.with_identity(column))
        for at, with_ in _matches(new, here, old, there, column):
            partner[at] = with_
            free[with_] = False
            if column == "content_sha256":
                # A name that both have would have been found before.
                moved[at] = new.named[at] & old.has_name[with_]
    return partner, moved


def _rows(flags: NDArray[np.bool_]) -> NDArray[np.int32]:
    return np.flatnonzero(flags).astype(np.int32)


def _matches(
    new: _Side, here: NDArray[np.int32], old: _Side, there: NDArray[np.int32], column: str | None
) -> Iterator[_Pair]:
    """Rows of both tables that are the same by one column, in rounds; of those that are left."""
    same, same_old = _identities(new, here, old, there, column)
    for told_by in _ROUNDS[column]:
        labels = 2 + max(int(side.labels.max(initial=-1)) for side in (new, old))
        key = new.told_apart(here, same, told_by, labels)
        key_old = old.told_apart(there, same_old, told_by, labels)
        if column == "file_name" and told_by == _FULL[0]:
            taken, taken_old = _paired(key, key_old)
        else:
            # The order in which the tables have rows must not count any more.
            several = _several(key, key_old)
            order = new.by_content(here, np.isin(key, several))
            order_old = old.by_content(there, np.isin(key_old, several))
            at, with_ = _paired(key[order], key_old[order_old])
            taken, taken_old = order[at], order_old[with_]
        yield here[taken], there[taken_old]
        here, same = np.delete(here, taken), np.delete(same, taken)
        there, same_old = np.delete(there, taken_old), np.delete(same_old, taken_old)


def _identities(
    new: _Side, here: NDArray[np.int32], old: _Side, there: NDArray[np.int32], column: str | None
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """(n,) and (m,) numbers, equal for rows that have the same in a column."""
    if column is None:
        return np.zeros(len(here), np.int32), np.zeros(len(there), np.int32)
    one, other = pairs(new.scores.table[column]), pairs(old.scores.table[column])
    numbers = groups(lambda half: np.concatenate([one[here, half], other[there, half]]))
    return numbers[: len(here)], numbers[len(here) :]


def _several(new: NDArray[np.int64], old: NDArray[np.int64]) -> NDArray[np.int64]:
    """Keys that both have, and one of them more than once."""
    (here, count), (there, count_old) = (np.unique(k, return_counts=True) for k in (new, old))
    both, at, with_ = np.intersect1d(here, there, assume_unique=True, return_indices=True)
    found: NDArray[np.int64] = both[(count[at] > 1) | (count_old[with_] > 1)]
    return found


def _paired(new: NDArray[np.int64], old: NDArray[np.int64]) -> _Pair:
    """Places of equal keys in both; the i-th of a key here goes with the i-th of it there."""
    # In few and short numbers: all of these are as long as a table.
    order_new, order_old = (np.argsort(k, kind="stable").astype(np.int32) for k in (new, old))
    sorted_new, sorted_old = new[order_new], old[order_old]
    at = np.searchsorted(sorted_old, sorted_new)
    at += _nth(sorted_new)
    paired = at < len(sorted_old)
    paired[paired] = sorted_old[at[paired]] == sorted_new[paired]
    del sorted_new, sorted_old
    return order_new[paired], order_old[at[paired]]


def _nth(ordered: NDArray[np.int64]) -> NDArray[np.int32]:
    """(N,) how many values before a sorted one are equal to it."""
    place = np.arange(len(ordered), dtype=np.int32)
    first = place.copy()
    first[1:][ordered[1:] == ordered[:-1]] = 0
    place -= np.maximum.accumulate(first, out=first)
    return place


def _labels_of_old(new: Problems, old: Problems) -> NDArray[np.int32]:
    """(M,) labels of the earlier table as places in the names of this one, new ones behind."""
    place = {name: index for index, name in enumerate(new.names)}
    own = [place.setdefault(name, len(place)) for name in old.names]
    return np.array([*own, -1], dtype=np.int32)[old.labels]


# ---------------------------------------------------------------- what changed


def _notes(new: ScoreTable, old: ScoreTable) -> tuple[str, ...]:
    differing = [name for name in _FACTS if new.metadata.get(name) != old.metadata.get(name)]
    if not differing:
        return ()
    said = "; ".join(
        f"{name} was {old.metadata.get(name)}, is {new.metadata.get(name)}" for name in differing
    )
    return (f"the two tables were not judged alike, so rows may differ for that alone: {said}",)
