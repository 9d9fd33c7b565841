"""The most similar vectors: exactly, or by an index where exactly would take hours.

Exact search compares everything with everything: on a GPU at any size, on a CPU up to `MOST_EXACT`
vectors. Beyond, an inverted file of faiss looks into the nearest cells only; docs/performance.md
says what that loses.

Shapes: L vectors that are searched, B queries, D size.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deftclean.core.errors import RunError

MOST_EXACT = 200_000
"""Vectors that a CPU compares exactly: 10¹¹ numbers a second would take seven minutes for all."""

Search = Callable[[Tensor, int], tuple[Tensor, Tensor]]
"""(B, D) unit vectors, k -> (B, k) places and (B, k) cosines, the most similar first."""

_CELLS_LOOKED_INTO = 48
_TRAINED_ON = 50  # vectors a cell


def searcher(vectors: Tensor) -> Search:
    """A way to find the most similar of (L, D) unit vectors, chosen by L and their device.

    Raises:
        RunError: an index is needed and faiss is not installed.
    """
    if vectors.device.type != "cpu" or len(vectors) <= MOST_EXACT:
        return exact_search(vectors)
    return inverted_search(vectors)


def exact_search(vectors: Tensor) -> Search:
    """Compare with all."""

    def search(queries: Tensor, count: int) -> tuple[Tensor, Tensor]:
        found = (queries.to(vectors.device) @ vectors.T).topk(min(count, len(vectors)), dim=1)
        return found.indices.cpu(), found.values.cpu()

    return search


def inverted_search(vectors: Tensor) -> Search:
    """Compare with those in the nearest of 4 √L cells.

    Raises:
        RunError: faiss is not installed.
    """
    faiss = _faiss(len(vectors))
    database = np.ascontiguousarray(vectors.numpy())
    cells = max(1, int(4 * math.sqrt(len(database))))
    index = faiss.index_factory(database.shape[1], f"IVF{cells},Flat", faiss.METRIC_INNER_PRODUCT)
    step = max(1, len(database) // (cells * _TRAINED_ON))
    index.train(np.ascontiguousarray(database[::step]))
    index.add(database)
    index.nprobe = min(cells, _CELLS_LOOKED_INTO)

    def search(queries: Tensor, count: int) -> tuple[Tensor, Tensor]:
        wanted = min(count, len(database))
        cosines, places = index.search(np.ascontiguousarray(queries.cpu().numpy()), wanted)
        # Fewer than asked for: the first vector stands in, and weighs nothing.
        missing = places < 0
        cosines[missing], places[missing] = -np.inf, 0
        return torch.from_numpy(places), torch.from_numpy(cosines)

    return search


def _faiss(count: int) -> Any:
    try:
        import faiss
    except ImportError as error:
        raise RunError(
            f"{count:,} labelled pictures are too many to compare one by one on a CPU, and faiss "
            "is not installed.",
            "pip install 'deftclean[index]', use a GPU, or --recipe deft, which compares none.",
        ) from error
    return faiss
