"""`select` from Python: whose rule and threshold, what is replaced, and what goes along."""

import pytest

import deftclean
from deftclean.core.errors import UsageError
from deftclean.table.scores import ScoreTable, read_scores, write_scores
from deftclean.table.ways import image_root, labels_file
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
