"""A map of embeddings: thousands of rows as points, near where their pictures look alike. No torch.

A map shows whom a row lies among: a wrong label is a point of one colour among those of another.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.core.arrow import bool_values, int_array
from deftclean.core.errors import InputError
from deftclean.reports.choosing import SHOWN
from deftclean.table.own_files import OwnFile
from deftclean.table.scores import ScoreTable

MOST_POINTS = 2000
"""More would make the file larger than a browser likes."""

SIDE = 1000
"""Coordinates are whole numbers from 0 to this."""

_FLAGGED = 0.5  # of the points at most, where there are kept rows for the others
_STREAM = 2  # of random numbers, beside those of an audit and of kept rows
_DIMENSIONS = 50  # that the neighbours on a map are looked for in
_FEW = 5  # points, of which t-SNE makes nothing
_SAME = 1e-9  # spread of directions that differ by rounding alone


@dataclass(frozen=True)
class Places:
    """Where rows lie.

    Attributes:
        rows: M of a score table's rows, with the columns of `choosing.SHOWN`.
        points: (M, 2) whole numbers, 0 to `SIDE`.
    """

    rows: ScoreTable
    points: NDArray[np.int64]


def places(scores: ScoreTable, numbers: OwnFile) -> Places:
    """At most `MOST_POINTS` scored rows that have numbers, laid out.

    Up to half of them are flagged, the lowest `clean_prob` first; the others are kept rows, drawn
    at random by the seed of the scan.

    Args:
        scores: N rows.
        numbers: of the same N rows.

    Raises:
        InputError: no scored row has numbers, or some are not finite.
    """
    chosen = _chosen(scores, numbers.lines >= 0)
    if not len(chosen):
        raise InputError(
            f"{numbers.option} {numbers.path} has numbers of no row that was scored: there is "
            "nothing to draw a map of."
        )
    vectors = np.asarray(numbers.values[numbers.lines[chosen]], dtype=np.float64)
    bad = int(np.count_nonzero(~np.isfinite(vectors).all(axis=1)))
    if bad:
        raise InputError(f"{numbers.option} {numbers.path}: NaN or infinity in {bad:,} lines.")
    rows = ScoreTable(scores.rows(SHOWN, chosen), scores.metadata)
    return Places(rows, layout(vectors))


def layout(vectors: NDArray[np.float64]) -> NDArray[np.int64]:
    """Vectors in the plane, by t-SNE of their directions (van der Maaten and Hinton, 2008).

    It begins with the first principal components and draws nothing, so the same vectors give the
    same places. Distances between groups mean little; who is whose neighbour does.

    Args:
        vectors: (M, D), finite; their lengths do not matter.

    Returns:
        (M, 2), 0 to `SIDE`.
    """
    from threadpoolctl import threadpool_limits

    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions = vectors / np.where(lengths > 0, lengths, 1)
    # The number of threads would decide in which order is summed up.
    with threadpool_limits(1):
        turned, sizes, _ = np.linalg.svd(directions - directions.mean(axis=0), full_matrices=False)
        reduced = (turned * sizes)[:, :_DIMENSIONS]  # principal components
        flat = _two(reduced)
        if len(flat) > _FEW and flat[:, 0].std() > _SAME:
            flat = _neighbours(reduced, flat)
    low, span = flat.min(axis=0), np.ptp(flat, axis=0).max()
    scaled: NDArray[np.float64] = (flat - low) / (span if span > _SAME else 1) * SIDE
    return scaled.round().astype(np.int64)


def _two(reduced: NDArray[np.float64]) -> NDArray[np.float64]:
    """The first two components, the second zero where there is none."""
    flat = np.zeros((len(reduced), 2))
    flat[:, : min(2, reduced.shape[1])] = reduced[:, :2]
    return flat


def _neighbours(reduced: NDArray[np.float64], flat: NDArray[np.float64]) -> NDArray[np.float64]:
    from sklearn.manifold import TSNE

    begun = flat / flat[:, 0].std() * 1e-4  # as scikit-learn scales its own beginning
    perplexity = min(30.0, (len(flat) - 1) / 3)
    made = TSNE(perplexity=perplexity, init=begun.astype(np.float32), random_state=0, n_jobs=1)
    found: NDArray[np.float64] = made.fit_transform(reduced.astype(np.float32)).astype(np.float64)
    return found


def _chosen(scores: ScoreTable, there: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Places of rows, in the table's order."""
    table = scores.table
    known = there & ~bool_values(pc.is_null(table["clean_prob"], nan_is_null=True))
    keep = bool_values(table["keep"])
    flagged, kept = np.flatnonzero(known & ~keep), np.flatnonzero(known & keep)
    most = max(int(_FLAGGED * MOST_POINTS), MOST_POINTS - len(kept))
    worst = flagged[_lowest(table["clean_prob"].take(int_array(flagged)))[:most]]
    numbers = np.random.default_rng([int(scores.metadata.get("seed") or 0), _STREAM])
    order = numbers.permutation(len(kept))[: MOST_POINTS - len(worst)]
    chosen: NDArray[np.int64] = np.sort(np.concatenate([worst, kept[order]]))
    return chosen


def _lowest(values: pa.ChunkedArray) -> NDArray[np.int64]:
    """Places of values, the lowest first, equal ones in their order."""
    order: NDArray[np.int64] = np.argsort(values.to_numpy(), kind="stable")
    return order
