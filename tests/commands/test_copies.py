"""Identical and nearly identical pictures, through the real command line."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from deftclean.table.scores import write_scores
from tests.support.commands import run_cli
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
    written(tmp_path / "y.parquet", [{**ROWS[0]}])
    assert "duplicates" not in run_cli("check", "y.parquet", cwd=tmp_path).stdout


def test_pictures_shared_with_another_table_fail(tmp_path: Path) -> None:
    plain = [{k: v for k, v in row.items() if k != "split"} for row in ROWS]
    written(tmp_path / "train.parquet", plain)
    written(tmp_path / "test.parquet", [plain[0], plain[5]])
    written(tmp_path / "other.parquet", [{"given_label": "leaf", "content_sha256": "z"}])
    done = run_cli("check", "train.parquet", "--against", "test.parquet", cwd=tmp_path)
    assert (done.returncode, "leaked is 2" in done.stdout or "is 2" in done.stdout) == (1, True)
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
