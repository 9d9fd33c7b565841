"""The cache: the same pixels with and without, bounded, shared, and never the end of a run."""

import errno
import hashlib
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from deftclean.core.errors import UsageError
from deftclean.core.files import cache_folder
from deftclean.core.progress import Silent
from deftclean.core.runtime import choose_runtime
from deftclean.images import cache as cache_module
from deftclean.images.cache import Cache, open_cache
from deftclean.images.first_pass import Checks, check_images
from deftclean.images.loading import ResizedPictures, Wanted
from deftclean.images.packs import PictureFolder
from deftclean.images.resizing import Preparation
from deftclean.images.sources import DistinctPictures
from tests.support.pictures import encode, folder, noise, preprocess, smooth, with_exif
from tests.support.processes import run_code, start_python

GB = 10**9
LOOK = bytes(range(48))


class Told(Silent):
    """Progress that remembers."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.warned: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def warn(self, text: str) -> None:
        self.warned.append(text)


def pixels(seed: int = 0, side: int = 20) -> Any:
    return np.asarray(noise(side, side, seed))


def digest(seed: int = 0) -> bytes:
    return hashlib.sha256(str(seed).encode()).digest()


def files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


EACH = 104 + 1200 + 16
"""Bytes of a picture: what is said of it, its pixels, its line in the index."""


def filled(root: Path, count: int, limit: int = GB) -> tuple[Cache, PictureFolder]:
    """Pictures that have a pack each."""
    cache = Cache.open(root, limit)
    place = PictureFolder(cache.folder("pictures", {"any": 1}), 1)
    for seed in range(count):
        cache.put(place, digest(seed), pixels(seed), LOOK)
    return cache, place


def pack(place: PictureFolder, key: bytes) -> Path:
    """The pack that a picture lies in alone."""
    ((name, at),) = {*PictureFolder(place.folder)._places(key)}
    assert at == 0
    return place.folder / f"{name}.pack"


def again(place: PictureFolder) -> PictureFolder:
    """As another run sees it."""
    return PictureFolder(place.folder)


# ---------------------------------------------------------------- one picture


def test_what_is_put_comes_back(tmp_path: Path) -> None:
    _, place = filled(tmp_path / "a" / "cache", 3)
    for seed in range(3):
        assert place.touch(digest(seed))
        assert place.visit(digest(seed)) == LOOK
        found = place.read(digest(seed))
        assert found is not None
        assert np.array_equal(found, pixels(seed))
    assert not place.touch(digest(3))
    assert place.read(digest(3)) is None
    if os.name == "posix":
        assert (tmp_path / "a" / "cache").stat().st_mode & 0o777 == 0o700


def test_many_pictures_are_few_files(tmp_path: Path) -> None:
    cache = Cache.open(tmp_path, GB)
    place = cache.pictures({"any": 1})
    for seed in range(40):
        cache.put(place, digest(seed), pixels(seed), LOOK)
    assert [path.suffix for path in files(tmp_path)] == [".index", ".pack"]
    assert cache.size() == 40 * EACH == sum(path.stat().st_size for path in files(tmp_path))
    small = PictureFolder(cache.folder("pictures", {"any": 2}), 10 * (EACH - 16))
    for seed in range(40):
        cache.put(small, digest(seed), pixels(seed), LOOK)
    assert len(files(small.folder)) == 8
    for each in (place, again(place), again(small)):
        assert all(np.array_equal(each.read(digest(seed)), pixels(seed)) for seed in range(40))


def test_two_hashes_that_begin_alike_are_told_apart(tmp_path: Path) -> None:
    cache, place = filled(tmp_path, 0)
    keys = [bytes(8) + bytes([number]) * 24 for number in range(3)]
    for number, key in enumerate(keys):
        cache.put(place, key, pixels(number), LOOK)
    other = again(place)
    assert all(np.array_equal(other.read(key), pixels(at)) for at, key in enumerate(keys))
    assert other.read(bytes(8) + bytes([9]) * 24) is None


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(which=st.sampled_from([".pack", ".index"]), keep=st.floats(0, 1))
def test_of_files_that_are_cut_what_is_whole_is_used(
    tmp_path: Path, which: str, keep: float
) -> None:
    root = Path(tempfile.mkdtemp(dir=tmp_path))
    cache = Cache.open(root, GB)
    place = cache.pictures({"any": 1})
    for seed in range(5):
        cache.put(place, digest(seed), pixels(seed, side=4), LOOK)
    (victim,) = (path for path in files(root) if path.suffix == which)
    size = int(victim.stat().st_size * keep)
    os.truncate(victim, size)
    whole = size // (16 if which == ".index" else 104 + 48)
    other = again(place)
    for seed in range(5):
        found = other.read(digest(seed))
        assert (found is not None) == (seed < whole) == other.touch(digest(seed))
        assert found is None or np.array_equal(found, pixels(seed, side=4))


@pytest.mark.parametrize("keep", [0, 1, 71, 104, 73, 1271])
def test_a_file_that_is_not_whole_is_not_used(tmp_path: Path, keep: int) -> None:
    _, place = filled(tmp_path, 1)
    path = pack(place, digest())
    assert path.stat().st_size == 104 + 1200
    path.write_bytes(path.read_bytes()[:keep])
    for each in (place, again(place)):
        assert each.read(digest()) is None
        assert not each.touch(digest())


def test_a_file_of_the_right_length_and_other_content_is_not_used(tmp_path: Path) -> None:
    _, place = filled(tmp_path, 1)
    path = pack(place, digest())
    whole = path.read_bytes()
    path.write_bytes(whole[:104] + bytes(1200))  # as some file systems leave it after a power cut
    assert place.read(digest()) is None
    path.write_bytes(b"other" + whole[5:])
    assert place.read(digest()) is None


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(bit=st.integers(0, 8 * (104 + 12) - 1))
def test_any_bit_that_turns_is_found(tmp_path: Path, bit: int) -> None:
    cache = Cache.open(Path(tempfile.mkdtemp(dir=tmp_path)), GB)
    place = cache.pictures({"any": 1})
    cache.put(place, digest(), pixels(side=2), LOOK)
    path = pack(place, digest())
    spoiled = bytearray(path.read_bytes())
    spoiled[bit // 8] ^= 1 << bit % 8
    path.write_bytes(spoiled)
    assert place.read(digest()) is None
    assert place.visit(digest()) == (None if bit < 8 * 100 else LOOK)


def test_a_picture_under_another_key_is_not_believed(tmp_path: Path) -> None:
    cache, place = filled(tmp_path, 2)
    other = cache.pictures({"any": 2})  # another way of resizing
    other.folder.mkdir(parents=True)
    for path in files(place.folder):
        shutil.copy(path, other.folder)
    one = pack(place, digest(1))
    one.write_bytes(pack(place, digest(0)).read_bytes())
    for folder_, key in ((place, 1), (again(place), 1), (other, 0), (other, 1)):
        assert folder_.read(digest(key)) is None
        assert not folder_.touch(digest(key))
    assert place.read(digest(0)) is not None


@pytest.mark.skipif(os.name != "posix", reason="needs pipes and links")
@pytest.mark.parametrize("suffix", [".pack", ".index"])
@pytest.mark.parametrize("thing", ["pipe", "link", "device", "folder", "endless"])
def test_only_regular_files_are_opened(tmp_path: Path, thing: str, suffix: str) -> None:
    cache, place = filled(tmp_path, 1)
    path = pack(place, digest()).with_suffix(suffix)
    kept = path.with_suffix(".kept")
    path.rename(kept)
    match thing:
        case "pipe":
            os.mkfifo(path)
        case "link":
            path.symlink_to(kept)
        case "device":
            path.symlink_to("/dev/zero")
        case "folder":
            path.mkdir()
        case "endless":
            path.write_bytes(kept.read_bytes()[:44] + b"\xff" * 8)
            os.truncate(path, 2**40)  # a hole: no bytes on the disk
    other = again(place)
    if (thing, suffix) == ("endless", ".index"):  # its first line is as it was
        assert np.array_equal(other.read(digest()), pixels())
        return
    assert other.read(digest()) is None
    assert not other.touch(digest())
    cache.put(other, digest(), pixels(), LOOK)
    assert np.array_equal(other.read(digest()), pixels())


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can be another user")
def test_the_cache_of_another_user(request: pytest.FixtureRequest) -> None:
    """What may be read is used, what may not be written is told once, and nothing fails."""
    # Not below the folder of all tests, which other runs of them close to other users.
    tmp_path = Path(tempfile.mkdtemp())
    request.addfinalizer(lambda: shutil.rmtree(tmp_path))
    filled(tmp_path / "cache", 3)
    for path in (tmp_path, *(tmp_path / "cache").rglob("*")):
        path.chmod(path.stat().st_mode | 0o055 | (0o044 if path.is_file() else 0))
    (tmp_path / "cache").chmod(0o777)
    code = """
        import multiprocessing, os, sys
        from pathlib import Path
        from deftclean.images.cache import Cache
        multiprocessing.Value("b", False)  # all is imported as the owner
        from tests.images.test_cache import LOOK, Told, digest, pixels
        import numpy as np
        os.setuid(65534)
        cache = Cache.open(Path(sys.argv[1]), 10**9)
        place = cache.pictures({"any": 1})
        assert all(place.touch(digest(seed)) for seed in range(3))
        assert np.array_equal(place.read(digest(0)), pixels(0))
        cache.put(place, digest(9), pixels(9), LOOK)
        assert place.read(digest(9)) is None
        told = Told()
        cache.say(told)
        assert len(told.warned) == 1, told.warned
        Cache.open(Path(sys.argv[1]), 0)
    """
    found = run_code(code, tmp_path / "cache")
    assert found.returncode == 0, found.stderr
    assert len(files(tmp_path)) == 6


def test_a_folder_that_may_not_be_listed_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, place = filled(tmp_path, 1)

    def closed(*_given: object) -> None:
        raise PermissionError(errno.EACCES, "closed")

    monkeypatch.setattr(os, "scandir", closed)
    monkeypatch.setattr(os, "open", closed)
    other = again(place)
    assert other.read(digest()) is None
    cache.put(other, digest(1), pixels(1), LOOK)
    assert cache.broken.value


def test_large_strips_are_not_kept(tmp_path: Path) -> None:
    cache, place = filled(tmp_path, 0)
    cache.put(place, digest(), np.zeros((100, 20_000, 3), np.uint8), LOOK)
    assert files(tmp_path) == []


# ---------------------------------------------------------------- the same bytes as without


def hard_pictures() -> dict[str, bytes]:
    grey16 = Image.fromarray(np.arange(90 * 70, dtype=np.uint16).reshape(70, 90) * 9)
    clear = noise(90, 70).convert("RGBA")
    clear.putalpha(90)
    return {
        "small.png": encode(noise(5, 4)),
        "photo.jpg": encode(smooth(900, 700), "JPEG"),
        "grey.jpg": encode(smooth(900, 700).convert("L"), "JPEG"),
        "cmyk.jpg": encode(smooth(900, 700).convert("CMYK"), "JPEG", progressive=True),
        "turned.jpg": with_exif(smooth(900, 500), 6, "JPEG"),
        "turned.png": with_exif(noise(90, 50), 5),
        "grey16.png": encode(grey16),
        "clear.webp": encode(clear, "WEBP", lossless=True),
        "palette.gif": encode(noise(90, 70).convert("P"), "GIF"),
        "strip.png": encode(noise(1000, 40)),
        "dot.bmp": encode(noise(1, 1), "BMP"),
    }


@pytest.mark.parametrize("decode", ["exact", "fast"])
@pytest.mark.parametrize("mode", ["squash", "shortest", "longest"])
def test_pixels_are_the_same_cold_warm_and_without_a_cache(
    tmp_path: Path, decode: Any, mode: str
) -> None:
    data = hard_pictures()
    for name, content in data.items():
        (tmp_path / name).write_bytes(content)
    source = folder(tmp_path, *data)
    preparation = Preparation.of(preprocess(mode), decode, crop=True)
    digests = np.stack([np.frombuffer(hashlib.sha256(d).digest(), np.uint8) for d in data.values()])
    distinct = DistinctPictures(source, np.arange(len(data)), digests)
    views = np.random.default_rng(0).random((len(data), 3))
    chosen = np.arange(len(data))

    def batches(cache: Cache | None) -> list[Any]:
        checks = check_images(
            source, preparation, cache, choose_runtime("cpu", "fp32", 0), Silent()
        )
        assert checks.fine.all()
        made = []
        for resize in preparation.resizes:
            place = cache.pictures(preparation.spec(resize)) if cache is not None else None
            if place is not None:
                assert all(place.touch(bytes(key)) for key in digests)
            pictures = ResizedPictures(distinct, preparation, resize, place, flip=True)
            made.append(pictures.__getitems__(Wanted(chosen, chosen, views)))
        return made

    plain, cold = batches(None), batches(Cache.open(tmp_path / "cache", GB))
    times = {path: path.stat().st_mtime_ns for path in files(tmp_path / "cache")}
    assert len(times) == 4  # a pack and its index of either size
    warm = batches(Cache.open(tmp_path / "cache", GB))
    assert set(times) == set(files(tmp_path / "cache"))
    for one, two, three in zip(plain, cold, warm, strict=True):
        assert one.pixels.is_contiguous()
        assert two.pixels.is_contiguous()
        assert one.pixels.equal(two.pixels)
        assert one.pixels.equal(three.pixels)


def test_a_warm_first_pass_does_not_decode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(encode(noise(9, 9)))
    (tmp_path / "bad.png").write_bytes(encode(noise(9, 9))[:60])
    source = folder(tmp_path, "a.png", "bad.png")
    preparation = Preparation.of(preprocess("squash"), "exact", crop=True)
    cache = Cache.open(tmp_path / "cache", GB)
    cold = Checks(source, preparation, cache)
    found = [cold.check(index) for index in range(2)]
    decoded = []
    sized = Preparation.sized
    monkeypatch.setattr(
        Preparation, "sized", lambda self, data: decoded.append(data) or sized(self, data)
    )
    warm = Checks(source, preparation, Cache.open(tmp_path / "cache", GB))
    assert [warm.check(index) for index in range(2)] == found
    assert len(decoded) == 1  # the one that cannot be

    # Half of it gone: made again, and only that half.
    scoring = cache.pictures(preparation.spec(preparation.scoring))
    assert found[0].digest is not None
    pack(scoring, found[0].digest).unlink()
    assert warm.check(0) == found[0]
    assert len(decoded) == 2
    assert again(scoring).touch(found[0].digest)


def test_pictures_that_vanish_from_the_cache_are_decoded_again(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode(noise(50, 40)))
    source = folder(tmp_path, "a.png")
    preparation = Preparation.of(preprocess("squash"), "exact", crop=False)
    cache = Cache.open(tmp_path / "cache", GB)
    found = Checks(source, preparation, cache).check(0)
    assert found.digest is not None
    distinct = DistinctPictures(source, np.array([0]), np.frombuffer(found.digest, np.uint8)[None])
    place = cache.pictures(preparation.spec(preparation.scoring))
    pictures = ResizedPictures(distinct, preparation, preparation.scoring, place)
    wanted = Wanted.plain(np.array([0]))
    before = pictures.__getitems__(wanted).pixels
    victim = pack(place, found.digest)
    for spoil in (b"", b"x", None):
        if spoil is None:
            victim.unlink()
        else:
            victim.write_bytes(spoil)
        assert pictures.__getitems__(wanted).pixels.equal(before)
    (tmp_path / "a.png").write_bytes(encode(noise(50, 40, 1)))
    batch = pictures.__getitems__(wanted)
    assert (len(batch.pixels), batch.failures) == (0, [(0, "its content has changed")])


# ---------------------------------------------------------------- bounds


def age(root: Path, seconds: float) -> None:
    for path in files(root):
        then = path.stat().st_mtime - seconds
        os.utime(path, (then, then))


def test_the_limit_holds_and_a_runs_own_pictures_stay(tmp_path: Path) -> None:
    cache, place = filled(tmp_path, 10, limit=5 * EACH)
    assert sum(path.stat().st_size for path in files(tmp_path)) == 5 * EACH
    assert [place.touch(digest(seed)) for seed in range(10)] == [True] * 5 + [False] * 5
    assert not cache.accepts
    told = Told()
    cache.say(told)
    assert "full" in told.said[0]
    assert told.warned == []


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    _, place = filled(tmp_path, 5)
    for seed in range(5):
        then = time.time() - 1000 + [3, 0, 4, 1, 2][seed]
        os.utime(pack(place, digest(seed)), (then, then))
    cache = Cache.open(tmp_path, 5 * EACH)
    place = PictureFolder(place.folder, 1)
    assert place.touch(digest(1))  # used by this run: the oldest no more
    cache.put(place, digest(7), pixels(7), LOOK)
    cache.put(place, digest(8), pixels(8), LOOK)
    assert [s for s in (0, 1, 2, 3, 4, 7, 8) if place.touch(digest(s))] == [0, 1, 2, 7, 8]
    assert cache.size() == sum(path.stat().st_size for path in files(tmp_path)) == 5 * EACH


def test_a_lower_limit_is_kept_from_the_start(tmp_path: Path) -> None:
    filled(tmp_path, 10)
    age(tmp_path, 100)
    cache = Cache.open(tmp_path, 3 * EACH)
    assert len(files(tmp_path)) == 6
    assert cache.size() == 3 * EACH
    Cache.open(tmp_path, 0)
    assert files(tmp_path) == []


def test_other_files_in_the_folder_are_never_deleted(tmp_path: Path) -> None:
    for name in ("thesis.txt", "a.pack", "x.deftclean-tmp", "pictures/mine.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * 5000)
    age(tmp_path, 1e6)
    before = files(tmp_path)
    cache = Cache.open(tmp_path, 100)
    cache.put(cache.pictures({}), digest(), pixels(), LOOK)
    assert files(tmp_path) == before


def test_temporary_files_of_killed_runs_are_swept_when_old(tmp_path: Path) -> None:
    _, place = filled(tmp_path, 1)
    names = ("old", "new", "future")
    old, new, future = (place.folder / f"{n}.deftclean-tmp" for n in names)
    alone = place.folder / "alone.index"  # its pack is gone
    for path in (old, new, future, alone):
        path.write_bytes(b"x")
    for path in (old, alone):
        os.utime(path, (time.time() - 7200,) * 2)
    os.utime(future, (time.time() + 800 * 86400,) * 2)
    Cache.open(tmp_path, GB)
    assert [path.exists() for path in (old, new, future, alone)] == [False, True, False, False]
    assert again(place).touch(digest())


def test_files_from_the_future_go_first_when_room_is_needed(tmp_path: Path) -> None:
    """A clock was wrong once: they would never be the oldest, and the cache would stay full."""
    _, place = filled(tmp_path, 4)
    size = sum(path.stat().st_size for path in files(tmp_path))
    os.utime(pack(place, digest(0)), (time.time() - 7200,) * 2)
    for seed in (1, 2):
        os.utime(pack(place, digest(seed)), (time.time() + 800 * 86400,) * 2)
    Cache.open(tmp_path, size // 2)
    assert [again(place).touch(digest(seed)) for seed in range(4)] == [True, False, False, True]


def test_a_folder_that_may_not_be_looked_into_is_no_failure(tmp_path: Path, monkeypatch) -> None:
    """Of another user, below a cache that both may write to."""
    cache = Cache.open(tmp_path, GB)

    def closed(*_given: object, **_more: object) -> None:
        raise PermissionError(errno.EACCES, "closed", str(tmp_path))

    monkeypatch.setattr(Path, "write_bytes", closed)
    monkeypatch.setattr(Path, "stat", closed)
    assert not cache.store(tmp_path / "pictures" / "x" / "y.pixels", b"x")
    assert cache.broken.value


# ---------------------------------------------------------------- what goes wrong


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit of the system's own")
def test_a_disk_that_takes_no_more_stops_storing_with_one_warning(tmp_path: Path) -> None:
    import resource

    cache, place = filled(tmp_path, 2)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (700, hard))  # a write stops half-way with an error
    try:
        for seed in (2, 3):
            cache.put(place, digest(seed), pixels(seed), LOOK)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    cache.put(place, digest(4), pixels(4), LOOK)
    assert len(files(tmp_path)) == 4
    assert cache.size() == 2 * EACH == sum(path.stat().st_size for path in files(tmp_path))
    assert not cache.accepts
    told = Told()
    cache.say(told)
    assert len(told.warned) == 1
    assert "disk full" in told.warned[0]


def test_an_unusable_folder_is_refused_or_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("mine")
    told = Told()
    for bad in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/nothing")):
        with pytest.raises(UsageError, match=r"--cache-dir .* cannot be used"):
            open_cache(bad, 1.0, told)
    assert told.warned == []
    monkeypatch.setenv("DEFTCLEAN_CACHE_DIR", str(tmp_path / "file"))
    assert open_cache(None, 1.0, told) is None
    assert len(told.warned) == 1
    assert "cannot be used" in told.warned[0]
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(UsageError, match="cannot be used"):
            open_cache(tmp_path, 1.0, Silent())
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.skipif(os.name != "posix", reason="others know homes in another way")
def test_without_a_home_there_is_no_cache_and_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    import pwd

    def unknown(_: object) -> None:
        raise KeyError("no such user")

    for name in ("DEFTCLEAN_CACHE_DIR", "HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    told = Told()
    assert open_cache(None, 1.0, told) is None
    assert told.warned[0].startswith("the cache of the user cannot be used (no home folder)")


def test_a_clock_that_goes_back_evicts_nothing_in_use(tmp_path: Path) -> None:
    _, place = filled(tmp_path, 3)
    age(tmp_path, -1e6)  # written in what is now the future
    cache = Cache.open(tmp_path, 2 * EACH)
    cache.put(place, digest(7), pixels(7), LOOK)
    told = Told()
    cache.say(told)
    assert [place.touch(digest(seed)) for seed in (0, 1, 2, 7)] == [True, True, True, False]
    assert told.warned == []


def test_the_default_folder_is_the_platforms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEFTCLEAN_CACHE_DIR")
    assert "deftclean" in cache_folder().parts


# ---------------------------------------------------------------- several processes


def put_all(cache: Cache, place: PictureFolder, seeds: range) -> None:
    for seed in seeds:
        cache.put(place, digest(seed), pixels(seed), LOOK)


@pytest.mark.parametrize("method", [pytest.param("spawn", marks=pytest.mark.slow), "fork"])
def test_workers_share_one_limit(
    tmp_path: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip("no such start method here")
    context: Any = multiprocessing.get_context(method)
    monkeypatch.setattr(multiprocessing, "Value", context.Value)  # as where it is the default
    cache, place = filled(tmp_path, 0, limit=30 * EACH)
    workers = [
        context.Process(target=put_all, args=(cache, place, range(40 * i, 40 * i + 40)))
        for i in range(2)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert len(files(tmp_path)) == 60
    assert cache.size() == 30 * EACH
    assert sum(again(place).touch(digest(seed)) for seed in range(80)) == 30


WRITER = """
import sys, hashlib, numpy as np
from pathlib import Path
from deftclean.images.cache import Cache
cache = Cache.open(Path(sys.argv[1]), 10**9)
place = cache.pictures({"any": 1})
print("ready", flush=True)
for turn in range(int(sys.argv[2])):
    for seed in range(50):
        pixels = np.full((300, 300, 3), seed, np.uint8)
        cache.put(place, hashlib.sha256(str(seed).encode()).digest(), pixels, bytes(16))
