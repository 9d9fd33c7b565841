"""How every command begins: pictures looked at once, rows sorted, what is hopeless refused."""

from pathlib import Path

import pytest

from deftclean.core.errors import InputError, UsageError
from deftclean.core.progress import Silent
from deftclean.core.run import RunOptions
from deftclean.core.runtime import choose_runtime
from deftclean.data.manifest import ManifestOptions, read_manifest
from deftclean.images.prepared import PreparedRows, opened_reader
from deftclean.images.resizing import Preparation
from tests.support.pictures import encode, noise, preprocess

PREPARATION = Preparation.of(preprocess("squash"), "exact", crop=False)
RUNTIME = choose_runtime("cpu", "fp32", 0)
READING = ManifestOptions()


def prepared(root: Path, run: RunOptions) -> PreparedRows:
    manifest = read_manifest(root / "labels.csv", None, READING)
    with opened_reader(PREPARATION, RUNTIME, run, Silent()) as reader:
        assert reader.folder.is_dir()
        found = reader.prepare(manifest, READING, manifest.class_names)
    assert not reader.folder.exists()
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, seed in (("a.png", 1), ("b.png", 2), ("copy.png", 1)):
        (tmp_path / name).write_bytes(encode(noise(3, 3, seed)))
    (tmp_path / "bad.png").write_bytes(b"no")
    rows = ["file_name,label", "a.png,cat", "bad.png,cat", "b.png,dog", "copy.png,cat", "a.png,dog"]
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    return tmp_path


def test_rows_are_sorted_and_keep_their_order(root: Path) -> None:
    found = prepared(root, RunOptions(cache=False))
    assert len(found.manifest) == 5
    assert found.found.status.to_pylist() == ["ok", "unreadable", "ok", "ok", "ok"]
    assert found.readable.tolist() == [True, False, True, True, True]
    assert found.rows.trainable.tolist() == [0, 2, 3, 4]
    assert len(found.rows.distinct) == 2


def test_pictures_go_into_the_cache_on_the_way(root: Path) -> None:
    cache = root / "cache"
    prepared(root, RunOptions(cache_dir=cache))
    assert list(cache.rglob("*.pack"))
    again = prepared(root, RunOptions(cache_dir=cache))
    assert again.readable.tolist() == [True, False, True, True, True]


def test_a_data_set_without_a_picture_is_refused(root: Path) -> None:
    (root / "labels.csv").write_text("file_name,label\nbad.png,cat\ngone.png,dog\n")
    with pytest.raises(InputError, match=r"none of its 2 images .*1 missing, 1 unreadable"):
        prepared(root, RunOptions(cache=False))


def test_a_cache_without_a_size_is_refused(root: Path) -> None:
    with pytest.raises(UsageError, match="--cache-size"):
        prepared(root, RunOptions(cache_dir=root / "cache", cache_size=-1))
