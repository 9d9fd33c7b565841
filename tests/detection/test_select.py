"""`select` from Python: whose rule and threshold, what is replaced, and what goes along; and that
going through a table in pieces gives what deciding of all rows at once gives.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import deftclean
from deftclean.core.errors import InputError, RunError, UsageError
from deftclean.table import scores as table_of_scores
from deftclean.table import seal
from deftclean.table.kinds import with_kinds
from deftclean.table.reviewed import decide_unreviewed
from deftclean.table.scores import ScoreTable, read_scores, write_scores
from deftclean.table.summary import summarise
from deftclean.table.ways import detector_of, image_root, labels_file
from tests.support.in_parts import write_parts
from tests.support.mixed_rows import N, mixed_table, reviewed
from tests.support.scored import make_scored


@pytest.fixture
def scored(tmp_path):
    """48 rows whose metadata say threshold 0.7, rule `threshold` and a labels file."""
    made = make_scored(tmp_path)
    scores = read_scores(made.table)
    facts = {**scores.metadata, "threshold": 0.7}
    write_scores(
        ScoreTable(scores.table, facts), made.table, made.images, True, tmp_path / "labels.csv"
    )
    return made


def test_the_tables_own_rule_and_threshold(scored, tmp_path):
    """Of a table whose `keep` follows another threshold than its metadata name."""
    out = tmp_path / "x.parquet"
    result = deftclean.select(scored.table, output=out)
    assert (result.output, result.seconds < 60) == (out, True)
    table = read_scores(out)
    assert (table.metadata["rule"], table.metadata["threshold"]) == ("threshold", 0.7)
    probs = table.table["clean_prob"].to_pylist()
    assert table.table["keep"].to_pylist() == [p is not None and p > 0.7 for p in probs]
    assert result.scores.table.equals(table.table)
    assert result.warnings == ()
    assert result.summary.kept == sum(p is not None and p > 0.7 for p in probs)


def test_what_is_new_to_warn_of(scored, tmp_path):
    result = deftclean.select(scored.table, output=tmp_path / "x.parquet", threshold=0.95)
    assert [text[:29] for text in result.warnings] == ["nothing is kept of 3 classes,"]


@pytest.mark.parametrize("threshold", [0.0, 0.95])
def test_a_threshold_and_a_rule_that_are_given(scored, tmp_path, threshold):
    out = tmp_path / "x.parquet"
    deftclean.select(scored.table, output=out, rule="agree", threshold=threshold)
    table = read_scores(out)
    assert (table.metadata["rule"], table.metadata["threshold"]) == ("agree", threshold)
    rows = table.table.select(["clean_prob", "keep"]).to_pylist()
    assert all(row["clean_prob"] > threshold for row in rows if row["keep"])


@pytest.mark.parametrize("threshold", [-0.1, 1.5, float("nan")])
def test_a_threshold_that_is_no_probability(scored, tmp_path, threshold):
    with pytest.raises(UsageError, match="threshold"):
        deftclean.select(scored.table, output=tmp_path / "x.parquet", threshold=threshold)


def test_an_output_is_replaced_only_where_that_is_asked(scored, tmp_path):
    out = tmp_path / "x.parquet"
    deftclean.select(scored.table, output=out)
    before = out.read_bytes()
    with pytest.raises(UsageError, match="exists"):
        deftclean.select(scored.table, output=out, threshold=0.1)
    assert out.read_bytes() == before
    deftclean.select(scored.table, output=out, threshold=0.1, overwrite=True)
    assert out.read_bytes() != before
    with pytest.raises(UsageError, match=scored.table.name):
        deftclean.select(scored.table, output=scored.table, overwrite=True)


def test_the_data_are_found_from_where_the_new_table_lies(scored, tmp_path):
    (tmp_path / "deep").mkdir()
    out = tmp_path / "deep" / "x.parquet"
    deftclean.select(scored.table, output=out)
    facts = read_scores(out).metadata
    assert image_root(facts, out).resolve() == scored.images.resolve()
    assert labels_file(facts, out).resolve() == (tmp_path / "labels.csv").resolve()


# ---------------------------------------------------------------- in pieces


def at_once(table: Path, output: Path, rule: str | None, threshold: float | None) -> ScoreTable:
    """What `select` does, in the plain way."""
    read = read_scores(table)
    rule = rule or read.metadata["rule"]
    threshold = read.metadata["threshold"] if threshold is None else threshold
    made = with_kinds(decide_unreviewed(read, rule, threshold))
    root, labels = image_root(read.metadata, table), labels_file(read.metadata, table)
    write_scores(made, output, root, True, labels, detector_of(read.metadata, table))
    return made


@pytest.fixture
def small_pieces(monkeypatch):
    monkeypatch.setattr(table_of_scores, "_PIECE", 7)
    monkeypatch.setattr(seal, "_GROUP", 16)


@pytest.mark.parametrize("rule", [None, "agree", "threshold"])
@pytest.mark.parametrize("threshold", [None, 0.3, 1.0])
@pytest.mark.parametrize("kind", ["plain", "reviewed", "parts"])
def test_the_same_bytes_and_the_same_summary(tmp_path, small_pieces, rule, threshold, kind):
    scores = mixed_table() if kind != "reviewed" else reviewed(mixed_table())
    table = tmp_path / "given.parquet"
    if kind == "parts":
        table = write_parts(scores, tmp_path / "given", tmp_path, (17, 18, 40, N))
    else:
        write_scores(scores, table, tmp_path, overwrite=False)
    plain, out = tmp_path / "plain.parquet", tmp_path / "out.parquet"
    expected = at_once(table, plain, rule, threshold)
    result = deftclean.select(table, output=out, rule=rule, threshold=threshold)
    assert out.read_bytes() == plain.read_bytes()
    assert seal.seal_holds(out)
    assert result.summary == summarise(expected)
    assert result.scores.table.equals(read_scores(plain).table)
    assert result.scores.metadata == read_scores(plain).metadata


def test_of_a_table_that_is_gone_again_the_result_can_be_read(tmp_path):
    """As behind a URL, where the file is uploaded and taken away."""
    write_scores(mixed_table(), tmp_path / "given.parquet", tmp_path, overwrite=False)
    out = tmp_path / "out.parquet"
    result = deftclean.select(tmp_path / "given.parquet", output=out)
    expected = read_scores(out).table
    out.unlink()
    assert result.scores.table.equals(expected)


def test_without_a_row_and_of_an_older_schema(tmp_path, small_pieces):
    empty = ScoreTable(mixed_table().table.slice(0, 0), mixed_table().metadata)
    older = mixed_table()
    later = ("suggested_label", "suggested_prob", "quality", "kind", "near_duplicate_group")
    older = ScoreTable(
        older.table.drop_columns([*later, "duplicate_of", "own_prob", "deft_prob", "prompt_prob"]),
        {**older.metadata, "schema_version": 2, "near_duplicates": None, "quality": None},
    )
    for name, scores in {"empty": empty, "older": older}.items():
        table, out = tmp_path / f"{name}.parquet", tmp_path / f"{name}-out.parquet"
        write_scores(scores, table, tmp_path, overwrite=False)
        plain = tmp_path / f"{name}-plain.parquet"
        at_once(table, plain, "agree", 0.4)
        deftclean.select(table, output=out, rule="agree", threshold=0.4)
        assert out.read_bytes() == plain.read_bytes()


def test_what_is_found_on_the_way_leaves_no_table(tmp_path, small_pieces):
    """A number that is none in the last piece; a part that is another file."""
    scores = mixed_table()
    probs = scores.table["zero_shot_prob"].combine_chunks().to_numpy(zero_copy_only=False).copy()
    probs[:], probs[-2:] = 0.5, np.inf
    at = scores.table.column_names.index("zero_shot_prob")
    broken = scores.table.set_column(at, "zero_shot_prob", pa.array(probs, pa.float32()))
    write_parts(ScoreTable(scores.table, scores.metadata), tmp_path / "x", tmp_path, (30, N))
    given = tmp_path / "given.parquet"
    write_scores(scores, given, tmp_path, overwrite=False)
    seal.write_sealed(
        given_schema := read_scores(given).table.schema, [broken.cast(given_schema)], given, []
    )
    with pytest.raises(RunError, match=f"2 of {N} rows have no number in zero_shot_prob"):
        deftclean.select(given, output=tmp_path / "out.parquet")
    last = sorted((tmp_path / "x" / "parts").iterdir())[-1]
    data = bytearray(last.read_bytes())
    data[100:200] = bytes(100)
    last.write_bytes(data)
    with pytest.raises(InputError, match="cannot be read"):
        deftclean.select(tmp_path / "x", output=tmp_path / "out.parquet")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["given.parquet", "x"]
