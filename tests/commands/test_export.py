"""Score tables in the formats of other tools, through the command and as a user reads them."""

import csv
import hashlib
import json
import re
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import deftclean
from deftclean.core.errors import DeftcleanError, InputError, UsageError
from deftclean.data.manifest import read_manifest
from deftclean.data.options import ManifestOptions
from deftclean.table.scores import METADATA_KEY, SCORE_COLUMNS, read_scores, write_scores
from tests.support.commands import run_cli
from tests.support.pictures import draw
from tests.support.scored import Scored, make_scored, score_table

BAD = [
    {"given_label": "leaf", "status": "missing", "error": "no such file"},
    {"given_label": None, "status": "unlabeled", "predicted_label": "leaf", "predicted_prob": 0.5},
    {"given_label": "leaf", "status": "unreadable", "error": "the file is empty"},
]


@pytest.fixture
def scored(tmp_path: Path) -> Scored:
    """48 rows, of which 8 are flagged."""
    return make_scored(tmp_path)


def with_rows(made: Scored, rows: list[dict[str, object]], **columns: list[object]) -> None:
    """Write the table anew with rows at its end, and further columns."""
    scores = read_scores(made.table)
    count = len(scores)
    more = score_table([{"row": count + at, **row} for at, row in enumerate(rows)])
    table = pa.concat_tables([scores.table, more.table]) if rows else scores.table
    for name, values in columns.items():
        table = table.add_column(0, name, pa.array(values))
    write_scores(type(scores)(table, scores.metadata), made.table, made.images, overwrite=True)


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_json_lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# ---------------------------------------------------------------- tables


