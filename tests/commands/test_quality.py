"""Bad pictures, strangers and the kinds of rows, through the command line."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from deftclean.table.scores import ScoreTable, read_scores, write_scores
from tests.support.commands import run_cli
from tests.support.pictures import COLOURS, encode, photo
from tests.support.places import ROOT

FAST = ("--model", "nano", "--tuner", "none", "--epochs", "1", "--quiet")
NAMES = list(COLOURS)
GOOD = 66


def tinted(seed: int) -> Image.Image:
    """A picture of its own, in the colour of its class."""
    colour = np.array(COLOURS[NAMES[seed % 3]]) / 255
    return Image.fromarray((np.asarray(photo(seed)) * colour).astype(np.uint8))


def stripes(width: int) -> Image.Image:
    """White and black."""
    page = Image.new("RGB", (64, 64), "white")
    for left in range(0, 64, 2 * width):
        page.paste((0, 0, 0), (left, 0, left + width, 64))
    return page


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures in three colours; then bad ones, a copy with another label, and strangers."""
    home = tmp_path_factory.mktemp("mixed")
    labels = [NAMES[at % 3] for at in range(GOOD)]
    labels[5] = "apple"  # an ocean
    made = [tinted(at) for at in range(GOOD)]
    made.append(ImageEnhance.Brightness(tinted(GOOD)).enhance(0.2))
    made.append(tinted(GOOD + 1).filter(ImageFilter.GaussianBlur(4)))
    made.append(Image.new("RGB", (64, 64), "green"))
    made += [tinted(0), stripes(8), stripes(12)]
    labels += [*NAMES, "ocean", "apple", "leaf"]
    (home / "images").mkdir()
    lines = ["file_name,label"]
    for at, (picture, label) in enumerate(zip(made, labels, strict=True)):
        (home / "images" / f"{at}.png").write_bytes(encode(picture))
        lines.append(f"{at}.png,{label}")
    (home / "labels.csv").write_text("\n".join(lines) + "\n")
    return home


def scan(home: Path, output: str, *more: str) -> str:
    done = run_cli("scan", "images", "labels.csv", *FAST, "-o", output, *more, cwd=home)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def scanned(mixed: Path) -> tuple[Path, str]:
    return mixed, scan(mixed, "clean.parquet", "--workers", "0", "--cache-dir", "cache")


def test_a_scan_names_what_is_wrong_with_pictures(scanned: tuple[Path, str]) -> None:
    home, said = scanned
    table = read_scores(home / "clean.parquet").table
    quality, kinds = table["quality"].to_pylist(), table["kind"].to_pylist()
    assert quality == [None] * GOOD + ["dark", "blurred", "blank", *[None] * 3]
    assert kinds[GOOD:-1] == [*["bad_picture"] * 3, "duplicate_conflict", "off_topic"]
    there = {at: kind for at, kind in enumerate(kinds[:GOOD]) if kind is not None}
    assert there == {0: "duplicate_conflict", 5: "wrong_label"}
    counted = "1 off topic, 2 duplicate conflict, 3 bad picture, 1 wrong label"
    assert f"kinds          {counted}" in said
    assert "bad pictures   1 blank, 1 blurred, 1 dark" in said


@pytest.mark.parametrize(
    ("asked", "code", "value"),
    [
        ("bad_pictures>2", 1, 3),
        ("bad_pictures[leaf]>1", 0, 1),
        ("off_topic>0", 1, 1),
        ("off_topic[leaf]>0", 0, 0),
        ("ambiguous>0", 0, 0),
    ],
)
def test_gates_count_kinds(scanned: tuple[Path, str], asked: str, code: int, value: int) -> None:
    home, _ = scanned
    done = run_cli("check", "clean.parquet", "--fail-on", asked, "--format", "json", cwd=home)
    assert done.returncode == code, done.stderr
    said = json.loads(done.stdout)
    assert said["gates"][0]["value"] == value
    assert said["quality"] == {"blank": 1, "blurred": 1, "dark": 1}
    assert sum(said["kinds"].values()) == 7
    schema = json.loads((ROOT / "docs" / "check.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(said, schema)


def test_check_says_them_and_an_older_table_does_not(scanned: tuple[Path, str]) -> None:
    home, _ = scanned
    assert "bad pictures   1 blank" in run_cli("check", "clean.parquet", cwd=home).stdout
    scores = read_scores(home / "clean.parquet")
    older = {**scores.metadata, "schema_version": 4}
    for name in ("quality", "off_topic"):
        del older[name]
    table = scores.table.drop_columns(["quality", "kind"])
    write_scores(ScoreTable(table, older), home / "older.parquet", home / "images", overwrite=True)
    shown = run_cli("check", "older.parquet", cwd=home)
    assert "kinds" not in shown.stdout
    for metric in ("bad_pictures", "off_topic", "ambiguous"):
        done = run_cli("check", "older.parquet", "--fail-on", f"{metric}>0", cwd=home)
        assert done.returncode == 3
        assert "older deftclean" in done.stderr


def test_select_and_score_tell_kinds_too(scanned: tuple[Path, str]) -> None:
    home, _ = scanned
    done = run_cli(
        *("select", "clean.parquet", "--threshold", "0", "-o", "all.parquet", "--overwrite"),
        cwd=home,
    )
    assert done.returncode == 0, done.stderr
    kinds = read_scores(home / "all.parquet").table["kind"].to_pylist()
    assert "wrong_label" not in kinds  # none is flagged
    assert kinds.count("off_topic") == 1
    more = ("--workers", "0", "--quiet", "--overwrite", "-o", "new.parquet")
    done = run_cli("score", "clean.detector", "images", "labels.csv", *more, cwd=home)
    assert done.returncode == 0, done.stderr
    new, old = (read_scores(home / name).table for name in ("new.parquet", "clean.parquet"))
    assert new["quality"].equals(old["quality"])
    assert new["kind"].to_pylist()[GOOD:-2] == old["kind"].to_pylist()[GOOD:-2]
    assert read_scores(home / "new.parquet").metadata["off_topic"] is not None


def test_where_most_are_alike_the_scan_says_so(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    lines = ["file_name,label"]
    for at in range(8):
        picture = photo(at) if at % 4 == 0 else photo(at).filter(ImageFilter.GaussianBlur(4))
        (tmp_path / "images" / f"{at}.png").write_bytes(encode(picture))
        lines.append(f"{at}.png,{NAMES[at % 3]}")
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    more = ("--recipe", "small-loss", "--noise-ratio", "0.1", "--workers", "0")
    done = run_cli("scan", "images", "labels.csv", *FAST[:-1], *more, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "blurred: so are most of the pictures, which is therefore no fault here" in done.stderr
    scores = read_scores(tmp_path / "clean.parquet")
    assert scores.table["quality"].null_count == 8
    assert scores.metadata["quality"] == {"usual": ["blurred"]}
    assert scores.metadata["off_topic"] is None
    done = run_cli("check", "clean.parquet", "--fail-on", "off_topic>0", cwd=tmp_path)
    assert done.returncode == 3
