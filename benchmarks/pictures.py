"""Input against model: reduced decoding, the cache, and whether pictures come fast enough.

    python -m benchmarks.pictures --data DATA

DATA holds `photos/`. Everything is measured in one process, the things compared in turn; printed
are medians. ViT-B/16 has random weights: they take as long as any others.
"""

import argparse
import hashlib
import io
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pyarrow as pa
import torch
from numpy.typing import NDArray
from PIL import Image

import deftclean
from deftclean.core.progress import Silent
from deftclean.core.runtime import Runtime, choose_runtime
from deftclean.features.class_texts import plain_texts
from deftclean.features.pictures import RunPictures
from deftclean.features.session import Session
from deftclean.images.cache import Cache
from deftclean.images.first_pass import check_images
from deftclean.images.loading import ResizedPictures, Wanted
from deftclean.images.resizing import Preparation
from deftclean.images.sources import DistinctPictures, FolderImages
from deftclean.images.usable_rows import UsableRows
from deftclean.images.workers import Batches
from deftclean.models.detector import DualPromptDetector
from deftclean.models.detector_card import read_card
from deftclean.models.encoder import Encoder
from deftclean.models.saved_detector import build_detector, load_detectors
from deftclean.models.weights import LoadedModel, load_model
from deftclean.settings.detector import DetectorConfig
from deftclean.training.losses import clean_probability
from deftclean.training.picture_sets import SCORING_BATCH
from deftclean.training.pieces import Pieces

_CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)


