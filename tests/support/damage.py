"""Files of ours that are damaged or edited: bytes changed anywhere, values of any other kind."""

import json
import random
from copy import deepcopy
from typing import Any

MARKS = (
    b'"', b"'", b",", b";", b"\n", b"\r\n", b"\0", b"\xff", b"\xef\xbb\xbf", b"[", b"]", b"{", b"}",
    b"=", b"#", b"\\", b"\\u0000", b"\x1b[31m", b"1e999", b"NaN", b"null", "é".encode(), b" ",
)  # fmt: skip

ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, -0.0, 1e308, 2**31, 2**63, 2**200, float("nan"), float("inf"),
    "", "x", "x" * 5000, "\x1b[31m::error::", "\x00", "\ud800", "../../etc/passwd", "hf-hub:a/b",
    [], {}, [[]], [None], {"": None}, [1, "x"], {"a": {"b": []}}, ["x"] * 1000,
)  # fmt: skip


def damaged_bytes(data: bytes, draw: random.Random) -> bytes:
    """Some bytes changed, put in, doubled, or cut out."""
    made = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(made) + 1)
        match draw.randrange(5):
            case 0:
                made[at : at + 1] = bytes([draw.randrange(256)])
            case 1:
                made[at:at] = draw.choice(MARKS) * draw.choice((1, 1, 1, 200))
            case 2:
                del made[at : at + draw.choice((1, 3, 50))]
            case 3:
                made[at : at + 8] = made[at + 8 : at + 16]
            case _:
                del made[at:]
    return bytes(made)


def damaged_json(data: bytes, draw: random.Random) -> bytes:
    """One to three values of a JSON document exchanged, taken out, added or doubled."""
    values = json.loads(data)
    for _ in range(draw.randint(1, 3)):
        places = list(_places(values))
        home, key = draw.choice(places)
        match draw.randrange(5):
            case 0 | 1:
                home[key] = deepcopy(draw.choice(ODD))
            case 2:
                del home[key]
            case 3:
                other, name = draw.choice(places)
                if isinstance(other, dict) == isinstance(home, dict) and name in _keys(other):
                    home[key] = deepcopy(other[name])
            case _:
                if isinstance(home, dict):
                    home[draw.choice(("x", "", "format_version"))] = deepcopy(draw.choice(ODD))
                else:
                    home.append(deepcopy(draw.choice(ODD)))
        if not list(_places(values)):
            break
    return json.dumps(values).encode("utf-8", "surrogatepass")


def damaged(data: bytes, draw: random.Random) -> bytes:
    """By bytes, or by values where it is JSON."""
    if data[:1] == b"{" and draw.random() < 0.6:
        return damaged_json(data, draw)
    return damaged_bytes(data, draw)


def _places(values: Any) -> Any:
    """Every place of a value: what holds it, and its key."""
    for key in _keys(values):
        yield values, key
        yield from _places(values[key])


def _keys(values: Any) -> list[Any]:
    if isinstance(values, dict):
        return list(values)
    return list(range(len(values))) if isinstance(values, list) else []
