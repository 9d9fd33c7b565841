"""Embeddings in a file of the run and in the cache."""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deftclean.core.errors import RunError
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


@pytest.mark.parametrize("block", [2, 3, 100])
def test_of_a_file_some_are_kept(tmp_path: Path, monkeypatch: Any, block: int) -> None:
    """Ascending, so that a block is read before anything is written over it."""
    monkeypatch.setattr("deftclean.training.embeddings._BLOCK", block)
    values = vectors(10)
    run = Embeddings(tmp_path / "run", 10, SIZE)
    run.put(np.arange(10), values)
    run.keep(np.arange(10))
    assert np.array_equal(run.take(np.arange(10)).numpy(), values)
    chosen = np.array([0, 2, 3, 4, 7, 9])
    run.keep(chosen)
    assert np.array_equal(run.take(np.arange(6)).numpy(), values[chosen])
    assert (tmp_path / "run").stat().st_size == 6 * SIZE * 4
    run.put(np.array([5]), values[[1]])
    assert np.array_equal(run.take(np.array([5])).numpy(), values[[1]])


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


@pytest.mark.parametrize("left", [0, 1, 27, 28, 30, 28 + 5 * 32, 28 + 5 * 64 - 1])
def test_a_block_that_is_not_whole_is_not_used(tmp_path: Path, left: int) -> None:
    keep(tmp_path, 5)
    (block,) = blocks(tmp_path)
    assert block.stat().st_size == 28 + 5 * 32 + 5 * SIZE * 4
    block.write_bytes(block.read_bytes()[:left])
    assert len(stored(tmp_path).fill(Embeddings(tmp_path / "b", 5, SIZE), digests(5))) == 5


