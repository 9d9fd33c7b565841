"""Gates about what the scan's evidence, a random sample or other pictures say."""

import numpy as np
import pyarrow as pa
import pytest

import deftclean
from deftclean.core.errors import UsageError
from deftclean.table.audit import draw
from deftclean.table.reviewed import Decisions, apply_decisions
from deftclean.table.scores import ScoreTable, read_scores, write_scores
from tests.support.scored import make_scored, score_table

EVIDENCE = {
    "witnesses": {"zero_shot": 1.0},
    "informed": 0.75,
    "level": 0.9,
    "estimated_noise": {"estimate": 0.25, "low": 0.2, "high": 0.3},
    "estimated_noise_of": {"leaf": {"estimate": 0.5, "low": 0.4, "high": 0.6}},
}


def states(result):
    return [(gate.value, gate.state, gate.reason) for gate in result.gates]


def write(path, rows, **facts):
    scores = score_table(rows)
    made = ScoreTable(scores.table, {**scores.metadata, **facts})
    write_scores(made, path, path.parent / "images", True)
    return path


def picture(index, label, digest):
    return {
        "file_name": f"{index}.png",
        "given_label": label,
        "clean_prob": 0.9,
        "keep": True,
        "content_sha256": digest,
    }


ROWS = [picture(0, "apple", "a"), picture(1, "apple", "a"), picture(2, "leaf", "b"),
        picture(3, "ocean", "b"), picture(4, "leaf", "c")]  # fmt: skip


def test_the_estimate_of_the_scan(tmp_path):
    table = write(tmp_path / "x.parquet", ROWS, evidence=EVIDENCE)
    asked = ["estimated_noise>0.2", "estimated_noise[leaf]>0.5", "estimated_noise[apple]>0"]
    result = deftclean.check(table, fail_on=asked)
    unknown = "the table was not made by --recipe evidence, or has no such class"
    assert states(result) == [(0.25, "failed", ""), (0.5, "passed", ""), (None, "unknown", unknown)]
    assert result.estimate.rate == 0.25
    plain = deftclean.check(write(tmp_path / "y.parquet", ROWS), fail_on=asked[0])
    assert states(plain) == [(None, "unknown", unknown)]
    assert plain.estimate is None


def test_what_a_random_sample_proves(tmp_path):
    """All 48 rows are looked at; of 8 flagged ones 6 are dropped, of 40 kept ones 4: 10 of 48
    are wrong, and 6 of 8 flags are right."""
    scored = make_scored(tmp_path)
    asked = ["audited_noise>0.2", "audited_precision<0.8"]
    unknown = "no random sample was audited (deftclean report --audit 100)"
    found = deftclean.check(scored.table, fail_on=asked)
    assert states(found) == [(None, "unknown", unknown)] * 2
    scores = read_scores(scored.table)
    scores = ScoreTable(scores.table, {**scores.metadata, "seed": 3})
    sample = draw(scores, 96)
    order = np.argsort(sample.places)
    flagged = [place for place in range(48) if place % 6 == 5]
    wrong = {*flagged[:6], *[place for place in range(48) if place % 6 != 5][:4]}
    said = ["drop" if place in wrong else "keep" for place in range(48)]
    nobody = pa.nulls(48, pa.string())
    marks = pa.array(np.array(sample.marks, dtype=object)[order], pa.string())
    made = Decisions(np.arange(48), pa.array(said), nobody, nobody, nobody, marks)
    write_scores(apply_decisions(scores, made), scored.table, scored.images, True)
    audited = deftclean.check(scored.table, fail_on=asked)
    values = [value for value, _, _ in states(audited)]
    assert values == pytest.approx([10 / 48, 6 / 8])
    assert [state for _, state, _ in states(audited)] == ["failed", "failed"]
    assert (found.audited, audited.audited.drawn, audited.audited.decided) == (None, 48, 48)


def test_pictures_that_stand_in_several_rows(tmp_path):
    """Rows 0 and 1 show one picture, and so do 2 and 3, with different labels."""
    table = write(tmp_path / "x.parquet", ROWS)
    asked = ["duplicates>2", "duplicates[apple]>0", "conflicting_duplicates>1",
             "conflicting_duplicates[leaf]>0", "near_duplicates>0"]  # fmt: skip
    result = deftclean.check(table, fail_on=asked)
    assert [value for value, _, _ in states(result)] == [2, 1, 2, 1, None]
    assert [state for _, state, _ in states(result)] == [
        "passed", "failed", "failed", "failed", "unknown",
    ]  # fmt: skip
    assert "near" in result.gates[4].reason
    assert result.copies.duplicates == 2


