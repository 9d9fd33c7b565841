"""PNG files of every kind, written by hand, so that what they show is known without any reader."""

import struct
import zlib
from typing import Any

import numpy as np

Values = np.ndarray[Any, Any]

GREY, COLOUR, PALETTE, GREY_ALPHA, COLOUR_ALPHA = 0, 2, 3, 4, 6
DEPTHS = {GREY: (1, 2, 4, 8, 16), COLOUR: (8, 16), PALETTE: (1, 2, 4, 8)}
DEPTHS |= {GREY_ALPHA: (8, 16), COLOUR_ALPHA: (8, 16)}
CHANNELS = {GREY: 1, COLOUR: 3, PALETTE: 1, GREY_ALPHA: 2, COLOUR_ALPHA: 4}
HEAD = 33
"""Bytes up to the end of the first chunk."""


def chunk(kind: bytes, data: bytes) -> bytes:
    """With its length and checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(samples: Values, colour: int, depth: int, more: bytes = b"") -> bytes:
    """A file of one picture.

    Args:
        samples: (h, w, C).
        colour: its type.
        depth: bits of a sample.
        more: chunks before the pixels.
    """
    height, width, _ = samples.shape
    rows = samples.reshape(height, -1)
    if depth >= 8:
        lines = [row.astype(f">u{depth // 8}").tobytes() for row in rows]
    else:
        bits = (rows[..., None].astype(np.int64) >> np.arange(depth)[::-1]) & 1
        packed = np.packbits(bits.reshape(height, -1).astype(np.uint8), axis=1)
        lines = [row.tobytes() for row in packed]
    pixels = zlib.compress(b"".join(b"\0" + line for line in lines), 1)
    return around(struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0), pixels, more)


def around(header: bytes, pixels: bytes, more: bytes = b"", behind: bytes = b"") -> bytes:
    """The file of a header and compressed pixels, with chunks before and behind these."""
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            more,
            chunk(b"IDAT", pixels),
            behind,
            chunk(b"IEND", b""),
        )
    )


def shown(samples: Values, colour: int, depth: int, palette: Values | None = None) -> Values:
    """(h, w, 4) what it shows, in [0, 1], and how opaque."""
    values = samples / (2**depth - 1)
    if palette is not None:
        colours, alpha = palette[samples[..., 0]] / 255, np.ones(samples.shape[:2])
    elif colour in (GREY, GREY_ALPHA):
        colours = np.repeat(values[..., :1], 3, axis=2)
        alpha = values[..., 1] if colour == GREY_ALPHA else np.ones(samples.shape[:2])
    else:
        colours = values[..., :3]
        alpha = values[..., 3] if colour == COLOUR_ALPHA else np.ones(samples.shape[:2])
    return np.concatenate([colours, alpha[..., None]], axis=2)


def over_white(colours: Values) -> Values:
    """(h, w, 4) in [0, 1] -> (h, w, 3) in [0, 255]."""
    alpha = colours[..., 3:]
    return (colours[..., :3] * alpha + 1 - alpha) * 255
