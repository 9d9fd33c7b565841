"""What is peculiar to TIFF: a hundred kinds of samples, and a library that speaks on its own.

Pillow reads some kinds wrongly without a word: those are read in another way here, or refused.
"""

import contextlib
import os
import struct
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from PIL import Image, ImagePalette, TiffImagePlugin
from PIL.TiffImagePlugin import TiffImageFile

from deftclean.core.text import visible

MOST_VALUES = 500_000
"""Numbers in one tag, such as the places of strips: tiles of 16 x 16 in the largest picture."""

_BITS, _PHOTOMETRIC, _FILL_ORDER, _PLANES, _INKS, _PALETTE = 258, 262, 266, 284, 332, 320
_EXTRA, _FORMAT = 338, 339
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
_READ = (
    *(256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325, 332),
    *(338, 339, 347, 530, 532),
)  # of the pixels
_SPARE = 65_536  # bytes by which tags may overlap
_MOST_ABSURD = 16  # tags that go beyond the end
_NAMES = {_PHOTOMETRIC: "photometric", _BITS: "bits", _FORMAT: "sample format", _EXTRA: "extra"}
_MOST_SAID = 200  # characters of libtiff's that are told


class UnknownKindError(ValueError):
    """A TIFF whose samples cannot be read rightly."""


def is_tiff(data: bytes) -> bool:
    """By the first bytes."""
    return data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def refuse_endless(data: bytes) -> None:
    """Refuse a directory that would take more memory to read than the file has bytes.

    Raises:
        UnknownKindError: tags overlap, or one has more than `MOST_VALUES` numbers.
    """
    total = absurd = 0
    for tag, kind, count, _ in _entries(data):
        size = count * _SIZES.get(kind, 1)
        # Pillow passes over a tag that goes beyond the end, but tries to read it.
        fits = size <= len(data)
        total += size if fits else 0
        absurd += not fits
        if tag in _READ and count > MOST_VALUES:
            raise UnknownKindError(f"tag {tag} holds {count:,} numbers")
    if total > len(data) + _SPARE or absurd > _MOST_ABSURD:
        raise UnknownKindError("its directory is larger than the file")


def mended(data: bytes) -> bytes:
    """The file with those tags empty that lead beyond its end and say nothing of the pixels.

    At the first of them Pillow stops reading, and does not know the kind of the samples then.
    """
    patched: bytearray | None = None
    large = data[2:4] in (b"+\0", b"\0+")
    number = struct.Struct(_order(data) + ("Q" if large else "I"))
    for tag, kind, count, place, at in _placed_entries(data):
        size = count * _SIZES.get(kind, 1)
        if tag in _READ or size <= number.size:
            continue
        if number.unpack(place)[0] + size > len(data):
            patched = patched or bytearray(data)
            number.pack_into(patched, at + 4, 0)
    return data if patched is None else bytes(patched)


def kind_of(data: bytes) -> str:
    """Of which kind a TIFF's samples are, in words."""
    order = _order(data)
    said = []
    for tag, kind, count, place in _entries(data):
        if tag in _NAMES and kind == 3 and count:
            few = count if len(place) >= 2 * count else 0
            at = 0 if few else struct.unpack(order + ("Q" if len(place) == 8 else "I"), place)[0]
            values = place if few else data[at : at + 2 * count]
            if len(values) >= 2 * count and count <= 8:
                numbers = struct.unpack_from(f"{order}{count}H", values)
                said.append(f"{_NAMES[tag]} {'/'.join(map(str, numbers))}")
    return ", ".join(said)


def _order(data: bytes) -> str:
    return "<" if data[:2] == b"II" else ">"


