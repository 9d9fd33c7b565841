"""`export --apply suggested`: corrected labels without a review, and the log of changes."""

import csv
import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import deftclean
from deftclean.core.errors import InputError, UsageError
from deftclean.data.manifest import read_manifest
from deftclean.data.options import ManifestOptions
from deftclean.exports.corrected import corrected
from deftclean.table.scores import ScoreTable, read_scores, write_scores
from tests.support.commands import run_cli
from tests.support.scored import NAMES, Scored, make_scored, score_table

LOG = ["row", "file_name", "given_label", "new_label", "suggested_prob", "clean_prob"]
SURE, UNSURE = (5, 11, 17), (23, 29, 35, 41, 47)


@pytest.fixture
def scored(tmp_path: Path) -> Scored:
    """48 rows; of the eight flagged ones three have a suggestion that is certain."""
    made = make_scored(tmp_path)
    rewrite(made, suggested_prob=[0.99 if row in SURE else 0.6 for row in range(48)])
    return made


def rewrite(made: Scored, strategy: str = "evidence", **columns: list[Any]) -> None:
    """The table with other columns, by a recipe."""
    scores = read_scores(made.table)
    table = scores.table
    for name, values in columns.items():
        at = table.column_names.index(name)
        table = table.set_column(at, name, pa.array(values, table.schema.field(name).type))
    facts = {**scores.metadata, "strategy": strategy}
    write_scores(ScoreTable(table, facts), made.table, made.images, overwrite=True)


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def apply(made: Scored, output: Path, **options: Any) -> deftclean.ExportResult:
    to = options.pop("to", "csv")
    return deftclean.export(made.table, to=to, output=output, apply="suggested", **options)


