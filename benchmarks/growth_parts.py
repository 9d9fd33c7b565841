"""One measurement of growth, in a process of its own: figures as JSON on stdout.

    python -m benchmarks.growth_parts fill 500000

`benchmarks.growth_curves` runs them all and makes tables of them.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

Figures = dict[str, float]

_SIZE = 8  # of an embedding: what is measured is the finding, not the copying


def fill(vectors: int) -> Figures:
    """CPU seconds to look for so many pictures in a cache of as many others, then of the same."""
    from deftclean.images.cache import Cache
    from deftclean.training.embeddings import Embeddings, StoredEmbeddings

    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cache = Cache.open(folder / "cache", 2**40)
        home = cache.folder("embeddings", {"of": "growth"})
        found: Figures = {}
        old, new = random.integers(0, 256, (2, vectors, 32), dtype=np.uint8)
        features = Embeddings(folder / "features", vectors, _SIZE)
        stored = StoredEmbeddings(cache, home, _SIZE)
        found["add"] = seconds(lambda: stored.add(old, np.arange(vectors), features))
        stored = StoredEmbeddings(cache, home, _SIZE)
        found["all new"] = seconds(lambda: stored.fill(features, new))
        found["all known"] = seconds(lambda: stored.fill(features, old))
    return found


def seconds(work: Callable[[], object]) -> float:
    """CPU time that this process takes for it."""
    began = time.process_time()
    work()
    return time.process_time() - began


def main() -> None:
    """Measure what is asked for."""
    parts = {"fill": fill}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=parts)
    parser.add_argument("sizes", type=int, nargs="+")
    options = parser.parse_args()
    print(json.dumps(parts[options.part](*options.sizes)))


if __name__ == "__main__":
    main()
