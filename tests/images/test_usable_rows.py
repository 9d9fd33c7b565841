"""Rows, the files they name, and the distinct pictures behind them."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deftclean.core.errors import InputError
from deftclean.core.progress import Silent
from deftclean.core.runtime import choose_runtime
from deftclean.data.manifest import Manifest
from deftclean.data.options import ManifestOptions
from deftclean.images.first_pass import ImageChecks, check_images
from deftclean.images.look import LOOK
from deftclean.images.resizing import Preparation
from deftclean.images.row_images import row_images
from deftclean.images.sources import RowImages
from deftclean.images.usable_rows import (
    UsableRows,
    distinct_pictures,
    refuse_one_class,
    refuse_unreadable,
)
from tests.support.pictures import encode, noise, preprocess

LABELS = {"cat": "cat", "dog": "dog"}


def manifest(root: Path, names: list[str | None], labels: list[str | None]) -> Manifest:
    return Manifest(
        source="x.csv",
        root=root,
        columns=pa.table({}),
        file_names=pa.array([name or f"x.csv#{row}" for row, name in enumerate(names)]),
        named=np.array([name is not None for name in names]),
        given_labels=pa.array(labels, pa.string()),
        label_names=LABELS,
        images=None,
        labels_file=None,
        source_lines=pa.nulls(len(names), pa.int64()),
        notes=(),
    )


def first_pass(given: Manifest) -> tuple[RowImages, ImageChecks, UsableRows]:
    images = row_images(given, ManifestOptions(), given.root)
    preparation = Preparation.of(preprocess("squash"), "exact", crop=False)
    runtime = choose_runtime("cpu", "fp32", 0)
    checks = check_images(images.source, preparation, None, runtime, Silent())
    return images, checks, UsableRows.of(given, images, checks, tuple(LABELS))


def refuse_hopeless(given: Manifest) -> None:
    images, checks, rows = first_pass(given)
    refuse_unreadable(given, checks.take(images.of_row), rows)
    refuse_one_class(given, rows)


@pytest.fixture
def shared(tmp_path: Path) -> Any:
    for name, seed in (("a.png", 1), ("b.png", 2), ("copy of a.png", 1)):
        (tmp_path / name).write_bytes(encode(noise(3, 3, seed)))
    (tmp_path / "bad.png").write_bytes(b"no")
    names = [
        "b.png",
        "bad.png",
        "a.png",
        None,
        "copy of a.png",
        "b.png",
        "gone.png",
        "a.png",
        "./b.png",
    ]
    labels = ["cat", "cat", "dog", "dog", "cat", "bird", "cat", None, "dog"]
    return manifest(tmp_path, names, labels)


def test_each_file_is_looked_at_once_and_each_row_keeps_its_status(shared: Manifest) -> None:
    images, checks, rows = first_pass(shared)
    assert len(images.source) == 7
    found = checks.take(images.of_row)
    assert found.status.to_pylist() == [
        "ok", "unreadable", "ok", "missing", "ok", "ok", "missing", "ok", "ok",
    ]  # fmt: skip
    assert found.error[3].as_py() == "the row names no file"
    assert found.error[6].as_py() == "no such file"
    assert rows.readable.tolist() == [0, 2, 4, 5, 7, 8]
    assert rows.trainable.tolist() == [0, 2, 4, 8]


def test_rows_with_the_same_content_share_a_picture(shared: Manifest) -> None:
    _, checks, rows = first_pass(shared)
    assert len(rows.distinct) == 2
    assert rows.pictures[rows.readable].tolist() == [0, 1, 1, 0, 1, 0]
    assert [rows.first_row(picture) for picture in (0, 1)] == [0, 2]
    first = rows.distinct.source.read(int(rows.distinct.files[1]))
    assert first == (shared.root / "a.png").read_bytes() == rows.distinct.same(1, first)
    assert rows.distinct.digest(0).hex() == checks.sha256[0].as_py()


def test_distinct_pictures_keep_the_order_of_the_rows(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(40)]
    for index, name in enumerate(names):
        (tmp_path / name).write_bytes(encode(noise(3, 3, index)))
    _, _, rows = first_pass(manifest(tmp_path, [*names], ["cat"] * 40))
    assert rows.pictures.tolist() == list(range(40))
    assert rows.distinct.files.tolist() == list(range(40))


def test_hopeless_data_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode(noise(3, 3)))
    for names, labels, message in (
        (["gone.png", "gone.png", None], ["cat", "dog", "cat"], r"its 3 images .*\(3 missing\)"),
        (["a.png"], [None], "none of the 1 readable images has a label"),
        (["a.png", "gone.png"], ["cat", "dog"], "all readable images have the label 'cat'"),
    ):
        given = manifest(tmp_path, [*names], [*labels])
        with pytest.raises(InputError, match=message):
            refuse_hopeless(given)


class _Nothing:
    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3), st.integers(0, 2)), max_size=30))
def test_pictures_are_told_apart_by_their_whole_digest(files: list[tuple[bool, int, int]]) -> None:
    """Also where the first eight bytes of two are the same, which hashes hardly ever are."""
    digests = np.zeros((len(files), 32), np.uint8)
    for row, (_, start, rest) in enumerate(files):
        digests[row, 3], digests[row, 20] = start, rest
    status = pa.array(["ok" if fine else "missing" for fine, _, _ in files], pa.string())
    looks = np.zeros(len(files), LOOK)
    checks = ImageChecks(status, status, digests, np.ones(len(files), bool), looks)
    distinct, of_file = distinct_pictures(_Nothing(len(files)), checks)  # type: ignore[arg-type]
    seen: dict[tuple[int, int], int] = {}
    first = []
    for row, (fine, start, rest) in enumerate(files):
        if fine and (start, rest) not in seen:
            seen[start, rest] = len(seen)
            first.append(row)
    assert distinct.files.tolist() == first
    assert np.array_equal(distinct.digests, digests[first])
    assert of_file.tolist() == [seen[s, r] if fine else 0 for fine, s, r in files]