def test_certain_suggestions_become_labels_and_are_listed(scored, tmp_path):
    done = run_cli(
        "export", "clean.parquet", "--to", "csv", "-o", "out.csv",
        "--apply", "suggested", "--above", "0.95", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "written        43" in done.stdout
    assert "corrected      3" in done.stdout
    assert "left out       5 flagged" in done.stdout
    rows = {row["file_name"]: row["label"] for row in read_csv(tmp_path / "out.csv")}
    assert rows == {f"{row:03d}.png": scored.true[row] for row in range(48) if row not in UNSURE}
    log = read_csv(tmp_path / "out.changes.csv")
    assert list(log[0]) == LOG
    assert [row["row"] for row in log] == ["5", "11", "17"]
    assert log[0] == {
        "row": "5", "file_name": "005.png", "given_label": "apple", "new_label": "ocean",
        "suggested_prob": "0.99", "clean_prob": "0.1",
    }  # fmt: skip


def test_the_limit_is_exceeded_in_the_precision_of_the_table(scored, tmp_path):
    for above, count in ((0.6, 3), (0.59, 8), (0.99, 0), (1.0, 0), (None, 3)):
        result = apply(scored, tmp_path / f"{above}.csv", above=above)
        assert (result.corrected, result.written) == (count, 40 + count)


@pytest.mark.parametrize("to", ["folder", "imagefolder"])
def test_folders_hold_their_log(to, scored, tmp_path):
    result = apply(scored, tmp_path / "out", to=to)
    assert result.changes == tmp_path / "out" / "changes.csv"
    assert [row["new_label"] for row in read_csv(result.changes)] == [scored.true[r] for r in SURE]
    if to == "folder":
        found = {path.name: path.parent.name for path in (tmp_path / "out").glob("*/*.png")}
        assert found == {f"{r:03d}.png": scored.true[r] for r in range(48) if r not in UNSURE}
    else:
        lines = (tmp_path / "out" / "train" / "metadata.jsonl").read_text().splitlines()
        found = {row["source"]: row["label"] for row in map(json.loads, lines)}
        assert [found[f"{row:03d}.png"] for row in SURE] == [scored.true[row] for row in SURE]


def test_a_corrected_folder_can_be_scanned_again(scored, tmp_path):
    apply(scored, tmp_path / "out", to="folder")
    manifest = read_manifest(tmp_path / "out", None, ManifestOptions())
    assert len(manifest) == 43
    assert set(manifest.given_labels.to_pylist()) == set(NAMES)


def test_the_log_names_only_what_was_written(scored, tmp_path):
    (scored.images / "011.png").write_bytes(b"another picture")
    result = apply(scored, tmp_path / "out", to="folder", skip_changed=True)
    assert result.left_out == {"changed": 1, "flagged": 5}
    assert [row["row"] for row in read_csv(tmp_path / "out" / "changes.csv")] == ["5", "17"]
    assert result.corrected == 2


def test_what_people_decided_stays(scored, tmp_path):
    entries = pq.read_table(scored.table).to_pylist()
    path = tmp_path / "review.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        names = ["row", "file_name", "content_sha256", "given_label"]
        writer.writerow([*names, "decision", "final_label", "reviewer", "reviewed_at"])
        for row, decision, label in ((5, "drop", ""), (11, "keep", ""), (23, "relabel", "leaf")):
            told = [entries[row][name] for name in names]
            writer.writerow([*told, decision, label, "Ada", ""])
    deftclean.review(scored.table, path, output=tmp_path / "reviewed.parquet")
    result = deftclean.export(
        tmp_path / "reviewed.parquet", to="csv", output=tmp_path / "out.csv", apply="suggested"
    )
    rows = {row["file_name"]: row["label"] for row in read_csv(tmp_path / "out.csv")}
    assert "005.png" not in rows
    assert (rows["011.png"], rows["023.png"]) == (entries[11]["given_label"], "leaf")
    assert rows["017.png"] == scored.true[17]
    assert [row["row"] for row in read_csv(tmp_path / "out.changes.csv")] == ["17"]
    assert result.corrected == 1


def test_a_suggestion_that_is_the_given_label_corrects_nothing(scored, tmp_path):
    given = read_scores(scored.table).table["given_label"].to_pylist()
    rewrite(scored, suggested_label=given)
    result = apply(scored, tmp_path / "out.csv", rows="all")
    assert (result.corrected, result.written) == (0, 48)
    assert (tmp_path / "out.changes.csv").read_text().count("\n") == 1
    assert {row["keep"] for row in read_csv(tmp_path / "out.csv")} == {"true", "false"}


def test_labels_are_harmless_in_the_log_too(scored, tmp_path):
    suggested = ["=cmd" if row == 5 else "leaf" for row in range(48)]
    rewrite(scored, suggested_label=suggested)
    apply(scored, tmp_path / "out.csv")
    assert read_csv(tmp_path / "out.changes.csv")[0]["new_label"] == "'=cmd"


def test_a_class_called_like_the_log_has_another_folder(scored, tmp_path):
    rewrite(scored, suggested_label=["Changes.csv"] * 48)
    apply(scored, tmp_path / "out", to="folder")
    named = json.loads((tmp_path / "out" / "class-names.json").read_text())
    assert [folder for folder, label in named.items() if label == "Changes.csv"] == [
        "Changes.csv-2"
    ]
    assert len(read_csv(tmp_path / "out" / "changes.csv")) == 3


@pytest.mark.parametrize("recipe", ["deft", "knn"])
def test_a_recipe_without_calibrated_suggestions_is_refused(recipe, scored, tmp_path):
    rewrite(scored, strategy=recipe)
    done = run_cli(
        "export", "clean.parquet", "--to", "csv", "-o", "out.csv", "--apply", "suggested",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 2
    assert f"--recipe {recipe}" in done.stderr
    assert "--recipe evidence" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clean.parquet", "images"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"to": "csv", "output": "x.csv", "apply": "suggested", "above": 0.0}, "--above is 0.0"),
        ({"to": "csv", "output": "x.csv", "apply": "suggested", "above": 1.5}, "--above is 1.5"),
        ({"to": "csv", "output": "x.csv", "apply": "suggested", "above": float("nan")}, "nan"),
        ({"to": "csv", "output": "x.csv", "above": 0.9}, "--above goes with --apply"),
        ({"to": "csv", "output": "x.csv", "apply": "best"}, "nothing to apply but suggested"),
        ({"to": "cleanlab", "output": "x.csv", "apply": "suggested"}, "no place for a corrected"),
        ({"to": "fiftyone", "output": "x", "apply": "suggested"}, "no place for a corrected"),
        ({"to": "label-studio", "output": "x", "apply": "suggested"}, "no place for a corrected"),
        ({"to": "csv", "output": "x.csv", "apply": "suggested", "rows": "flagged"}, "--rows kept"),
    ],
)
def test_what_cannot_be_applied_is_refused_before_anything_is_read(
    wrong, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        deftclean.export("no-such-table.parquet", **wrong)


def test_a_log_in_the_way_is_not_replaced_by_accident(scored, tmp_path):
    log = tmp_path / "out.changes.csv"
    log.write_text("mine\n")
    with pytest.raises(UsageError, match="exists already"):
        apply(scored, tmp_path / "out.csv")
    with pytest.raises(UsageError, match=r"none of deftclean's"):
        apply(scored, tmp_path / "out.csv", overwrite=True)
    assert (log.read_text(), (tmp_path / "out.csv").exists()) == ("mine\n", False)
    deftclean.export(scored.table, to="csv", output=tmp_path / "out.csv", overwrite=True)
    assert log.read_text() == "mine\n"


def test_a_log_goes_with_the_file_that_it_is_about(scored, tmp_path):
    first = apply(scored, tmp_path / "out.csv")
    again = apply(scored, tmp_path / "out.csv", above=0.5, overwrite=True)
    assert (first.corrected, len(read_csv(again.changes))) == (3, 8)
    deftclean.export(scored.table, to="csv", output=tmp_path / "out.csv", overwrite=True)
    assert not (tmp_path / "out.changes.csv").exists()


@pytest.mark.parametrize("to", ["csv", "folder"])
def test_output_and_log_come_together_or_not_at_all(to, scored, tmp_path, monkeypatch):
    """The disk is full when the log is written: what stood there before is still there."""
    output = tmp_path / ("out.csv" if to == "csv" else "out")
    apply(scored, output, to=to)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("deftclean.exports.changes.pv.write_csv", full)
    with pytest.raises(deftclean.DeftcleanError, match="No space left"):
        apply(scored, output, to=to, above=0.5, overwrite=True)
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert after == before


def test_same_table_same_bytes(scored, tmp_path):
    apply(scored, tmp_path / "a.csv")
    apply(scored, tmp_path / "b.csv")
    for name in ("{}.csv", "{}.changes.csv"):
        one, other = (tmp_path / name.format(which) for which in "ab")
        assert one.read_bytes() == other.read_bytes()


rows = st.fixed_dictionaries(
    {
        "given_label": st.sampled_from([*NAMES, None]),
        "predicted_label": st.sampled_from([*NAMES, None]),
        "predicted_prob": st.one_of(st.none(), st.floats(0, 1, width=32)),
        "clean_prob": st.one_of(st.none(), st.floats(0, 1, width=32)),
        "keep": st.booleans(),
    }
)


@settings(max_examples=60, deadline=None)
@given(st.lists(rows, min_size=1, max_size=8), st.floats(0.01, 1))
def test_only_flagged_rows_with_another_certain_suggestion_change(drawn, above):
    scores = score_table(drawn)
    scores.metadata["strategy"] = "evidence"
    made = corrected(scores, Path("clean.parquet"), above)
    limit = pa.scalar(above, pa.float32()).as_py()
    for row, label, changed, keep in zip(
        drawn, made.labels.to_pylist(), made.changed, made.scores.table["keep"].to_pylist(),
        strict=True,
    ):  # fmt: skip
        flagged = row["clean_prob"] is not None and not row["keep"]
        certain = (row["predicted_prob"] or 0) > limit
        new, old = row["predicted_label"], row["given_label"]
        expected = flagged and certain and None not in (new, old) and new != old
        assert (label, changed, keep) == (
            new if expected else old,
            expected,
            row["keep"] or expected,
        )


def test_an_input_error_is_told_from_a_wrong_option(scored):
    with pytest.raises(InputError):
        deftclean.export(scored.images / "no.parquet", to="csv", output="x.csv", apply="suggested")
