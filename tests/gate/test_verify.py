"""`--verify`: what was altered since a table was made is found, and nothing else is."""

import contextlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import deftclean
from deftclean.core.errors import InputError, UsageError
from deftclean.core.progress import Silent
from deftclean.gate import verify
from deftclean.gate.check import Gates
from deftclean.table.scores import judged_by, read_scores, write_scores
from tests.support.scored import make_scored


@pytest.fixture
def scored(tmp_path):
    """48 rows with a detector folder."""
    made = make_scored(tmp_path)
    detector = tmp_path / "clean.detector"
    detector.mkdir()
    (detector / "detector.json").write_text("{}")
    scores = judged_by(read_scores(made.table), detector)
    write_scores(scores, made.table, made.images, True, None, detector)
    return made


def values(table, **how):
    result = deftclean.check(table, verify=True, **how)
    return {gate.expression.metric.removeprefix("altered_"): gate.value for gate in result.gates}


def test_nothing_was_altered(scored):
    result = deftclean.check(scored.table, verify=True)
    assert (result.passed, result.warnings) == (True, ())
    assert values(scored.table) == {"table": 0, "detector": 0, "pictures": 0}


def test_altered_pictures_are_counted_by_class_and_named(scored):
    (scored.images / "003.png").write_bytes(b"other")  # apple
    (scored.images / "004.png").unlink()  # leaf
    (scored.images / "001.png").touch()
    result = deftclean.check(
        scored.table, verify=True, fail_on=["altered_pictures[leaf]>1", "altered_pictures[leaf]>0"]
    )
    assert [(gate.value, gate.passed) for gate in result.gates] == [
        (1, True), (1, False), (0, True), (0, True), (2, False),
    ]  # fmt: skip
    assert result.exit_code == 1
    assert result.warnings == (
        "2 pictures are gone or are not those that were judged: 003.png, 004.png",
    )


def test_pictures_are_read_in_parts(scored, monkeypatch):
    monkeypatch.setattr(verify, "_STEP", 5)
    assert values(scored.table)["pictures"] == 0
    for name in ("000.png", "004.png", "023.png", "046.png", "047.png"):
        (scored.images / name).write_bytes(b"other")
    for at in range(5, 10):  # all of a part
        (scored.images / f"{at:03d}.png").unlink()
    result = deftclean.check(scored.table, verify=True)
    assert result.warnings == (
        "10 pictures are gone or are not those that were judged: 000.png, 004.png, 005.png, "
        "006.png, 007.png and 5 more",
    )


def test_progress_is_told_of_every_picture(scored):
    told = []

    class Listener(Silent):
        def stage(self, title, total):
            told.append((title, total))
            return contextlib.nullcontext(lambda done, text: told.append((done, text)))

    deftclean.check(scored.table, verify=True, progress=Listener())
    assert told == [("Comparing pictures", 48), (48, "")]


def test_a_picture_that_was_missing_and_is_there_now_is_another(scored):
    scores = read_scores(scored.table)
    hashes = scores.table["content_sha256"].to_pylist()
    at = scores.table.column_names.index("content_sha256")
    table = scores.table.set_column(at, "content_sha256", [[None, *hashes[1:]]])
    write_scores(type(scores)(table, scores.metadata), scored.table, scored.images, True)
    assert values(scored.table)["pictures"] == 1
    (scored.images / "000.png").unlink()
    assert values(scored.table)["pictures"] == 0


def test_another_folder_with_the_same_pictures(scored, tmp_path):
    scored.images.rename(tmp_path / "moved")
    with pytest.raises(InputError, match="images"):
        values(scored.table)
    assert values(scored.table, data=tmp_path / "moved")["pictures"] == 0


def test_pictures_behind_links_that_leave_the_folder(scored, tmp_path):
    (scored.images / "000.png").rename(tmp_path / "outside.png")
    (scored.images / "000.png").symlink_to(tmp_path / "outside.png")
    assert values(scored.table)["pictures"] == 1
    assert values(scored.table, allow_outside=True)["pictures"] == 0
    assert values(scored.table, data=str(scored.images), allow_outside=True)["pictures"] == 0


