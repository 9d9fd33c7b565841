"""A folder of pieces behind a URL: in memory here, and in a store of S3's protocol."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from deftclean.core.errors import RunError, UsageError
from deftclean.stores import retries
from deftclean.stores.folder import UrlFolder
from tests.support.stores import first_times, running_store


@pytest.fixture(params=["memory", pytest.param("s3", marks=pytest.mark.slow)])
def folder(request: pytest.FixtureRequest) -> Iterator[UrlFolder]:
    if request.param == "s3":
        with running_store():
            yield UrlFolder.at("s3://bucket/parts")
    else:
        yield UrlFolder.at(f"memory://{request.node.name}/parts")


def test_a_piece_is_made_once(folder: UrlFolder) -> None:
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda at: folder.create("plan.json", bytes([at])), range(8)))
    if folder.url.scheme == "s3":
        assert sum(made) == 1
    assert any(made)
    assert folder.create("plan.json", b"another") is False
    assert len(folder.read("plan.json")) == 1


def test_pieces_are_written_read_and_listed(folder: UrlFolder) -> None:
    assert folder.names("") == []
    for name in ("parts/rows-2.parquet", "parts/rows-1.parquet", "plan.json", "partsX"):
        folder.write(name, name.encode())
    folder.write("plan.json", b"new")
    assert folder.read("plan.json") == b"new"
    assert folder.size("parts/rows-1.parquet") == len("parts/rows-1.parquet")
    assert folder.names("parts/") == ["parts/rows-1.parquet", "parts/rows-2.parquet"]
    assert folder.names("parts/rows-2") == ["parts/rows-2.parquet"]
    assert folder.names("parts")[-1] == "partsX"
    assert len(folder.names("")) == 4


def test_what_is_not_there_is_said(folder: UrlFolder) -> None:
    with pytest.raises(FileNotFoundError):
        folder.read("none")
    with pytest.raises(FileNotFoundError):
        folder.size("none")


@pytest.mark.parametrize("name", ["../x", "a/../b", "", "/x", "a//b"])
def test_a_piece_stays_in_the_folder(name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        UrlFolder.at("memory://x").write(name, b"")


def test_a_local_path_is_no_such_folder() -> None:
    with pytest.raises(UsageError):
        UrlFolder.at("scores/")


@pytest.mark.slow
def test_a_store_that_fails_for_a_while_and_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "WAITS", (0.01, 0.01, 0.01))
    with running_store() as store:
        folder = UrlFolder.at("s3://bucket/parts")
        with store.failing(first_times(4, "503 Slow Down", "plan.json", "PUT")):
            assert folder.create("plan.json", b"x")
        with store.failing(lambda _environ: "503 Slow Down"), pytest.raises(RunError) as given_up:
            folder.write("other", b"x")
        assert "s3://bucket/parts/other could not be written, in 4 tries" in given_up.value.message
        assert store.names("parts") == ["parts/plan.json"]
