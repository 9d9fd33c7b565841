"""A check holds few bytes of each row: its tables are read in pieces, and it says the same."""

import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import deftclean
from deftclean.core.arrow import codes, groups, pairs
from deftclean.gate.check import Gates
from deftclean.table import scores
from deftclean.table.comparison import compare
from deftclean.table.fingerprints import Fingerprints
from deftclean.table.problems import problems_of
from deftclean.table.slim import read_slim, slimmed
from tests.gate.test_check import row, written
from tests.support.scored import score_table

TEXTS = st.lists(
    st.one_of(st.none(), st.sampled_from(["", "a", "a\0", "é" * 300, "é" * 301, "#1"]))
)


def prints(texts, key):
    return slimmed(score_table([row(i, content_sha256=t) for i, t in enumerate(texts)]), key)


@settings(max_examples=60, deadline=None)
@given(texts=TEXTS)
def test_texts_have_the_same_fingerprint_if_they_are_the_same(texts):
    found = prints(texts, Fingerprints()).table["content_sha256"].to_pylist()
    assert [each is None for each in found] == [text is None for text in texts]
    assert len(set(zip(texts, found, strict=True))) == len(set(texts)) == len(set(found))


def test_many_alike_texts_have_fingerprints_of_their_own_and_every_key_gives_others():
    texts = [f"images/{n:05d}.jpg" for n in range(20_000)] + ["x" * n for n in range(600)]
    one, other = (prints(texts, Fingerprints()).table["content_sha256"] for _ in range(2))
    assert len(one.unique()) == len(texts)
    assert not set(one.to_pylist()) & set(other.to_pylist())


def test_pairs_of_which_one_half_is_the_same_are_told_apart():
    halves = np.array([[1, 2], [1, 1], [1, 2], [0, 2], [1, 1]], dtype=np.uint64)
    number = groups(lambda half: halves[:, half])
    assert number[0] == number[2]
    assert number[1] == number[4]
    assert len(set(number.tolist())) == 3


def test_numbers_of_fingerprints_are_those_of_their_texts():
    texts = ["b", None, "a", "b", None, "c", "a"]
    column = prints(texts, Fingerprints()).table["content_sha256"]
    places, distinct = codes(column)
    assert distinct.take(pa.array(places, mask=places < 0)).to_pylist() == column.to_pylist()
    assert len(distinct) == 3
    assert pairs(column).shape == (7, 2)


ROWS = st.lists(
    st.builds(
        lambda name, label, kind, sha: row(0, label, kind, file_name=name, content_sha256=sha),
        st.sampled_from(["a.png", "b.png", "c.png", "t#0", "t#1"]),
        st.sampled_from(["apple", "leaf"]),
        st.sampled_from(["fine", "flagged", "missing", "unlabeled"]),
        st.sampled_from(["1", "2", None]),
    ),
    max_size=9,
)


@settings(max_examples=25, deadline=None)
@given(new=ROWS, old=ROWS, size=st.integers(1, 4))
def test_tables_read_in_pieces_compare_as_those_in_memory(tmp_path_factory, new, old, size):
    folder, key = tmp_path_factory.mktemp("slim"), Fingerprints()
    paths = [
        written(folder / name, rows) for name, rows in (("n.parquet", new), ("o.parquet", old))
    ]
    plain = [score_table(rows) for rows in (new, old)]
    columns = ("file_name", "content_sha256", "given_label", "clean_prob", "keep", "status")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scores, "_PIECE", size)
        slim = [read_slim(path, columns, key) for path in paths]
        both = [
            compare(one, problems_of(one, "n"), other, problems_of(other, "o"))
            for one, other in (plain, slim)
        ]
    assert both[0].partner.tolist() == both[1].partner.tolist()
    for change in (*both[0].of_rows, "gone_rows"):
        assert both[0].rows(change).tolist() == both[1].rows(change).tolist(), change


def test_a_baseline_that_is_replaced_meanwhile_is_still_the_one_that_was_read(tmp_path):
    """As by `scan -o clean.parquet --overwrite --baseline clean.parquet`."""
    table = written(tmp_path / "x.parquet", [row(0, "leaf"), row(1)])
    gates = Gates.of((), table)
    written(table, [row(1, kind="flagged")])
    changes = {change.name: change.rows for change in gates.check(table).changes}
    assert changes["gone_rows"][0].before.given_label == "leaf"
    assert changes["newly_flagged"][0].before.row == 1


MEASURED = """
import re, sys
from pathlib import Path
from deftclean.gate.check import check
def peak():  # of this process: what `getrusage` says is never below the peak of its parent
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024
new, old, few = map(Path, sys.argv[1:])
check(few, baseline=few)
before = peak()
check(new, baseline=old)
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
def test_a_comparison_of_many_rows_takes_little_memory(tmp_path):
    """Of two tables of 100,000 rows, whose texts alone are 30 MB and more as Python objects."""
    rows = 100_000
    base = score_table([row(0)]).table
    names = [f"images/part-{n // 1000:05d}/photo-{n:012d}-of-a-long-name.jpg" for n in range(rows)]
    many = base.take(pa.array(np.zeros(rows, np.int64)))
    for name, values in {
        "row": np.arange(rows),
        "file_name": names,
        "content_sha256": [f"{n:064x}" for n in range(rows)],
    }.items():
        at = many.column_names.index(name)
        many = many.set_column(at, many.schema.field(name), pa.array(values))
    paths = [written(tmp_path / "few.parquet", [row(0)])]
    for name in ("new", "old"):
        path = tmp_path / f"{name}.parquet"
        made = scores.ScoreTable(many, score_table([row(0)]).metadata)
        scores.write_scores(made, path, tmp_path, False)
        paths.insert(0, path)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *map(str, paths)],
        capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert int(done.stdout) < 80  # 49; with whole columns of text, 162


def test_an_empty_table_is_compared(tmp_path):
    empty = written(tmp_path / "empty.parquet", [])
    some = written(tmp_path / "some.parquet", [row(0)])
    found = deftclean.check(some, baseline=empty, fail_on="new_rows>0")
    assert found.gates[0].value == 1
    assert deftclean.check(empty, baseline=some, fail_on="gone_rows>0").gates[0].value == 1


def test_bad_pictures_are_counted_in_a_table_that_nobody_reviewed(tmp_path):
    made = score_table([row(0, quality="dark"), row(1)])
    made.metadata["quality"] = {}
    scores.write_scores(made, tmp_path / "x.parquet", tmp_path, False)
    found = deftclean.check(tmp_path / "x.parquet", fail_on="bad_pictures>0")
    assert [gate.value for gate in found.gates] == [1]
