import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deftclean.core.errors import InputError, UsageError
from deftclean.table.kinds import KindCounts, kind_counts
from deftclean.table.scores import (
    HASH,
    METADATA_KEY,
    SCORE_COLUMNS,
    SCORE_SCHEMA,
    ScoreTable,
    decide,
    keep_flags,
    noise_rate,
    read_scores,
    write_scores,
)
from deftclean.table.ways import image_root, labels_file
from tests.support.processes import run_code

# given, clean_top, clean_prob: kept by `threshold` at 0.5, kept by `agree` at 0.5
ROWS = [
    ("cat", "cat", 0.9, True, True),
    ("cat", "dog", 0.6, True, False),
    ("dog", "dog", 0.5, False, False),  # not above the threshold
    ("dog", "cat", 0.1, False, False),
    (None, None, None, False, False),
    ("cow", None, None, False, False),
]


LATEST = ["own_prob", "quality", "kind", "perceptual_hash"]
"""Columns that schema 5 brought, and 6."""

COPIES = ["duplicate_of", "near_duplicate_group", *LATEST]
"""Columns that schema 4 brought, and later ones."""

NEW = [
    *("suggested_label", "suggested_prob", "deft_prob", "prompt_prob", "head_prob"),
    "neighbours_prob",
    *COPIES,
]
"""Columns that schema 3 brought, and later ones."""


DECIDED = {"rule": "threshold", "threshold": 0.5}


def table() -> pa.Table:
    n = len(ROWS)
    columns: dict[str, Any] = {
        "row": range(n),
        "file_name": [f"{i}.png" for i in range(n)],
        "given_label": [r[0] for r in ROWS],
        "clean_prob": [r[2] for r in ROWS],
        "clean_top_label": [r[1] for r in ROWS],
        "keep": [False] * n,
        "predicted_label": [r[1] for r in ROWS],
        "predicted_prob": [0.5] * n,
        "suggested_label": [r[1] for r in ROWS],
        "suggested_prob": [0.5] * n,
        "zero_shot_prob": [None] * n,
        "deft_prob": [r[2] for r in ROWS],
        "prompt_prob": [None] * n,
        "head_prob": [None] * n,
        "neighbours_prob": [None] * n,
        "own_prob": [None] * n,
        "status": ["ok"] * n,
        "error": [None] * n,
        "content_sha256": ["00"] * n,
        "perceptual_hash": ["0f"] * n,
        "source_line": range(2, n + 2),
        "duplicate_of": [None, *[0] * (n - 1)],
        "near_duplicate_group": [None] * n,
        "quality": [None] * n,
        "kind": [None] * n,
    }
    score_columns = pa.table(columns, schema=SCORE_SCHEMA)
    return pa.table({"id": ["007"] * n, **dict(zip(SCORE_COLUMNS, score_columns, strict=True))})


def scores(**metadata: Any) -> ScoreTable:
    return ScoreTable(table(), {"schema_version": 6, "tool_version": "0.1", **DECIDED, **metadata})


def test_keep_by_threshold() -> None:
    assert keep_flags(table(), "threshold", 0.5).to_pylist() == [r[3] for r in ROWS]


def test_keep_by_agreement() -> None:
    assert keep_flags(table(), "agree", 0.5).to_pylist() == [r[4] for r in ROWS]


@pytest.mark.parametrize(
    ("threshold", "kept"), [(0.0, 4), (0.1, 3), (0.55, 2), (0.6, 1), (0.9, 0), (1.0, 0)]
)
def test_the_threshold_itself_is_not_kept(threshold: float, kept: int) -> None:
    """Also where it is no exact number of 32 bits, as 0.1, 0.6 and 0.9."""
    assert sum(keep_flags(table(), "threshold", threshold).to_pylist()) == kept


def test_noise_rate_counts_scored_rows_only() -> None:
    decided = decide(scores(), "threshold", 0.5)
    assert noise_rate(decided.table) == 0.5
    assert noise_rate(decide(scores(), "agree", 0.5).table) == 0.75
    assert noise_rate(decided.table.slice(4)) is None


def test_decide_changes_keep_and_what_tells_of_it() -> None:
    before = scores(seed=3, rule="agree", noise_rate=0.1)
    after = decide(before, "threshold", 0.5)
    assert after.table["keep"].to_pylist() == [r[3] for r in ROWS]
    (emptied,) = after.metadata.pop("warnings")
    assert "'dog' (2 rows)" in emptied
    assert after.metadata == {
        "schema_version": 6,
        "tool_version": "0.1",
        "seed": 3,
        "rule": "threshold",
        "threshold": 0.5,
        "noise_rate": 0.5,
    }
    assert after.table.drop_columns("keep").equals(before.table.drop_columns("keep"))
    assert after.table.column_names == before.table.column_names
    assert before.metadata["rule"] == "agree"
    assert len(after) == len(ROWS)