def test_pictures_of_other_data(tmp_path):
    """Of what the other table could not read, nothing is known."""
    table = write(tmp_path / "train.parquet", ROWS)
    lost = {**picture(0, "leaf", "c"), "status": "missing", "clean_prob": None, "keep": False}
    other = write(tmp_path / "test.parquet", [lost, picture(1, "leaf", "b")])
    alone = deftclean.check(table, against=other)
    assert [gate.expression.text for gate in alone.gates] == ["leaked>0"]
    assert states(alone) == [(2, "failed", "")]
    asked = deftclean.check(table, against=str(other), fail_on=["leaked[ocean]>1", "rows<1"])
    assert [state for _, state, _ in states(asked)] == ["passed", "passed"]
    assert asked.gates[0].value == 1
    both = deftclean.check(table, against=other, baseline=table, fail_on="leaked>0")
    assert states(both) == [(2, "failed", "")]
    apart = write(tmp_path / "apart.parquet", [picture(0, "leaf", "x")])
    assert states(deftclean.check(table, against=apart)) == [(0, "passed", "")]
    with pytest.raises(UsageError) as caught:
        deftclean.check(table, against=tmp_path / "x" / ".." / "train.parquet")
    assert caught.value.message == (
        f"--against {tmp_path / 'x' / '..' / 'train.parquet'} is the table that is checked: it "
        "shares every picture."
    )
    assert caught.value.hint == "Give the table of the other data, such as those of the test."


KINDS = [
    {**picture(0, "apple", "a"), "kind": "off_topic"},
    {**picture(1, "leaf", "b"), "kind": "off_topic", "quality": "dark"},
    {**picture(2, "leaf", "c"), "kind": "ambiguous", "quality": "dark, tiny"},
    {**picture(3, "leaf", "d"), "quality": "tiny"},
]


def test_kinds_of_rows(tmp_path):
    asked = ["off_topic>1", "off_topic[leaf]>1", "bad_pictures>3", "bad_pictures[leaf]>2",
             "ambiguous[leaf]>0", "ambiguous[apple]>0"]  # fmt: skip
    facts = {"quality": {}, "off_topic": {}, "evidence": EVIDENCE}
    result = deftclean.check(write(tmp_path / "x.parquet", KINDS, **facts), fail_on=asked)
    assert [gate.value for gate in result.gates] == [2, 1, 3, 3, 1, 0]
    assert [gate.state[0] for gate in result.gates] == ["f", "p", "p", "f", "f", "p"]
    assert result.kinds.kinds == {"off_topic": 2, "ambiguous": 1}
    assert result.kinds.quality == {"dark": 2, "tiny": 2}
    older = deftclean.check(write(tmp_path / "y.parquet", KINDS), fail_on=asked[:1])
    unknown = "the table was made by an older deftclean, or by none"
    assert states(older) == [(None, "unknown", unknown)]
    assert older.kinds.kinds is None


def test_conflicts_are_as_many_as_were_asked_for(tmp_path):
    rows = [*ROWS, picture(5, "apple", "c")]
    table = write(tmp_path / "x.parquet", rows)
    assert [c.rows for c in deftclean.check(table).conflicts] == [(2, 3), (4, 5)]
    assert [c.rows for c in deftclean.check(table, top=1).conflicts] == [(2, 3)]


def test_what_is_asked_twice_is_asked_once(tmp_path):
    scored = make_scored(tmp_path, 6)
    asked = ["altered_pictures>0", "rows<1"]
    result = deftclean.check(scored.table, fail_on=asked, verify=True)
    assert [gate.expression.text for gate in result.gates] == [
        *asked, "altered_table>0", "altered_detector>0",
    ]  # fmt: skip
    alone = deftclean.check(scored.table, fail_on="rows<1", verify=True, against=scored.table.parent
                            / write(tmp_path / "other.parquet", ROWS).name)  # fmt: skip
    assert [gate.expression.metric for gate in alone.gates] == [
        "rows", "altered_table", "altered_detector", "altered_pictures",
    ]  # fmt: skip


def test_warnings_come_in_the_order_of_what_they_are_about(tmp_path):
    scored = make_scored(tmp_path, 6)
    (scored.images / "000.png").unlink()
    scores = read_scores(scored.table)
    keep = scores.table.column_names.index("keep")
    none_kept = scores.table.set_column(keep, "keep", pa.array([False] * 6))
    old = tmp_path / "old.parquet"
    write_scores(
        ScoreTable(scores.table, {**scores.metadata, "threshold": 0.25}), old, scored.images, True
    )
    write_scores(ScoreTable(none_kept, scores.metadata), scored.table, scored.images, True)
    result = deftclean.check(scored.table, baseline=old, verify=True)
    emptied, compared, verified = result.warnings
    assert "3 classes" in emptied
    assert compared.startswith("the two tables were not judged alike")
    assert verified.startswith("1 pictures are gone")
    assert (result.table, result.baseline) == (scored.table, old)
