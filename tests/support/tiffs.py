"""TIFF files of every kind, written by hand, so that what they show is known without any reader."""

import struct
import zlib
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Values = np.ndarray[Any, Any]

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR = 0, 1, 2, 3, 5, 6
UNSIGNED, SIGNED, FLOAT = 1, 2, 3
_SHORT, _LONG = 3, 4
_TILE = (16, 16)
_COMPRESSIONS = {"raw": 1, "deflate": 8, "packbits": 32773}


@dataclass(frozen=True)
class Layout:
    """How samples lie in a file.

    Attributes:
        photometric: what the numbers mean.
        bits: of a sample: 1, 2, 4, 8, 12, 16, 32, 64.
        kind: unsigned, signed or floating-point.
        extra: meaning of the samples beyond the colours: 0 nothing, 1 alpha by which colours are
            multiplied already, 2 alpha.
        planar: each sample in a plane of its own.
        big: big-endian.
        compression: of each strip or tile.
        tiled: in tiles of 16 x 16 instead of strips of 5 rows.
        reversed_bits: the lowest bit of a byte comes first.
    """

    photometric: int
    bits: int = 8
    kind: int = UNSIGNED
    extra: tuple[int, ...] = ()
    planar: bool = False
    big: bool = False
    compression: Literal["raw", "deflate", "packbits"] = "raw"
    tiled: bool = False
    reversed_bits: bool = False


def tiff(samples: Values, layout: Layout, palette: Values | None = None) -> bytes:
    """A file of one picture.

    Args:
        samples: (h, w, C), of a type that holds them.
        layout: of the file.
        palette: (3, 2**bits) 16-bit colours.
    """
    height, width, count = samples.shape
    step = _TILE if layout.tiled else (5, width)
    planes = [samples[..., c : c + 1] for c in range(count)] if layout.planar else [samples]
    pieces = [
        _turned(_compressed(_packed(_piece(plane, top, left, step), layout), layout), layout)
        for plane in planes
        for top in range(0, height, step[0])
        for left in range(0, width, step[1])
    ]
    body = b"".join(pieces)
    offsets = (8 + np.cumsum([0, *map(len, pieces)])[:-1]).tolist()
    tags: dict[int, tuple[int, list[int]]] = {
        256: (_LONG, [width]),
        257: (_LONG, [height]),
        258: (_SHORT, [layout.bits] * count),
        259: (_SHORT, [_COMPRESSIONS[layout.compression]]),
        262: (_SHORT, [layout.photometric]),
        266: (_SHORT, [2 if layout.reversed_bits else 1]),
        277: (_SHORT, [count]),
        284: (_SHORT, [2 if layout.planar else 1]),
        339: (_SHORT, [layout.kind] * count),
    }
    sizes = [len(piece) for piece in pieces]
    if layout.tiled:
        tags |= {322: (_LONG, [16]), 323: (_LONG, [16])}
        tags |= {324: (_LONG, offsets), 325: (_LONG, sizes)}
    else:
        tags |= {273: (_LONG, offsets), 278: (_LONG, [5]), 279: (_LONG, sizes)}
    if layout.extra:
        tags[338] = (_SHORT, list(layout.extra))
    if layout.photometric == YCBCR:
        tags[530] = (_SHORT, [1, 1])
    if palette is not None:
        tags[320] = (_SHORT, palette.ravel().tolist())
    return _file(tags, body, ">" if layout.big else "<")


def _piece(plane: Values, top: int, left: int, step: tuple[int, int]) -> Values:
    part = plane[top : top + step[0], left : left + step[1]]
    if step == _TILE:  # always whole
        missing = [(0, step[0] - part.shape[0]), (0, step[1] - part.shape[1]), (0, 0)]
        part = np.pad(part, missing)
    return part


def _packed(part: Values, layout: Layout) -> bytes:
    """The bytes of a strip or tile: rows of samples, each row begins a byte."""
    rows = part.reshape(len(part), -1)
    if layout.bits % 8 == 0:
        code = {UNSIGNED: "u", SIGNED: "i", FLOAT: "f"}[layout.kind]
        data = rows.astype(f"{'>' if layout.big else '<'}{code}{layout.bits // 8}").tobytes()
    else:
        places = np.arange(layout.bits)[::-1]
        bits = (rows[..., None].astype(np.int64) >> places) & 1
        data = np.packbits(bits.reshape(len(rows), -1).astype(np.uint8), axis=1).tobytes()
    return data


def _turned(data: bytes, layout: Layout) -> bytes:
    if not layout.reversed_bits:
        return data
    bits = np.unpackbits(np.frombuffer(data, np.uint8).reshape(-1, 1), axis=1)
    return np.packbits(bits[:, ::-1], axis=1).tobytes()


def _compressed(data: bytes, layout: Layout) -> bytes:
    if layout.compression == "deflate":
        return zlib.compress(data)
    if layout.compression == "packbits":
        parts = (data[at : at + 128] for at in range(0, len(data), 128))
        return b"".join(bytes([len(part) - 1]) + part for part in parts)
    return data


def _file(tags: dict[int, tuple[int, list[int]]], body: bytes, order: str) -> bytes:
    body += b"\0" * (len(body) % 2)
    directory = 8 + len(body)
    behind = directory + 2 + 12 * len(tags) + 4
    entries, values = b"", b""
    for tag, (kind, numbers) in sorted(tags.items()):
        data = struct.pack(f"{order}{len(numbers)}{'H' if kind == _SHORT else 'I'}", *numbers)
        if len(data) > 4:
            place = struct.pack(f"{order}I", behind + len(values))
            values += data + b"\0" * (len(data) % 2)
        else:
            place = data.ljust(4, b"\0")
        entries += struct.pack(f"{order}HHI", tag, kind, len(numbers)) + place
    head = (b"MM" if order == ">" else b"II") + struct.pack(f"{order}HI", 42, directory)
    return head + body + struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + values


def shown(samples: Values, layout: Layout, palette: Values | None = None) -> Values:
    """(h, w, 3) what such a file shows, in [0, 255], laid over white."""
    most = 1.0 if layout.kind == FLOAT else 65535.0 if layout.bits > 16 else 2.0**layout.bits - 1
    if layout.kind == SIGNED:
        most = 65535.0
    colours = {RGB: 3, YCBCR: 3, CMYK: 4}.get(layout.photometric, 1)
    if palette is not None:
        found = palette[:, samples[..., 0]].transpose(1, 2, 0) / 65535
    else:
        found = samples[..., :colours].astype(float) / most
    alpha = samples[..., colours] / most if layout.extra[:1] in ((1,), (2,)) else None
    if layout.photometric == WHITE_IS_ZERO:
        found = 1 - found
    if layout.photometric == CMYK:
        found = (1 - found[..., :3]) * (1 - found[..., 3:])
    if layout.photometric == YCBCR:
        y, blue, red = (found[..., i] * 255 - (0 if i == 0 else 128) for i in range(3))
        found = np.stack([y + 1.402 * red, y - 0.344136 * blue - 0.714136 * red, y + 1.772 * blue])
        found = found.transpose(1, 2, 0) / 255
    found = np.broadcast_to(found.clip(0, 1), (*samples.shape[:2], 3))
    if alpha is not None:
        share = alpha[..., None]
        found = found * (1 if layout.extra[0] == 1 else share) + 1 - share
    return found.clip(0, 1) * 255
