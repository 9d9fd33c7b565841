"""Whatever batches rows come in, they come out by row, and no batch is kept."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deftclean.features.columns import RowColumns


@given(st.permutations(range(12)), st.lists(st.integers(0, 5), max_size=8), st.integers(12, 20))
def test_rows_come_out_in_order(order: list[int], sizes: list[int], most: int) -> None:
    columns = RowColumns(most)
    rows = torch.tensor(order)
    columns.add(rows[:1], rows[:1].double() / 2)
    for part in torch.tensor_split(rows[1:], np.minimum(np.cumsum(sizes), 11).tolist()):
        columns.add(part, part.double() / 2)
    found, halves = columns.by_row()
    assert found.tolist() == sorted(order)
    assert halves.tolist() == [row / 2 for row in sorted(order)]


def test_more_rows_than_there_are_places_for_are_an_error() -> None:
    columns = RowColumns(3)
    columns.add(torch.arange(2))
    with pytest.raises(ValueError, match="could not broadcast"):
        columns.add(torch.arange(2, 4))


def test_what_was_added_is_copied() -> None:
    columns = RowColumns(2)
    batch = torch.tensor([1, 0])
    columns.add(batch, batch)
    batch += 5
    assert columns.by_row()[1].tolist() == [0, 1]
