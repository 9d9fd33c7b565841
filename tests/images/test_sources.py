"""Files below a folder and bytes in a table: what can be read and what cannot."""

import errno
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deftclean.core.errors import InputError, RunError
from deftclean.data.manifest import ImageColumn
from deftclean.images import sources as images
from deftclean.images.decoding import ImageError
from deftclean.images.first_pass import ImageCheck
from deftclean.images.look import LOOK
from deftclean.images.row_images import spool_images, work_folder
from deftclean.images.sources import FolderImages, SpooledImages
from tests.support.pictures import check, check_one, encode, noise

# ---------------------------------------------------------------- reading files


def test_a_good_picture(tmp_path: Path) -> None:
    data = encode(noise(5, 4))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "ä b.PNG").write_bytes(data)
    for name in ("sub/ä b.PNG", "sub/../sub/ä b.PNG"):
        found = check(tmp_path, name)
        assert found[:3] == ("ok", None, hashlib.sha256(data).digest())
        assert np.frombuffer(found.look, LOOK)[["width", "height"]].item() == (5, 4)


@pytest.mark.parametrize("name", ["gone.png", "a.png/b.png", "no/such/folder.png"])
def test_missing_files(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.png").write_bytes(encode(noise(2, 2)))
    assert check(tmp_path, name) == ImageCheck("missing", "no such file", None)


def test_a_row_that_names_no_file(tmp_path: Path) -> None:
    assert check(tmp_path, "") == ImageCheck("missing", "the row names no file", None)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_too_many_open_files_say_nothing_of_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    (tmp_path / "a.png").write_bytes(encode(noise(3, 3)))
    source = images.FolderImages(tmp_path, pa.array(["a.png"], pa.string()))

    def full(*_given: object, **_more: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", full)
        patch.setattr(Path, "read_bytes", full)
        with pytest.raises(RunError, match=r"a\.png: Too many open files"):
            source.read(0)
    assert source.read(0) == (tmp_path / "a.png").read_bytes()


def test_dead_links_and_links_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "dead.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "a.png").symlink_to(tmp_path / "b.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
    assert check(tmp_path, "dead.png").status == "missing"
    assert check(tmp_path, "a.png") == ImageCheck("missing", "a link that leads to itself", None)


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    empty = hashlib.sha256(b"").digest()
    assert check(tmp_path, "a.png") == ImageCheck("unreadable", "the file is empty", empty)


def test_a_file_that_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("<html>404</html>")
    found = check(tmp_path, "a.png")
    assert (found.status, found.error) == ("unreadable", "not an image in a known format")
    assert found.digest == hashlib.sha256(b"<html>404</html>").digest()


def test_outside_by_name_and_by_link(tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    (tmp_path / "data2").mkdir()
    for place in (tmp_path, tmp_path / "data2"):
        (place / "secret.png").write_bytes(encode(noise(2, 2)))
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    (root / "links").symlink_to(tmp_path / "data2")
    names = ["../secret.png", "../data2/secret.png", "link.png", "links/secret.png"]
    names.append(str(tmp_path / "secret.png"))
    for name in names:
        expected = ImageCheck("outside", "leads outside the data folder", None)
        assert check(root, name) == expected
        assert check(root, name, allow_outside=True).status == "ok"
    assert check(root, "../gone.png").status == "outside"  # not even whether it exists is told


def test_a_data_folder_that_is_a_link_itself(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.png").write_bytes(encode(noise(2, 2)))
    (tmp_path / "data").symlink_to(tmp_path / "real")
    assert check(tmp_path / "data", "a.png").status == "ok"


@pytest.mark.timeout(20)
def test_a_named_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    assert check(tmp_path, "a.png") == ImageCheck("unreadable", "not a regular file", None)


def test_a_folder_called_like_an_image(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").mkdir()
    assert check(tmp_path, "x.jpg") == ImageCheck("unreadable", "not a regular file", None)


@pytest.mark.parametrize("name", ["a\0.png", "x" * 300 + ".png"])
def test_names_no_file_can_have(tmp_path: Path, name: str) -> None:
    found = check(tmp_path, name)
    assert found.status == "unreadable"
    assert found.error is not None
    assert found.error.startswith("cannot be opened: ")
    assert str(tmp_path) not in found.error


def test_files_over_the_size_limit_are_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encode(noise(2, 2))
    (tmp_path / "a.png").write_bytes(data)
    monkeypatch.setattr(images, "MAX_BYTES", len(data))
    assert check(tmp_path, "a.png").status == "ok"
    monkeypatch.setattr(images, "MAX_BYTES", len(data) - 1)
    reason = f"{len(data)} bytes; the limit is {len(data) - 1}"
    assert check(tmp_path, "a.png") == ImageCheck("too_large", reason, None)


# ---------------------------------------------------------------- without resolving every name

PARTS = ("a", "sub", "a.png", "in.png", "out.png", "round.png", "outer", "gone", "..", ".", "")


def small_tree(root: Path) -> None:
    """Files, and links that stay inside, lead outside and lead nowhere."""
    data = root / "data"
    (data / "a" / "sub").mkdir(parents=True)
    (root / "elsewhere").mkdir()
    for number, folder in enumerate((data, data / "a", data / "a" / "sub", root / "elsewhere")):
        (folder / "a.png").write_bytes(encode(noise(2, 2, number)))
    for folder in (data, data / "a"):
        (folder / "in.png").symlink_to(data / "a" / "sub" / "a.png")
        (folder / "out.png").symlink_to(root / "elsewhere" / "a.png")
        (folder / "round.png").symlink_to(folder / "round.png")
    (data / "outer").symlink_to(root / "elsewhere")
    (data / "sub").symlink_to(data / "a" / "sub")


def outcome(read: Callable[[], bytes]) -> object:
    try:
        return read()
    except ImageError as error:
        return error.status, error.reason


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    small_tree(root)
    return root / "data"


@given(parts=st.lists(st.sampled_from(PARTS), min_size=1, max_size=4), outside=st.booleans())
def test_any_name_is_read_as_if_it_were_resolved(
    tree: Path, parts: list[str], outside: bool
) -> None:
    source = FolderImages(tree, pa.array(["/".join(parts)], pa.string()), outside)
    resolved = outcome(lambda: source._found(0, images._read_regular_file))
    assert outcome(lambda: source.read(0)) == resolved


def test_plain_names_are_not_resolved_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub").mkdir()
    for number in range(20):
        (tmp_path / "sub" / f"{number}.png").write_bytes(encode(noise(2, 2, number)))
    source = FolderImages(tmp_path, pa.array([f"sub/{n}.png" for n in range(20)], pa.string()))
    resolved = 0
    plain = Path.resolve

    def counting(path: Path, strict: bool = False) -> Path:
        nonlocal resolved
        resolved += 1
        return plain(path, strict)

    monkeypatch.setattr(Path, "resolve", counting)
    assert source.read(7) == encode(noise(2, 2, 7))
    assert len({source.read(number) for number in range(20)}) == 20
    assert resolved <= 1


@pytest.mark.parametrize("exchanged", ["file", "folder"])
def test_what_becomes_a_link_to_the_outside_is_not_opened(tmp_path: Path, exchanged: str) -> None:
    data, secret = tmp_path / "data", tmp_path / "elsewhere"
    for folder in (data / "sub", secret):
        folder.mkdir(parents=True)
        (folder / "a.png").write_bytes(encode(noise(2, 2)))
    source = FolderImages(data, pa.array(["sub/a.png"], pa.string()))
    assert source.read(0)
    if exchanged == "file":
        (data / "sub" / "a.png").unlink()
        (data / "sub" / "a.png").symlink_to(secret / "a.png")
    else:
        (data / "sub").rename(tmp_path / "moved")  # the same folder, now outside
        (data / "sub").symlink_to(tmp_path / "moved")
    with pytest.raises(ImageError) as found:
        source.read(0)
    assert found.value.status == "outside"


def test_a_file_that_grows_meanwhile_is_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(b"begin")
    plain = os.read

    def growing(handle: int, size: int) -> bytes:
        file.write_bytes(b"begin and end")
        return plain(handle, size)

    source = FolderImages(tmp_path, pa.array(["a.png"], pa.string()))
    monkeypatch.setattr(os, "read", growing)
    assert source.read(0) == b"begin and end"


# ---------------------------------------------------------------- images in a table


@pytest.mark.parametrize("nested", [False, True])
def test_spooled_images(tmp_path: Path, nested: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    data = [encode(noise(3, 3, i)) for i in range(600)]  # several batches of Arrow's
    held: list[bytes | None] = [*data, None, b""]
    column = (
        pa.array([{"bytes": d, "path": "x"} for d in held] + [None]) if nested else [*held, None]
    )
    pq.write_table(pa.table({"image": column}), tmp_path / "x.parquet", row_group_size=100)
    spooled = spool_images(ImageColumn(tmp_path / "x.parquet", "image", nested), tmp_path / "flat")
    for row in (0, 1, 255, 256, 599):
        assert spooled.read(row) == data[row]
    missing = ImageCheck("missing", "the table holds no image bytes in this row", None)
    assert check_one(spooled, 600) == missing
    assert check_one(spooled, 601).error == "the file is empty"
    assert check_one(spooled, 602) == missing
    monkeypatch.setattr(images, "MAX_BYTES", 10)
    assert check_one(spooled, 5).status == "too_large"


def test_spooling_goes_wrong(tmp_path: Path) -> None:
    table = tmp_path / "x.parquet"
    pq.write_table(pa.table({"image": [b"x" * 100_000]}), table)
    column = ImageColumn(table, "image", nested=False)
    with pytest.raises(RunError, match=r"could not be unpacked .*: No space left on device"):
        spool_images(column, Path("/dev/full"))
    table.write_bytes(table.read_bytes()[:-20])
    with pytest.raises(InputError, match=f"{table} cannot be read"):
        spool_images(column, tmp_path / "flat")


def test_no_bytes_are_read_beyond_the_rows_own(tmp_path: Path) -> None:
    (tmp_path / "flat").write_bytes(b"aabbb")
    spooled = SpooledImages(tmp_path / "flat", np.array([2, 2, 5]), np.array([True] * 3))
    assert [spooled.read(row) for row in range(3)] == [b"aa", b"", b"bbb"]


def test_no_temporary_folder_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", none)
    with (
        pytest.raises(RunError, match="no temporary folder to work in") as caught,
        work_folder(),
    ):
        pass
    assert "TMPDIR" in caught.value.hint
