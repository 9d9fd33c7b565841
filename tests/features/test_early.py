"""Features that are computed while pictures are being read: those of a later pass, bit for bit."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import deftclean
from deftclean.core.progress import Silent
from deftclean.core.run import RunOptions
from deftclean.core.runtime import Runtime, choose_runtime
from deftclean.data.manifest import ManifestOptions, read_manifest
from deftclean.features.early import EarlyFeatures
from deftclean.features.pictures import RunPictures
from deftclean.features.session import Session
from deftclean.images.prepared import opened_reader
from deftclean.images.resizing import Preparation
from deftclean.models.weights import preprocess_of
from tests.support.pictures import encode, photo

READING = ManifestOptions()
RUNTIME = choose_runtime("cpu", "fp32", 0)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """150 rows: 140 pictures, of which ten are shown twice, and 10 files that are none."""
    rows = ["file_name,label"]
    for number in range(150):
        name = f"{number:03}.png"
        broken = number % 15 == 7
        seed = number - 20 if number >= 140 else number
        (tmp_path / name).write_bytes(b"no" if broken else encode(photo(seed, 24, 24)))
        rows.append(f"{name},{'cat' if number % 2 else 'dog'}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    return tmp_path


class Loads:
    """A session that says whether it was loaded."""

    def __init__(self, preprocess: dict[str, Any]) -> None:
        self._preprocess = preprocess
        self._session: Session | None = None

    def __call__(self) -> Session:
        self._session = self._session or Session.load(
            "nano", None, True, self._preprocess, RUNTIME, Silent()
        )
        return self._session


def features(data: Path, run: RunOptions, looks_on: bool) -> tuple[torch.Tensor, int]:
    """Of every distinct picture, and how many batches were embedded early."""
    preprocess = preprocess_of("nano", None, True, lambda text: None)
    preparation = Preparation.of(preprocess, "exact", crop=False)
    manifest = read_manifest(data / "labels.csv", None, READING)
    load = Loads(preprocess)
    with opened_reader(preparation, RUNTIME, run, Silent()) as reader:
        early = EarlyFeatures(load, reader.folder / "early") if looks_on else None
        prepared = reader.prepare(manifest, READING, manifest.class_names, early)
        pictures = RunPictures(prepared.rows, preparation, load(), reader.folder, reader.cache)
        pictures.embed(Silent(), lambda: None, early)
        count = len(prepared.rows.distinct)
        return pictures.embeddings.take(np.arange(count)), 0 if early is None else early.batches


def test_the_same_bytes_as_of_a_later_pass(data: Path, tmp_path: Path) -> None:
    """Those of half of the pictures lie in the cache: they are not decoded, and embedded later."""
    cache = RunOptions(cache_dir=tmp_path / "cache")
    without = RunOptions(cache=False)
    plain, _ = features(data, without, looks_on=False)
    early, batches = features(data, without, looks_on=True)
    assert batches == 3  # of 140 files that are pictures, 64 at once
    assert torch.equal(early, plain)
    half = (data / "labels.csv").read_text().splitlines()[:71]
    whole = (data / "labels.csv").read_text()
    (data / "labels.csv").write_text("\n".join(half))
    features(data, cache, looks_on=False)
    (data / "labels.csv").write_text(whole)
    for path in (tmp_path / "cache").rglob("*.vectors"):
        path.unlink()
    mixed, batches = features(data, cache, looks_on=True)
    assert batches == 2  # of 75 files that were not in the cache
    assert torch.equal(mixed, plain)
    kept, batches = features(data, cache, looks_on=True)
    assert batches == 0
    assert torch.equal(kept, plain)


def test_where_nothing_can_be_read_no_model_is_loaded(tmp_path: Path) -> None:
    def refuse() -> Session:
        raise AssertionError("loaded")

    early = EarlyFeatures(refuse, tmp_path / "early")
    early.expect(3)
    early.see(np.zeros(0, dtype=np.int64), np.zeros((0, 3, 64, 64), dtype=np.uint8))
    assert early.batches == 0
    assert early.pace is None
    assert not (tmp_path / "early").exists()


def test_where_the_model_looks_on() -> None:
    cuda = replace(RUNTIME, device=torch.device("cuda"))
    assert cuda.looks_on
    assert not RUNTIME.looks_on


@pytest.mark.slow
def test_a_scan_and_a_score_of_it(data: Path, tmp_path: Path, monkeypatch: Any) -> None:
    """The tables are the same bytes whether the model looked on or not."""
    settings = {"tuner": "none", "epochs": 2, "warmup": 1}
    made = {}
    for looks_on in (False, True):
        monkeypatch.setattr(Runtime, "looks_on", property(lambda _self, on=looks_on: on))
        run = RunOptions(model="nano", cache=False)
        table, scores = tmp_path / "t.parquet", tmp_path / "s.parquet"
        found = deftclean.scan(
            data, data / "labels.csv", output=table, overwrite=True, settings=settings, run=run
        )
        deftclean.score(
            found.detector, data, data / "labels.csv", output=scores, overwrite=True,
            run=RunOptions(cache=False),
        )  # fmt: skip
        made[looks_on] = table.read_bytes(), scores.read_bytes()
    assert made[True] == made[False]
