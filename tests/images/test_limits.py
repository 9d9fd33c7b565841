"""What a picture may cost, and that it says the same on every machine."""

import io
import struct
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deftclean.images import decoding, limits
from deftclean.images.decoding import ImageError, decode
from deftclean.images.limits import MOST_MEMORY, MOST_SCANS, memory_of_pixel
from tests.support.pictures import encode, noise, smooth
from tests.support.processes import run_code
from tests.support.tiffs import BLACK_IS_ZERO, Layout, tiff


def endless(scans: int, side: int = 64) -> bytes:
    """A progressive JPEG whose last scan stands there again and again."""
    data = encode(Image.new("RGB", (side, side), (90, 20, 30)), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * scans + data[-2:]


def bad(data: bytes) -> ImageError:
    with pytest.raises(ImageError) as caught:
        decode(data)
    return caught.value


def test_a_jpeg_of_endless_scans_is_refused_at_once() -> None:
    assert decode(endless(MOST_SCANS // 2)).size == (64, 64)
    error = bad(endless(20_000, side=1000))
    assert (error.status, error.reason) == (
        "unreadable", "cannot be decoded: more than 100 scans"
    )  # fmt: skip


def test_scans_are_counted_behind_bytes_that_look_like_an_end() -> None:
    data = endless(MOST_SCANS)
    at = data.index(b"\xff\xda")
    hidden = b"\xff\xfe\0\6\xff\xd9\xff\xd9"
    assert "scans" in bad(data[:at] + hidden + data[at:]).reason


@pytest.mark.parametrize("progressive", [False, True])
def test_usual_jpegs_have_few_scans(progressive: bool) -> None:
    assert decode(encode(smooth(300, 200), "JPEG", progressive=progressive)).size == (300, 200)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF"])
def test_the_limit_counts_bytes(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode(noise(20, 20), kind)
    with Image.open(io.BytesIO(data)) as picture:
        needed = len(data) + 400 * memory_of_pixel(picture)
    monkeypatch.setattr(limits, "MOST_MEMORY", needed)
    assert decode(data).size == (20, 20)
    monkeypatch.setattr(limits, "MOST_MEMORY", needed - 1)
    error = bad(data)
    assert error.status == "too_large"
    assert error.reason.startswith("400 pixels of this kind take")


@pytest.mark.parametrize("tile", [40_000, 2**31 - 1])
def test_tiles_larger_than_the_picture_count(tile: int) -> None:
    data = tiff(
        np.zeros((20, 20, 1), int), Layout(BLACK_IS_ZERO, tiled=True, compression="deflate")
    )
    for tag in (322, 323):
        usual, huge = (struct.pack("<HHII", tag, 4, 1, side) for side in (16, tile))
        data = data.replace(usual, huge)
    assert bad(data).status == "too_large"


def directory(*entries: tuple[int, int, int, int]) -> bytes:
    packed = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + packed + bytes(4)


@pytest.mark.parametrize(
    "data",
    [
        directory((324, 4, 2**31, 8)) + bytes(100),
        directory(*[(300, 2, 4000, 0)] * 2000) + bytes(4000),
        directory(*[(279, 4, 2**28, 0)] * 60_000),
    ],
)
def test_a_tiffs_directory_cannot_be_larger_than_the_file(data: bytes) -> None:
    reason = bad(data).reason
    assert "directory" in reason or "numbers" in reason


def test_absurd_tags_take_no_time() -> None:
    began = time.monotonic()
    assert bad(directory(*[(300, 2, 2**31, 0)] * 20_000)).status == "unreadable"
    assert time.monotonic() - began < 5


def test_one_absurd_tag_beside_good_pixels_does_no_harm() -> None:
    data = encode(noise(9, 7), "TIFF", description="x" * 50)
    entry = struct.pack("<HHI", 270, 2, 51)
    assert entry in data
    assert decode(data.replace(entry, struct.pack("<HHI", 270, 2, 2**31))).size == (9, 7)


def test_what_wants_too_much_memory_by_itself_is_unreadable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def load(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(decoding, "_loaded", load)
    assert bad(encode(noise(2, 2))).reason == "cannot be decoded: MemoryError"
    monkeypatch.setattr(decoding, "memory_is_there", lambda: False)
    with pytest.raises(MemoryError, match="memory ran out"):
        decode(encode(noise(2, 2)))


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit of the system's own")
def test_the_status_does_not_depend_on_the_memory_of_the_machine() -> None:
    code = """
        import io, resource
        from deftclean.images.decoding import ImageError, decode
        from PIL import Image
        def encode(side):
            buffer = io.BytesIO()
            Image.new("L", (side, side)).save(buffer, "PNG", compress_level=1)
            return buffer.getvalue()
        data = encode(9000)
        decode(encode(2))
        here = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (here + 150_000_000, -1))
        try:
            decode(data)
        except MemoryError as error:
            print("MemoryError:", error)
        except ImageError as error:
            print(error.status)
    """
    found = run_code(code)
    assert found.stdout == "MemoryError: memory ran out while a picture was decoded\n", found.stderr


KINDS: list[tuple[str, str, dict[str, Any]]] = [
    ("PNG", "I;16", {}),
    ("PNG", "RGB", {}),
    ("PNG", "RGBA", {}),
    ("PNG", "LA", {}),
    ("PNG", "P", {"transparency": 1}),
    ("GIF", "P", {}),
    ("BMP", "RGB", {}),
    ("JPEG", "RGB", {}),
    ("JPEG", "RGB", {"progressive": True, "subsampling": 0}),
    ("JPEG", "CMYK", {"progressive": True}),
    ("WEBP", "RGB", {"method": 0}),
    ("WEBP", "RGBA", {"method": 0, "lossless": True, "quality": 0}),
    ("AVIF", "RGB", {"speed": 10}),
    ("TIFF", "I", {"compression": "tiff_lzw"}),
    ("TIFF", "F", {"compression": "tiff_lzw"}),
    ("TIFF", "LAB", {}),
    ("TIFF", "CMYK", {"compression": "tiff_lzw"}),
    ("TIFF", "RGBA", {"compression": "tiff_lzw", "strip_size": 10**9}),
]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize(("name", "mode", "options"), KINDS)
def test_no_accepted_picture_takes_more_than_a_gigabyte(
    name: str, mode: str, options: dict[str, Any], tmp_path: Path
) -> None:
    side = 9400
    while True:
        small = encode(Image.new(mode, (side // 100, side // 100)), name, **options)
        with Image.open(io.BytesIO(small)) as picture:
            needed = side**2 * memory_of_pixel(picture)
        if needed < 0.9 * MOST_MEMORY:
            break
        side -= 100
    path = tmp_path / "picture"
    path.write_bytes(encode(Image.new(mode, (side, side)), name, **options))
    code = """
        import sys
        from pathlib import Path
        from deftclean.images.decoding import decode
        from tests.support.pictures import encode, noise
        def peak():
            text = Path("/proc/self/status").read_text()
            return int(text.split("VmHWM:")[1].split()[0]) * 1024
        decode(encode(noise(2, 2)))
        data, before = Path(sys.argv[1]).read_bytes(), peak()
        decode(data)
        print(peak() - before)
    """
    found = run_code(code, path)
    assert int(found.stdout) < MOST_MEMORY, found.stderr
