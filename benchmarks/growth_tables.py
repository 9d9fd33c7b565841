"""Score tables of any size, written a piece at a time, so that memory does not grow with them.

    python -m benchmarks.growth_tables WORK 5000000

writes `new-5000000.parquet` and `old-5000000.parquet`: the same rows, of which some were judged
otherwise, some are under another name and some are new.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from deftclean import __version__
from deftclean.table.scores import METADATA_KEY, SCHEMA_VERSION, SCORE_SCHEMA

_PIECE = 65_536
_CLASSES = [f"class name {number:03d}" for number in range(100)]
_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)


def write_both(work: Path, rows: int) -> tuple[Path, Path]:
    """The new table and the old one, made once."""
    paths = work / f"new-{rows}.parquet", work / f"old-{rows}.parquet"
    for path in paths:
        if not path.exists():
            _write(path, rows, old=path is paths[1])
    return paths


def _write(path: Path, rows: int, old: bool) -> None:
    facts = {
        "schema_version": SCHEMA_VERSION, "tool_version": __version__, "strategy": "evidence",
        "class_names": _CLASSES, "rule": "threshold", "threshold": 0.5, "image_root": ".",
        "warnings": [], "noise_rate": 0.1, "seed": 0, "detector_sha256": None,
    }  # fmt: skip
    own = pa.schema([("taken", pa.string())])
    metadata = {METADATA_KEY: json.dumps(facts).encode()}
    schema = pa.schema([*own, *SCORE_SCHEMA], metadata=metadata)
    with pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=False) as writer:
        for first in range(0, rows, _PIECE):
            here = np.arange(first, min(first + _PIECE, rows))
            writer.write_table(_piece(here, schema, old))


def _piece(rows: np.ndarray, schema: pa.Schema, old: bool) -> pa.Table:
    random = np.random.default_rng([int(rows[0]), 1])
    count = len(rows)
    hashes = _HEX[random.integers(0, 16, (count, 64))].view("S64").ravel().astype(str)
    given = random.integers(0, len(_CLASSES), count)
    wrong = random.random(count) < 0.1
    if old:  # one row in a hundred was judged otherwise
        wrong ^= random.random(count) < 0.01
    moved = rows % 50 == 0 if old else np.zeros(count, bool)
    prob = np.where(wrong, 0.1, 0.9).astype(np.float32)
    names = [f"{'was' if m else 'is'}/{r // 1000:05d}/photo-{r:09d}.jpg"
             for r, m in zip(rows.tolist(), moved.tolist(), strict=True)]  # fmt: skip
    classes = pa.array(_CLASSES)
    said = classes.take(pa.array((given + wrong) % len(_CLASSES)))
    columns = {
        "taken": [f"2024-{row % 12 + 1:02d}-{row % 28 + 1:02d}" for row in rows.tolist()],
        "row": rows,
        "file_name": names,
        "given_label": classes.take(pa.array(given)),
        "keep": ~wrong,
        "status": np.repeat("ok", count),
        "content_sha256": hashes,
        **dict.fromkeys(("clean_top_label", "predicted_label", "suggested_label"), said),
    }  # fmt: skip
    floats = {field.name: prob for field in schema if pa.types.is_floating(field.type)}
    arrays = [
        pa.array(found, field.type)
        if (found := columns.get(field.name, floats.get(field.name))) is not None
        else pa.nulls(count, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


if __name__ == "__main__":
    write_both(Path(sys.argv[1]), int(sys.argv[2]))
