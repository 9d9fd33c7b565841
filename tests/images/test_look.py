"""Perceptual hashes: signs of waves, by a plain sum."""

import math

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, ImageOps

from deftclean.core.arrow import hex_bytes
from deftclean.images.look import HASH_BYTES, LOOK, hash_of, hash_texts, look_at
from tests.support.pictures import photo


def bits(grey: Image.Image) -> list[int]:
    return np.unpackbits(np.frombuffer(hash_of(grey), np.uint8)).tolist()


def test_bits_are_signs_of_waves() -> None:
    """Of a picture of 32 × 32, which is hashed as it is, the discrete cosine transform."""
    grey = photo(3, 32, 32).convert("L")
    values = np.asarray(grey, dtype=float)

    def wave(down: int, across: int) -> float:
        return math.fsum(
            values[y, x]
            * math.cos(math.pi * down * (y + 0.5) / 32)
            * math.cos(math.pi * across * (x + 0.5) / 32)
            for y in range(32)
            for x in range(32)
        )

    steady = [(1, 0), (0, 2), (2, 0), (1, 2), (2, 2), (3, 0), (3, 2)]  # by their lengths
    assert bits(grey)[:7] == [wave(*each) > 0 for each in steady]
    assert bits(grey)[64:68] == [wave(*each) > 0 for each in [(0, 1), (1, 1), (2, 1), (0, 3)]]


def test_a_mirrored_picture_has_half_of_its_bits_the_other_way_round() -> None:
    grey = photo(3, 32, 32).convert("L")
    here, there = np.array(bits(grey)), np.array(bits(ImageOps.mirror(grey)))
    same = (here == there).reshape(4, 64).mean(axis=1)
    assert same[0] == 1
    assert same[1] == 0
    assert same[2] > 0.9  # of the middle, up to rounding
    assert same[3] < 0.1


def test_the_second_half_is_of_the_middle() -> None:
    grey = photo(5, 200, 100).convert("L")
    assert bits(grey)[128:] == bits(grey.crop((10, 5, 190, 95)))[:128]


def test_a_symmetrical_picture_has_no_waves_that_are_not() -> None:
    half = np.asarray(photo(3, 16, 32).convert("L"))
    grey = Image.fromarray(np.concatenate([half, half[:, ::-1]], axis=1))
    assert not any(bits(grey)[64:128])


def test_as_text_and_back() -> None:
    pictures = [photo(1), Image.new("RGB", (64, 64), "navy"), photo(2)]
    looks = np.frombuffer(b"".join(look_at(each, *each.size) for each in pictures), LOOK)
    texts = hash_texts(looks)
    assert texts.to_pylist() == [
        hash_of(pictures[0].convert("L")).hex(),
        None,
        hash_of(pictures[2].convert("L")).hex(),
    ]
    for part in (texts, texts[1:], pa.chunked_array([texts[:1], texts[2:]]), texts[:0]):
        found = hex_bytes(part, HASH_BYTES)
        expected = [bytes.fromhex(each or "00" * HASH_BYTES) for each in part.to_pylist()]
        assert [each.tobytes() for each in found] == expected
    for wrong in ("", "0f", "0F" * HASH_BYTES, "0f" * HASH_BYTES + "\n", "xy" * HASH_BYTES):
        with pytest.raises(ValueError, match="no strings of 64 hexadecimal digits"):
            hex_bytes(pa.array([None, wrong]), HASH_BYTES)
