"""Identical and nearly identical pictures, through the real command line."""

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from deftclean.evidence import search
from deftclean.table.scores import read_scores, write_scores
from tests.support.commands import run_cli
from tests.support.pictures import smooth
from tests.support.places import ROOT
from tests.support.scored import score_table

ROWS: list[Mapping[str, Any]] = [
    {"given_label": "apple", "content_sha256": "a", "split": "train"},
    {"given_label": "leaf", "content_sha256": "a", "split": "train"},
    {"given_label": "leaf", "content_sha256": "b", "split": "train"},
    {"given_label": "leaf", "content_sha256": "b", "split": "test"},
    {"given_label": "ocean", "content_sha256": "c", "split": "test"},
    {"given_label": "ocean", "content_sha256": "e", "status": "unreadable", "split": "test"},
    {"given_label": "apple", "content_sha256": "e", "status": "unreadable", "split": "train"},
]


def written(path: Path, rows: list[Mapping[str, Any]]) -> Path:
    write_scores(score_table(rows), path, path.parent, overwrite=False)
    return path


@pytest.mark.parametrize(
    ("asked", "code", "value"),
    [
        ("conflicting_duplicates>0", 1, 2),
        ("conflicting_duplicates>2", 0, 2),
        ("conflicting_duplicates[apple]>0", 1, 1),
        ("conflicting_duplicates[ocean]>0", 0, 0),
        ("duplicates>2", 0, 2),
        ("leaked>0", 1, 2),
        ("leaked[ocean]>0", 0, 0),
        ("near_duplicates>0", 3, None),
        ("conflicting_near_duplicates>0", 3, None),
    ],
)
def test_a_gate_asks_for_copies(tmp_path: Path, asked: str, code: int, value: int | None) -> None:
    written(tmp_path / "x.parquet", ROWS)
    done = run_cli("check", "x.parquet", "--fail-on", asked, "--format", "json", cwd=tmp_path)
    assert done.returncode == code, done.stderr
    said = json.loads(done.stdout)
    assert said["gates"][0]["value"] == value
    schema = json.loads((ROOT / "docs" / "check.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(said, schema)
    assert said["conflicts"] == [
        {
            "rows": [0, 1],
            "file_names": ["0.png", "1.png"],
            "labels": ["apple", "leaf"],
            "identical": True,
        }
    ]
    assert said["copies"] == {
        "duplicates": 2,
        "conflicting_duplicates": 2,
        "near_duplicates": None,
        "conflicting_near_duplicates": None,
        "leaked": 2,
    }


def test_check_shows_what_contradicts(tmp_path: Path) -> None:
    written(tmp_path / "x.parquet", ROWS)
    shown = run_cli("check", "x.parquet", cwd=tmp_path).stdout
    assert "duplicates     2 repeat the picture of an earlier row" in shown
    assert "in conflict  2 of such a picture with different labels" in shown
    assert "leaked         2 show a picture that is elsewhere too" in shown
    assert "identical    0.png (row 0) 'apple': the same picture as 1.png (row 1) 'leaf'" in shown
    written(tmp_path / "y.parquet", [{**ROWS[0]}])
    assert "duplicates" not in run_cli("check", "y.parquet", cwd=tmp_path).stdout


def test_the_report_names_what_contradicts(tmp_path: Path) -> None:
    rows = [{**row, "file_name": f"<b>{at}.png"} for at, row in enumerate(ROWS)]
    written(tmp_path / "x.parquet", rows)
    done = run_cli("report", "x.parquet", "-o", "r.html", "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "2 repeat the picture of an earlier row" in page
    said = "&lt;b&gt;0.png (row 0) &#39;apple&#39;: the same picture as &lt;b&gt;1.png (row 1)"
    assert said in page
    assert page.count("the same picture as") == 1


def test_pictures_shared_with_another_table_fail(tmp_path: Path) -> None:
    plain = [{k: v for k, v in row.items() if k != "split"} for row in ROWS]
    written(tmp_path / "train.parquet", plain)
    written(tmp_path / "test.parquet", [plain[0], plain[5]])
    written(tmp_path / "other.parquet", [{"given_label": "leaf", "content_sha256": "z"}])
    done = run_cli("check", "train.parquet", "--against", "test.parquet", cwd=tmp_path)
    assert done.returncode == 1
    assert "leaked>0  is 2" in done.stdout
    assert (
        run_cli("check", "train.parquet", "--against", "other.parquet", cwd=tmp_path).returncode
        == 0
    )
    more = ("--fail-on", "leaked>2")
    done = run_cli("check", "train.parquet", "--against", "test.parquet", *more, cwd=tmp_path)
    assert done.returncode == 0
    done = run_cli("check", "train.parquet", "--fail-on", "leaked>0", cwd=tmp_path)
    assert done.returncode == 3
    assert "no column 'split', and no --against was given" in done.stderr


@pytest.mark.parametrize("name", ["train.parquet", "gone.parquet", "text.parquet"])
def test_what_cannot_be_compared_with_is_refused(tmp_path: Path, name: str) -> None:
    written(tmp_path / "train.parquet", ROWS)
    (tmp_path / "text.parquet").write_text("no table")
    done = run_cli("check", "train.parquet", "--against", name, cwd=tmp_path)
    assert done.returncode == 2
    assert name in done.stderr
    assert "Traceback" not in done.stderr


# ---------------------------------------------------------------- scan and score

FAST = ("--model", "nano", "--tuner", "none", "--epochs", "1", "--workers", "0", "--quiet")
COPIES = {
    "resized": lambda picture: picture.resize((45, 45)),
    "recompressed": lambda picture: picture,
    "cropped": lambda picture: picture.crop((1, 1, 63, 63)),
}


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 pictures; changed copies of 0, 1 and 2, the first with another label; 3 twice as it is."""
    home = tmp_path_factory.mktemp("copied")
    (home / "images").mkdir()
    lines = ["file_name,label,split"]
    for index in range(60):
        smooth(64, 64, index).save(home / "images" / f"{index}.png")
        lines.append(f"{index}.png,{('cat', 'dog')[index % 2]},train")
    for index, (name, change) in enumerate(COPIES.items()):
        change(smooth(64, 64, index)).save(home / "images" / f"{name}.jpg", quality=50)
        lines.append(f"{name}.jpg,{('dog', 'dog', 'cat')[index]},test")
    shutil.copy(home / "images" / "3.png", home / "images" / "again.png")
    lines.append("again.png,cat,train")
    (home / "labels.csv").write_text("\n".join(lines) + "\n")
    return home


@pytest.mark.parametrize("recipe", ["evidence", "deft"])
def test_a_scan_finds_copies(copied: Path, recipe: str) -> None:
    output = f"{recipe}.parquet"
    more = ("--recipe", recipe, "-o", output)
    done = run_cli("scan", "images", "labels.csv", *FAST, *more, cwd=copied)
    assert done.returncode == 0, done.stderr
    table = read_scores(copied / output).table.to_pydict()
    names, groups = table["file_name"], table["near_duplicate_group"]
    found = {name: group for name, group in zip(names, groups, strict=True) if group is not None}
    assert found == {
        **{"0.png": 0, "1.png": 1, "2.png": 2},
        **{"resized.jpg": 0, "recompressed.jpg": 1, "cropped.jpg": 2},
    }
    assert [row for row in table["duplicate_of"] if row is not None] == [3]
    assert "duplicates     1 repeat the picture of an earlier row" in done.stdout
    assert "near copies    6 show nearly the same picture" in done.stdout
    for asked, code in [
        *[("conflicting_duplicates==2", 1), ("conflicting_near_duplicates==2", 1)],
        *[("leaked==6", 1), ("near_duplicates>6", 0)],
    ]:
        assert run_cli("check", output, "--fail-on", asked, cwd=copied).returncode == code, asked
    scored = ("score", f"{recipe}.detector", "images", "labels.csv", "--workers", "0", "--quiet")
    done = run_cli(*scored, "-o", f"{recipe}-scored.parquet", cwd=copied)
    assert done.returncode == 0, done.stderr
    again = read_scores(copied / f"{recipe}-scored.parquet").table
    assert again["near_duplicate_group"].to_pylist() == groups
    assert again["duplicate_of"].to_pylist() == table["duplicate_of"]


def test_without_features_nothing_is_said_of_near_copies(copied: Path) -> None:
    done = run_cli(
        *("scan", "images", "labels.csv", "--model", "nano", "--recipe", "deft", "--epochs", "1"),
        *("-P", "2", "-M", "2", "--workers", "0", "--quiet", "-o", "tuned.parquet"),
        cwd=copied,
    )
    assert done.returncode == 0, done.stderr
    scores = read_scores(copied / "tuned.parquet")
    assert scores.table["near_duplicate_group"].null_count == len(scores)
    assert scores.metadata["near_duplicates"] is None
    asked = ("--fail-on", "conflicting_near_duplicates>0")
    assert run_cli("check", "tuned.parquet", *asked, cwd=copied).returncode == 3


def test_a_scan_that_cannot_search_says_so_and_goes_on(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MOST_EXACT", 10)
    monkeypatch.setitem(sys.modules, "faiss", None)
    more = ("--recipe", "deft", "-o", "without.parquet")
    done = run_cli("scan", "images", "labels.csv", *FAST, *more, cwd=copied)
    assert done.returncode == 0, done.stderr
    assert "nearly identical pictures were not searched for" in done.stderr
    assert read_scores(copied / "without.parquet").metadata["near_duplicates"] is None
