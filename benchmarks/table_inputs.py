"""The inputs of `benchmarks.tables`, made once.

    python -m benchmarks.table_inputs WORK ROWS FILES

N distinct file names of 40 characters, 100 classes; for `select` the score columns with a distinct
hash in each row; a folder of empty files.
"""

import hashlib
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv
import pyarrow.parquet as pq

from deftclean.table.scores import SCHEMA_VERSION, SCORE_SCHEMA, ScoreTable, decide, write_scores

CLASSES = pa.array([f"class name {index:02d}" for index in range(100)])


def label_table(rows: int) -> pa.Table:
    """N rows with file name, label and two columns that are carried on."""
    draw = np.random.default_rng(0).integers(0, len(CLASSES), rows)
    names = [f"images/part-{row // 1000:05d}/photo-{row:09d}.jpg" for row in range(rows)]
    return pa.table(
        {
            "file_name": names,
            "label": CLASSES.take(pa.array(draw)),
            "source": pa.array(["web", "lab", "archive"]).take(pa.array(draw % 3)),
            "taken": [f"2024-{day % 12 + 1:02d}-{day % 28 + 1:02d}" for day in range(rows)],
        }
    )


def hashes(rows: int) -> pa.Array:
    """As many different content hashes."""
    return pa.array([hashlib.sha256(b"%d" % row).hexdigest() for row in range(rows)])


def score_table(rows: int) -> ScoreTable:
    """N rows as `scan` writes them, about a tenth of them flagged and one in 500 missing.

    What a detector alone does not say, such as what is nearly identical, is null.
    """
    given = label_table(rows)
    draw = np.random.default_rng(1)
    top = pa.array(np.where(draw.random(rows) < 0.1, draw.integers(0, 100, rows), -1))
    said = pc.if_else(pc.less(top, 0), given["label"], CLASSES.take(pc.max_element_wise(top, 0)))
    missing = pa.array(draw.random(rows) < 0.002)
    prob = pa.array((1 - draw.random(rows) ** 8 * 0.9).astype(np.float32))
    likely = pa.array(draw.random(rows).astype(np.float32))
    columns = {
        "row": pa.array(np.arange(rows)),
        "file_name": given["file_name"],
        "given_label": given["label"],
        "clean_prob": pc.if_else(missing, None, prob),
        "clean_top_label": said,
        "keep": pa.array(np.zeros(rows, dtype=bool)),
        "predicted_label": said,
        "predicted_prob": likely,
        "suggested_label": said,
        "suggested_prob": likely,
        "zero_shot_prob": pa.array(draw.random(rows).astype(np.float32)),
        "status": pc.if_else(missing, "missing", "ok"),
        "error": pc.if_else(missing, pa.scalar("there is no such file"), None),
        "content_sha256": hashes(rows),
        "source_line": pa.array(np.arange(rows) + 2),
    }
    table = pa.table({"label": given["label"], "source": given["source"]})
    for name in SCORE_SCHEMA.names:
        field = SCORE_SCHEMA.field(name)
        table = table.append_column(field, columns.get(name, pa.nulls(rows, field.type)))
    return decide(ScoreTable(table, {"schema_version": SCHEMA_VERSION}), "agree", 0.5)


def make_tables(work: Path, rows: int) -> None:
    """The inputs of one size, unless they are there."""
    if (work / f"scores-{rows}.parquet").exists():
        return
    given = label_table(rows)
    pv.write_csv(given, work / f"labels-{rows}.csv")
    pq.write_table(given, work / f"labels-{rows}.parquet")
    lines = given.to_pandas().to_json(orient="records", lines=True)
    (work / f"labels-{rows}.jsonl").write_text(lines, encoding="utf-8")
    write_scores(score_table(rows), work / f"scores-{rows}.parquet", work, overwrite=False)


def make_folder(work: Path, files: int) -> None:
    """Empty pictures in 100 class folders, unless they are there."""
    root = work / f"folder-{files}"
    if root.exists():
        return
    for index in range(100):
        (root / f"class {index:02d}").mkdir(parents=True)
    for row in range(files):
        (root / f"class {row % 100:02d}" / f"photo-{row:09d}.jpg").touch()


if __name__ == "__main__":
    make_tables(Path(sys.argv[1]), int(sys.argv[2]))
    make_folder(Path(sys.argv[1]), int(sys.argv[3]))
