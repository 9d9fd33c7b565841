"""What is wrong with each row of a score table, as numbers that can be counted and compared.

pyarrow and NumPy only. A row has one problem at most: it is flagged, or its status is not `ok`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deftclean.core.arrow import bool_values, codes, float_values
from deftclean.core.errors import InputError
from deftclean.core.text import few
from deftclean.table.scores import STATUSES, ScoreTable

KINDS = ("fine", "flagged", *(status for status in STATUSES if status != "ok"))
"""Kinds of rows; a kind's place in this list stands for it."""

FINE, FLAGGED = 0, 1


@dataclass(frozen=True)
class Problems:
    """N rows, as far as gates and comparisons look at them.

    Attributes:
        kinds: (N,) int8 place in `KINDS`.
        scored: (N,) bool, has a `clean_prob`.
        kept: (N,) bool.
        labels: (N,) int32 place of the given label in `names`; -1 for none.
        names: L distinct given labels, then classes without a row.
        clean_prob: (N,) float32, NaN where the row is not scored.
    """

    kinds: NDArray[np.int8]
    scored: NDArray[np.bool_]
    kept: NDArray[np.bool_]
    labels: NDArray[np.int32]
    names: tuple[str, ...]
    clean_prob: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.kinds)

    def forgiving(self, known: NDArray[np.bool_]) -> "Problems":
        """The same rows, those of (N,) `known` without their problem."""
        return replace(self, kinds=np.where(known, np.int8(FINE), self.kinds))


def problems_of(scores: ScoreTable, path: Path) -> Problems:
    """Look at every row once.

    Args:
        scores: N rows.
        path: their file, for messages.

    Raises:
        InputError: a status is none of those that there are.
    """
    table = scores.table
    prob = float_values(table["clean_prob"])
    scored, kept = ~np.isnan(prob), bool_values(table["keep"])
    kinds = _status_kinds(table["status"], path)
    kinds[(kinds == FINE) & scored & ~kept] = FLAGGED
    labels, distinct = codes(table["given_label"])
    names = [str(name) for name in distinct.to_pylist()]
    there = set(names)
    names += [name for name in _classes(scores) if name not in there]
    return Problems(kinds, scored, kept, labels.astype(np.int32), tuple(names), prob)


def _status_kinds(status: pa.ChunkedArray, path: Path) -> NDArray[np.int8]:
    """(N,) `FINE` for `ok`, else the status's kind."""
    places, distinct = codes(status)
    texts = [str(text) for text in distinct.to_pylist()]
    foreign = sorted(set(texts) - set(STATUSES)) + (["null"] if (places < 0).any() else [])
    if foreign:
        raise InputError(
            f"{path} has rows with a status that is none: {few(list(map(repr, foreign)))}.",
            f"A status is one of {', '.join(STATUSES)}.",
        )
    kind_of = np.array([FINE if t == "ok" else KINDS.index(t) for t in texts], dtype=np.int8)
    return kind_of[places]


def _classes(scores: ScoreTable) -> Iterable[str]:
    named = scores.metadata.get("class_names")
    return dict.fromkeys(map(str, named)) if isinstance(named, list) else ()


@dataclass(frozen=True)
class Counts:
    """How many rows of each kind there are.

    Attributes:
        table: (L + 1, kinds, 2, 2) int64 rows by label (the last: none), kind, scored, kept.
        places: of each label in `table`.
    """

    table: NDArray[np.int64]
    places: dict[str, int]

    @classmethod
    def of(cls, rows: Problems) -> "Counts":
        """Count all at once."""
        size, kinds = len(rows.names) + 1, len(KINDS)
        labels = np.where(rows.labels < 0, size - 1, rows.labels).astype(np.int64)
        cell = ((labels * kinds + rows.kinds) * 2 + rows.scored) * 2 + rows.kept
        counted = np.bincount(cell, minlength=size * kinds * 4).reshape(size, kinds, 2, 2)
        return cls(counted, {name: place for place, name in enumerate(rows.names)})

    def count(self, metric: str, label: str | None) -> int:
        """Rows that a metric counts.

        Args:
            metric: `rows`, `scored`, `kept`, `not_scored` (those whose status is not `ok`), or a
                kind.
            label: of the class `label` alone.
        """
        cells = self.table if label is None else self.table[self.places[label]][None]
        match metric:
            case "rows":
                chosen = cells
            case "scored":
                chosen = cells[:, :, 1]
            case "kept":
                chosen = cells[:, :, :, 1]
            case "not_scored":
                chosen = cells[:, FLAGGED + 1 :]
            case _:
                chosen = cells[:, KINDS.index(metric)]
        return int(chosen.sum())


def worst(rows: Problems, chosen: NDArray[np.bool_], count: int) -> NDArray[np.int64]:
    """At most `count` rows to look at: flagged ones by ascending `clean_prob`, then others.

    Where there are both, either gets half of the places if it has so many rows.

    Args:
        rows: N rows.
        chosen: (N,) bool, those that may be taken.
        count: most rows.
    """
    flagged = np.flatnonzero(chosen & (rows.kinds == FLAGGED))
    others = np.flatnonzero(chosen & (rows.kinds > FLAGGED))
    for_others = min(len(others), max(count - len(flagged), count // 2))
    lowest = _lowest(rows.clean_prob[flagged], min(count - for_others, len(flagged)))
    return np.concatenate([flagged[lowest], others[:for_others]])


def _lowest(values: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Places of the lowest values in order; of equal ones the first."""
    if not count:
        return np.zeros(0, dtype=np.int64)
    limit = np.partition(values, count - 1)[count - 1]
    candidates = np.flatnonzero(values <= limit)
    return candidates[np.argsort(values[candidates], kind="stable")[:count]]