def test_pictures_in_a_table(scored, tmp_path):
    names = read_scores(scored.table).table["file_name"].to_pylist()
    images = [{"bytes": (scored.images / name).read_bytes(), "path": name} for name in names]
    pq.write_table(pa.table({"image": images}), tmp_path / "train.parquet")
    assert values(scored.table, data=tmp_path / "train.parquet")["pictures"] == 0
    images[7]["bytes"] = images[8]["bytes"]
    pq.write_table(pa.table({"image": images}), tmp_path / "train.parquet")
    assert values(scored.table, data=tmp_path / "train.parquet")["pictures"] == 1


@pytest.mark.parametrize("how", ["gone", "changed", "more"])
def test_an_altered_detector(scored, how):
    folder = scored.table.with_name("clean.detector")
    if how == "gone":
        folder.rename(folder.with_name("x"))
    else:
        (folder / ("detector.json" if how == "changed" else "more.json")).write_text("{ }")
    result = deftclean.check(scored.table, fail_on="altered_detector>0")
    assert [(gate.value, gate.passed) for gate in result.gates] == [(1, False)]
    assert "clean.detector is gone or is not the one" in result.warnings[0]


def test_the_detector_is_found_from_where_select_writes(scored, tmp_path):
    (tmp_path / "sub").mkdir()
    deftclean.select(scored.table, output=tmp_path / "sub" / "x.parquet", threshold=0.2)
    assert values(tmp_path / "sub" / "x.parquet") == {"table": 0, "detector": 0, "pictures": 0}
    scored.table.with_name("clean.detector").rename(tmp_path / "moved")
    result = deftclean.check(tmp_path / "sub" / "x.parquet", verify=True)
    folder = tmp_path / "sub" / ".." / "clean.detector"
    assert result.warnings == (f"the detector {folder} is gone or is not the one that judged",)


def test_an_edited_table(scored):
    file = pq.ParquetFile(scored.table)
    seal = file.metadata.metadata[b"deftclean.sha256"].decode()
    table = file.read()
    at = table.column_names.index("keep")
    edited = table.set_column(at, table.schema.field("keep"), [[True] * len(table)])
    with pq.ParquetWriter(scored.table, edited.schema) as writer:
        writer.write_table(edited)
        writer.add_key_value_metadata({"deftclean.sha256": seal})
    result = deftclean.check(scored.table, fail_on="altered_table>0")
    assert [gate.value for gate in result.gates] == [1]
    assert result.warnings == (f"{scored.table} is not as deftclean has written it",)


def test_what_was_not_sealed_cannot_be_verified(scored):
    table = pq.read_table(scored.table)
    known = {b"deftclean": table.schema.metadata[b"deftclean"]}
    pq.write_table(table.replace_schema_metadata(known), scored.table)
    result = deftclean.check(scored.table, verify=True)
    assert [gate.state for gate in result.gates] == ["unknown", "passed", "passed"]
    assert result.exit_code == 3
    facts = known[b"deftclean"].replace(b'"detector_sha256": ', b'"before": ')
    pq.write_table(table.replace_schema_metadata({b"deftclean": facts}), scored.table)
    result = deftclean.check(scored.table, fail_on="altered_detector>0")
    assert [gate.reason[:34] for gate in result.gates] == ["the table does not name its detect"]


def test_a_table_without_a_detector(tmp_path):
    assert values(make_scored(tmp_path).table) == {"table": 0, "detector": 0, "pictures": 0}


def test_it_is_asked_of_tables_that_are_there():
    with pytest.raises(UsageError, match="altered_pictures, altered_table can be asked of a table"):
        Gates.of(["altered_pictures>0", "altered_table>0", "rows<1"], None)
    with pytest.raises(UsageError, match="altered_table has no class"):
        Gates.of(["altered_table[cat]>0"], None)
