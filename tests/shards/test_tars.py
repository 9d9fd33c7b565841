"""The members of tar files: found as Python's own module finds them, or refused."""

import io
import tarfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deftclean.shards import tars
from deftclean.shards.packed import NOT_PACKED, NOT_THERE, OUTSIDE, Shards, located_in_shards
from deftclean.shards.tars import DamagedTar, TarIndex, tar_index

FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
NAMES = ("a.jpg", "b/c.png", "b/d.cls", f"{'long/' * 30}e.jpg", "ü.jpg", f"{'n' * 120}.jpg")


def member(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE) -> tuple:
    made = tarfile.TarInfo(name)
    made.type, made.size, made.linkname = kind, len(data), "a.jpg"
    return made, io.BytesIO(data)


def write(path: Path, members: list[tuple], format: int = tarfile.GNU_FORMAT) -> Path:
    with tarfile.open(path, "w", format=format) as file:
        for made, data in members:
            file.addfile(made, data)
    return path


def contents(path: Path, index: TarIndex) -> dict[str, bytes]:
    data = path.read_bytes()
    places = zip(index.names.to_pylist(), index.offsets, index.sizes, strict=True)
    return {name: data[offset : offset + size] for name, offset, size in places}


@pytest.fixture(autouse=True)
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEFTCLEAN_CACHE_DIR", str(tmp_path / "cache"))


@pytest.mark.parametrize("format", FORMATS)
def test_files_are_where_pythons_own_module_finds_them(tmp_path: Path, format: int) -> None:
    names = [name for name in NAMES if format != tarfile.USTAR_FORMAT or len(name) < 100]
    expected = {name: name.encode() * at for at, name in enumerate(names)}
    path = write(tmp_path / "x.tar", [member(*pair) for pair in expected.items()], format)
    for _ in range(2):  # found, and as it was kept
        index = tar_index(path)
        assert contents(path, index) == expected
    assert len(list((tmp_path / "cache" / "tar-indexes").iterdir())) == 1


def test_what_is_no_file_or_leads_elsewhere_is_left_out(tmp_path: Path) -> None:
    odd = [
        member("../out.jpg", b"x"), member("/etc/passwd.jpg", b"x"), member("a/../b.jpg", b"x"),
        member("a\\b.jpg", b"x"), member("link.jpg", b"", tarfile.SYMTYPE),
        member("hard.jpg", b"", tarfile.LNKTYPE), member("dev.jpg", b"", tarfile.CHRTYPE),
        member("pipe.jpg", b"", tarfile.FIFOTYPE), member("folder", b"", tarfile.DIRTYPE),
    ]  # fmt: skip
    path = write(tmp_path / "x.tar", [*odd, member("./fine.jpg", b"fine")])
    index = tar_index(path)
    assert contents(path, index) == {"fine.jpg": b"fine"}
    assert index.left_out == {"links and devices": 4, "names that lead elsewhere": 4}


def test_a_member_of_very_many_bytes_is_known_by_its_size_in_binary(tmp_path: Path) -> None:
    made = tarfile.TarInfo("large.jpg")
    made.size = 9 * 2**30
    path = tmp_path / "x.tar"
    path.write_bytes(made.tobuf(tarfile.GNU_FORMAT))
    with path.open("r+b") as file:
        file.truncate(512 + made.size + 1024)
    assert tar_index(path).sizes.tolist() == [made.size]


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"", "empty"), (b"no tar" * 200, "no tar file"), (b"x" * 100, "cut off")],
)
def test_what_is_no_tar_file_is_refused(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "x.tar").write_bytes(data)
    with pytest.raises(DamagedTar, match=said):
        tar_index(tmp_path / "x.tar")


def test_joined_files_are_refused(tmp_path: Path) -> None:
    one = write(tmp_path / "x.tar", [member("a.jpg", b"abc")]).read_bytes()
    (tmp_path / "two.tar").write_bytes(one + one)
    with pytest.raises(DamagedTar, match="follows its end"):
        tar_index(tmp_path / "two.tar")


def test_names_that_are_no_text_are_refused(tmp_path: Path) -> None:
    made, data = member("\udcff.jpg", b"x")
    path = write(tmp_path / "x.tar", [(made, data)])
    with pytest.raises(DamagedTar, match="UTF-8"):
        tar_index(path)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(1, 10240 - 1))
