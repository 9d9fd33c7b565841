"""Two score tables, row by row: which row of the one is which of the other, and what changed.

Rows are the same by `file_name`; those left over, as files that were moved, by the hash of their
content. Rows that the name or the hash does not tell apart are a multiset: as many of them as there
are in both tables are the same, those with the same label and problem first.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.core.arrow import bool_values, codes, int_array, whole
from deftclean.table.problems import FINE, FLAGGED, KINDS, Problems
from deftclean.table.scores import ScoreTable

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
        new: N rows; of its columns `file_name` and `content_sha256` are looked at.
        new_rows: their problems.
        old: M rows.
        old_rows: their problems.
    """
    labels = _labels_of_old(new_rows, old_rows)
    partner = _partners(_Keys.of(new, old, new_rows, old_rows, labels), new, old)
    matched = partner >= 0
    # The place -1, of a row without a partner, is the one appended.
    kinds_before = np.append(old_rows.kinds, FINE)[partner]
    relabelled = matched & (np.append(labels, -1)[partner] != new_rows.labels)
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
        "moved": _moved(new, old, partner),
        "new_rows": ~matched,
    }
    of_rows = {name: np.flatnonzero(found[name]) for name in CHANGES if name in found}
    return Comparison(partner, known, of_rows, np.flatnonzero(gone), _notes(new, old))


# ---------------------------------------------------------------- the same rows


@dataclass(frozen=True)
class _Keys:
    """What rows of both tables are told apart by: the N of this one, then the M of the earlier.

    Attributes:
        names: (N + M,) int64 code of the file name; -1 for a name that is only a row number.
        hashes: (N + M,) int64 code of the content; -1 for none.
        labels: (N + M,) int64 code of the given label, from 0.
        kinds: (N + M,) int64.
    """

    names: NDArray[np.int64]
    hashes: NDArray[np.int64]
    labels: NDArray[np.int64]
    kinds: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        new: ScoreTable,
        old: ScoreTable,
        new_rows: Problems,
        old_rows: Problems,
        labels: NDArray[np.int64],
    ) -> "_Keys":
        names = _both(new, old, "file_name")
        # `<table>#<row>` is where a row stands, not which one it is.
        numbered = bool_values(pc.match_substring_regex(names, r"#\d+$"))
        return cls(
            np.where(numbered, -1, codes(names)[0]),
            codes(_both(new, old, "content_sha256"))[0],
            np.concatenate([new_rows.labels, labels]) + 1,
            np.concatenate([new_rows.kinds, old_rows.kinds]),
        )

    def rounds(self) -> Iterator[NDArray[np.int64]]:
        """(N + M,) codes, equal for what may be the same row; -1 for rows that take no part.

        By file name, by content, and where there is neither by label; each time first with all
        that tells rows apart, then with less.
        """
        nowhere = np.where((self.names < 0) & (self.hashes < 0), 0, -1)
        for identity in (self.names, self.hashes):
            yield _joined(identity, self.labels, self.kinds)
            yield _joined(identity, self.labels)
            yield identity
        yield _joined(nowhere, self.labels, self.kinds)
        yield _joined(nowhere, self.labels)


def _joined(identity: NDArray[np.int64], *more: NDArray[np.int64]) -> NDArray[np.int64]:
    key = identity
    for column in more:
        key = np.where(key < 0, -1, key * (int(column.max(initial=0)) + 1) + column)
    return key


def _both(new: ScoreTable, old: ScoreTable, column: str) -> pa.Array:
    parts = [whole(scores.table[column].cast(pa.large_string())) for scores in (new, old)]
    return pa.concat_arrays(parts)


def _labels_of_old(new: Problems, old: Problems) -> NDArray[np.int64]:
    """(M,) labels of the earlier table as places in the names of this one, new ones behind."""
    place = {name: index for index, name in enumerate(new.names)}
    own = [place.setdefault(name, len(place)) for name in old.names]
    return np.array([*own, -1], dtype=np.int64)[old.labels]


def _partners(keys: _Keys, new: ScoreTable, old: ScoreTable) -> NDArray[np.int64]:
    """(N,) row of the earlier table; -1 where there is none. Every row is taken once."""
    partner = np.full(len(new), -1, dtype=np.int64)
    free = np.ones(len(old), dtype=bool)
    rows, old_rows = np.arange(len(new)), np.arange(len(old))
    for number, key in enumerate(keys.rounds()):
        rows, old_rows = rows[partner[rows] < 0], old_rows[free[old_rows]]
        if number == 1:
            # Few are left as a rule; the order in which the tables have them must not count.
            rows, old_rows = _by_content(new, rows), _by_content(old, old_rows)
        here, there = rows[key[rows] >= 0], old_rows[key[len(new) + old_rows] >= 0]
        at, with_ = _paired(key[here], key[len(new) + there])
        partner[here[at]] = there[with_]
        free[there[with_]] = False
    return partner


def _by_content(scores: ScoreTable, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same rows, in an order that only their values decide."""
    columns = scores.table.select(_TOLD_APART_BY).take(int_array(rows))
    order = pc.sort_indices(columns, [(name, "ascending") for name in _TOLD_APART_BY])
    return rows[np.frombuffer(order.buffers()[1], np.uint64, len(order)).astype(np.int64)]


def _paired(
    new: NDArray[np.int64], old: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places of equal keys in both; the i-th of a key here goes with the i-th of it there."""
    order_new, order_old = np.argsort(new, kind="stable"), np.argsort(old, kind="stable")
    sorted_new, sorted_old = new[order_new], old[order_old]
    nth = np.arange(len(new)) - np.searchsorted(sorted_new, sorted_new)
    at = np.searchsorted(sorted_old, sorted_new) + nth
    paired = at < np.searchsorted(sorted_old, sorted_new, side="right")
    return order_new[paired], order_old[at[paired]]


# ---------------------------------------------------------------- what changed


def _moved(new: ScoreTable, old: ScoreTable, partner: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(N,) the same row under another file name; a row number is none."""
    moved = np.zeros(len(partner), dtype=bool)
    rows = np.flatnonzero(partner >= 0)
    if not len(rows):
        return moved
    here, there = whole(new.table["file_name"]), whole(old.table["file_name"])
    names = here.take(int_array(rows))
    differ = bool_values(pc.not_equal(names, there.take(int_array(partner[rows]))))
    moved[rows] = differ & ~bool_values(pc.match_substring_regex(names, r"#\d+$"))
    return moved


def _notes(new: ScoreTable, old: ScoreTable) -> tuple[str, ...]:
    differing = [name for name in _FACTS if new.metadata.get(name) != old.metadata.get(name)]
    if not differing:
        return ()
    said = "; ".join(
        f"{name} was {old.metadata.get(name)}, is {new.metadata.get(name)}" for name in differing
    )
    return (f"the two tables were not judged alike, so rows may differ for that alone: {said}",)