def test_zeros_in_the_place_of_vectors_are_not_used(tmp_path: Path) -> None:
    keep(tmp_path, 5)
    (block,) = blocks(tmp_path)
    block.write_bytes(block.read_bytes()[: 28 + 5 * 32] + bytes(5 * SIZE * 4))
    assert len(stored(tmp_path).fill(Embeddings(tmp_path / "b", 5, SIZE), digests(5))) == 5


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(bit=st.integers(0, 8 * (28 + 2 * 64) - 1))
def test_any_bit_that_turns_has_the_block_computed_anew(tmp_path: Path, bit: int) -> None:
    values = keep(tmp_path, 2)
    (block,) = blocks(tmp_path)
    spoiled = bytearray(block.read_bytes())
    spoiled[bit // 8] ^= 1 << bit % 8
    block.write_bytes(spoiled)
    run = Embeddings(tmp_path / "b", 2, SIZE)
    missing = stored(tmp_path).fill(run, digests(2))
    assert missing.tolist() == [0, 1]
    run.put(missing, values)
    stored(tmp_path).add(digests(2), missing, run)  # what is bad is written over
    again = Embeddings(tmp_path / "c", 2, SIZE)
    assert len(stored(tmp_path).fill(again, digests(2))) == 0
    assert np.array_equal(again.take(np.arange(2)).numpy(), values)


def test_a_block_that_moved_from_another_models_folder_is_not_believed(tmp_path: Path) -> None:
    keep(tmp_path, 5)
    (block,) = blocks(tmp_path)
    cache = Cache.open(tmp_path / "cache", 10**9)
    other = cache.folder("embeddings", {"model": "y"})
    other.mkdir()
    (other / block.name).write_bytes(block.read_bytes())
    found = StoredEmbeddings(cache, other, SIZE).fill(
        Embeddings(tmp_path / "b", 5, SIZE), digests(5)
    )
    assert len(found) == 5


@pytest.mark.skipif(os.name != "posix", reason="needs pipes and links")
def test_pipes_and_links_are_not_opened(tmp_path: Path) -> None:
    keep(tmp_path, 5)
    (block,) = blocks(tmp_path)
    os.mkfifo(block.with_name("0.vectors"))
    block.rename(tmp_path / "elsewhere")
    block.symlink_to(tmp_path / "elsewhere")
    assert len(stored(tmp_path).fill(Embeddings(tmp_path / "b", 5, SIZE), digests(5))) == 5


@pytest.mark.parametrize("change", [Path.unlink, lambda block: os.truncate(block, 100)])
def test_a_block_that_goes_while_it_is_in_use_is_computed_anew(tmp_path: Path, change: Any) -> None:
    keep(tmp_path, 5)
    found = stored(tmp_path)
    (block,) = blocks(tmp_path)
    change(block)
    assert len(found.fill(Embeddings(tmp_path / "b", 5, SIZE), digests(5))) == 5


def test_a_bad_block_is_not_joined_to_good_ones(tmp_path: Path) -> None:
    for seed in range(16):
        keep(tmp_path, 3, seed)
    bad = blocks(tmp_path)[0]
    data = bytearray(bad.read_bytes())
    data[-1] ^= 1
    bad.write_bytes(data)
    keep(tmp_path, 3, 16)
    assert len(blocks(tmp_path)) == 1
    found = [
        len(stored(tmp_path).fill(Embeddings(tmp_path / "b", 3, SIZE), digests(3, seed)))
        for seed in range(17)
    ]
    assert sorted(found) == [0] * 16 + [3]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit of the system's own")
def test_no_room_for_the_runs_own_file_is_told_before_it_is_mapped(tmp_path: Path) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        Embeddings(tmp_path / "small", 3_000, SIZE)
        with pytest.raises(RunError, match=r"0\.1 MB of features do not fit into the temporary"):
            Embeddings(tmp_path / "run", 4_000, SIZE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "run").exists()


def test_large_sets_lie_in_several_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK", 10)
    values = keep(tmp_path, 35)
    assert len(blocks(tmp_path)) == 4
    run = Embeddings(tmp_path / "b", 35, SIZE)
    assert len(stored(tmp_path).fill(run, digests(35))) == 0
    assert np.array_equal(run.take(np.arange(35)).numpy(), values)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    kept=st.lists(st.integers(0, 40), min_size=1, unique=True),
    asked=st.lists(st.integers(0, 40), min_size=1, unique=True),
)
def test_keys_that_begin_alike_are_told_apart(
    tmp_path_factory: pytest.TempPathFactory, kept: list[int], asked: list[int]
) -> None:
    """Only the first bytes are sorted by; the others decide."""
    root = tmp_path_factory.mktemp("cache")
    keys = np.zeros((41, 32), dtype=np.uint8)
    keys[:, 0], keys[:, 8] = np.arange(41) % 3, np.arange(41) // 3  # eight bytes in common
    values = vectors(41)
    run = Embeddings(root / "run", len(kept), SIZE)
    run.put(np.arange(len(kept)), values[kept])
    stored(root).add(keys[kept], np.arange(len(kept)), run)
    again = Embeddings(root / "again", len(asked), SIZE)
    missing = stored(root).fill(again, keys[asked])
    assert missing.tolist() == [at for at, key in enumerate(asked) if key not in kept]
    there = np.setdiff1d(np.arange(len(asked)), missing)
    assert np.array_equal(again.take(there).numpy(), values[np.array(asked)[there]])


def test_what_is_looked_for_is_not_compared_with_every_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Look-ups grow with what is kept, and not with that times what is new."""
    monkeypatch.setattr(module, "_BLOCK", 10)
    keep(tmp_path, 1000)
    there, looked_up = stored(tmp_path), 0
    plain = np.searchsorted

    def counting(among: Any, needles: Any, **more: Any) -> Any:
        nonlocal looked_up
        looked_up += np.size(needles)
        return plain(among, needles, **more)

    monkeypatch.setattr(module.np, "searchsorted", counting)
    run = Embeddings(tmp_path / "b", 2000, SIZE)
    assert len(there.fill(run, digests(2000, seed=1))) == 2000
    assert 0 < looked_up <= 2 * 1000


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
