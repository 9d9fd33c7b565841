"""Where rows lie on a map, and which rows it shows."""

from pathlib import Path

import numpy as np
import pytest

from deftclean.core.errors import InputError
from deftclean.reports import map as maps
from deftclean.reports.map import SIDE, layout, places
from deftclean.table.own_files import OwnFile
from tests.support.scored import score_table


def test_groups_stay_together() -> None:
    random = np.random.default_rng(0)
    groups = np.arange(90) % 3
    vectors = 5 * np.eye(16)[groups] + 0.3 * random.standard_normal((90, 16))
    points = layout(vectors)
    assert points.min() == 0
    assert points.max() == SIDE
    far = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(far, np.inf)
    nearest = np.argsort(far, axis=1)[:, :5]
    assert (groups[nearest] == groups[:, None]).mean() > 0.98
    np.testing.assert_array_equal(points, layout(7 * vectors))  # lengths do not matter


@pytest.mark.parametrize(
    "vectors",
    [np.zeros((40, 4)), np.ones((40, 4)), np.ones((1, 8)), np.eye(2), np.eye(6), np.eye(40, 3)],
)
def test_odd_sets_have_places(vectors: np.ndarray) -> None:
    points = layout(vectors)
    assert points.shape == (len(vectors), 2)
    assert points.min() >= 0
    assert points.max() <= SIDE


def test_half_are_flagged_the_worst_first_and_unscored_rows_are_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(maps, "MOST_POINTS", 10)
    rows = [
        {"clean_prob": 0.01 * at if at < 20 else 0.9, "keep": at >= 20, "given_label": "apple"}
        for at in range(40)
    ]
    rows.append({"clean_prob": None, "status": "missing", "given_label": "apple"})
    scores = score_table(rows)
    scores.metadata["seed"] = 3
    numbers = OwnFile("--embeddings", Path("e.npy"), np.eye(41, 8), np.arange(41), None)
    chosen = places(scores, numbers).rows.table["row"].to_pylist()
    assert chosen[:5] == [0, 1, 2, 3, 4]
    assert len(chosen) == 10
    assert all(20 <= row < 40 for row in chosen[5:])

    few = OwnFile("--embeddings", Path("e.csv"), np.eye(3), np.full(41, -1), None)
    few.lines[[7, 30]] = [0, 1]
    assert places(scores, few).rows.table["row"].to_pylist() == [7, 30]
    few.lines[[7, 30]] = -1
    with pytest.raises(InputError, match="numbers of no row that was scored"):
        places(scores, few)
