"""Large files behind URLs, of which parts are read: tar files above all."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deftclean.core.errors import DeftcleanError, RunError
from deftclean.core.files import private_folder
from deftclean.stores import ranges, retries
from deftclean.stores.filesystems import filesystem
from deftclean.stores.ranges import Far, FarFile, far, keep_far, read_ranges
from deftclean.stores.urls import Url, mirror_of, place_of
from tests.commands.test_stores import served
from tests.commands.test_tar_shards import FAST, packed
from tests.support.commands import run_cli
from tests.support.stores import Store, first_times, hanging_up, running_store

DATA = np.random.default_rng(0).bytes(300_000)
URL = Url("memory", "ranges/x.tar")


@pytest.fixture
def place() -> Iterator[Path]:
    """Of a file in memory, in the mirror of a run."""
    filesystem("memory").pipe_file(str(URL), DATA)
    with private_folder(Path(tempfile.gettempdir()).resolve()) as run:
        yield place_of(URL, mirror_of(run))
    filesystem("memory").rm("/ranges", recursive=True)


def test_a_far_file_has_its_size_and_none_of_its_bytes(place: Path) -> None:
    assert keep_far(URL, place)
    assert (place.stat().st_size, place.stat().st_blocks) == (300_000, 0)
    assert far(place) == Far(URL, 300_000, "")
    assert far(place.with_name("other.tar")) is None
    parts = [(0, 512), (5, 5), (299_990, 300_000), (100_000, 200_000)]
    assert list(read_ranges([(Far(URL, 300_000, ""), *part) for part in parts])) == [
        DATA[start:end] for start, end in parts
    ]


def test_parts_near_each_other_are_asked_for_together(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In any order, overlapping or not: a gap of 100 is read over, one of 101 is not."""
    monkeypatch.setattr(ranges, "_GAP", 100)
    monkeypatch.setattr(ranges, "_MOST", 5000)
    away, asked, ask = Far(URL, 300_000, ""), [], ranges._ask
    monkeypatch.setattr(ranges, "_ask", lambda parts: asked.extend(parts) or ask(parts))
    parts = [(1601, 1700), (0, 1000), (1100, 1500), (990, 1050), (9000, 13_000), (13_000, 15_000)]
    found = list(read_ranges([(away, *part) for part in parts]))
    assert found == [DATA[start:end] for start, end in parts]
    spans = [(0, 1500), (1601, 1700), (9000, 13_000), (13_000, 15_000)]
    assert [(start, end) for _, start, end in asked] == spans
    draws = np.random.default_rng(2)
    for _ in range(30):
        starts = draws.integers(0, 9000, 40)
        some = [(int(start), int(start + draws.integers(0, 600))) for start in starts]
        found = list(read_ranges([(away, *part) for part in some]))
        assert found == [DATA[start:end] for start, end in some]


def test_a_far_file_is_read_as_one_that_is_here(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forwards, with small and large leaps, and backwards."""
    keep_far(URL, place)
    monkeypatch.setattr(ranges, "_LEAST", 1000)
    monkeypatch.setattr(ranges, "_MOST", 9000)
    opened, draws = FarFile(Far(URL, 300_000, "")), np.random.default_rng(1)
    at = 0
    for number in range(300):
        at = int(draws.integers(0, 300_000)) if number % 10 == 0 else at + int(draws.integers(900))
        size = int(draws.integers(0, 2500))
        opened.seek(at)
        assert opened.read(size) == DATA[at : at + size], number
        at = min(at + size, 299_000)
    opened.seek(299_000)
    assert opened.read() == DATA[299_000:]


def test_a_store_without_ranges_is_asked_for_all(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = type(filesystem("memory"))
    monkeypatch.setattr(memory, "cat_file", lambda *_args, **_more: DATA)
    assert not keep_far(URL, place)
    assert not place.exists()


def test_what_is_shorter_or_gone_ends_the_run(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "WAITS", (0.0, 0.0))
    away = Far(URL, 300_000, "")
    filesystem("memory").pipe_file(str(URL), DATA[:1000])
    with pytest.raises(RunError, match="in 3 tries: less came than asked for"):
        list(read_ranges([(away, 500, 2000)]))
    filesystem("memory").rm_file(str(URL))
    with pytest.raises(DeftcleanError, match="has been removed"):
        list(read_ranges([(away, 500, 900)]))
    filesystem("memory").pipe_file(str(URL), DATA)


def test_a_web_server_without_ranges_is_not_asked_for_a_part(tmp_path: Path) -> None:
    """It would answer with all of the file."""
    pytest.importorskip("aiohttp", reason="http:// needs aiohttp")
    (tmp_path / "x.tar").write_bytes(DATA)
    with served(tmp_path) as address:
        assert not keep_far(Url("http", f"{address.removeprefix('http://')}/x.tar"), tmp_path / "y")
    assert not (tmp_path / "y").exists()


@pytest.mark.slow
def test_tar_files_behind_a_url_are_read_from_their_place(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those here are, though answers fail; no file is fetched, and none is stored."""
    monkeypatch.setattr(retries, "WAITS", (0.01, 0.01, 0.01))
    packed(folder, tmp_path / "shards", "cls")
    here = run_cli("scan", "shards", "-o", "here.parquet", *FAST, cwd=tmp_path)
    assert here.returncode == 0, here.stderr
    with running_store() as store:
        url, asked = store.put_folder(tmp_path / "shards", "far/shards"), []

        def note(environ: dict[str, Any]) -> None:
            if environ["REQUEST_METHOD"] == "GET" and environ["PATH_INFO"].endswith(".tar"):
                asked.append(environ.get("HTTP_RANGE"))

        faults = (note, first_times(2, "503 Slow Down", ".tar"), hanging_up(3, "train-001.tar"))
        store.faults += faults
        done = run_cli("scan", url, "-o", "s3://bucket/far/far.parquet", *FAST, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "fetching" not in done.stderr
        assert None not in asked
        (tmp_path / "far.parquet").write_bytes(store.files().cat_file("bucket/far/far.parquet"))
        assert table(tmp_path / "far.parquet") == table(tmp_path / "here.parquet")
        for fault in faults:
            store.faults.remove(fault)
        told = run_cli("check", "s3://bucket/far/far.parquet", "--verify", cwd=tmp_path)
        assert told.returncode == 0, told.stderr
        refuse_another_file(store, url, tmp_path)


def refuse_another_file(store: Store, url: str, tmp_path: Path) -> None:
    """One that was put there between looking and reading."""
    files, key = store.files(), f"{url}/train-000.tar".removeprefix("s3://")
    old = files.cat_file(key)
    seen: list[str] = []

    def exchange(environ: dict[str, Any]) -> None:
        if environ["PATH_INFO"].endswith("train-000.tar") and "HTTP_RANGE" in environ:
            seen.append(environ["HTTP_RANGE"])
            if len(seen) == 2:  # the first was the probe; the index is known from before
                files.pipe_file(key, bytes(len(old)))

    with store.failing(exchange):
        lost = run_cli("scan", url, "-o", "lost.parquet", *FAST, cwd=tmp_path)
    assert lost.returncode == 3
    assert "train-000.tar has changed since it was looked through" in " ".join(lost.stderr.split())


def table(path: Path) -> dict[str, list[object]]:
    import pyarrow.parquet as pq

    return dict(pq.read_table(path).to_pydict())