def test_csv_holds_the_kept_rows_with_their_own_columns(scored, tmp_path):
    with_rows(scored, [], split=["007"] * 48)
    done = run_cli("export", "clean.parquet", "--to", "csv", "-o", "out.csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "written        40" in done.stdout
    assert "left out       8 flagged" in done.stdout
    rows = read_csv(tmp_path / "out.csv")
    assert list(rows[0]) == ["file_name", "label", "split"]
    table = read_scores(scored.table).table.filter(read_scores(scored.table).table["keep"])
    assert [row["file_name"] for row in rows] == table["file_name"].to_pylist()
    assert [row["label"] for row in rows] == table["given_label"].to_pylist()
    assert {row["split"] for row in rows} == {"007"}


def test_what_is_written_can_be_scanned_again(scored, tmp_path):
    for name in ("out.csv", "out.parquet"):
        deftclean.export(scored.table, to=Path(name).suffix[1:], output=tmp_path / name)
        manifest = read_manifest(scored.images, tmp_path / name, ManifestOptions())
        assert len(manifest) == 40
        assert set(manifest.given_labels.to_pylist()) == {"apple", "leaf", "ocean"}


def test_parquet_keeps_types_and_is_no_score_table(scored, tmp_path):
    with_rows(scored, [], when=[1.5] * 48, boxes=[[1, 2]] * 48)
    deftclean.export(scored.table, to="parquet", output=tmp_path / "out.parquet")
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.schema.field("boxes").type == pa.list_(pa.int64())
    assert table.column_names == ["file_name", "label", "boxes", "when"]
    assert METADATA_KEY not in (table.schema.metadata or {})


def test_all_rows_come_with_the_columns_of_the_scan(scored, tmp_path):
    with_rows(scored, BAD)
    result = deftclean.export(scored.table, to="csv", output=tmp_path / "out.csv", rows="all")
    rows = read_csv(tmp_path / "out.csv")
    assert len(rows) == 51
    assert list(rows[0]) == ["file_name", "label", *(c for c in SCORE_COLUMNS if c != "file_name")]
    assert (rows[0]["clean_prob"], rows[48]["clean_prob"]) == ("0.9", "")
    assert result.left_out == {}


def test_rows_that_were_not_scored_are_counted_by_their_status(scored, tmp_path):
    with_rows(scored, BAD)
    result = deftclean.export(scored.table, to="csv", output=tmp_path / "out.csv")
    assert result.left_out == {"flagged": 8, "missing": 1, "unlabeled": 1, "unreadable": 1}
    assert (result.rows, result.written) == (51, 40)


def test_an_input_column_label_is_kept_where_it_says_something_else(scored, tmp_path):
    given = read_scores(scored.table).table["given_label"].to_pylist()
    with_rows(scored, [], label=given)
    deftclean.export(scored.table, to="csv", output=tmp_path / "same.csv")
    assert list(read_csv(tmp_path / "same.csv")[0]) == ["file_name", "label"]
    with_rows(scored, [], code=["x"] * 48)
    scores = read_scores(scored.table)
    codes = scores.table.set_column(
        scores.table.column_names.index("label"), "label", pa.array([7] * 48)
    )
    write_scores(type(scores)(codes, scores.metadata), scored.table, scored.images, overwrite=True)
    deftclean.export(scored.table, to="csv", output=tmp_path / "coded.csv")
    rows = read_csv(tmp_path / "coded.csv")
    assert list(rows[0]) == ["file_name", "label", "code", "input_label"]
    assert (rows[0]["label"], rows[0]["input_label"]) == ("apple", "7")


def test_a_reviewed_table_gives_the_labels_that_people_decided_on(scored, tmp_path):
    with_rows(scored, [], final_label=["ocean"] * 48)
    result = deftclean.export(scored.table, to="csv", output=tmp_path / "out.csv")
    rows = read_csv(tmp_path / "out.csv")
    assert {row["label"] for row in rows} == {"ocean"}
    assert result.reviewed
    deftclean.export(scored.table, to="folder", output=tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir() if path.is_dir()] == ["ocean"]


def test_cleanlab_columns(scored, tmp_path):
    with_rows(scored, BAD)
    done = run_cli("export", "clean.parquet", "--to", "cleanlab", "-o", "i.parquet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    table = pq.read_table(tmp_path / "i.parquet")
    assert table.column_names == [
        "row", "file_name", "is_label_issue", "label_quality", "given_label", "predicted_label",
    ]  # fmt: skip
    assert table["row"].to_pylist() == list(range(51))
    assert sum(table["is_label_issue"].to_pylist()) == 8
    assert table["is_label_issue"].null_count == 0
    assert table["label_quality"].to_pylist()[48:] == [None, None, None]


# ---------------------------------------------------------------- folders


def digests(folder: Path) -> list[str]:
    files = list(folder.rglob("*.png"))
    return sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in files)


def wanted(made: Scored) -> list[str]:
    table = read_scores(made.table).table
    return sorted(table.filter(table["keep"])["content_sha256"].to_pylist())


def test_a_folder_of_kept_pictures_by_class(scored, tmp_path):
    done = run_cli("export", "clean.parquet", "--to", "folder", "-o", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"apple", "leaf", "ocean", ".deftclean-export.json"}
    assert digests(tmp_path / "out") == wanted(scored)
    assert str(tmp_path) not in (tmp_path / "out" / ".deftclean-export.json").read_text()


@pytest.mark.parametrize("link", ["hard", "symlink"])
def test_links(link, scored, tmp_path):
    done = run_cli(
        "export", "clean.parquet", "--to", "folder", "-o", "out", "--link", link, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert digests(tmp_path / "out") == wanted(scored)
    one = next((tmp_path / "out").rglob("*.png"))
    if link == "hard":
        assert one.stat().st_nlink == 2
    else:
        assert not one.readlink().is_absolute()
        (tmp_path / "moved").mkdir()
        for name in ("out", "images"):
            (tmp_path / name).rename(tmp_path / "moved" / name)
        assert digests(tmp_path / "moved" / "out") == wanted(scored)


def relabelled(made: Scored, labels: list[str], names: list[str] | None = None) -> None:
    """The first rows of the table, under other labels and from other files."""
    scores = read_scores(made.table)
    rows = []
    for at, label in enumerate(labels):
        name = names[at] if names else f"{at:03d}.png"
        path = made.images / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            draw((at, 2 * at, 3 * at), at).save(path, "PNG")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        rows.append({"file_name": name, "given_label": label, "clean_prob": 0.9, "keep": True,
                     "predicted_label": label, "predicted_prob": 0.5,
                     "content_sha256": digest})  # fmt: skip
    table = score_table(rows, tuple(dict.fromkeys(labels)))
    write_scores(type(scores)(table.table, table.metadata), made.table, made.images, True)


def test_labels_that_are_no_folder_names_are_told(scored, tmp_path):
    relabelled(scored, ["../up", "Cat", "cat", "CON", "..", "n/a", "n_a"])
    deftclean.export(scored.table, to="folder", output=tmp_path / "out")
    named = json.loads((tmp_path / "out" / "class-names.json").read_text())
    assert named == {
        "_._up": "../up", "__": "..", "Cat": "Cat", "_CON": "CON", "cat-2": "cat",
        "n_a": "n_a", "n_a-2": "n/a",
    }  # fmt: skip
    folders = {path.name for path in (tmp_path / "out").iterdir() if path.is_dir()}
    assert folders == set(named)
    assert {path.name for path in tmp_path.iterdir()} == {"images", "clean.parquet", "out"}
    # It is what scan takes as class names.
    names = ManifestOptions(class_names=tmp_path / "out" / "class-names.json")
    manifest = read_manifest(tmp_path / "out", None, names)
    assert set(manifest.given_labels.to_pylist()) == set(named.values())


def test_same_base_names_do_not_meet(scored, tmp_path):
    relabelled(scored, ["a"] * 3, ["x/1.png", "y/1.png", "y/2.png"])
    deftclean.export(scored.table, to="folder", output=tmp_path / "out")
    assert {path.name for path in (tmp_path / "out" / "a").iterdir()} == {
        "1-0.png", "1-1.png", "2.png",
    }  # fmt: skip
    assert digests(tmp_path / "out") == wanted(scored)


def test_pictures_that_changed_or_vanished_are_reported_together(scored, tmp_path):
    (scored.images / "000.png").unlink()
    draw((9, 9, 9), 99).save(scored.images / "001.png")
    done = run_cli("export", "clean.parquet", "--to", "folder", "-o", "out", cwd=tmp_path)
    assert done.returncode == 2
    assert "2 of 40 pictures" in done.stderr
    assert "1 changed, 1 missing: 000.png (missing), 001.png (changed)" in done.stderr
    assert "--skip-changed" in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"images", "clean.parquet"}

    done = run_cli(
        "export", "clean.parquet", "--to", "folder", "-o", "out", "--skip-changed", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "left out       1 changed, 8 flagged, 1 missing" in done.stdout
    assert "written        38" in done.stdout
    assert len(digests(tmp_path / "out")) == 38


def test_links_out_of_the_data_folder_are_not_followed(scored, tmp_path):
    secret = tmp_path / "secret.png"
    (scored.images / "000.png").rename(secret)
    (scored.images / "000.png").symlink_to(secret)
    with pytest.raises(InputError, match=r"1 outside: 000\.png"):
        deftclean.export(scored.table, to="folder", output=tmp_path / "out")
    deftclean.export(scored.table, to="folder", output=tmp_path / "out", allow_outside=True)
    assert digests(tmp_path / "out") == wanted(scored)


def test_rows_without_a_label_have_no_class_folder(scored, tmp_path):
    with_rows(scored, BAD)
    result = deftclean.export(scored.table, to="folder", output=tmp_path / "out", rows="all")
    assert result.left_out == {"missing": 1, "unreadable": 1, "without label": 1}
    assert len(digests(tmp_path / "out")) == 48


def test_only_a_folder_of_export_is_replaced(scored, tmp_path):
    out = tmp_path / "out"
    deftclean.export(scored.table, to="folder", output=out)
    with pytest.raises(UsageError, match="exists already"):
        deftclean.export(scored.table, to="folder", output=out)
    deftclean.export(scored.table, to="fiftyone", output=out, overwrite=True)
    assert not (out / "apple").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="leaves it alone"):
        deftclean.export(scored.table, to="folder", output=tmp_path / "mine", overwrite=True)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "mine"


def test_an_output_around_the_pictures_is_refused(tmp_path):
    made = make_scored(tmp_path / "work")
    (tmp_path / "work" / ".deftclean-export.json").write_text("{}")
    with pytest.raises(UsageError, match="which is read"):
        deftclean.export(made.table, to="folder", output=tmp_path / "work", overwrite=True)
    assert made.table.is_file()


def test_pictures_out_of_a_table(tmp_path):
    pictures = []
    for index in range(6):
        path = tmp_path / f"{index}.png"
        draw((40 * index, 9, 9), index).save(path)
        pictures.append(path.read_bytes())
        path.unlink()
    images = pa.array([{"bytes": data, "path": None} for data in pictures])
    pq.write_table(pa.table({"image": images, "label": ["a", "b"] * 3}), tmp_path / "train.parquet")
    rows = [
        {"file_name": f"train.parquet#{at}", "given_label": "ab"[at % 2], "clean_prob": 0.9,
         "keep": at != 5, "content_sha256": hashlib.sha256(data).hexdigest()}
        for at, data in enumerate(pictures)
    ]  # fmt: skip
    table = tmp_path / "clean.parquet"
    write_scores(score_table(rows, ("a", "b")), table, tmp_path, overwrite=False)
    with pytest.raises(InputError, match="lay in the table"):
        deftclean.export(table, to="folder", output=tmp_path / "out")
    data = tmp_path / "train.parquet"
    deftclean.export(table, to="folder", output=tmp_path / "out", data=data)
    assert sorted(path.name for path in (tmp_path / "out" / "a").iterdir()) == [
        f"train.parquet#{row}.png" for row in (0, 2, 4)
    ]
    with pytest.raises(UsageError, match="nothing to link to"):
        deftclean.export(table, to="folder", output=tmp_path / "b", data=data, link="hard")
    deftclean.export(table, to="imagefolder", output=tmp_path / "hub", data=data)
    rows = read_json_lines(tmp_path / "hub" / "train" / "metadata.jsonl")
    names = [row["file_name"] for row in rows]
    assert names == [f"0000/{row:08d}.png" for row in range(5)]
    with pytest.raises(InputError, match="needs files"):
        deftclean.export(table, to="fiftyone", output=tmp_path / "c")


def test_the_metadata_name_its_pictures_whatever_they_are_called(scored, tmp_path):
    names = ["=cmd.png", "test/1.png", "x/test_1.PNG", "a b#c.png"]
    relabelled(scored, ["=evil()", "test", "train", "a"], names)
    deftclean.export(scored.table, to="imagefolder", output=tmp_path / "out")
    rows = read_json_lines(tmp_path / "out" / "train" / "metadata.jsonl")
    assert [row["source"] for row in rows] == names
    assert [row["label"] for row in rows] == ["=evil()", "test", "train", "a"]
    for row in rows:
        assert not row["file_name"].startswith(tuple("=+-@"))
        assert (tmp_path / "out" / "train" / row["file_name"]).is_file()
    assert sorted(
        hashlib.sha256((tmp_path / "out" / "train" / row["file_name"]).read_bytes()).hexdigest()
        for row in rows
    ) == wanted(scored)


# ---------------------------------------------------------------- tasks


def test_fiftyone_samples_lead_to_their_pictures(scored, tmp_path):
    with_rows(scored, BAD)
    draw((1, 2, 3), 0).save(scored.images / "1.png")  # the unlabelled row's
    (tmp_path / "deep").mkdir()
    done = run_cli("export", "clean.parquet", "--to", "fiftyone", "-o", "deep/fo", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "left out       1 missing, 1 unreadable" in done.stdout
    samples = json.loads((tmp_path / "deep" / "fo" / "samples.json").read_text())["samples"]
    assert len(samples) == 49
    for sample in samples[:48]:
        assert (tmp_path / "deep" / "fo" / sample["filepath"]).is_file()
    assert samples[0]["mistakenness"] == 0.1
    assert samples[5]["mistakenness"] == 0.9
    assert (samples[0]["tags"], samples[5]["tags"]) == ([], ["flagged"])
    assert samples[5]["ground_truth"]["label"] == "apple"
    assert samples[5]["predictions"]["label"] == "ocean"
    assert (samples[48]["mistakenness"], samples[48]["ground_truth"]) == (None, None)
    facts = json.loads((tmp_path / "deep" / "fo" / "metadata.json").read_text())
    assert facts["info"]["classes"] == ["apple", "leaf", "ocean"]
    assert "version" not in facts


def test_label_studio_tasks_hold_the_flagged_rows_the_doubtful_ones_first(scored, tmp_path):
    done = run_cli("export", "clean.parquet", "--to", "label-studio", "-o", "ls", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    tasks = json.loads((tmp_path / "ls" / "tasks.json").read_text())
    assert len(tasks) == 8
    assert tasks[0]["data"]["image"] == "/data/local-files/?d=images/005.png"
    assert tasks[0]["predictions"][0]["score"] == 0.8
    assert tasks[0]["predictions"][0]["result"][0]["value"] == {"choices": ["ocean"]}
    deftclean.export(
        scored.table, to="label-studio", output=tmp_path / "all", rows="all",
        image_url="https://example.org/",
    )  # fmt: skip
    tasks = json.loads((tmp_path / "all" / "tasks.json").read_text())
    quality = [task["data"]["clean_prob"] for task in tasks]
    assert quality == sorted(quality)
    assert tasks[0]["data"]["image"] == "https://example.org/005.png"


def test_hostile_labels_and_names_stay_text(scored, tmp_path):
    names = ["a&b=c #%.png", 'x".png']
    relabelled(scored, ['"/><Choice value="x', "<b>&"], names)
    deftclean.export(scored.table, to="label-studio", output=tmp_path / "ls", rows="all")
    interface = ElementTree.parse(tmp_path / "ls" / "labeling.xml")
    choices = [each.get("value") for each in interface.find("Choices[@name='label']")]
    assert choices == ['"/><Choice value="x', "<b>&"]
    tasks = json.loads((tmp_path / "ls" / "tasks.json").read_text())
    query = [task["data"]["image"].partition("?d=")[2] for task in tasks]
    assert [unquote(each) for each in query] == [f"images/{name}" for name in names]
    assert not any(set(each) & set('&# "') for each in query)


# ---------------------------------------------------------------- all of them


def test_same_table_same_bytes(scored, tmp_path):
    for to, names in (
        ("csv", ("a.csv", "b.csv")),
        ("parquet", ("a.parquet", "b.parquet")),
        ("cleanlab", ("c.csv", "d.csv")),
        ("imagefolder", ("a1", "b1")),
        ("fiftyone", ("a2", "b2")),
        ("label-studio", ("a3", "b3")),
    ):
        found = []
        for name in names:
            output = tmp_path / name
            deftclean.export(scored.table, to=to, output=output)
            files = [output] if output.is_file() else sorted(output.rglob("*"))
            found.append([path.read_bytes() for path in files if path.is_file()])
        assert found[0] == found[1]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"to": "csv", "output": "x.parquet"}, r"Let its name end in \.csv"),
        ({"to": "folder", "output": "x.csv"}, "written to a folder"),
        ({"to": "xml", "output": "x"}, "no such format"),
        ({"to": "csv", "output": "x.csv", "link": "hard"}, "--link goes with"),
        ({"to": "csv", "output": "x.csv", "skip_changed": True}, "--skip-changed goes with"),
        ({"to": "fiftyone", "output": "x", "scores": True}, "--scores goes with"),
        ({"to": "folder", "output": "x", "image_url": "y"}, "--image-url goes with"),
        ({"to": "csv", "output": "gone/x.csv"}, "does not exist"),
        ({"to": "folder", "output": "gone/x"}, "does not exist"),
        ({"to": "csv", "output": "taken.csv"}, "exists already"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_read(wrong, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("taken.csv").write_text("mine")
    with pytest.raises(UsageError) as caught:
        deftclean.export("no-such-table.parquet", **wrong)
    assert re.search(message, f"{caught.value.message} {caught.value.hint}")
    assert [path.name for path in tmp_path.iterdir()] == ["taken.csv"]


def test_nothing_left_is_refused(scored, tmp_path):
    scores = read_scores(scored.table)
    flagged = deftclean.select(scored.table, output=tmp_path / "none.parquet", threshold=1.0)
    assert flagged.summary.kept == 0
    with pytest.raises(DeftcleanError, match=r"no row is left to export \(48 flagged\)"):
        deftclean.export(tmp_path / "none.parquet", to="csv", output=tmp_path / "x.csv")
    assert len(scores) == 48


def test_options_may_stand_in_the_settings_file(scored, tmp_path):
    (tmp_path / "deftclean.toml").write_text('[export]\nto = "cleanlab"\noutput = "set.csv"\n')
    done = run_cli("export", "clean.parquet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(read_csv(tmp_path / "set.csv")) == 48
