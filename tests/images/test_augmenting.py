"""timm's stronger augmentation: a function of (seed, epoch, row), whoever draws."""

import random
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from deftclean.images.augmenting import StrongPictures
from deftclean.images.decoding import ImageError
from deftclean.images.loading import Wanted

PREPROCESS = {
    "size": (32, 32),
    "mean": (0.5, 0.4, 0.3),
    "std": (0.2, 0.2, 0.2),
    "interpolation": "bicubic",
}


@dataclass
class Fakes:
    """Resized pictures of random pixels; number 7 is damaged."""

    def pixels(self, indices):
        for index in indices:
            if index == 7:
                yield ImageError("unreadable", "damaged")
            else:
                random = np.random.default_rng(index)
                yield random.integers(0, 256, (37, 37, 3)).astype(np.uint8)


def wanted(rows):
    draws = np.random.default_rng(0).random((100, 3))[rows]
    return Wanted(np.array(rows), np.array(rows), draws)


def batch(rows, flip=True):
    return StrongPictures(Fakes(), PREPROCESS, flip).__getitems__(wanted(rows))


def test_a_picture_is_the_same_whatever_stands_beside_it():
    together, alone = batch([3, 1, 4]), batch([4])
    assert together.rows.tolist() == [3, 1, 4]
    assert torch.equal(together.pixels[2], alone.pixels[0])
    assert together.pixels.dtype == torch.uint8
    assert together.pixels.shape == (3, 3, 32, 32)


def test_other_draws_are_another_picture():
    pictures = StrongPictures(Fakes(), PREPROCESS, True)
    first = wanted([3])
    second = first._replace(views=first.views / 2)
    one, other = (pictures.__getitems__(draws).pixels for draws in (first, second))
    assert not torch.equal(one, other)


def test_the_callers_random_numbers_are_left_alone():
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    batch([0, 1])
    assert random.getstate() == before[0]
    assert np.random.get_state()[1].tolist() == before[1]
    assert torch.equal(torch.get_rng_state(), before[2])


def test_a_damaged_picture_is_told_and_the_others_go_on():
    found = batch([6, 7, 8])
    assert found.rows.tolist() == [6, 8]
    assert found.failures == [(7, "damaged")]


@pytest.mark.parametrize("rows", [[7]])
def test_nothing_readable_is_an_empty_batch(rows):
    assert batch(rows).pixels.shape == (0, 3, 32, 32)