def test_write_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "clean.parquet"
    metadata = {"model": "nano", "config": {"lr": 0.03, "clip_grad": None}, "warnings": ["ä"]}
    written = scores(**metadata)
    write_scores(written, path, tmp_path / "data", overwrite=False)
    back = read_scores(path)
    assert back.table.equals(written.table)
    assert back.table.schema.remove_metadata() == written.table.schema
    ways = {"image_root": "data", "labels_file": None, "detector": None}
    assert back.metadata == {**written.metadata, **ways}


def test_other_metadata_of_the_input_survives(tmp_path: Path) -> None:
    marked = table().replace_schema_metadata({b"huggingface": b"{}", METADATA_KEY: b"old"})
    write_scores(ScoreTable(marked, {"seed": 1}), tmp_path / "x.parquet", tmp_path, False)
    metadata = pq.read_schema(tmp_path / "x.parquet").metadata
    assert metadata[b"huggingface"] == b"{}"
    assert json.loads(metadata[METADATA_KEY]) == {
        "seed": 1,
        "image_root": ".",
        "labels_file": None,
        "detector": None,
    }


@pytest.mark.parametrize(
    ("output", "root", "way"),
    [
        ("clean.parquet", "data", "data"),
        ("clean.parquet", ".", "."),
        ("out/clean.parquet", "data/train", "../data/train"),
        ("data/clean.parquet", "data", "."),
    ],
)
def test_the_image_root_is_relative_to_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str, root: str, way: str
) -> None:
    for folder in ("data/train", "out"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    write_scores(scores(), Path(output), Path(root), overwrite=False)
    metadata = read_scores(Path(output)).metadata
    assert metadata["image_root"] == way
    monkeypatch.chdir("/")
    found = image_root(metadata, tmp_path / output)
    assert found.resolve() == (tmp_path / root).resolve()


def test_the_same_table_is_the_same_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "a" / "x.parquet", tmp_path / "b" / "x.parquet"
    for path in (first, second):
        path.parent.mkdir()
        write_scores(scores(b=1, a=2), path, path.parent / "data", overwrite=False)
    assert first.read_bytes() == second.read_bytes()
    swapped = ScoreTable(
        table(), {"a": 2, "b": 1, **DECIDED, "tool_version": "0.1", "schema_version": 6}
    )
    write_scores(swapped, second, second.parent / "data", overwrite=True)
    assert first.read_bytes() == second.read_bytes()
    assert str(tmp_path).encode() not in first.read_bytes()


def test_an_existing_table_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_text("old")
    with pytest.raises(UsageError):
        write_scores(scores(), path, tmp_path, overwrite=False)
    assert path.read_text() == "old"
    write_scores(scores(), path, tmp_path, overwrite=True)
    assert len(read_scores(path)) == len(ROWS)


def test_a_disk_that_fills_up_leaves_the_old_table(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    write_scores(scores(), path, tmp_path, overwrite=False)
    old = path.read_bytes()
    script = """
        import resource, sys
        from pathlib import Path
        from deftclean.core.errors import RunError
        from deftclean.table.scores import read_scores, write_scores
        path = Path(sys.argv[1])
        old = read_scores(path)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            write_scores(old, path, path.parent, overwrite=True)
        except RunError as error:
            print(error.message)
            sys.exit(error.exit_code)
    """
    done = run_code(script, path)
    assert (done.returncode, done.stderr) == (3, "")
    assert f"{path} could not be written: " in done.stdout
    assert "File too large" in done.stdout
    assert path.read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == ["x.parquet"]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "cannot be read"), (b"file_name,label\n", "cannot be read"), (None, "is not a file")],
)
def test_what_is_no_parquet_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "x.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_scores(path)
    assert str(path) in caught.value.message


@pytest.mark.parametrize("metadata", [None, b"", b"{", b"[]", b'{"x": "\\ud800"}'])
def test_tables_of_others_are_refused(tmp_path: Path, metadata: bytes | None) -> None:
    path = tmp_path / "x.parquet"
    marked = table().replace_schema_metadata(None if metadata is None else {METADATA_KEY: metadata})
    pq.write_table(marked, path)
    with pytest.raises(InputError, match="is not a score table") as caught:
        read_scores(path)
    assert caught.value.hint == "Give a table written by deftclean scan or score."


def test_a_table_that_lost_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    cut = table().drop_columns(["keep", "status"]).replace_schema_metadata({METADATA_KEY: b"{}"})
    pq.write_table(cut, path)
    with pytest.raises(InputError, match="lacks the score columns keep, status"):
        read_scores(path)


