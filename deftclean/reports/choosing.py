"""Which rows of a score table a gallery shows, and why. No pictures, no torch.

Flagged rows, the most suspicious first; kept ones whose kind asks for a look; and, where that was
asked for, kept ones drawn at random. Or the random sample of an audit.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.core.arrow import bool_values, codes, float_values, valid
from deftclean.core.errors import UsageError
from deftclean.core.text import few
from deftclean.table.audit import Sample
from deftclean.table.estimate import WITNESS_COLUMNS
from deftclean.table.reviewed import AUDIT, review_of, unreviewed
from deftclean.table.scores import ScoreTable

MOST_IMAGES = 2000
"""More would make the file larger than a browser likes."""

SHOWN_FOR = "shown_for"
"""Column of chosen rows: `flagged`; `kind`, of kept rows that have one; `kept`, drawn at random."""

SHOWN = (
    "row", "file_name", "content_sha256", "given_label", "suggested_label", "clean_top_label",
    "clean_prob", "suggested_prob", "keep", "quality", "kind", *WITNESS_COLUMNS.values(), AUDIT,
)  # fmt: skip
"""Columns of rows that are shown, where the table has them."""

_FOR_KINDS = 0.25  # of the places go to kept rows that have a kind, where there are so many
_STREAM = 1  # of random numbers, beside that of an audit


def gallery_rows(scores: ScoreTable, count: int, kept: int, classes: Sequence[str]) -> ScoreTable:
    """Rows that nobody has decided about, with a column `shown_for`.

    Args:
        scores: the table.
        count: at most so many flagged ones, and kept ones that have a kind.
        kept: so many more, drawn at random among all kept rows.
        classes: given labels; empty for all.

    Raises:
        UsageError: there are no rows with such a label.
    """
    wanted = _of_classes(scores, classes)
    drawn = _drawn(scores, wanted & _kept(scores), kept)
    flagged = np.flatnonzero(wanted & _waiting(scores))
    odd = wanted & _kept(scores) & valid(scores.table["kind"])
    odd[drawn] = False
    others = np.flatnonzero(odd)
    most = min(len(others), max(int(_FOR_KINDS * count), count - len(flagged)))
    groups = {
        "flagged": _most_suspicious(scores, flagged, count - most),
        "kind": _most_suspicious(scores, others, most),
        "kept": drawn,
    }
    reasons = [name for name, places in groups.items() for _ in range(len(places))]
    chosen = scores.rows(SHOWN, np.concatenate([*groups.values()]))
    return ScoreTable(
        chosen.append_column(SHOWN_FOR, pa.array(reasons, pa.string())), scores.metadata
    )


def suspicious_rows(scores: ScoreTable, count: int, classes: Sequence[str]) -> ScoreTable:
    """Flagged rows alone: `gallery_rows` of a table without kinds."""
    places = np.flatnonzero(_of_classes(scores, classes) & _waiting(scores))
    chosen = _most_suspicious(scores, places, count)
    return ScoreTable(scores.rows(SHOWN, chosen), scores.metadata)


def _most_suspicious(
    scores: ScoreTable, places: NDArray[np.int64], count: int
) -> NDArray[np.int64]:
    """At most `count` of some ascending places, the lowest `clean_prob` first."""
    probs = float_values(scores.table["clean_prob"])[places]
    return places[np.argsort(probs, kind="stable")[:count]]


def _drawn(scores: ScoreTable, among: NDArray[np.bool_], count: int) -> NDArray[np.int64]:
    """At most `count` places at random, by the table's seed and their place alone."""
    seed = int(scores.metadata.get("seed") or 0)
    numbers = np.random.default_rng([seed, _STREAM]).random(len(among))
    places = np.flatnonzero(among)
    return places[np.argsort(numbers[places], kind="stable")[:count]]


def _of_classes(scores: ScoreTable, classes: Sequence[str]) -> NDArray[np.bool_]:
    given, distinct = codes(scores.table["given_label"])
    there = distinct.to_pylist()
    if unknown := [name for name in classes if name not in there]:
        raise UsageError(
            f"--class: no row has the label {few([repr(name) for name in unknown])}.",
            f"Given labels are {few(sorted(name for name in there if name), 8)}.",
        )
    if not classes:
        return np.ones(len(scores), dtype=bool)
    return np.isin(given, [there.index(name) for name in classes])


def sampled_rows(scores: ScoreTable, sample: Sample) -> ScoreTable:
    """Rows of a random sample that nobody has decided about as such, in its order.

    Their column `audit_sample` says which stratum each was drawn from.
    """
    done = review_of(scores)[AUDIT].take(pa.array(sample.places))
    waiting = np.flatnonzero(pc.is_null(done).to_numpy())
    columns = [name for name in SHOWN if name != AUDIT]
    chosen = scores.rows(columns, sample.places[waiting])
    marks = pa.array([sample.marks[place] for place in waiting], pa.string())
    return ScoreTable(chosen.append_column(AUDIT, marks), scores.metadata)


def waiting_rows(scores: ScoreTable) -> int:
    """How many flagged rows nobody has decided about."""
    return int(np.count_nonzero(_waiting(scores)))


def _waiting(scores: ScoreTable) -> NDArray[np.bool_]:
    """(N,) flagged, and nobody has decided."""
    return _open(scores) & ~bool_values(scores.table["keep"])


def _kept(scores: ScoreTable) -> NDArray[np.bool_]:
    """(N,) kept, and nobody has decided."""
    return _open(scores) & bool_values(scores.table["keep"])


def _open(scores: ScoreTable) -> NDArray[np.bool_]:
    scored = pc.invert(pc.is_null(scores.table["clean_prob"], nan_is_null=True))
    return bool_values(scored) & bool_values(unreviewed(scores))
