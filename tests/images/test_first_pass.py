"""The first pass, and what it says as columns."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deftclean.core.progress import Silent
from deftclean.core.runtime import choose_runtime
from deftclean.images.cache import Cache
from deftclean.images.first_pass import ImageCheck, ImageChecks, check_images
from deftclean.images.resizing import Preparation
from tests.support.pictures import check_one, encode, folder, noise, preprocess

PREPARATION = Preparation.of(preprocess("squash"), "exact", crop=False)


def made(root: Path, count: int) -> list[str]:
    names = [f"{i}.png" for i in range(count)]
    for index, name in enumerate(names):
        if index % 50:
            (root / name).write_bytes(encode(noise(2, 2, index)))
    (root / "7.png").write_bytes(b"no image")
    return names


@pytest.mark.parametrize("workers", [0, 2])
def test_the_first_pass_in_order_whatever_the_workers(tmp_path: Path, workers: int) -> None:
    source = folder(tmp_path, *made(tmp_path, 130))
    runtime = choose_runtime("cpu", "fp32", workers)
    checks = check_images(source, PREPARATION, None, runtime, Silent())
    one = ImageChecks.of([check_one(source, index) for index in range(130)])
    assert checks.status.equals(one.status)
    assert checks.error.equals(one.error)
    assert checks.sha256.equals(one.sha256)
    assert checks.looks.tolist() == one.looks.tolist()
    assert np.flatnonzero(checks.looks["width"] == 0).tolist() == [0, 7, 50, 100]
    for _ in range(2):  # into a cache, and out of it
        cache = Cache.open(tmp_path / "cache", 10**9)
        found = check_images(source, PREPARATION, cache, runtime, Silent())
        assert found.looks.tolist() == one.looks.tolist()
    assert np.flatnonzero(~checks.hashed).tolist() == [0, 50, 100]
    assert np.flatnonzero(~checks.fine).tolist() == [0, 7, 50, 100]
    assert checks.sha256[7].as_py() == hashlib.sha256(b"no image").hexdigest()
    assert checks.sha256[50].as_py() is None


def test_nothing_to_check() -> None:
    runtime = choose_runtime("cpu", "fp32", None)
    checks = check_images(folder(Path()), PREPARATION, None, runtime, Silent())
    assert len(checks) == 0
    assert checks.sha256.to_pylist() == []


def test_findings_are_spread_to_rows(tmp_path: Path) -> None:
    source = folder(tmp_path, *made(tmp_path, 9))
    checks = ImageChecks.of([check_one(source, index) for index in range(9)])
    rows = checks.take(np.array([7, 1, 1, 0]))
    assert rows.status.to_pylist() == ["unreadable", "ok", "ok", "missing"]
    assert rows.error.to_pylist()[1:3] == [None, None]
    hashes = checks.sha256.to_pylist()
    assert rows.sha256.to_pylist() == [hashes[7], hashes[1], hashes[1], None]


@given(st.lists(st.sampled_from(["a", "b", "c", None]), max_size=40), st.sampled_from([3, 64]))
def test_digests_as_text_and_the_first_of_the_same_bytes(
    hashes: list[str | None], written: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("deftclean.images.first_pass._WRITTEN", written)
        digests = [None if each is None else hashlib.sha256(each.encode()) for each in hashes]
        found = ImageChecks.of(
            [ImageCheck("ok", None, None if each is None else each.digest()) for each in digests]
        )
        texts = found.sha256.to_pylist()
    assert texts == [None if each is None else each.hexdigest() for each in digests]
    assert found.first_of_same.to_pylist() == [
        hashes.index(each) if each is not None and hashes.index(each) < row else None
        for row, each in enumerate(hashes)
    ]
