"""The rows that a check lists, of the table and of its baseline, as values."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deftclean.gate.results import Change, ChangedRow, Finding, SeenRow
from deftclean.table.comparison import CHANGES, Comparison
from deftclean.table.fingerprints import Fingerprints
from deftclean.table.places import Places
from deftclean.table.problems import KINDS, Problems, problems_of
from deftclean.table.slim import IDENTITIES, Excerpt, SlimTable, read_slim

COMPARED = ("file_name", "content_sha256", "given_label", "clean_prob", "keep", "status")
"""Columns that tell rows of two tables apart, and what is wrong with them."""

LISTED = ("row", "file_name", "given_label", "suggested_label", "clean_prob", "error")
"""Columns that are shown."""


@dataclass(frozen=True)
class Earlier:
    """A baseline: the problems of its rows, and what they are told apart by."""

    path: Path
    scores: SlimTable
    rows: Problems

    @classmethod
    def of(cls, path: Path, key: Fingerprints) -> "Earlier":
        """Read it, with the fingerprints of the table that it is compared with.

        Raises:
            InputError, RunError: it cannot be read.
        """
        scores = read_slim(path, COMPARED, key)
        rows = problems_of(scores, path)
        # All else that is compared of a row is in its problem.
        slim = replace(scores, table=scores.table.select(IDENTITIES))
        return cls(path, slim, replace(rows, clean_prob=rows.clean_prob[:0].copy()))


def findings_of(
    few: Excerpt, rows: Problems, places: Places, chosen: NDArray[np.int64]
) -> tuple[Finding, ...]:
    """The chosen rows as findings.

    Args:
        few: excerpt that has them, with `LISTED`.
        rows: problems of all rows of the table.
        places: of the rows of the excerpt.
        chosen: (n,) rows.
    """
    entries = few.rows(LISTED, chosen).to_pylist()
    return tuple(
        Finding(
            entry["row"],
            str(entry["file_name"]),
            KINDS[kind],
            entry["given_label"],
            entry["suggested_label"],
            entry["clean_prob"],
            entry["error"],
            place,
        )
        for entry, kind, place in zip(
            entries, rows.kinds[chosen].tolist(), places.of(chosen), strict=True
        )
    )


def first_changed(compared: Comparison | None, top: int) -> list[NDArray[np.int64]]:
    """Rows of this table that are shown of each change."""
    if compared is None:
        return []
    return [compared.rows(name)[:top] for name in CHANGES if name != "gone_rows"]


def changes_of(
    few: Excerpt, rows: Problems, earlier: Earlier, compared: Comparison, top: int
) -> tuple[Change, ...]:
    """What differs from the baseline, with at most `top` rows of each change.

    Args:
        few: excerpt that has the rows of `first_changed`, with `LISTED`.
        rows: problems of all rows of the table.
        earlier: the baseline; a few of its rows are read again.
        compared: with it.
        top: most rows.
    """
    gone = compared.gone[:top]
    partners = compared.partner[np.concatenate(first_changed(compared, top))]
    there = np.concatenate([gone, partners[partners >= 0]])
    old = earlier.scores.excerpt(LISTED, there)
    changes = []
    for name in CHANGES:
        if name == "gone_rows":
            listed = [ChangedRow(None, before) for before in _seen(old, earlier.rows, gone)]
        else:
            shown = compared.rows(name)[:top]
            partners = compared.partner[shown]
            seen = iter(_seen(old, earlier.rows, partners[partners >= 0]))
            before = [next(seen) if found else None for found in (partners >= 0).tolist()]
            listed = [ChangedRow(*p) for p in zip(_seen(few, rows, shown), before, strict=True)]
        changes.append(Change(name, len(compared.rows(name)), tuple(listed)))
    return tuple(changes)


def _seen(few: Excerpt, rows: Problems, chosen: NDArray[np.int64]) -> list[SeenRow]:
    entries = few.rows(["row", "file_name", "given_label"], chosen).to_pylist()
    return [
        SeenRow(entry["row"], str(entry["file_name"]), entry["given_label"], KINDS[kind])
        for entry, kind in zip(entries, rows.kinds[chosen].tolist(), strict=True)
    ]
