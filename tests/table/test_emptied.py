"""Classes from which nothing is kept are told wherever `keep` is decided, and no longer than so."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

import deftclean
from deftclean.adaptation.training_rows import LabelChoice, training_rows
from deftclean.table.emptied import emptied_classes, filling_rows
from deftclean.table.reviewed import Decisions, apply_decisions
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


def test_filling_rows_by_hand():
    """a: 0.7 + 0.7 + 0.6 = 2.0 in float32, not quite; b: 0.3, at least one; c keeps one."""
    given = ["a", "a", "a", "b", "b", "c", "c", "d", None, "a", "e"]
    probs = [0.7, 0.6, 0.7, 0.1, 0.1, 0.2, 0.9, None, 0.4, 0.1, 0.45]
    may = np.array([True] * 9 + [False, True])  # the last a, 0.1, is one that people dropped
    table = pa.table(
        {
            "given_label": pa.array(given, pa.string()),
            "clean_prob": pa.array(probs, pa.float32()),
            "keep": pa.array([at == 6 for at in range(len(given))], pa.bool_()),
        }
    )
    assert np.flatnonzero(filling_rows(table, may)).tolist() == [0, 2, 3, 10]
    coded = table.set_column(0, "given_label", table["given_label"].dictionary_encode())
    assert np.flatnonzero(filling_rows(coded, may)).tolist() == [0, 2, 3, 10]
    assert not filling_rows(table.slice(0, 0), may[:0]).any()


CLASSES = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from([None, 0.1, 0.25, 0.5]), st.booleans()),
    max_size=9,
)


@given(rows=CLASSES)
def test_filling_rows_are_those_of_a_plain_loop(rows):
    keep = [prob is not None and prob > 0.3 and may for _, prob, may in rows]
    table = pa.table(
        {
            "given_label": pa.array([label for label, _, _ in rows], pa.string()),
            "clean_prob": pa.array([prob for _, prob, _ in rows], pa.float32()),
            "keep": pa.array(keep, pa.bool_()),
        }
    )
    expected = set()
    for name in "ab":
        of_class = [at for at, (label, _, _) in enumerate(rows) if label == name]
        open_ones = [at for at in of_class if rows[at][1] is not None and rows[at][2]]
        if not any(keep[at] for at in of_class):
            total = sum(rows[at][1] for at in open_ones)
            open_ones.sort(key=lambda at: -rows[at][1])
            expected |= set(open_ones[: max(1, int(total + 1e-5))])
    may = np.array([may for _, _, may in rows], dtype=bool)
    assert set(np.flatnonzero(filling_rows(table, may)).tolist()) == expected


def test_select_fills_and_says_so(tmp_path):
    """16 leaves of 0.2: 3.2 right labels are expected; the first three are kept. Then people drop
    the first and the fourth."""
    scored = half_empty(tmp_path)
    done = run_cli("select", scored.table, "--fill-classes", "-o", "x.parquet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = "kept to fill 1 class that would be left without a row, the most probable rows: 'leaf' ("
    assert said + "3 rows)" in " ".join(done.stderr.split())
    assert "nothing is kept" not in done.stderr
    assert "filled         3 kept for 1 class that would be left without a row" in done.stdout
    made = read_scores(tmp_path / "x.parquet")
    assert made.metadata["filled_classes"] == {"leaf": 3}
    leaves = np.flatnonzero(made.table["given_label"].to_numpy() == "leaf")
    kept = made.table["keep"].to_numpy()
    assert kept[leaves].tolist() == [True] * 3 + [False] * 13
    assert made.metadata["noise_rate"] == (~kept).sum() / 48

    checked = deftclean.check(tmp_path / "x.parquet", fail_on=["kept[leaf]<3", "altered_table>0"])
    assert (checked.passed, [text[:12] for text in checked.warnings]) == (True, ["kept to fill"])
    deftclean.report(tmp_path / "x.parquet", output=tmp_path / "x.html", kept=9)
    assert "kept to fill 1 class" in (tmp_path / "x.html").read_text(encoding="utf-8")
    deftclean.report(tmp_path / "x.parquet", output=tmp_path / "y.html", audit=9)
    learned = training_rows(made, tmp_path / "x.parquet", LabelChoice(None, 0.9, False, False))
    assert set(leaves[:3]) <= set(learned.chosen.tolist())
    assert "leaf" in learned.class_names

    nobody = pa.nulls(2, pa.string())
    dropped = Decisions(leaves[[0, 3]], pa.array(["drop"] * 2), nobody, nobody, nobody, nobody)
    merged = apply_decisions(made, dropped)
    assert merged.table["keep"].to_numpy()[leaves].tolist() == [False, True, True] + [False] * 13
    write_scores(merged, tmp_path / "z.parquet", scored.images, False)
    again = deftclean.select(
        tmp_path / "z.parquet", output=tmp_path / "w.parquet", fill_classes=True
    )
    kept = again.scores.table["keep"].to_numpy()[leaves]
    assert kept.tolist() == [False, True, True] + [False] * 13  # 14 of 0.2 are left: 2.8
    plain = deftclean.select(tmp_path / "w.parquet", output=tmp_path / "v.parquet")
    assert "filled_classes" not in plain.scores.metadata
    assert [text[:15] for text in plain.warnings] == ["nothing is kept"]
    assert not plain.scores.table["keep"].to_numpy()[leaves].any()
