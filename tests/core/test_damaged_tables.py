"""Tables damaged byte by byte: read, or refused by name; never anything else."""

import io
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deftclean.core.errors import InputError
from deftclean.core.tables import columns_of, read_table
from deftclean.data.manifest import read_manifest
from deftclean.data.options import ManifestOptions

MARKS = (b'"', b"\n", b"\r", b",", b"\t", b"\0", b"\xff", b"\xc3", b"{", b"}", b"[", b":", b"\\")


def parquet() -> bytes:
    sink = io.BytesIO()
    table = pa.table(
        {
            "file_name": [f"{at}.png" for at in range(40)],
            "label": pa.array(["cat", "dog"] * 20).dictionary_encode(),
            "box": [[1.5, 2.5], None] * 20,
            "meta": [{"a": "x", "b": None}] * 40,
        }
    )
    pq.write_table(table, sink, row_group_size=16)
    return sink.getvalue()


WHOLE = {
    ".csv": b'file_name,label,note\n1.png,cat,"a, ""b""\r\nc"\n2.png,dog,\xc3\xa9\n' * 3,
    ".tsv": b'file_name\tlabel\n1.png\t"ca\tt"\n2.png\tdog\n',
    ".jsonl": b'{"file_name": "1.png", "label": "cat", "n": [{"a": null}]}\n'
    b'{"file_name": "2.png", "label": "dog", "n": []}\n',
    ".parquet": parquet(),
}


def damaged(data: bytes, draw: random.Random) -> bytes:
    """Some bytes changed, put in, or cut out."""
    made = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(made) + 1)
        match draw.randrange(4):
            case 0:
                made[at : at + 1] = bytes([draw.randrange(256)])
            case 1:
                made[at:at] = draw.choice(MARKS) * draw.choice((1, 1, 1, 200))
            case 2:
                del made[at : at + draw.choice((1, 3, 50))]
            case _:
                made[at : at + 8] = made[at + 8 : at + 16]
    return bytes(made)


@pytest.mark.parametrize("count", [60, pytest.param(5000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("suffix", WHOLE)
def test_damaged_tables(suffix, count, tmp_path):
    draw = random.Random(suffix)
    path = tmp_path / f"x{suffix}"
    said = []
    for _ in range(count):
        path.write_bytes(damaged(WHOLE[suffix], draw))
        try:
            table = read_table(path, None, None)
            assert columns_of(path, None).names == table.schema.names
            table.validate(full=True)
            read_manifest(path, None, ManifestOptions(known_labels={}))
        except InputError as error:
            said.append(error.message)
    assert 0 < len(said) < count
    assert all(str(path) in message or "label" in message for message in said)
