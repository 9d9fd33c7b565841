"""One measurement of growth, in a process of its own: figures as JSON on stdout.

python -m benchmarks.growth_parts fill 500000
python -m benchmarks.growth_parts names 100000
python -m benchmarks.growth_parts classes 1000
"""

import argparse
import json
import os
import tempfile
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

Figures = dict[str, float]

_IN_A_FOLDER = 1000
_SCORED = 20_000  # pictures
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


def names(files: int) -> Figures:
    """CPU microseconds a file to read so many distinct names, and for the whole first pass.

    The names are hard links to few files, a thousand in a folder: what grows is the names.
    """
    from deftclean.core.progress import Silent
    from deftclean.core.runtime import choose_runtime
    from deftclean.data.manifest import read_manifest
    from deftclean.data.options import ManifestOptions
    from deftclean.images.cache import Cache
    from deftclean.images.first_pass import check_images
    from deftclean.images.resizing import Preparation
    from deftclean.images.row_images import row_images
    from deftclean.models.weights import preprocess_of

    silent = Silent()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = made_names(folder / "images", files)
        found: Figures = {}
        reading, read = ManifestOptions(), []
        found["manifest"] = seconds(lambda: read.append(read_manifest(made, None, reading)))
        images = row_images(read[0], reading, folder)
        source = images.source
        found["read"] = seconds(lambda: deque(map(source.read, range(files)), maxlen=0))
        preprocess = preprocess_of("nano", None, True, silent.say)
        preparation = Preparation.of(preprocess, "exact", crop=False)
        cache = Cache.open(folder / "cache", 2**40)
        alone = choose_runtime("cpu", "fp32", 0)
        found["first pass"] = seconds(
            lambda: check_images(source, preparation, cache, alone, silent)
        )
    return {what: each / files * 1e6 for what, each in found.items()}


def classes(count: int) -> Figures:
    """To score 20,000 pictures of so many classes whose features are known, with `nano`.

    CPU seconds to encode the classes' texts and to compare, by the untrained model and by a
    detector, and the megabytes that the process grows by while it compares.
    """
    import psutil
    import torch

    from deftclean.core.runtime import choose_runtime
    from deftclean.features.class_texts import plain_texts
    from deftclean.features.scoring import DetectorScorer, RowsByPicture, ZeroShotScorer
    from deftclean.images.sources import DistinctPictures, FolderImages
    from deftclean.images.usable_rows import UsableRows
    from deftclean.models.saved_detector import build_detector
    from deftclean.models.weights import load_model
    from deftclean.settings.detector import DetectorConfig

    def resident() -> int:
        return int(psutil.Process().memory_info().rss)

    names = tuple(f"thing number {number}" for number in range(count))
    encoder = load_model("nano", None, True, lambda _text: None).encoder
    every, labels = np.arange(_SCORED), np.arange(_SCORED) % count
    digests = np.zeros((_SCORED, 32), np.uint8)
    distinct = DistinctPictures(FolderImages(Path(), pa.array([], pa.string())), every, digests)
    known = np.ones(_SCORED, dtype=bool)
    rows = RowsByPicture(UsableRows(labels, known, every, every, distinct, every))
    detector = build_detector(encoder, names, DetectorConfig(tuner="none"))
    alone = choose_runtime("cpu", "fp32", 0)
    made: list[ZeroShotScorer | DetectorScorer] = []
    found = {
        "texts": seconds(
            lambda: made.extend(
                [
                    ZeroShotScorer(encoder, plain_texts(names), rows, alone),
                    DetectorScorer(detector, rows, alone),
                ]
            )
        )
    }
    features = torch.randn(64, encoder.text.joint_size, generator=torch.Generator().manual_seed(0))
    features = torch.nn.functional.normalize(features, dim=1)
    before = resident()

    def compared() -> None:
        for at in range(0, _SCORED, 64):
            for scorer in made:
                pictures = torch.arange(at, min(at + 64, _SCORED))
                scorer.add(pictures, features[: len(pictures)])

    found["compared"] = seconds(compared)
    return {**found, "grown MB": (resident() - before) / 1e6}


def made_names(folder: Path, files: int) -> Path:
    """A folder with so many names for a hundred small pictures, in two classes."""
    from PIL import Image

    random = np.random.default_rng(0)
    originals = folder.parent / "originals"
    originals.mkdir()
    for number in range(100):
        pixels = random.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(originals / f"{number}.png")
    for first in range(0, files, _IN_A_FOLDER):
        number = first // _IN_A_FOLDER
        home = folder / ("cat", "dog")[number % 2] / str(number)
        home.mkdir(parents=True)
        for number in range(first, min(first + _IN_A_FOLDER, files)):
            os.link(originals / f"{number % 100}.png", home / f"{number}.png")
    return folder


def seconds(work: Callable[[], object]) -> float:
    """CPU time that this process takes for it."""
    began = time.process_time()
    work()
    return time.process_time() - began


def main() -> None:
    """Measure what is asked for."""
    parts = {"fill": fill, "names": names, "classes": classes}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=parts)
    parser.add_argument("sizes", type=int, nargs="+")
    options = parser.parse_args()
    print(json.dumps(parts[options.part](*options.sizes)))


if __name__ == "__main__":
    main()
