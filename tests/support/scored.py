"""A small scored data set, as `scan` would leave it, made without a scan."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from deftclean.table.scores import SCHEMA_VERSION, SCORE_SCHEMA, ScoreTable, write_scores
from tests.support.pictures import COLOURS, draw

NAMES = ("apple", "leaf", "ocean")


@dataclass(frozen=True)
class Scored:
    """A folder of pictures and the score table beside it."""

    images: Path
    table: Path
    true: list[str]


def columns_of(rows: list[Mapping[str, Any]]) -> pa.Table:
    """Rows of a score table; what is not given has a usual value."""
    usual: dict[str, Any] = {
        "clean_top_label": None,
        "zero_shot_prob": None,
        "error": None,
        "status": "ok",
        "content_sha256": None,
        "predicted_label": None,
        "predicted_prob": None,
        "clean_prob": None,
        "given_label": None,
        "keep": False,
    }
    whole = [
        {"row": index, "file_name": f"{index}.png", **usual, **row}
        for index, row in enumerate(rows)
    ]
    for row in whole:  # one detector judged alone
        row.setdefault("suggested_label", row["predicted_label"])
        row.setdefault("suggested_prob", row["predicted_prob"])
    extra = [name for name in (rows[0] if rows else {}) if name not in SCORE_SCHEMA.names]
    schema = pa.schema([*((name, pa.string()) for name in extra), *SCORE_SCHEMA])
    return pa.Table.from_pylist(whole, schema=schema)


def score_table(rows: list[Mapping[str, Any]], names: tuple[str, ...] = NAMES) -> ScoreTable:
    return ScoreTable(
        columns_of(rows),
        {
            "schema_version": SCHEMA_VERSION,
            "tool_version": "0.1.0",
            "class_names": list(names),
            "rule": "threshold",
            "threshold": 0.5,
            "strategy": "deft",
            "noise_rate": 0.1,
            "detector_sha256": None,
        },
    )


def make_scored(folder: Path, count: int = 48) -> Scored:
    """Pictures of three colours; every sixth has a wrong label, which the table flags."""
    images = folder / "images"
    images.mkdir(parents=True)
    rows, true = [], []
    for index in range(count):
        name = NAMES[index % 3]
        wrong = index % 6 == 5
        given = NAMES[(index + 1) % 3] if wrong else name
        path = images / f"{index:03d}.png"
        draw(COLOURS[name], index).save(path)
        true.append(name)
        rows.append(
            {
                "file_name": path.name,
                "given_label": given,
                "clean_prob": 0.1 if wrong else 0.9,
                "clean_top_label": name,
                "keep": not wrong,
                "predicted_label": name,
                "predicted_prob": float(np.float32(0.8)),
                "content_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            }
        )
    table = folder / "clean.parquet"
    write_scores(score_table(rows), table, images, overwrite=False)
    return Scored(images, table, true)


def make_suspects(folder: Path, labels: tuple[str, ...] = NAMES, name: str = "{}.png") -> Scored:
    """Twelve pictures by rule `agree`: four kept, four flagged by the threshold, four by the rule.

    Args:
        folder: new.
        labels: three classes or more; row i is given the one at place i.
        name: of the picture of row i.
    """
    images = folder / "images"
    images.mkdir(parents=True)
    rows, true = [], []
    for index in range(12):
        given, other = labels[index % len(labels)], labels[(index + 1) % len(labels)]
        flagged, certain = index >= 4, index >= 8
        path = images / name.format(index)
        draw(COLOURS[NAMES[index % 3]], index).save(path, "PNG")
        true.append(other if flagged else given)
        rows.append(
            {
                "file_name": path.name,
                "given_label": given,
                "clean_prob": 0.75 if not flagged or certain else 0.02 * index,
                "clean_top_label": other if certain else given,
                "keep": not flagged,
                "predicted_label": true[-1],
                "predicted_prob": 0.5,
                "zero_shot_prob": 0.25,
                "content_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            }
        )
    scores = score_table(rows, labels)
    scores.metadata.update(rule="agree", noise_rate=8 / 12)
    table = folder / "clean.parquet"
    write_scores(scores, table, images, overwrite=False)
    return Scored(images, table, true)
