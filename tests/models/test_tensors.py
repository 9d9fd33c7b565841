"""Tensors from files that nobody vouches for."""

import os
import struct
from pathlib import Path

import pytest
import safetensors.torch
import torch

from deftclean.models.tensors import MOST_HEADER, load_tensors, refuse_not_finite


def saved(path: Path, **tensors: torch.Tensor) -> Path:
    safetensors.torch.save_file(tensors, path)
    return path


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    tensors = {"a": torch.arange(5.0), "b": torch.zeros(0), "c": torch.ones(2).int()}
    path = saved(tmp_path / "a.safetensors", **tensors)
    found = load_tensors(path)
    assert found["a"].tolist() == [0, 1, 2, 3, 4]
    assert sorted(found) == ["a", "b", "c"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_numbers_that_are_none_are_refused(tmp_path: Path, value: float, kind: torch.dtype) -> None:
    bad = torch.zeros(3, 4).to(kind)
    bad[1, 2] = value
    path = saved(tmp_path / "a.safetensors", fine=torch.ones(3), bad=bad)
    with pytest.raises(ValueError, match="NaN or infinity in tensor bad"):
        load_tensors(path)
    with pytest.raises(ValueError, match="bad and 1 more"):
        refuse_not_finite({"bad": bad, "worse": bad})


@pytest.mark.parametrize("size", [MOST_HEADER + 1, 2**63, 2**64 - 1])
def test_headers_are_bounded(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", size) + b"{}")
    with pytest.raises(ValueError, match="header"):
        load_tensors(path)


@pytest.mark.parametrize("data", [b"", b"1234567", struct.pack("<Q", 9) + b"{}", bytes(100)])
def test_damaged_files_are_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"."):
        load_tensors(path)


@pytest.mark.skipif(os.name != "posix", reason="needs pipes")
def test_pipes_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.safetensors")
    with pytest.raises(OSError, match="not a file"):
        load_tensors(tmp_path / "a.safetensors")
