"""A device whose memory holds only a few pictures: the run goes on in pieces, and says so."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from deftclean.models.encoder import ImageTower
from tests.support.commands import run_cli

SCAN = (
    "scan", "data", "--model", "nano", "--recipe", "deft", "--tuner", "vpt-shallow", "-P", "2",
    "-M", "4", "--epochs", "1", "--warmup", "1", "--workers", "0", "--no-cache", "--lr", "0.001",
)  # fmt: skip


@pytest.fixture
def holds(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets how many pictures the device holds, and keeps how many were tried at once."""
    whole, tried, at_most = ImageTower.normalise, [], [10**9]

    def normalise(tower: ImageTower, pixels: torch.Tensor) -> torch.Tensor:
        tried.append(len(pixels))
        if len(pixels) > at_most[0]:
            raise torch.OutOfMemoryError(f"{len(pixels)} pictures do not fit")
        return whole(tower, pixels)

    monkeypatch.setattr(ImageTower, "normalise", normalise)

    def limit(most: int) -> list[int]:
        at_most[0] = most
        tried.clear()
        return tried

    return limit


def probabilities(path: Path) -> np.ndarray:
    return pq.read_table(path)["clean_prob"].to_numpy()


def test_a_scan_and_a_score_go_on_in_pieces(holds: Any, folder: Path, tmp_path: Path) -> None:
    assert run_cli(*SCAN, "-o", "whole.parquet", "-q", cwd=tmp_path).returncode == 0
    tried = holds(9)
    done = run_cli(*SCAN, "-o", "pieces.parquet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "8 pictures at a time from here on" in done.stderr
    assert max(tried[tried.index(8) :]) == 8  # never more again
    whole, pieces = (probabilities(tmp_path / f"{name}.parquet") for name in ("whole", "pieces"))
    np.testing.assert_allclose(pieces, whole, atol=2e-4)

    tried = holds(9)
    score = ("score", "pieces.detector", "data", "--workers", "0", "--no-cache")
    done = run_cli(*score, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("a batch does not fit into memory") > 0
    np.testing.assert_allclose(probabilities(tmp_path / "scores.parquet"), pieces, atol=1e-5)

    tried = holds(9)
    done = run_cli(*SCAN, "--micro-batch", "8", "-o", "told.parquet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "does not fit" not in done.stderr
    assert max(tried) == 8
    np.testing.assert_array_equal(probabilities(tmp_path / "told.parquet"), pieces)


def test_a_device_that_holds_no_picture_ends_the_run_with_one_message(
    holds: Any, folder: Path, tmp_path: Path
) -> None:
    holds(0)
    done = run_cli(*SCAN, "-q", cwd=tmp_path)
    assert done.returncode == 3
    assert done.stderr.count("Error:") == 1
    assert "A single picture does not fit into the device's memory." in done.stderr
    assert "Traceback" not in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"data"}


def test_memory_that_runs_out_anywhere_else_is_no_bug(
    monkeypatch: pytest.MonkeyPatch, folder: Path, tmp_path: Path
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nmore")

    monkeypatch.setattr("deftclean.models.detector.DualPromptDetector.positive_features", full)
    done = run_cli(*SCAN, "-q", cwd=tmp_path)
    assert done.returncode == 3
    assert "CUDA out of memory. Tried to allocate 2 GiB" in done.stderr
    assert "Traceback" not in done.stderr


GRID = """
[data.colours]
images = "data"
labels = "labels.csv"
truth = "truth.csv"

[[grid]]
name = "small"
data = ["colours"]
strategies = ["deft"]
seeds = [0]
preset = "synthetic"
model = "nano"

[grid.settings]
tuner = "vpt-shallow"
prompt_length = 2
context_length = 4
epochs = 1
warmup = 1
lr = 0.001
"""


@pytest.mark.slow
def test_a_comparison_goes_on_in_pieces_and_records_what_does_not_fit(
    holds: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    lines = [f"{name},{name.split('/')[0]}" for name in names]
    for name, column in (("labels.csv", "label"), ("truth.csv", "true_label")):
        (tmp_path / name).write_text("\n".join([f"file_name,{column}", *lines]) + "\n")
    (tmp_path / "grid.toml").write_text(GRID)
    bench = ("bench", "grid.toml", "--workers", "0", "--offline", "--no-cache", "-o")

    holds(9)
    done = run_cli(*bench, "pieces", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "8 pictures at a time from here on" in done.stderr
    assert errors_of(tmp_path / "pieces") == [None]

    holds(0)
    done = run_cli(*bench, "none", cwd=tmp_path)
    assert done.returncode == 3
    (error,) = errors_of(tmp_path / "none")
    assert "A single picture does not fit into the device's memory." in str(error)

    holds(10**9)

    def full(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nmore")

    monkeypatch.setattr("deftclean.models.detector.DualPromptDetector.positive_features", full)
    done = run_cli(*bench, "full", cwd=tmp_path)
    assert done.returncode == 3
    (error,) = errors_of(tmp_path / "full")
    assert "CUDA out of memory. Tried to allocate 2 GiB" in str(error)
    assert "Traceback" not in done.stderr


def errors_of(folder: Path) -> list[object]:
    return pq.read_table(folder / "results.parquet")["error"].to_pylist()