def _entries(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Tag, type, count and place of the first directory's entries, as far as it goes."""
    return (entry[:4] for entry in _placed_entries(data))


def _placed_entries(data: bytes) -> Iterator[tuple[int, int, int, bytes, int]]:
    """The same, and where each entry begins."""
    order, large = _order(data), data[2:4] in (b"+\0", b"\0+")
    entry = struct.Struct(order + ("HHQ8s" if large else "HHI4s"))
    with contextlib.suppress(struct.error):
        (at,) = struct.unpack_from(order + ("Q" if large else "I"), data, 8 if large else 4)
        number = struct.Struct(order + ("Q" if large else "H"))
        (count,) = number.unpack_from(data, at)
        for index in range(min(count, 65_536)):
            begin = at + number.size + index * entry.size
            yield (*entry.unpack_from(data, begin), begin)


def readable(picture: TiffImageFile, data: bytes) -> TiffImageFile:
    """The picture, opened in the way in which its samples are read rightly.

    Args:
        picture: just opened.
        data: the file.

    Raises:
        UnknownKindError: there is no such way.
    """
    tags = picture.tag_v2
    _refuse_kinds(picture, tags)
    separate = tags.get(_PLANES, 1) == 2 or tags.get(_FILL_ORDER, 1) == 2
    if separate and picture.tile[:1] and picture.tile[0].codec_name != "libtiff":
        picture = _by_libtiff(data)
    _expect_native_order(picture)
    _widen_palette(picture)
    return picture


def whiteness(picture: TiffImageFile) -> tuple[float, float]:
    """The values of black and white of grey samples of more than 8 bits."""
    bits = min(16, picture.tag_v2.get(_BITS, (16,))[0])
    white = float(2**bits - 1)
    return (white, 0.0) if picture.tag_v2.get(_PHOTOMETRIC) == 0 else (0.0, white)


def _refuse_kinds(picture: TiffImageFile, tags: Any) -> None:
    signed = 2 in tags.get(_FORMAT, (1,))
    if signed and picture.mode not in ("I", "F"):
        raise UnknownKindError("signed samples of 8 bits")
    if picture.mode == "F" and tags.get(_PHOTOMETRIC) == 0:
        raise UnknownKindError("floating-point samples of which 0 is white")
    if picture.mode in ("LA", "La", "PA") and tags.get(_PLANES, 1) == 2:
        raise UnknownKindError("transparency in a plane of its own")
    if tags.get(_PHOTOMETRIC) == 5 and tags.get(_INKS, 1) != 1:
        raise UnknownKindError("inks other than CMYK")


def _by_libtiff(data: bytes) -> TiffImageFile:
    before = TiffImagePlugin.READ_LIBTIFF
    TiffImagePlugin.READ_LIBTIFF = True  # Pillow's own way to ask for it
    try:
        picture = Image.open(BytesIO(data), formats=("TIFF",))
    finally:
        TiffImagePlugin.READ_LIBTIFF = before
    if not isinstance(picture, TiffImageFile):  # a kind of file that is no plain TIFF
        raise UnknownKindError("planes of their own")
    return picture


def _expect_native_order(picture: TiffImageFile) -> None:
    """libtiff hands samples out in the machine's order; Pillow expects the file's for some."""
    native = {"I;16BS": "I;16S", "I;32BS": "I;32S", "F;32BF": "F;32F"}
    for place, tile in enumerate(picture.tile):
        if tile.codec_name == "libtiff" and isinstance(tile.args, tuple):
            mode, *others = tile.args
            picture.tile[place] = tile._replace(args=(native.get(mode, mode), *others))


def _widen_palette(picture: TiffImageFile) -> None:
    """Old writers gave a palette's colours 8 bits instead of 16."""
    if picture.mode in ("P", "PA"):
        colours = picture.tag_v2[_PALETTE]
        if 0 < max(colours) < 256:
            picture.palette = ImagePalette.raw("RGB;L", bytes(colours))


@contextlib.contextmanager
def listening() -> Iterator[list[str]]:
    """Keep what libtiff says from standard error; the first line of it is known at the end.

    It writes from C, by the descriptor, whatever Python's `sys.stderr` is.
    """
    said: list[str] = []
    if os.name != "posix":
        yield said
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)  # what is too much is lost, and nobody waits
    os.set_blocking(reading, False)
    kept = os.dup(2)
    os.dup2(writing, 2)
    try:
        yield said
    finally:
        os.dup2(kept, 2)
        for descriptor in (kept, writing):
            os.close(descriptor)
        with os.fdopen(reading, "rb") as pipe:
            text = (pipe.read() or b"").decode("utf-8", "replace")
        said.extend(visible(line)[:_MOST_SAID].rstrip(".") for line in text.splitlines()[:1])
