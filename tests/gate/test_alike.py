"""Perceptual hashes: against a plain loop over all pairs, and on pictures that were changed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps

from deftclean.gate import alike as module
from deftclean.gate.alike import AROUND, CERTAIN, LEAST, SHARE, Words, alike, ones, words_of
from deftclean.images.look import hash_of
from tests.support.pictures import photo


def told(_done: int) -> None:
    pass


def drawn(count: int, seed: int) -> Words:
    return np.random.default_rng(seed).integers(0, 2**64, (count, 4), dtype=np.uint64)


def turned(words: Words, word: int, bits: int) -> Words:
    """With the lowest bits of a word flipped."""
    made = words.copy()
    made[:, word] ^= np.uint64(2**bits - 1)
    return made


def plain(mine: Words, others: Words) -> list[int]:
    """As documented, a pair and a bit at a time."""

    def apart(one: Words, other: Words) -> int:
        steady, odd = (int(a) ^ int(b) for a, b in zip(one, other, strict=True))
        differing = odd.bit_count()
        return steady.bit_count() + min(differing, 64 - differing)

    found = []
    for one in mine:
        whole, middle = one[:2], one[2:]
        near = [min(apart(whole, o[:2]), apart(middle, o[:2]), apart(whole, o[2:])) for o in others]
        least = min(near, default=99)
        closer = sum(apart(whole, o[:2]) < least / SHARE for o in others)
        fine = least <= CERTAIN or (least <= LEAST and closer < AROUND)
        found.append(near.index(least) if fine else -1)
    return found


@settings(deadline=None)
@given(st.integers(0, 99), st.lists(st.tuples(st.integers(0, 15), st.integers(0, 14))))
def test_all_pairs_say_the_same(seed: int, changes: list[tuple[int, int]]) -> None:
    """Others are changed copies of few, so that some have many like them around."""
    mine = drawn(4, seed)
    copies = [turned(mine[n % 4 : n % 4 + 1], n // 4, bits) for n, bits in changes]
    others = np.concatenate([*copies, drawn(3, seed + 1000)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_ROWS", 3)
        patch.setattr(module, "_COLUMNS", 2)
        assert alike(mine, others, told).tolist() == plain(mine, others)


def test_by_hand() -> None:
    """Of bits that a mirrored picture has the other way round, all may differ."""
    one = drawn(1, 0)
    far = drawn(20, 1)
    for word in (0, 1):
        assert alike(one, np.concatenate([far, turned(one, word, LEAST)]), told).tolist() == [20]
        one_more = np.concatenate([far, turned(one, word, LEAST + 1)])
        assert alike(one, one_more, told).tolist() == [-1]
    assert alike(one, turned(one, 1, 64), told).tolist() == [0]
    assert alike(one, turned(one, 0, 64), told).tolist() == [-1]
    middle = np.concatenate([drawn(1, 2)[:, :2], one[:, :2]], axis=1)
    assert alike(one, middle, told).tolist() == [0]
    assert alike(middle, one, told).tolist() == [0]
    assert alike(one[:0], far, told).tolist() == []
    assert alike(one, far[:0], told).tolist() == [-1]


def test_among_many_that_are_near_a_copy_has_to_stand_out() -> None:
    """Nine others are 30 bits away: a copy at 9 bits is one, at 10 it is where a tenth is."""
    one = drawn(1, 0)
    around = np.concatenate([turned(one, 0, 30)] * (AROUND - 1))
    around[:, 2:] = drawn(AROUND - 1, 1)[:, 2:]
    for bits, near in ((9, True), (10, False), (CERTAIN, True)):
        others = np.concatenate([around, turned(one, 0, bits)])
        assert (alike(one, others, told) >= 0).tolist() == [near]


def test_bits_are_counted_by_an_older_numpy_too(monkeypatch: pytest.MonkeyPatch) -> None:
    words = drawn(5, 0)
    expected = [[int(word).bit_count() for word in row] for row in words]
    assert ones(words).tolist() == expected
    monkeypatch.delattr(np, "bitwise_count", raising=False)
    assert ones(words).tolist() == expected
    assert ones(words[:, :1] ^ words[:, 0]).shape == (5, 5)


# ---------------------------------------------------------------- pictures


def hashes(pictures: list[Image.Image]) -> Words:
    found: NDArray[np.uint8] = np.frombuffer(
        b"".join(hash_of(each.convert("L")) for each in pictures), np.uint8
    )
    return words_of(found.reshape(-1, 32))


def test_changed_pictures_are_found_and_others_are_not() -> None:
    originals = [photo(seed, 120, 90) for seed in range(40)]
    words = hashes(originals)
    for change in (
        ImageOps.mirror,
        lambda p: p.resize((84, 63)),
        lambda p: ImageOps.mirror(p).resize((200, 150)),
        lambda p: p.crop((6, 4, 114, 86)),
        lambda p: p.point(lambda value: 20 + 0.8 * value),
    ):
        changed = hashes([change(each) for each in originals])
        found = alike(changed, words, told)
        assert np.count_nonzero(found == np.arange(40)) >= 39
        assert set(found[found != np.arange(40)]) <= {-1}
    assert alike(hashes([photo(seed, 120, 90) for seed in range(40, 80)]), words, told).max() == -1