def enlarged(photo: Path) -> bytes:
    """A photo blown up to 12 megapixels, with a camera's grain so that it is no easy JPEG."""
    picture = Image.open(photo).convert("RGB").resize((4000, 3000), Image.Resampling.BICUBIC)
    grain = np.random.default_rng(0).normal(0, 4, (3000, 4000, 1))
    pixels = (np.asarray(picture) + grain).clip(0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def in_turn(works: dict[str, Callable[[], object]], times: int) -> dict[str, float]:
    """Median seconds of each of several things, done one after the other, several times."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(times):
        for name, work in works.items():
            taken[name].append(seconds(work))
    return {name: statistics.median(values) for name, values in taken.items()}


# ---------------------------------------------------------------- decoding


def preparations(preprocess: dict[str, Any]) -> tuple[Preparation, Preparation]:
    """Exact and fast."""
    exact = Preparation.of(preprocess, "exact", crop=False)
    return exact, replace(exact, decode="fast")


def print_decoding(name: str, preprocess: dict[str, Any], photos: list[bytes]) -> None:
    """How much faster, and how different, reduced decoding of large photos is."""
    modes = preparations(preprocess)
    ratios, times = [], []
    for data in photos:
        taken = in_turn(
            {mode.decode: lambda m=mode, d=data: m.scoring(m.picture(d)) for mode in modes},  # type: ignore[misc]
            times=3,
        )
        ratios.append(taken["exact"] / taken["fast"])
        times.append((1000 * taken["exact"], 1000 * taken["fast"]))
    exact, fast = (statistics.median(column) for column in zip(*times, strict=True))
    print(
        f"decode and resize, 12 megapixels, {name}: exact {exact:.0f} ms, fast {fast:.0f} ms, "
        f"{statistics.median(ratios):.1f} x (median of {len(photos)} photos)"
    )


def prepared(preprocess: dict[str, Any], photos: list[bytes]) -> list[torch.Tensor]:
    """(B, 3, S, S) uint8 pixels of the same photos, exact and fast."""
    arrays = [
        np.stack([mode.scoring(mode.picture(data)) for data in photos])
        for mode in preparations(preprocess)
    ]
    return [torch.from_numpy(array).permute(0, 3, 1, 2).contiguous() for array in arrays]


def print_pixels(name: str, preprocess: dict[str, Any], photos: list[bytes]) -> None:
    """By how much fast decoding changes pixels."""
    exact, fast = prepared(preprocess, photos)
    apart = (exact.int() - fast.int()).abs()
    print(
        f"fast against exact, {name}: pixels differ by {apart.float().mean():.2f} of 255 on "
        f"average, {apart.max()} at worst"
    )


def print_scores(name: str, detector: DualPromptDetector, photos: list[bytes]) -> None:
    """By how much fast decoding changes clean_prob, of every photo and class."""
    with torch.inference_mode():
        exact, fast = (
            clean_probability(*detector(pixels))
            for pixels in prepared(detector.encoder.preprocess, photos)
        )
    moved = (exact - fast).abs()
    crossed = ((exact > 0.5) != (fast > 0.5)).float().mean()
    print(
        f"fast against exact, {name}: clean_prob differs by {moved.mean():.4f} on average, "
        f"{moved.max():.4f} at worst; {crossed:.2%} cross 0.5"
    )


def trained(data: Path, loaded: LoadedModel, folder: Path) -> DualPromptDetector:
    """A detector of CIFAR-10's classes, learned from human labels."""
    result = deftclean.scan(
        data / "cifar10n" / "images",
        data / "cifar10n" / "labels.csv",
        output=folder / "clean.parquet",
        strategy="deft",
        settings={"tuner": "none"},
        run=deftclean.RunOptions(model="nano", device="cpu", cache_dir=folder / "cache"),
    )
    assert result.detector is not None  # noqa: S101 - scan always writes one
    return load_detectors(result.detector, read_card(result.detector), loaded)[0]


# ---------------------------------------------------------------- end to end


@dataclass(frozen=True)
class Bench:
    """One model and many photos with content of their own."""

    rows: UsableRows
    preparation: Preparation
    session: Session
    detector: DualPromptDetector
    folder: Path

    def workers(self, count: int | None) -> Runtime:
        """This session's runtime with another number of processes."""
        return replace(self.session.runtime, workers=count)

    def end_to_end(self, cache: Path | None, workers: int | None = None) -> None:
        """First pass, then zero-shot and tuned features and scores, as `score` does it."""
        runtime = self.workers(workers)
        open_cache = Cache.open(cache, 10**11) if cache is not None else None
        source = self.rows.distinct.source
        check_images(source, self.preparation, open_cache, runtime, Silent())
        session = replace(self.session, runtime=runtime)
        pictures = RunPictures(self.rows, self.preparation, session, self.folder, open_cache)
        pictures.zero_shot_and_score(self.detector, plain_texts(_CLASSES), Silent())

    def decode(self) -> list[torch.Tensor]:
        """Decode and resize alone, with every core."""
        pictures = ResizedPictures(
            self.rows.distinct, self.preparation, self.preparation.scoring, None
        )
        workers = self.workers(None).checkers
        made = Batches(pictures, list(self.batches()), workers, "decoding pictures")
        return [batch.pixels for batch in made]

    def batches(self) -> Iterator[Wanted]:
        """All pictures in order."""
        everything = np.arange(len(self.rows.distinct))
        for at in range(0, len(everything), SCORING_BATCH):
            yield Wanted.plain(everything[at : at + SCORING_BATCH])

    def model(self, batches: list[torch.Tensor]) -> None:
        """Both towers alone, with every core."""
        with torch.inference_mode():
            texts = self.detector.text_features()
            for pixels in batches:
                self.session.loaded.encoder.image(pixels)
                self.detector.compare(self.detector.image_features(pixels), *texts)


def bench(model: str, loaded: LoadedModel, photos: Path, copies: int, folder: Path) -> Bench:
    """Copies of the photos that differ in bytes behind the picture's end only."""
    names = []
    images = folder / f"images {copies}"
    images.mkdir(exist_ok=True)
    for photo in sorted(photos.glob("*.JPEG")):
        for copy in range(copies):
            names.append(f"{copy}-{photo.name}")
            (images / names[-1]).write_bytes(photo.read_bytes() + bytes([copy]))
    source = FolderImages(images, pa.array(names, pa.string()))
    digests = b"".join(hashlib.sha256(source.read(i)).digest() for i in range(len(names)))
    everything: NDArray[np.int64] = np.arange(len(names))
    rows = UsableRows(
        everything % len(_CLASSES),
        np.ones(len(names), dtype=bool),
        everything,
        everything,
        DistinctPictures(source, everything, np.frombuffer(digests, np.uint8).reshape(-1, 32)),
        everything,
    )
    runtime = choose_runtime("cpu", "fp32", None)
    session = Session(model, None, loaded, runtime, Pieces(None, runtime, print))
    return Bench(
        rows,
        Preparation.of(loaded.encoder.preprocess, "exact", crop=False),
        session,
        build_detector(loaded.encoder, _CLASSES, DetectorConfig()),
        folder,
    )


def print_end_to_end(made: Bench, times: int) -> None:
    """The bound, what the cache saves, and what workers do without one."""
    batches = made.decode()
    warm = made.folder / "warm"
    made.end_to_end(warm)
    fresh = (made.folder / f"cold {index}" for index in range(1_000_000))
    taken = in_turn(
        {
            "decode": made.decode,
            "model": lambda: made.model(batches),
            "cold cache": lambda: made.end_to_end(next(fresh)),
            "warm cache": lambda: made.end_to_end(warm),
            **{
                f"no cache, {count} workers": lambda c=count: made.end_to_end(None, c)  # type: ignore[misc]
                for count in sorted({0, 1, max(1, _cores() // 2), _cores()})
            },
            "no cache, default": lambda: made.end_to_end(None),
        },
        times,
    )
    bound = taken["decode"] + taken["model"]
    print(f"\n{made.session.model}: {len(made.rows.distinct)} photos, seconds (x decode + model)")
    for name, value in taken.items():
        print(f"  {name:24s} {value:8.2f}   {value / bound:.2f}")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def vit() -> LoadedModel:
    """ViT-B/16 with random weights."""
    torch.manual_seed(0)
    model = open_clip.create_model("ViT-B-16")
    preprocess = {**model.visual.preprocess_cfg, "size": tuple(model.visual.image_size)}
    return LoadedModel(Encoder(model, open_clip.get_tokenizer("ViT-B-16"), preprocess), "0" * 64)


def main() -> None:
    """Measure and print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--photos", type=int, default=12, help="enlarged ones, for decoding")
    parser.add_argument("--times", type=int, default=3)
    options = parser.parse_args()
    photos = options.data / "photos"
    files = sorted(photos.glob("*.JPEG"))
    nano = load_model("nano", None, True, print)
    large = vit()
    print(f"{_cores()} cores, {torch.get_num_threads()} threads, PyTorch {torch.__version__}")
    sizes = {"to 224": large.encoder.preprocess, "to 64": nano.encoder.preprocess}
    big = [enlarged(file) for file in files[: options.photos]]
    for name, preprocess in sizes.items():
        print_decoding(name, preprocess, big)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        few = bench("ViT-B-16", large, photos, 2, folder)
        many = bench("nano", nano, photos, 16, folder)
        detector = trained(options.data, nano, folder)
        for title, data in (("enlarged", big), ("as they are", [f.read_bytes() for f in files])):
            for size, preprocess in sizes.items():
                print_pixels(f"photos {title} {size}", preprocess, data)
            print_scores(f"photos {title}, nano", detector, data)
        print_end_to_end(many, options.times)
        print_end_to_end(few, options.times)


if __name__ == "__main__":
    main()
