"""A report holds few bytes of each row, and reads again what it shows: the page is the same."""

import numpy as np
import pytest

import deftclean
from deftclean.core.errors import InputError
from deftclean.reports import report as command
from deftclean.table import scores as table_of_scores
from deftclean.table.reviewed import AUDIT
from deftclean.table.scores import ScoreTable, read_scores, write_scores
from tests.support.in_parts import write_parts
from tests.support.mixed_rows import N, mixed_table, reviewed


@pytest.fixture
def tables(tmp_path, monkeypatch):
    """The table as scanned, reviewed and in parts, read seven rows at a time."""
    monkeypatch.setattr(table_of_scores, "_PIECE", 7)
    for name, scores in {"scanned": mixed_table(), "reviewed": reviewed(mixed_table())}.items():
        write_scores(scores, tmp_path / f"{name}.parquet", tmp_path, overwrite=False)
    write_parts(mixed_table(), tmp_path / "parts", tmp_path, (17, 18, 40, N))
    np.save(tmp_path / "numbers.npy", np.random.default_rng(0).random((N, 5), np.float32))
    return tmp_path


@pytest.mark.parametrize("name", ["scanned.parquet", "reviewed.parquet", "parts"])
@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"audit": 20},
        {"kept": 7, "images": 9},
        pytest.param({"classes": ["apple"]}, marks=pytest.mark.slow),
        pytest.param({"images": 0}, marks=pytest.mark.slow),
        pytest.param({"map": 1}, marks=pytest.mark.slow),
    ],
)
def test_the_same_page_as_of_a_table_that_is_held_whole(tables, monkeypatch, name, asked):
    numbers = {"embeddings": tables / "numbers.npy"} if asked == {"map": 1} else asked
    made = deftclean.report(tables / name, output=tables / "slim.html", **numbers)
    monkeypatch.setattr(command, "_read", read_scores)
    whole = deftclean.report(tables / name, output=tables / "whole.html", **numbers)
    assert (tables / "slim.html").read_bytes() == (tables / "whole.html").read_bytes()
    assert made.overview == whole.overview
    assert (made.images, made.waiting, made.mapped) == (whole.images, whole.waiting, whole.mapped)


def test_columns_that_a_review_would_write_are_seen_though_they_are_not_held(tables):
    scores = mixed_table()
    table = scores.table.append_column("reviewed_by", scores.table["own"])
    write_scores(ScoreTable(table, scores.metadata), tables / "own.parquet", tables, False)
    with pytest.raises(InputError, match="reviewed_by"):
        deftclean.report(tables / "own.parquet", output=tables / "x.html", audit=4)
    assert AUDIT not in table.column_names
