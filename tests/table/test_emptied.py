"""Classes from which nothing is kept are told wherever `keep` is decided, and no longer than so."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

import deftclean
from deftclean.table.emptied import emptied_classes
from deftclean.table.scores import read_scores, write_scores
from tests.support.commands import run_cli
from tests.support.scored import Scored, make_scored, score_table

ROW = st.tuples(st.sampled_from(["a", "b", None]), st.booleans(), st.booleans())


@given(rows=st.lists(ROW, max_size=12))
def test_emptied_classes_are_those_of_a_plain_count(rows):
    table = pa.table(
        {
            "given_label": pa.array([label for label, _, _ in rows], pa.string()),
            "clean_prob": pa.array([0.5 if s or k else None for _, s, k in rows], pa.float32()),
            "keep": pa.array([kept for _, _, kept in rows], pa.bool_()),
        }
    )
    expected = {}
    for name in ("a", "b"):
        scored = [kept for label, s, kept in rows if label == name and (s or kept)]
        if scored and not any(scored):
            expected[name] = len(scored)
    assert emptied_classes(table) == expected


def half_empty(folder) -> Scored:
    """Of leaf nothing is above 0.5."""
    made = make_scored(folder)
    rows = read_scores(made.table).table.select(
        ["file_name", "given_label", "clean_prob", "clean_top_label", "keep", "content_sha256"]
    ).to_pylist()  # fmt: skip
    for row in rows:
        if row["given_label"] == "leaf":
            row.update(clean_prob=0.2, keep=False)
    write_scores(score_table(rows), made.table, made.images, True)
    return made


def test_select_tells_and_forgets(tmp_path):
    scored = half_empty(tmp_path)
    done = run_cli("select", scored.table, "--threshold", 0.5, "-o", "x.parquet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "nothing is kept of 1 class" in done.stderr
    assert "'leaf' (16 rows)" in done.stderr
    assert "warnings       1, see above" in done.stdout
    made = read_scores(tmp_path / "x.parquet").metadata
    assert [text[:26] for text in made["warnings"]] == ["nothing is kept of 1 class"]
    more = deftclean.select(tmp_path / "x.parquet", threshold=0.1, output=tmp_path / "y.parquet")
    assert more.warnings == ()
    assert read_scores(tmp_path / "y.parquet").metadata["warnings"] == []


def test_check_and_report_tell(tmp_path):
    scored = half_empty(tmp_path)
    checked = deftclean.check(scored.table, fail_on="kept[leaf]<1")
    assert (checked.exit_code, len(checked.warnings)) == (1, 1)
    assert "'leaf' (16 rows)" in checked.warnings[0]
    deftclean.select(scored.table, threshold=0.5, output=tmp_path / "x.parquet")
    deftclean.report(tmp_path / "x.parquet", output=tmp_path / "x.html")
    assert "nothing is kept of 1 class" in (tmp_path / "x.html").read_text(encoding="utf-8")
