"""Sixty kinds of bad and strange pictures, and thousands of mutated ones."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch.utils.data import Dataset

from deftclean.images.decoding import ImageError, decode
from deftclean.images.workers import Batches
from tests.support.corpus import KINDS, expected, made, mutated, seeds
from tests.support.pictures import check

SLOW = 10.0  # seconds of one small picture


def status(data: bytes) -> str:
    try:
        picture = decode(data)
    except ImageError as error:
        return error.status if error.reason.isprintable() else error.reason
    assert picture.mode == "RGB"
    return "ok"


def test_there_are_sixty_kinds() -> None:
    assert len(KINDS) >= 60


@pytest.mark.parametrize("kind", KINDS)
def test_one_of_each_kind(kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a").write_bytes(made(kind))
    began = time.monotonic()
    found = check(tmp_path, "a")
    assert (found.status, time.monotonic() - began < SLOW) == (expected(kind), True), found.error
    assert found.digest is not None
    assert capfd.readouterr() == ("", "")


class Mutations(Dataset[Any]):
    """Hundreds at a time: how each of them ended, and how long the slowest took."""

    def __init__(self) -> None:
        self.seeds = seeds()

    def __getitems__(self, wanted: range) -> tuple[list[str], float]:
        found, slowest = [], 0.0
        for number in wanted:
            began = time.monotonic()
            found.append(status(mutated(number, self.seeds)))
            slowest = max(slowest, time.monotonic() - began)
        return found, slowest


def memory() -> int:
    """Most bytes that this process or a child had at once."""
    import resource

    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(each).ru_maxrss for each in who) * 1024


def test_some_mutated_pictures(capfd: pytest.CaptureFixture[str]) -> None:
    found, slowest = Mutations().__getitems__(range(300))
    assert set(found) <= {"ok", "unreadable", "too_large"}
    assert slowest < SLOW
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_twenty_thousand_mutated_pictures(capfd: pytest.CaptureFixture[str]) -> None:
    """In workers: a decoder that crashed would end one of them."""
    pytest.importorskip("resource")
    before, step = memory(), 250
    parts = [range(at, at + step) for at in range(100_000, 120_000, step)]
    results = list(Batches(Mutations(), parts, 2, "decoding"))
    found = np.array([each for part, _ in results for each in part])
    names, counts = np.unique(found, return_counts=True)
    with capfd.disabled():
        slowest, more = max(seconds for _, seconds in results), (memory() - before) / 1e6
        print(dict(zip(names.tolist(), counts.tolist(), strict=True)), slowest, f"{more:.0f} MB")
    assert len(found) == 20_000
    assert set(names) <= {"ok", "unreadable", "too_large"}
    assert slowest < SLOW
    assert more < 1000
    assert capfd.readouterr() == ("", "")