def test_a_file_that_is_cut_off_never_looks_like_a_smaller_one(tmp_path: Path, cut: int) -> None:
    whole = write(tmp_path / "x.tar", [member(f"{at}.jpg", bytes(300 * at)) for at in range(5)])
    data = whole.read_bytes()
    assert len(data) == 10240
    (tmp_path / "cut.tar").write_bytes(data[:cut])
    try:
        found = tar_index(tmp_path / "cut.tar")
    except DamagedTar:
        return
    assert found.names.to_pylist() == [f"{at}.jpg" for at in range(5)]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 511), bit=st.integers(0, 7))
def test_a_damaged_header_is_seen(tmp_path: Path, at: int, bit: int) -> None:
    data = bytearray(write(tmp_path / "x.tar", [member("a.jpg", b"abc")]).read_bytes())
    data[at] ^= 1 << bit
    (tmp_path / "bad.tar").write_bytes(data)
    try:
        found = tar_index(tmp_path / "bad.tar")
    except DamagedTar:
        return
    assert 148 <= at < 156  # blanks of the checksum itself
    assert found.names.to_pylist() == ["a.jpg"]


def test_what_is_kept_is_of_this_file_and_cannot_lead_out_of_it(tmp_path: Path) -> None:
    path = write(tmp_path / "x.tar", [member("a.jpg", b"abc")])
    tar_index(path)
    (kept,) = (tmp_path / "cache" / "tar-indexes").iterdir()
    with np.load(kept) as file:
        arrays = dict(file)
    for wrong in ({"offsets": [10**9]}, {"sizes": [-1]}, {"ends": [99]}, {"names": []}):
        np.savez(kept, **{**arrays, **{name: np.array(v) for name, v in wrong.items()}})
        assert contents(path, tar_index(path)) == {"a.jpg": b"abc"}
    kept.write_bytes(b"no archive")
    assert contents(path, tar_index(path)) == {"a.jpg": b"abc"}
    write(path, [member("b.jpg", b"other")])
    assert contents(path, tar_index(path)) == {"b.jpg": b"other"}


def test_names_lead_to_places(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    for folder in (root / "sub", elsewhere):
        folder.mkdir(parents=True)
    twice = (("a.jpg", b"old"), ("b.jpg", b"b"), ("a.jpg", b"new"))
    write(root / "sub" / "x.tar", [member(*each) for each in twice])
    write(elsewhere / "y.tar", [member(*each) for each in twice])
    (root / "y.tar").symlink_to(elsewhere / "y.tar")
    names = ["sub/x.tar/a.jpg", "sub/x.tar/none.jpg", "plain.jpg", "y.tar/b.jpg", "no.tar/a.jpg"]
    packed = located_in_shards(root, pa.array(names, pa.string()), allow_outside=False)
    assert packed is not None
    assert packed.shard[1:].tolist() == [NOT_THERE, NOT_PACKED, OUTSIDE, NOT_PACKED]
    assert packed.read(0) == b"new"
    followed = located_in_shards(root, pa.array(names, pa.string()), allow_outside=True)
    assert followed is not None
    assert followed.read(3) == b"b"
    assert located_in_shards(root, pa.array(["plain.jpg"], pa.string()), False) is None
    shards = Shards(root)
    assert shards.has("sub/x.tar/b.jpg")
    assert not shards.has("sub/x.tar/c.jpg")
    assert shards.below("sub/x.tar") == ["a.jpg", "a.jpg", "b.jpg"]


@pytest.mark.slow
def test_200_000_members_take_seconds(tmp_path: Path) -> None:
    with (tmp_path / "x.tar").open("wb") as file:
        for at in range(200_000):
            made = tarfile.TarInfo(f"folder/{at:08d}.jpg")
            made.size = 100
            file.write(made.tobuf(tarfile.USTAR_FORMAT) + bytes(512))
        file.write(bytes(1024))
    began = time.process_time()
    index = tar_index(tmp_path / "x.tar")
    first = time.process_time() - began
    began = time.process_time()
    again = tar_index(tmp_path / "x.tar")
    kept = time.process_time() - began
    print(f"{first:.2f} CPU s, and {kept:.2f} from what was kept")
    assert len(index) == len(again) == 200_000
    assert first < 15
    assert kept < 1
    assert tars.cache_folder().is_relative_to(tmp_path)
