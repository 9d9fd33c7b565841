"""Pictures of a table that are in another one too: the same, or nearly so."""

import hashlib
import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from PIL import Image, ImageOps

import deftclean
from deftclean.core.errors import InputError
from deftclean.gate import elsewhere
from deftclean.images.look import LOOK, hash_texts, look_at
from deftclean.table.scores import HASH, ScoreTable, write_scores
from tests.support.commands import run_cli
from tests.support.pictures import encode, photo
from tests.support.places import ROOT
from tests.support.scored import score_table

Row = dict[str, Any]


def row(name: str, picture: Image.Image, **more: Any) -> Row:
    look = np.frombuffer(look_at(picture, *picture.size), LOOK)
    return {
        "file_name": name,
        "given_label": "leaf",
        "clean_prob": 0.9,
        "keep": True,
        "content_sha256": hashlib.sha256(encode(picture)).hexdigest(),
        HASH: hash_texts(look)[0].as_py(),
        **more,
    }


def write(path: Path, rows: list[Row], version: int = 6) -> Path:
    scores = score_table(rows)
    table = scores.table if version > 5 else scores.table.drop_columns([HASH])
    facts = {**scores.metadata, "schema_version": version}
    write_scores(ScoreTable(table, facts), path, path.parent, overwrite=True)
    return path


TRAIN = [
    row("a.png", photo(1)),
    row("b.png", ImageOps.mirror(photo(2)), given_label="apple"),
    row("again.png", ImageOps.mirror(photo(2))),
    row("c.png", photo(3)),
    row("blank.png", Image.new("RGB", (64, 64), "navy")),
    row("lost.png", photo(4), status="unreadable", clean_prob=None, keep=False),
    row("d.png", photo(5).resize((50, 50))),
]
TEST = [
    row("other.png", photo(9)),
    row("dark.png", Image.new("RGB", (60, 60), "navy")),
    row("two.png", photo(2)),
    row("four.png", photo(4)),
    row("one.png", photo(1)),
    row("one-again.png", photo(1)),
    row("five.png", photo(5), status="unreadable", clean_prob=None, keep=False),
]


@pytest.fixture
def tables(tmp_path: Path) -> tuple[Path, Path]:
    return write(tmp_path / "train.parquet", TRAIN), write(tmp_path / "test.parquet", TEST)


def test_what_is_the_same_and_what_is_nearly_so(tables: tuple[Path, Path]) -> None:
    """Blank pictures look like each other and are none; what cannot be read is nowhere."""
    train, test = tables
    result = deftclean.check(train, against=test, fail_on=["leaked>2", "leaked[apple]>0"])
    assert [(gate.value, gate.state) for gate in result.gates] == [(3, "failed"), (1, "failed")]
    found = result.leaks
    assert (found.table, found.same, found.nearly) == (test, 1, 2)
    assert [each.statement for each in found.rows] == [
        "a.png (row 0): the same picture as one.png (row 4 there)",
        "b.png (row 1): nearly the same picture as two.png (row 2 there)",
        "again.png (row 2): nearly the same picture as two.png (row 2 there)",
    ]
    assert [each.identical for each in found.rows] == [True, False, False]
    assert result.warnings == ()
    assert result.copies.leaked == 3
    few = deftclean.check(train, against=test, top=1).leaks
    assert (len(few.rows), few.same, few.nearly) == (1, 1, 2)
    back = deftclean.check(test, against=train).leaks
    assert [(each.file_names, each.identical) for each in back.rows] == [
        (("one.png", "a.png"), True),
        (("one-again.png", "a.png"), True),
        (("two.png", "b.png"), False),
    ]
    assert deftclean.check(train).leaks is None


@pytest.mark.parametrize("old", ["train.parquet", "test.parquet"])
def test_tables_of_older_versions_are_compared_by_their_bytes(
    tables: tuple[Path, Path], old: str
) -> None:
    train, test = tables
    path = write(train.parent / old, TRAIN if old == train.name else TEST, version=5)
    result = deftclean.check(train, against=test)
    assert [gate.value for gate in result.gates] == [1]
    assert (result.leaks.same, result.leaks.nearly) == (1, None)
    (warning,) = result.warnings
    assert warning == (
        "only identical pictures were looked for, not nearly the same: no perceptual hashes in "
        f"{path}; scan or score again"
    )
    assert "nobody knows how many nearly the same" in result.leaks.statement


def test_too_many_pairs_are_not_compared(
    tables: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four pictures, three of which are not there as they are, and five others: two and four have
    something to be seen."""
    monkeypatch.setattr(elsewhere, "MOST_PAIRS", 12)
    assert deftclean.check(tables[0], against=tables[1]).leaks.nearly == 2
    monkeypatch.setattr(elsewhere, "MOST_PAIRS", 11)
    result = deftclean.check(tables[0], against=tables[1])
    assert (result.leaks.same, result.leaks.nearly) == (1, None)
    assert result.warnings[0].endswith("3 × 4 pictures are more than 11 pairs")


def test_nothing_is_compared_with_nothing(tmp_path: Path) -> None:
    train = write(tmp_path / "train.parquet", TRAIN)
    empty = write(tmp_path / "empty.parquet", TEST[-1:])
    result = deftclean.check(train, against=empty)
    assert (result.gates[0].value, result.leaks.nearly, result.warnings) == (0, 0, ())


def test_a_hash_that_is_none_is_refused(tmp_path: Path) -> None:
    train = write(tmp_path / "train.parquet", TRAIN)
    bad = write(tmp_path / "bad.parquet", [row("x.png", photo(1), **{HASH: "xyz"})])
    with pytest.raises(InputError, match=r"bad\.parquet is not a score table"):
        deftclean.check(train, against=bad)


def test_through_the_command(tables: tuple[Path, Path]) -> None:
    train, _ = tables
    asked = ("check", "train.parquet", "--against", "test.parquet")
    done = run_cli(*asked, cwd=train.parent)
    assert done.returncode == 1, done.stderr
    assert "leaked         3 show a picture that is elsewhere too" in done.stdout
    assert "  nearly       2 of them, by their perceptual hashes" in done.stdout
    assert "near copy    b.png (row 1): nearly the same picture as two.png" in done.stdout
    said = json.loads(run_cli(*asked, "--format", "json", cwd=train.parent).stdout)
    jsonschema.validate(said, json.loads((ROOT / "docs" / "check.schema.json").read_text("utf-8")))
    assert (said["leaks"]["same"], said["leaks"]["nearly"]) == (1, 2)
