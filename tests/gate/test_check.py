"""Gates: metrics against a plain count, what cannot be computed, and what a baseline forgives."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import deftclean
from deftclean.core.errors import UsageError
from deftclean.gate.results import ChangedRow, SeenRow, shown
from deftclean.table.problems import KINDS, Counts, problems_of, worst
from deftclean.table.scores import ScoreTable, read_scores, write_scores
from tests.support.scored import make_scored, score_table

KIND = st.sampled_from(["fine", *KINDS[1:]])


def row(index, label="apple", kind="fine", prob=None, **more):
    scored = kind in ("fine", "flagged")
    return {
        "file_name": f"{index}.png",
        "given_label": None if kind == "unlabeled" else label,
        "clean_prob": (prob or (0.9 if kind == "fine" else 0.1)) if scored else None,
        "keep": kind == "fine",
        "status": "ok" if scored else kind,
        **more,
    }


def written(path, rows):
    write_scores(score_table(rows), path, path.parent / "images", True, path.parent / "labels.csv")
    return path


def state(result):
    return [(gate.value, gate.state) for gate in result.gates]


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(st.tuples(st.sampled_from(["apple", "leaf", "x"]), KIND), max_size=12))
def test_counts_are_those_of_a_plain_count(rows):
    listed = [row(i, label, kind) for i, (label, kind) in enumerate(rows)]
    counts = Counts.of(problems_of(score_table(listed), "x"))
    for label in (None, "apple", "ocean"):
        mine = [r for r in listed if label is None or r["given_label"] == label]
        expected = {
            "rows": len(mine),
            "scored": sum(r["status"] == "ok" for r in mine),
            "kept": sum(r["keep"] for r in mine),
            "not_scored": sum(r["status"] != "ok" for r in mine),
            "flagged": sum(r["status"] == "ok" and not r["keep"] for r in mine),
            "missing": sum(r["status"] == "missing" for r in mine),
        }
        assert {name: counts.count(name, label) for name in expected} == expected


def test_gates_of_a_table(tmp_path):
    scored = make_scored(tmp_path)  # 48 rows, every sixth flagged
    asked = ["noise_rate>0.1", "noise_rate[leaf]>10%", "flagged>8", "flagged>=8", "rows!=48"]
    result = deftclean.check(scored.table, fail_on=[*asked, "missing>0", "kept[apple]<16"])
    assert state(result)[0] == (8 / 48, "failed")
    assert [gate.state for gate in result.gates[1:4]] == ["passed", "passed", "failed"]
    assert state(result)[4:] == [(48, "passed"), (0, "passed"), (16, "passed")]
    assert (result.passed, result.exit_code) == (False, 1)
    assert result.gates[0].limit == 0.1
    assert result.counts.noise_rate == 8 / 48
    assert repr(result) == (
        f"CheckResult(table={scored.table}, passed=False, gates=2 failed, 5 passed, rows=48, "
        "noise_rate=16.7%, findings=8 flagged)"
    )


def test_a_single_expression_may_be_given_as_text(tmp_path):
    scored = make_scored(tmp_path)
    result = deftclean.check(scored.table, fail_on="flagged>8")
    assert (result.passed, result.exit_code) == (True, 0)


def test_nothing_asked_is_nothing_passed(tmp_path):
    result = deftclean.check(make_scored(tmp_path).table)
    assert (result.gates, result.passed, result.exit_code) == ((), None, 0)
    assert (result.baseline, result.changes, result.warnings) == (None, (), ())
    assert len(result.findings) == result.total == 8


@pytest.mark.parametrize(
    "expression", ["noise_rate>0.5", "noise_rate[leaf]>0.5", "flagged[leaf]>9", "noise_rate>=0"]
)
def test_what_cannot_be_computed_never_passes(tmp_path, expression):
    rows = [row(0, "apple", "missing"), row(1, "leaf", "unreadable")]
    table = written(tmp_path / "x.parquet", rows)
    result = deftclean.check(table, fail_on=[expression, "missing>0"])
    assert state(result) == [(None, "unknown"), (1, "failed")]
    assert (result.passed, result.exit_code) == (False, 3)
    what = "row of class 'leaf'" if "[leaf]" in expression else "row"
    assert result.gates[0].message == f"{expression}: cannot be computed, no {what} was scored"


def test_a_class_without_rows_is_known_and_cannot_be_computed(tmp_path):
    table = written(tmp_path / "x.parquet", [row(0, "apple"), row(1, "leaf")])
    result = deftclean.check(table, fail_on=["noise_rate[ocean]>0", "rows[ocean]>0"])
    assert state(result) == [(None, "unknown"), (0, "passed")]
    with pytest.raises(UsageError, match=r"no class 'oceans' \(did you mean 'ocean'\?\)"):
        deftclean.check(table, fail_on="rows[oceans]>0")


def test_a_label_that_is_no_class_may_be_asked_for(tmp_path):
    table = written(tmp_path / "x.parquet", [row(0, "cow", "unknown_label"), row(1)])
    result = deftclean.check(table, fail_on=["unknown_label[cow]>0", "unlabeled>0"])
    assert state(result) == [(1, "failed"), (0, "passed")]


def test_a_baseline_forgives_what_it_has(tmp_path):
    old = written(tmp_path / "old.parquet", [row(0, kind="flagged"), row(1), row(2), row(3)])
    rows = [row(0, kind="flagged"), row(1, kind="flagged"), row(2, kind="missing"), row(4)]
    new = written(tmp_path / "new.parquet", rows)
    assert state(deftclean.check(new, fail_on="flagged>1")) == [(2, "failed")]
    asked = ["flagged>1", "noise_rate>0.4", "missing>0", "rows<4", "gone_rows>0", "new_rows>1"]
    result = deftclean.check(new, fail_on=asked, baseline=old)
    assert [gate.value for gate in result.gates] == [1, 1 / 3, 1, 4, 1, 1]
    assert [gate.state[0] for gate in result.gates] == ["p", "p", "f", "p", "f", "p"]
    assert [f.file_name for f in result.findings] == ["1.png", "2.png"]
    assert (result.total, result.counts.flagged) == (2, 2)
    assert {c.name: c.total for c in result.changes if c.total} == {
        "new_problems": 2, "newly_flagged": 1, "newly_bad": 1, "new_rows": 1, "gone_rows": 1,
    }  # fmt: skip
    gone = next(c for c in result.changes if c.name == "gone_rows").rows[0]
    assert (gone.now, gone.before) == (None, SeenRow(3, "3.png", "apple", "fine"))
    newly = {c.name: c.rows for c in result.changes}
    assert newly["newly_flagged"] == (
        ChangedRow(SeenRow(1, "1.png", "apple", "flagged"), SeenRow(1, "1.png", "apple", "fine")),
    )
    assert newly["new_rows"] == (ChangedRow(SeenRow(3, "4.png", "apple", "fine"), None),)
    assert len(newly["new_problems"]) == 2
    whole = deftclean.check(new, baseline=str(old)).counts
    assert (whole.rows, whole.scored, whole.kept, whole.flagged) == (4, 3, 1, 2)
    assert (whole.noise_rate, whole.not_scored) == (2 / 3, {"missing": 1})
    few = deftclean.check(new, fail_on=asked, baseline=old, top=1).changes[0]
    assert (few.total, few.rows) == (2, newly["new_problems"][:1])


def test_rows_of_a_baseline_are_found_wherever_they_stood(tmp_path):
    """Row 0 of the new table was row 1, row 1 is new, row 2 was row 0."""
    old = written(tmp_path / "old.parquet", [row(0, "leaf"), row(1)])
    rows = [row(1, kind="flagged"), row(2, kind="flagged"), row(0, "leaf", "missing")]
    changes = deftclean.check(written(tmp_path / "new.parquet", rows), baseline=old).changes
    found = next(c for c in changes if c.name == "new_problems").rows
    assert {(r.now.row, r.before and r.before.row) for r in found} == {(0, 1), (1, None), (2, 0)}
    assert {r.now.given_label for r in found} == {"apple", "leaf"}


def test_a_baseline_alone_asks_for_no_new_problem(tmp_path):
    old = written(tmp_path / "old.parquet", [row(0, kind="flagged"), row(1)])
    result = deftclean.check(old, baseline=old)
    assert [(g.expression.text, *s) for g, s in zip(result.gates, state(result), strict=True)] == [
        ("new_problems>0", 0, "passed")
    ]
    new = written(tmp_path / "new.parquet", [row(0), row(1, kind="flagged")])
    assert deftclean.check(new, baseline=old).exit_code == 1


def test_changes_by_class(tmp_path):
    old = written(tmp_path / "old.parquet", [row(0), row(1, "leaf")])
    new = written(tmp_path / "new.parquet", [row(0, kind="flagged"), row(1, "leaf", "flagged")])
    asked = ["new_problems[apple]>0", "newly_flagged[ocean]>0", "new_problems>1"]
    assert [g.value for g in deftclean.check(new, fail_on=asked, baseline=old).gates] == [1, 0, 2]


def test_findings_are_the_worst_and_both_kinds_get_a_place(tmp_path):
    flagged = [row(i, kind="flagged", prob=0.4 - i / 100) for i in range(20)]
    missing = [row(i, kind="missing", error="gone") for i in range(20, 30)]
    table = written(tmp_path / "x.parquet", [*flagged, *missing])
    result = deftclean.check(table, top=4)
    assert [f.row for f in result.findings] == [19, 18, 20, 21]
    assert result.found == {"flagged": 20, "missing": 10}
    assert result.findings[2].message == "20.png (row 20): missing, gone"
    assert result.findings[0].message == (
        "19.png (row 19): label 'apple' is doubtful, clean_prob 0.2100"
    )
    assert deftclean.check(table, top=0).findings == ()
    with pytest.raises(UsageError, match=r"^--top is -1; it must be 0 or more\.$"):
        deftclean.check(table, top=-1)
    assert [f.error for f in result.findings] == [None, None, "gone", "gone"]
    assert [f.place.path for f in result.findings] == [result.source.path] * 4
    usual = deftclean.check(table)
    assert (len(usual.findings), usual.total) == (10, 30)


@given(
    kinds=st.lists(st.sampled_from(["fine", "flagged", "missing"]), max_size=12),
    count=st.integers(0, 8),
)
@settings(max_examples=60, deadline=None)
def test_the_worst_are_as_many_as_there_are(kinds, count):
    rows = problems_of(score_table([row(i, kind=k) for i, k in enumerate(kinds)]), "x")
    found = worst(rows, rows.kinds > 0, count)
    bad = [i for i, kind in enumerate(kinds) if kind != "fine"]
    assert len(set(found.tolist())) == len(found) == min(count, len(bad))
    assert set(found.tolist()) <= set(bad)


def test_a_status_that_is_none_is_refused(tmp_path):
    table = written(tmp_path / "x.parquet", [row(0), {**row(1), "status": "lost", "keep": False}])
    fine = written(tmp_path / "fine.parquet", [row(0)])
    for asked, baseline in ((table, None), (fine, table)):
        with pytest.raises(UsageError) as caught:
            deftclean.check(asked, baseline=baseline)
        assert caught.value.message == f"{table} has rows with a status that is none: 'lost'."


def test_a_probability_that_is_no_number_is_not_scored(tmp_path):
    table = written(tmp_path / "x.parquet", [row(0), row(1)])
    known = pq.read_table(table)  # nobody writes such a table any more; older ones may be there
    at = known.column_names.index("clean_prob")
    spoiled = pa.array([0.9, np.nan], pa.float32())
    pq.write_table(known.set_column(at, known.schema.field(at), spoiled), table)
    assert deftclean.check(table).counts.scored == 1


def test_rows_that_were_not_scored_by_their_status(tmp_path):
    rows = [row(at, kind=kind) for at, kind in enumerate(["fine", "fine", *KINDS[1:], KINDS[-1]])]
    result = deftclean.check(written(tmp_path / "x.parquet", rows))
    assert result.counts.not_scored == {**dict.fromkeys(KINDS[2:], 1), KINDS[-1]: 2}
    assert result.found == {"flagged": 1, **result.counts.not_scored}


def test_a_finding_says_what_is_suggested(tmp_path):
    rows = [row(0, kind="flagged", predicted_label="leaf"), row(1, kind="flagged", prob=0.2)]
    found = deftclean.check(written(tmp_path / "x.parquet", rows)).findings
    assert [(f.given_label, f.suggested_label) for f in found] == [
        ("apple", "leaf"),
        ("apple", None),
    ]
    assert found[0].message.endswith("clean_prob 0.1000; suggested: 'leaf'")


def test_what_is_noted_about_a_baseline_is_a_warning(tmp_path):
    old, new = (written(tmp_path / f"{name}.parquet", [row(0)]) for name in ("old", "new"))
    scores = read_scores(old)
    facts = {**scores.metadata, "threshold": 0.25}
    write_scores(ScoreTable(scores.table, facts), old, tmp_path / "images", True)
    assert deftclean.check(new, baseline=old).warnings == (
        "the two tables were not judged alike, so rows may differ for that alone: "
        "threshold was 0.25, is 0.5",
    )


def test_an_empty_table_passes_nothing(tmp_path):
    table = written(tmp_path / "x.parquet", [])
    result = deftclean.check(table, fail_on=["flagged>0", "rows<1"], baseline=table)
    assert state(result) == [(None, "unknown"), (0, "failed")]


def test_a_table_with_a_warning_says_how_many(tmp_path):
    """Of apple, nothing is kept."""
    result = deftclean.check(written(tmp_path / "x.parquet", [row(0, kind="flagged")]))
    assert repr(result).endswith("rows=1, noise_rate=100.0%, findings=1 flagged, warnings=1)")
    fine = deftclean.check(written(tmp_path / "x.parquet", [row(0)]))
    assert repr(fine).endswith("rows=1, noise_rate=0.0%)")


def test_values_as_they_are_shown():
    assert [shown(each) for each in (0, 1234567, 0.25, 1 / 3, 1234567.0)] == [
        "0", "1,234,567", "0.25", "0.333333", "1.23457e+06",
    ]  # fmt: skip
