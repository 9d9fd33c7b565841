"""Values of rows that arrive in batches, in arrays that are made once. Knows no model."""

from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from deftclean.core.run import ALONE, Ranks


class RowColumns:
    """Columns of rows, filled a batch at a time.

    Batches are copied: kept as they are until the end, their small tensors would lie among the
    large (B, K) ones that come and go, and the memory between them could not be used again. The
    process would grow by about eight bytes for each row and class.

    Args:
        most: rows that may arrive.
        ranks: the processes at which they arrive.
    """

    def __init__(self, most: int, ranks: Ranks = ALONE) -> None:
        self._most = most
        self._ranks = ranks
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
        columns = [column[: self._filled] for column in self._columns]
        whole = [each for each in self._ranks.every(columns) if each]
        joined = np.concatenate if len(whole) > 1 else itemgetter(0)
        columns = [joined(parts) for parts in zip(*whole, strict=True)]
        order = np.argsort(columns[0])
        return [column[order] for column in columns]
