import csv
import hashlib
import json
import os
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from deftclean.core.errors import UsageError
from deftclean.datasets.demo import DIGITS, DemoSet, compare_with_truth, flip_labels, write_demo
from deftclean.table.scores import ScoreTable


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def column(path: Path, name: str) -> dict[str, str]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["file_name"]: row[name] for row in csv.DictReader(file)}


@pytest.fixture(scope="module", autouse=True)
def no_sync() -> Iterator[None]:
    """Waiting for a busy disk takes seconds; test_files.py covers it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _descriptor: None)
        patch.setattr(os, "sync", lambda: None)
        yield


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoSet:
    return write_demo(tmp_path_factory.mktemp("demo") / "digits", seed=0)


def test_a_thousand_pictures_of_digits(demo: DemoSet) -> None:
    names = sorted(path.name for path in demo.images.iterdir())
    assert names == [f"digit_{i:04d}.png" for i in range(797, 1797)]
    digits = load_digits()
    for index in (797, 1000, 1796):
        with Image.open(demo.images / f"digit_{index:04d}.png") as picture:
            assert (picture.size, picture.mode) == ((12, 12), "L")
            pixels = np.array(picture)
        assert pixels.sum() == pixels[2:10, 2:10].sum()  # a black margin of two
        assert np.array_equal(pixels[2:10, 2:10], (digits.images[index] * 255 / 16).round())
    sizes = set()
    for name in names:
        with Image.open(demo.images / name) as picture:
            sizes.add(picture.size)
    assert sizes == {(12, 12)}


def test_a_fifth_of_the_labels_is_wrong(demo: DemoSet) -> None:
    given, true = column(demo.labels, "label"), column(demo.truth, "true_label")
    assert list(given) == list(true) == sorted(path.name for path in demo.images.iterdir())
    assert sum(given[name] != true[name] for name in true) == 200
    assert set(given.values()) == set(true.values()) == set(DIGITS)
    targets = load_digits().target[797:]
    assert list(true.values()) == [DIGITS[target] for target in targets]


def test_same_seed_same_bytes(demo: DemoSet, tmp_path: Path) -> None:
    again = write_demo(tmp_path / "again", seed=0)
    assert digests(again.folder) == digests(demo.folder)
    assert len(digests(demo.folder)) == 1002
    assert [path.name for path in tmp_path.iterdir()] == ["again"]


def test_another_seed_flips_other_labels(demo: DemoSet, tmp_path: Path) -> None:
    other = write_demo(tmp_path / "other", seed=1)
    differing = dict(digests(demo.folder).items() ^ digests(other.folder).items())
    assert set(differing) == {"labels.csv"}


def test_an_existing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="exists already") as caught:
        write_demo(tmp_path, seed=0)
    assert "deftclean demo other-folder" in caught.value.hint
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UsageError, match="nowhere does not exist"):
        write_demo(tmp_path / "nowhere" / "demo", seed=0)


def test_a_folder_is_gone_on_with_where_it_holds_the_same_data(demo, tmp_path):
    shutil.copytree(demo.folder, tmp_path / "begun")
    begun = DemoSet(tmp_path / "begun")
    before = digests(begun.folder)
    assert write_demo(begun.folder, 0, resume=True) == begun
    assert digests(begun.folder) == before
    with pytest.raises(UsageError, match="exists already") as caught:
        write_demo(begun.folder, seed=0)
    assert "--resume" in caught.value.hint
    with pytest.raises(UsageError, match="something else than the demonstration with this --seed"):
        write_demo(begun.folder, 1, resume=True)
    (begun.images / "digit_0797.png").unlink()
    with pytest.raises(UsageError, match="something else"):
        write_demo(begun.folder, 0, resume=True)


def test_a_folder_that_a_killed_run_was_about_to_make(demo, tmp_path):
    """Its journal stands: the next look finds the folder, and says that it is there."""
    shutil.copytree(demo.folder, tmp_path / ".digits.00aa00aa.tmp")
    moves = {"moves": [[".digits.00aa00aa.tmp", "digits"]], "removed": []}
    (tmp_path / ".digits.switch").write_text(json.dumps(moves) + "\n")
    with pytest.raises(UsageError, match="digits exists already"):
        write_demo(tmp_path / "digits", seed=0)
    assert [path.name for path in tmp_path.iterdir()] == ["digits"]


def test_the_command_can_be_copied() -> None:
    made = DemoSet(Path("my demo"))
    assert shlex.split(made.command(0)) == [
        "deftclean", "scan", "my demo/images", "my demo/labels.csv", "--model", "nano",
        "--noise", "synthetic", "--no-flip", "-o", "my demo/clean.parquet",
    ]  # fmt: skip
    assert made.command(3) == f"{made.command(0)} --seed 3"


@pytest.mark.parametrize(("share", "flips"), [(0.0, 0), (0.2, 10), (0.5, 25), (1.0, 50)])
def test_flips_are_exact_and_always_to_another_class(share: float, flips: int) -> None:
    labels = np.arange(50) % 5
    before = labels.copy()
    flipped = flip_labels(labels, 5, share, seed=0)
    assert np.array_equal(labels, before)
    assert (flipped != labels).sum() == flips
    assert set(flipped.tolist()) <= set(range(5))


def test_flips_go_to_every_other_class_alike() -> None:
    labels = np.zeros(4000, dtype=np.int64)
    counts = np.bincount(flip_labels(labels, 5, 1.0, seed=0), minlength=5)
    assert counts[0] == 0
    assert counts[1:].min() > 900


def test_compared_with_the_truth(demo: DemoSet) -> None:
    given, true = column(demo.labels, "label"), column(demo.truth, "true_label")
    right = [given[name] == true[name] for name in given]
    perfect = pa.table(
        {
            "file_name": list(given),
            "given_label": list(given.values()),
            "keep": right,
            "clean_prob": [0.75 if fine else 0.25 for fine in right],
        }
    )
    found = compare_with_truth(ScoreTable(perfect, {}), demo.truth)
    assert (found.precision, found.recall, found.f1) == (1.0, 1.0, 1.0)
    assert (found.wrong_f1, found.auroc) == (1.0, 1.0)
    keep_all = perfect.set_column(2, "keep", pa.array([True] * 1000))
    found = compare_with_truth(ScoreTable(keep_all, {}), demo.truth)
    assert (found.precision, found.recall, found.wrong_f1) == (0.8, 1.0, 0.0)
