"""`--features` with backbones of timm's whose weights are a file here, through the command line."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import timm
import torch
from safetensors.torch import save_file

from tests.support.commands import run_cli

FAST = ("--device", "cpu", "--workers", 0, "--no-cache", "-q")
TRAINING = ("--model", "nano", "--tuner", "none", "--epochs", 2, "--warmup", 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["test_resnet", "test_vit"])
def test_a_backbone_looks_in_place_of_the_model(pictures: Path, tmp_path: Path, name: str) -> None:
    """Its weights are drawn, so that what is seen is no better for it: it only is another sight."""
    torch.manual_seed(0)
    model = timm.create_model(name, pretrained=False)
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    own = ("--features", name, "--features-weights", "w.safetensors")
    scan = ("scan", pictures, "-o", "c.parquet", *TRAINING, *FAST)
    done = run_cli(*scan, *own, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    card = json.loads((tmp_path / "c.detector" / "detector.json").read_text())
    assert (card["evidence"]["features"]["model"], card["evidence"]["features"]["size"]) == (
        name,
        model.num_features,
    )
    score = ("score", "c.detector", pictures, "-o", "s.parquet", *FAST)
    again = run_cli(*score, *own, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    first, second = (pq.read_table(tmp_path / each) for each in ("c.parquet", "s.parquet"))
    assert second["head_prob"].null_count == first["head_prob"].null_count
    torch.manual_seed(1)
    other = timm.create_model(name, pretrained=False)
    save_file(other.state_dict(), tmp_path / "other.safetensors")
    refused = run_cli(*score, *own[:3], "other.safetensors", "--overwrite", cwd=tmp_path)
    assert refused.returncode in (2, 3)
    assert "these are other weights than those of the scan" in refused.stderr