def test_a_table_with_a_column_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    double = table().append_column("keep", table()["keep"])
    pq.write_table(double.replace_schema_metadata({METADATA_KEY: b"{}"}), path)
    with pytest.raises(InputError, match="columns with the same name: 'keep'"):
        read_scores(path)


def test_a_table_of_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    write_scores(scores(schema_version=7, tool_version="9.9"), path, tmp_path, overwrite=False)
    with pytest.raises(InputError, match=r"written by a newer deftclean \(9\.9\)"):
        read_scores(path)


def test_a_table_of_schema_1_is_read_as_one_of_today(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    old = ScoreTable(table().drop_columns(["source_line", *NEW]), {"schema_version": 1, **DECIDED})
    write_scores(old, path, tmp_path, overwrite=False)
    back = read_scores(path)
    assert set(back.table.column_names) == {"id", *SCORE_COLUMNS}
    assert back.table["source_line"].null_count == len(ROWS)
    assert back.metadata["schema_version"] == 6
    assert labels_file(back.metadata, path) is None


@pytest.mark.parametrize(("strategy", "own"), [("deft", "clean_prob"), ("knn", None)])
def test_a_table_of_schema_2_suggests_what_its_detector_predicted(
    tmp_path: Path, strategy: str, own: str | None
) -> None:
    path = tmp_path / "x.parquet"
    facts = {"schema_version": 2, "strategy": strategy, **DECIDED}
    write_scores(ScoreTable(table().drop_columns(NEW), facts), path, tmp_path, overwrite=False)
    back = read_scores(path).table
    assert back["suggested_label"] == back["predicted_label"]
    assert back["suggested_prob"] == back["predicted_prob"]
    assert (
        back["deft_prob"].null_count == len(ROWS) if own is None else back["deft_prob"] == back[own]
    )
    assert back["head_prob"].null_count == back["neighbours_prob"].null_count == len(ROWS)
    asked = read_scores(path, ["suggested_label"]).table
    assert asked["suggested_label"] == back["predicted_label"]


def test_a_table_of_schema_3_knows_of_no_copies(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    old = ScoreTable(table().drop_columns(COPIES), {"schema_version": 3, **DECIDED})
    write_scores(old, path, tmp_path, overwrite=False)
    back = read_scores(path)
    assert [back.table[name].null_count for name in COPIES] == [len(ROWS)] * len(COPIES)


def test_a_table_of_schema_4_knows_of_no_kinds(tmp_path: Path) -> None:
    path = tmp_path / "clean.parquet"
    old = ScoreTable(table().drop_columns(LATEST), {"schema_version": 4, **DECIDED})
    write_scores(old, path, tmp_path, overwrite=False)
    back = read_scores(path)
    assert [back.table[name].null_count for name in LATEST] == [len(ROWS)] * len(LATEST)
    assert kind_counts(back) == KindCounts(None, None)
    assert back.table["deft_prob"] == old.table["deft_prob"]


def test_a_table_of_schema_4_heard_nothing_of_the_users(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    old = ScoreTable(table().drop_columns(LATEST), {"schema_version": 4, **DECIDED})
    write_scores(old, path, tmp_path, overwrite=False)
    assert read_scores(path).table["own_prob"].null_count == len(ROWS)


def test_a_table_of_schema_5_tells_nothing_of_looks(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    old = ScoreTable(table().drop_columns([HASH]), {"schema_version": 5, **DECIDED})
    write_scores(old, path, tmp_path, overwrite=False)
    back = read_scores(path)
    assert back.table[HASH].null_count == len(ROWS)
    assert back.table["kind"] == old.table["kind"]


def test_a_column_that_an_old_table_carries_keeps_its_values(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    old = ScoreTable(table().drop_columns(NEW), {"schema_version": 1, **DECIDED})
    write_scores(old, path, tmp_path, overwrite=False)
    back = read_scores(path).table
    assert back["input_source_line"].to_pylist() == [2, 3, 4, 5, 6, 7]
    assert back["source_line"].null_count == len(ROWS)


def test_only_the_columns_that_are_asked_for_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    write_scores(scores(), path, tmp_path, overwrite=False)
    assert read_scores(path, ["keep", "row"]).table.column_names == ["keep", "row"]


def test_the_labels_file_is_relative_to_the_table(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    path = tmp_path / "out" / "x.parquet"
    write_scores(scores(), path, tmp_path, overwrite=False, labels=tmp_path / "labels.csv")
    metadata = read_scores(path).metadata
    assert metadata["labels_file"] == "../labels.csv"
    found = labels_file(metadata, path)
    assert found is not None
    assert found.resolve() == (tmp_path / "labels.csv").resolve()
