"""Batches of pixels, by whatever process they are made."""

import hashlib
import pickle
from pathlib import Path

import numpy as np

from deftclean.images.loading import ResizedPictures, Wanted
from deftclean.images.resizing import Preparation
from deftclean.images.sources import DistinctPictures
from deftclean.images.workers import Batches
from tests.support.pictures import RED, encode, folder, noise, plain, preprocess


def pictures(root: Path, *names: str, crop: bool = False) -> ResizedPictures:
    keys = [
        hashlib.sha256((root / name).read_bytes() if (root / name).exists() else b"").digest()
        for name in names
    ]
    digests = np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 32)
    distinct = DistinctPictures(folder(root, *names), np.arange(len(names)), digests)
    preparation = Preparation.of(preprocess("squash"), "exact", crop)
    return ResizedPictures(distinct, preparation, preparation.training, None, flip=crop)


def test_a_picture_that_vanished_is_reported_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode(plain("RGB", RED)))
    found = pictures(tmp_path, "gone.png", "a.png")
    rows = np.array([11, 12, 13])
    batch = found.__getitems__(Wanted(rows, np.array([1, 0, 1]), np.zeros((3, 3))))
    assert batch.rows.tolist() == [11, 13]
    assert batch.pixels.shape == (2, 3, 32, 32)
    assert batch.failures == [(0, "no such file")]
    nothing = found.__getitems__(Wanted.plain(np.array([0])))
    assert (len(nothing.rows), len(nothing.pixels), len(nothing.failures)) == (0, 0, 1)


def test_a_picture_with_other_content_than_before_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode(plain("RGB", RED)))
    found = pictures(tmp_path, "a.png")
    (tmp_path / "a.png").write_bytes(encode(noise(2, 2)))
    batch = found.__getitems__(Wanted.plain(np.array([0])))
    assert batch.failures == [(0, "its content has changed")]


def test_the_loader_yields_the_batches_it_is_given_as_they_are_made(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(5)]
    for index, name in enumerate(names):
        (tmp_path / name).write_bytes(encode(plain("RGB", (index, 0, 0))))

    class Asked:
        made = 0

        def __iter__(self):
            for chosen in ([4, 0], [2]):
                Asked.made += 1
                yield Wanted.plain(np.array(chosen))

    loader = Batches(pictures(tmp_path, *names), Asked(), 0, "looking")
    for turn in range(2):
        batches = iter(loader)
        assert Asked.made == 2 * turn
        first, second = next(batches), next(batches)
        assert first.rows.tolist() == [4, 0]
        assert first.pixels[:, 0, 0, 0].tolist() == [4, 0]
        assert second.rows.tolist() == [2]


def test_pictures_can_go_to_workers_that_are_not_forks(tmp_path: Path) -> None:
    """As on macOS and Windows, and on Linux from Python 3.14."""
    (tmp_path / "a.png").write_bytes(encode(noise(50, 40)))
    found = pictures(tmp_path, "a.png", crop=True)
    again = pickle.loads(pickle.dumps(found))
    wanted = Wanted(np.array([0]), np.array([0]), np.array([[0.3, 0.6, 0.1]]))
    assert found.__getitems__(wanted).pixels.equal(again.__getitems__(wanted).pixels)
