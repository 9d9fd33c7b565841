"""The kind of each row: what a person has to do about it, in one word. pyarrow and NumPy only.

Where several apply, the first of `KINDS` counts. What a person has decided about has none.
"""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.core.arrow import bool_values, codes, float_values, valid, whole
from deftclean.table.copies import copies_of
from deftclean.table.estimate import EVIDENCE
from deftclean.table.reviewed import unreviewed
from deftclean.table.scores import OFF_TOPIC, QUALITY, SCORE_SCHEMA, ScoreTable

KINDS = ("off_topic", "duplicate_conflict", "bad_picture", "ambiguous", "wrong_label")
"""In order of precedence: where no class fits, no label is right; that one of two labels of one
picture is wrong is sure, whatever is believed; of a picture that shows nothing, nothing is."""

UNCLEAR = ("blank", "dark", "bright", "low contrast", "blurred")
"""Reasons that say that little can be seen; what a model makes of such a picture says nothing."""

REASONS = (*UNCLEAR, "tiny", "odd size", "odd aspect ratio")
"""Why a picture is a bad one, in the order in which `quality` names them, joined by ", "."""

COUNTED = ("off_topic", "bad_pictures", "ambiguous")
"""What gates may count of them."""

LIKELY = 0.5
"""Of a flagged row whose most probable class has less, several are about as likely."""

NEARLY = 0.5
"""The same where the given label has this part of the most probable one's probability."""

_OLDER = "the table was made by an older deftclean, or by none"
_NO_EVIDENCE = "the table was not made by --recipe evidence"


def with_kinds(scores: ScoreTable) -> ScoreTable:
    """The same table with the kinds that follow from all else in it.

    Args:
        scores: `kind` is only read for `off_topic`, which nothing else in the table tells.
    """
    copies = copies_of(scores).flags
    conflict = np.zeros(len(scores), dtype=bool)
    for name in ("conflicting_duplicates", "conflicting_near_duplicates"):
        conflict |= copies[name] if not isinstance(copies[name], str) else False
    return _with(scores, {**_flags(scores), "duplicate_conflict": conflict})


def with_row_kinds(scores: ScoreTable) -> ScoreTable:
    """The same of rows that are judged each by itself: what other rows say makes no kind."""
    nobody = np.zeros(len(scores), dtype=bool)
    return _with(scores, {**_flags(scores), "duplicate_conflict": nobody})


def _with(scores: ScoreTable, flags: dict[str, NDArray[np.bool_]]) -> ScoreTable:
    """The table with the kinds that flags say; an older table as it is."""
    if scores.metadata.get(QUALITY) is None:
        return scores
    table = scores.table
    found = np.full(len(table), len(KINDS))
    for place in reversed(range(len(KINDS))):
        found[flags[KINDS[place]]] = place
    found[~bool_values(unreviewed(scores))] = len(KINDS)
    names = pa.array([*KINDS, None], pa.string())
    at = table.column_names.index("kind")
    column = names.take(pa.array(found))
    return replace(scores, table=table.set_column(at, SCORE_SCHEMA.field("kind"), column))


def _flags(scores: ScoreTable) -> dict[str, NDArray[np.bool_]]:
    """(N,) flags by kind, of all kinds that other rows have no part in."""
    table = scores.table
    clean, likely = (float_values(table[name]) for name in ("clean_prob", "suggested_prob"))
    flagged = ~np.isnan(clean) & ~bool_values(table["keep"])
    other = bool_values(pc.not_equal(table["suggested_label"], table["given_label"]))
    close = (likely < LIKELY) | (other & (clean >= NEARLY * likely))
    return {
        "off_topic": _is(table, "off_topic"),
        "bad_picture": valid(table["quality"]),
        "ambiguous": flagged & close & (EVIDENCE in scores.metadata),
        "wrong_label": flagged,
    }


def _is(table: pa.Table, kind: str) -> NDArray[np.bool_]:
    return bool_values(pc.equal(table["kind"], kind))


@dataclass(frozen=True)
class KindCounts:
    """How many rows there are of each kind; None where it is not known.

    Attributes:
        kinds: rows by kind, of kinds that there are.
        quality: rows by reason, of reasons that there are.
    """

    kinds: dict[str, int] | None
    quality: dict[str, int] | None

    @property
    def lines(self) -> list[str]:
        """In words, as lines of a summary; only what there is."""
        named = {"kinds": self.kinds, "bad pictures": self.quality}
        return [f"{title:<15}{_listed(found)}" for title, found in named.items() if found]


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items())


def kind_counts(scores: ScoreTable) -> KindCounts:
    """Count all."""
    if scores.metadata.get(QUALITY) is None:
        return KindCounts(None, None)
    places, distinct = codes(scores.table["kind"])
    counts = np.bincount(places[places >= 0], minlength=len(distinct)).tolist()
    by_name = dict(zip(distinct.to_pylist(), counts, strict=True))
    kinds = {name: by_name[name] for name in KINDS if by_name.get(name)}
    return KindCounts(kinds, _reasons(scores.table["quality"]))


def _reasons(quality: pa.ChunkedArray) -> dict[str, int]:
    """Rows by reason, the most frequent first."""
    found: dict[str, int] = {}
    for entry in pc.value_counts(whole(quality).drop_null()).to_pylist():
        for reason in set(entry["values"].split(", ")) & set(REASONS):
            found[reason] = found.get(reason, 0) + entry["counts"]
    return dict(sorted(found.items(), key=lambda each: (-each[1], each[0])))


def count_of(
    scores: ScoreTable, metric: str, chosen: NDArray[np.bool_] | None
) -> tuple[int | None, str]:
    """The value of one of `COUNTED`; None and the reason where it is not known.

    Args:
        scores: the table.
        metric: its name.
        chosen: (N,) bool, count these alone; None for all.
    """
    if scores.metadata.get(QUALITY) is None:
        return None, _OLDER
    if metric == "off_topic" and scores.metadata.get(OFF_TOPIC) is None:
        return None, "nobody has looked for pictures that fit no class when the table was made"
    if metric == "ambiguous" and EVIDENCE not in scores.metadata:
        return None, _NO_EVIDENCE
    if metric == "bad_pictures":
        found = valid(scores.table["quality"]) & bool_values(unreviewed(scores))
    else:
        found = _is(scores.table, metric)
    return int(np.count_nonzero(found if chosen is None else found & chosen)), ""
