"""Objects read many at once, and what lies below a URL, in fsspec's memory."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deftclean.core.errors import RunError
from deftclean.core.files import METADATA, private_folder
from deftclean.stores.contents import Contents, list_url, listed
from deftclean.stores.mirror import bring, brought
from deftclean.stores.objects import AT_ONCE, MOST_BYTES, UNKNOWN, groups, read_many
from deftclean.stores.urls import Url, mirror_of, place_of

BASE = Url("memory", "objects/data")


@pytest.fixture
def mirror() -> Iterator[Path]:
    with private_folder(Path(tempfile.gettempdir()).resolve()) as run:
        yield mirror_of(run)


@pytest.fixture(autouse=True)
def objects() -> Iterator[None]:
    opened = fsspec.filesystem("memory")
    for name in ("a.png", "sub/b.png", "sub/deep/c.png", "empty.png", "metadata.csv", "x.txt"):
        opened.pipe_file(str(BASE / name), b"" if "empty" in name else name.encode())
    yield
    opened.rm(str(BASE.parent), recursive=True)


@given(st.lists(st.integers(-1, 2 * MOST_BYTES), max_size=300))
def test_no_more_is_held_than_may_be(sizes: list[int]) -> None:
    found = list(groups(np.array(sizes, dtype=np.int64)))
    assert [at for first, last in found for at in range(first, last)] == list(range(len(sizes)))
    for first, last in found:
        assert last - first <= AT_ONCE
        assert last - first == 1 or sum(max(each, 0) for each in sizes[first:last]) <= MOST_BYTES


@pytest.mark.parametrize("name", METADATA)
def test_every_table_that_a_folder_is_read_by_is_fetched(mirror: Path, name: str) -> None:
    fsspec.filesystem("memory").pipe_file(str(BASE / "train" / name), b"file_name,label\n")
    bring(BASE, place_of(BASE, mirror))
    assert (place_of(BASE, mirror) / "train" / name).read_bytes() == b"file_name,label\n"


def test_many_are_read_in_order() -> None:
    names = ["sub/b.png", "none.png", "empty.png", "a.png"]
    sizes = np.array([9, UNKNOWN, 0, UNKNOWN])
    assert list(read_many(BASE, names, sizes, 100)) == [b"sub/b.png", None, b"", b"a.png"]
    # One byte more than may be: that it is too large is seen, and no more is read.
    assert list(read_many(BASE, ["sub/b.png"], np.array([UNKNOWN]), 3)) == [b"sub/"]


@pytest.mark.parametrize("size", [8, 10])
def test_what_is_not_as_long_as_it_was_is_refused(size: int) -> None:
    with pytest.raises(RunError, match="has changed since it was listed"):
        list(read_many(BASE, ["sub/b.png"], np.array([size]), 100))


def test_a_folder_of_images_is_listed_and_its_metadata_fetched(mirror: Path) -> None:
    place = place_of(BASE, mirror)
    bring(BASE, place)
    there = sorted(path.name for path in place.rglob("*") if not path.name.startswith("."))
    assert there == ["metadata.csv"]
    found = listed(place)
    assert found is not None
    assert found == list_url(BASE)
    assert found.sizes_of(["a.png", "none.png"]).tolist() == [5, UNKNOWN]


@pytest.mark.parametrize("by_listing", [False, True])
def test_what_lies_there_is_known_with_a_listing_or_without(mirror: Path, by_listing: bool) -> None:
    place = place_of(BASE, mirror)
    place.mkdir(parents=True)
    contents = Contents(place)
    if by_listing:
        assert contents.known()
    assert (listed(place) is not None) == by_listing
    assert contents.has("sub/deep/c.png")
    assert not contents.has("sub/none.png")
    assert not contents.has("sub/../a.png")
    assert contents.names("sub") == ["b.png", "deep"]
    assert contents.names("") == ["a.png", "empty.png", "metadata.csv", "sub", "x.txt"]


def test_a_listing_counts_in_a_mirror_alone(mirror: Path, tmp_path: Path) -> None:
    bring(BASE, place_of(BASE, mirror))
    for path in place_of(BASE, mirror).iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert listed(tmp_path) is None
    assert not Contents(tmp_path).has("a.png")


def test_what_a_table_names_is_opened_in_its_own_bucket_alone(mirror: Path) -> None:
    table = place_of(Url("memory", "objects/t.parquet"), mirror)
    table.parent.mkdir(parents=True)
    table.touch()
    assert brought(table.parent / "data", table).is_dir()
    fsspec.filesystem("memory").pipe_file("memory://other/secret.txt", b"x")
    assert not brought(table.parent / "../other/secret.txt", table).exists()
    assert brought(Path("/none/here"), table) == Path("/none/here")
    fsspec.filesystem("memory").rm("memory://other", recursive=True)
