"""Every row is judged alike, however many rows show its picture, and no block is kept."""

import gc
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from deftclean.evidence.belief import Belief
from deftclean.evidence.given_labels import GivenLabels
from deftclean.evidence.known import Known
from deftclean.evidence.pool import Pool, starting_values
from deftclean.evidence.witness import Linear, LinearWitness
from deftclean.features.scoring import RowsByPicture
from deftclean.hearing import judging
from deftclean.hearing.judging import Judged, judge_rows

CLASSES, SIZE = 5, 8


def judged(pictures: np.ndarray[Any, Any], on_block: Any = lambda _: None) -> Judged:
    """Rows that show these pictures, by two witnesses."""
    count = int(pictures.max()) + 1
    random = np.random.default_rng(0)
    labels = random.integers(0, CLASSES, len(pictures))
    rows: Any = SimpleNamespace(
        pictures=pictures,
        readable=np.arange(len(pictures)),
        labels=labels,
        labelled=np.ones(len(pictures), dtype=bool),
        distinct=range(count),
    )
    features = torch.from_numpy(random.normal(size=(count, SIZE)).astype(np.float32))
    witnesses = [
        LinearWitness(
            name,  # type: ignore[arg-type]
            lambda at: features[at],
            [Linear(torch.from_numpy(weight.astype(np.float32)), torch.zeros(CLASSES))],
            np.zeros(count, dtype=np.int64),
        )
        for name, weight in zip(
            ("zero_shot", "head"), random.normal(size=(2, CLASSES, SIZE)), strict=True
        )
    ]
    given = GivenLabels.of(pictures, labels, count, CLASSES)
    values = starting_values(np.array([0.5, 0.4]), CLASSES, 0.1)
    pool = Pool(values, 2, torch.from_numpy(given.marginal).log(), 1.0)
    belief = Belief(("zero_shot", "head"), (pool,), np.ones(1), 0.9, given.marginal)
    known = Known.nothing(CLASSES)
    return judge_rows(belief, witnesses, given, RowsByPicture(rows), known, on_block)


def test_rows_are_judged_alike_whatever_is_judged_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = np.random.default_rng(1).integers(0, 3, 200)  # 70 rows show each
    whole = judged(pictures)
    monkeypatch.setattr(judging, "_MOST_NUMBERS", 4 * CLASSES)  # four rows at once
    parts = judged(pictures)
    assert whole.rows.tolist() == parts.rows.tolist() == list(range(200))
    for name in ("clean_prob", "suggested", "suggested_prob", "foretold", "expected"):
        one, other = getattr(whole, name), getattr(parts, name)
        np.testing.assert_allclose(one, other, rtol=1e-5, err_msg=name)
    for witness, said in whole.said.items():
        np.testing.assert_allclose(said, parts.said[witness], rtol=1e-5)


def test_no_more_rows_are_looked_at_at_once_than_classes_allow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A picture that very many rows show is spread over rows times classes numbers."""
    looked_at: list[int] = []
    plain = judging.certain_of

    def counting(posterior: torch.Tensor, *more: Any) -> Any:
        looked_at.append(posterior.numel())
        return plain(posterior, *more)

    monkeypatch.setattr(judging, "certain_of", counting)
    monkeypatch.setattr(judging, "_MOST_NUMBERS", 100)
    judged(np.zeros(500, dtype=np.int64))
    assert max(looked_at) <= 100
    assert sum(looked_at) == 500 * CLASSES


def test_blocks_are_copied_and_no_tensor_of_them_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "_BLOCK", 10)
    seen: dict[int, int] = {}
    blocks = iter(range(15))

    def look(_: int) -> None:
        if (at := next(blocks)) in (1, 14):  # looking takes long
            seen[at] = sum(type(each) is torch.Tensor for each in gc.get_objects())

    judged(np.arange(150), look)
    assert seen[14] <= seen[1]
