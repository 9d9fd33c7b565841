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
    apart = write(tmp_path / "apart.parquet", [picture(0, "leaf", "x")])
    assert states(deftclean.check(table, against=apart)) == [(0, "passed", "")]
    with pytest.raises(UsageError) as caught:
        deftclean.check(table, against=tmp_path / "x" / ".." / "train.parquet")
    assert caught.value.message.endswith("is the table that is checked: it shares every picture.")
    assert "those of the test" in caught.value.hint
