"""Weights from a URL: fetched once for each version, and named by the URL in what they make."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from deftclean.models.weights import NANO
from tests.support.commands import Finished, run_cli
from tests.support.stores import running_store

FAST = ("--recipe", "deft", "--tuner", "none", "--epochs", "2", "--warmup", "1", "--workers", "0")


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A name that open_clip knows, of a model that is small enough for a test."""
    import open_clip.factory as known

    for name in ("_MODEL_CONFIGS", "_MODEL_CONFIG_PATHS"):
        monkeypatch.setattr(known, name, type(getattr(known, name))(getattr(known, name)))
    said = json.loads((NANO / "open_clip_config.json").read_text())["model_cfg"]
    (tmp_path / "small-for-tests.json").write_text(json.dumps(said))
    known.add_model_config(tmp_path / "small-for-tests.json")
    return "small-for-tests"


def fine(done: Finished) -> Finished:
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.slow
def test_weights_behind_a_url_are_those_of_a_file_here(
    folder: Path, tmp_path: Path, model: str
) -> None:
    file = tmp_path / "small.safetensors"
    file.write_bytes((NANO / "open_clip_model.safetensors").read_bytes())
    scan = ("scan", folder, *FAST, "--model", model, "--weights")
    fine(run_cli(*scan, file, "-o", "here.parquet", cwd=tmp_path))
    with running_store() as store:
        store.files().pipe_file("bucket/w/small.safetensors", file.read_bytes())
        url = "s3://bucket/w/small.safetensors"
        done = fine(run_cli(*scan, url, "-o", "far.parquet", cwd=tmp_path))
        assert f"fetching {url}" in done.stderr
        again = fine(run_cli(*scan, url, "-o", "again.parquet", cwd=tmp_path))
        assert "fetching" not in again.stderr
        here, far = (pq.read_table(tmp_path / f"{name}.parquet") for name in ("here", "far"))
        assert here.equals(far)
        told = [json.loads(table.schema.metadata[b"deftclean"]) for table in (here, far)]
        assert told[0]["weights_sha256"] == told[1]["weights_sha256"]
        assert told[1]["weights"] == url
        assert str(tmp_path) not in json.dumps(told[1])
        score = ("score", "far.detector", folder, "-o", "s.parquet", "--workers", "0")
        refused = run_cli(*score, cwd=tmp_path, COLUMNS="300")
        assert (refused.returncode, f"--weights {url}" in refused.stderr) == (3, True)
        fine(run_cli(*score, "--weights", url, cwd=tmp_path))
        store.files().pipe_file("bucket/w/small.safetensors", b"no weights")
        other = run_cli(*scan, url, "-o", "other.parquet", cwd=tmp_path)
        assert other.returncode == 3
        assert url in " ".join(other.stderr.split())