"""


def writer(root: Path, turns: int) -> "subprocess.Popen[str]":
    return start_python("-c", WRITER, root, turns, stdout=subprocess.PIPE)


def whole_pictures(root: Path) -> int:
    """How many there are; each is either whole or not there."""
    place = Cache.open(root, GB).pictures({"any": 1})
    found = 0
    for seed in range(50):
        pixels = place.read(digest(seed))
        assert (pixels is not None) == place.touch(digest(seed))
        if pixels is not None:
            assert (pixels == seed).all()
            found += 1
    return found


def test_two_runs_at_once_leave_whole_pictures(tmp_path: Path) -> None:
    runs = [writer(tmp_path, 10) for _ in range(2)]
    for run in runs:
        assert run.wait(timeout=120) == 0
        assert run.stdout is not None
        run.stdout.close()
    assert whole_pictures(tmp_path) == 50
    assert len(files(tmp_path)) < 50  # packs of 16 MB, and not a file for each of 1,000


@pytest.mark.slow
def test_a_killed_run_leaves_whole_pictures(tmp_path: Path) -> None:
    for _ in range(4):
        run = writer(tmp_path, 10_000)
        assert run.stdout is not None
        assert run.stdout.readline() == "ready\n"
        time.sleep(0.3)
        run.send_signal(signal.SIGKILL)
        assert run.wait() == -signal.SIGKILL
        run.stdout.close()
        whole_pictures(tmp_path)
    assert whole_pictures(tmp_path) == 50
    assert {path.suffix for path in files(tmp_path)} == {".pack", ".index"}


def test_eviction_beside_a_run_that_evicts_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path, 4)
    age(tmp_path, 100)
    listed = list(cache_module._files(tmp_path))
    for path in files(tmp_path):
        path.unlink()
    monkeypatch.setattr(cache_module, "_files", lambda _root: iter(listed))
    assert Cache.open(tmp_path, 100).size() == 4 * EACH
