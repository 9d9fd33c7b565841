"""Values of rows that arrive in batches, in arrays that are made once. Knows no model."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


class RowColumns:
    """Columns of rows, filled a batch at a time.

    Batches are copied: kept as they are until the end, their small tensors would lie among the
    large (B, K) ones that come and go, and the memory between them could not be used again. The
    process would grow by about eight bytes for each row and class.

    Args:
        most: rows that may arrive.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._filled = 0
        self._columns: list[NDArray[Any]] = []

    def add(self, *batch: Tensor) -> None:
        """Copy the next rows.

        Args:
            batch: (n,) row indices, each once in all, then (n,) values of every other column.

        Raises:
            ValueError: there are more rows than may arrive.
        """
        arrays = [column.cpu().numpy() for column in batch]
        if not self._columns:
            # Of what is not filled the system keeps no pages.
            self._columns = [np.empty(self._most, values.dtype) for values in arrays]
        end = self._filled + len(arrays[0])
        for column, values in zip(self._columns, arrays, strict=True):
            column[self._filled : end] = values
        self._filled = end

    def by_row(self) -> list[NDArray[Any]]:
        """The columns of every row that has arrived, by ascending row; the rows are the first."""
        order = np.argsort(self._columns[0][: self._filled])
        return [column[order] for column in self._columns]
