"""Embeddings in a file of the run and in the cache."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deftclean.images.cache import Cache
from deftclean.training import embeddings as module
from deftclean.training.embeddings import Embeddings, StoredEmbeddings

SIZE = 8


def vectors(count: int, seed: int = 0) -> Any:
    values = np.random.default_rng(seed).normal(size=(count, SIZE)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def digests(count: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed + 100).integers(0, 256, (count, 32)).astype(np.uint8)


def stored(root: Path, size: int = SIZE) -> StoredEmbeddings:
    cache = Cache.open(root / "cache", 10**9)
    return StoredEmbeddings(cache, cache.folder("embeddings", {"model": "x"}), size)


def keep(root: Path, count: int, seed: int = 0) -> Any:
    """A run that embeds some pictures; returns what it embedded."""
    values = vectors(count, seed)
    run = Embeddings(root / "run", count, SIZE)
    run.put(np.arange(count), values)
    stored(root).add(digests(count, seed), np.arange(count), run)
    return values


def blocks(root: Path) -> list[Path]:
    return sorted((root / "cache").rglob("*.vectors"))


def test_the_runs_own_file(tmp_path: Path) -> None:
    values = vectors(10)
    run = Embeddings(tmp_path / "run", 10, SIZE)
    run.put(np.array([7, 2]), values[[7, 2]])
    assert np.array_equal(run.take(np.array([2, 7, 2])).numpy(), values[[2, 7, 2]])
    batches = list(run.in_order(4))
    assert [pictures.tolist() for pictures, _ in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert np.array_equal(batches[1][1][3].numpy(), values[7])


def test_what_is_kept_comes_back_bit_for_bit(tmp_path: Path) -> None:
    one, two = keep(tmp_path, 50), keep(tmp_path, 30, seed=1)
    asked = np.concatenate([digests(40, 1)[::-1], digests(50)])  # 10 new ones, in another order
    run = Embeddings(tmp_path / "again", 90, SIZE)
    missing = stored(tmp_path).fill(run, asked)
    known = {bytes(key): v for key, v in zip(digests(50), one, strict=True)}
    known |= {bytes(key): v for key, v in zip(digests(30, 1), two, strict=True)}
    assert missing.tolist() == [i for i, key in enumerate(asked) if bytes(key) not in known]
    for place in set(range(90)) - set(missing.tolist()):
        assert np.array_equal(run.take(np.array([place]))[0], known[bytes(asked[place])])


def test_only_what_was_missing_is_added(tmp_path: Path) -> None:
    run = Embeddings(tmp_path / "run", 5, SIZE)
    run.put(np.arange(5), vectors(5))
    stored(tmp_path).add(digests(5), np.array([1, 3]), run)
    again = Embeddings(tmp_path / "again", 5, SIZE)
    assert stored(tmp_path).fill(again, digests(5)).tolist() == [0, 2, 4]


def test_nothing_is_known_of_another_size_or_model(tmp_path: Path) -> None:
    keep(tmp_path, 5)
    run = Embeddings(tmp_path / "again", 5, 4)
    assert len(stored(tmp_path, size=4).fill(run, digests(5))) == 5
    cache = Cache.open(tmp_path / "cache", 10**9)
    other = StoredEmbeddings(cache, cache.folder("embeddings", {"model": "y"}), SIZE)
    assert len(other.fill(Embeddings(tmp_path / "b", 5, SIZE), digests(5))) == 5


@pytest.mark.parametrize("left", [0, 1, 23, 24, 30, 24 + 5 * 32, 24 + 5 * 64 - 1])
def test_a_block_that_is_not_whole_is_not_used(tmp_path: Path, left: int) -> None:
    keep(tmp_path, 5)
    (block,) = blocks(tmp_path)
    assert block.stat().st_size == 24 + 5 * 32 + 5 * SIZE * 4
    block.write_bytes(block.read_bytes()[:left])
    assert len(stored(tmp_path).fill(Embeddings(tmp_path / "b", 5, SIZE), digests(5))) == 5


def test_zeros_in_the_place_of_vectors_are_not_used(tmp_path: Path) -> None:
    keep(tmp_path, 5)
    (block,) = blocks(tmp_path)
    block.write_bytes(block.read_bytes()[: 24 + 5 * 32] + bytes(5 * SIZE * 4))
    assert len(stored(tmp_path).fill(Embeddings(tmp_path / "b", 5, SIZE), digests(5))) == 5


def test_a_block_removed_while_it_is_in_use_does_no_harm(tmp_path: Path) -> None:
    values = keep(tmp_path, 5)
    found = stored(tmp_path)
    (block,) = blocks(tmp_path)
    block.unlink()
    run = Embeddings(tmp_path / "b", 5, SIZE)
    assert len(found.fill(run, digests(5))) == 0
    assert np.array_equal(run.take(np.arange(5)).numpy(), values)


def test_large_sets_lie_in_several_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK", 10)
    values = keep(tmp_path, 35)
    assert len(blocks(tmp_path)) == 4
    run = Embeddings(tmp_path / "b", 35, SIZE)
    assert len(stored(tmp_path).fill(run, digests(35))) == 0
    assert np.array_equal(run.take(np.arange(35)).numpy(), values)


def test_many_small_blocks_are_joined(tmp_path: Path) -> None:
    kept = {seed: keep(tmp_path, 3, seed) for seed in range(20)}
    assert len(blocks(tmp_path)) <= 17
    for seed, values in kept.items():
        run = Embeddings(tmp_path / "b", 3, SIZE)
        assert len(stored(tmp_path).fill(run, digests(3, seed))) == 0
        assert np.array_equal(run.take(np.arange(3)).numpy(), values)


def test_the_same_block_written_twice_is_one(tmp_path: Path) -> None:
    for _ in range(2):
        keep(tmp_path, 5)
    assert len(blocks(tmp_path)) == 1


def test_blocks_in_use_are_not_the_first_to_be_evicted(tmp_path: Path) -> None:
    keep(tmp_path, 5)
    (block,) = blocks(tmp_path)
    os.utime(block, (1e9, 1e9))
    stored(tmp_path).fill(Embeddings(tmp_path / "b", 5, SIZE), digests(5))
    assert block.stat().st_mtime > 1.6e9
