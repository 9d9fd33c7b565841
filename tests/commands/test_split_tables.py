"""`--split` of tables that hold the images themselves, through the real command line."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deftclean.table.scores import read_scores
from tests.support.commands import Finished, run_cli
from tests.support.pictures import COLOURS, draw, encode

NAMES = sorted(COLOURS)
FAST = ("--model", "nano", "--tuner", "none", "--epochs", "1", "--workers", "0", "--quiet")
ROWS = 48


def split_of(row: int) -> str:
    return "test" if row % 4 == 1 else "train"


def row(index: int) -> dict[str, Any]:
    """Every fifth of them holds no bytes."""
    name = NAMES[index % len(NAMES)]
    data = None if index % 15 == 14 else encode(draw(COLOURS[name], index))
    return {"image": {"bytes": data, "path": None}, "label": name, "split": split_of(index)}


def ran(*arguments: object, cwd: Path) -> Finished:
    done = run_cli(*arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`all.parquet` of five row groups, `flat.parquet` with plain bytes, two shards in a folder."""
    home = tmp_path_factory.mktemp("split")
    rows = [row(index) for index in range(ROWS)]
    table = pa.Table.from_pylist(rows)
    pq.write_table(table, home / "all.parquet", row_group_size=10)
    flat = [{**each, "image": each["image"]["bytes"]} for each in rows]
    pq.write_table(pa.Table.from_pylist(flat), home / "flat.parquet")
    (home / "shards").mkdir()
    for at, part in enumerate((table[:30], table[30:])):
        pq.write_table(part, home / "shards" / f"part-{at}.parquet", row_group_size=7)
    ran("scan", "all.parquet", "--split", "test", *FAST, "-o", "test.parquet", cwd=home)
    return home


def hashes(split: str) -> list[str | None]:
    """Of the pictures of a split, in order."""
    data = [row(index)["image"]["bytes"] for index in range(ROWS) if split_of(index) == split]
    return [each and hashlib.sha256(each).hexdigest() for each in data]


def test_the_rows_of_a_split_are_read(home: Path) -> None:
    table = pq.read_table(home / "test.parquet")
    rows = [index for index in range(ROWS) if split_of(index) == "test"]
    assert table["content_sha256"].to_pylist() == hashes("test")
    assert table["file_name"].to_pylist() == [f"all.parquet#{index}" for index in rows]
    assert table["given_label"].to_pylist() == [NAMES[index % len(NAMES)] for index in rows]
    assert table["row"].to_pylist() == list(range(len(rows)))
    assert set(table["split"].to_pylist()) == {"test"}
    assert json.loads(table.schema.metadata[b"deftclean"])["split"] == ["test"]


@pytest.mark.parametrize(("data", "split"), [("flat.parquet", "train"), ("shards", "test")])
def test_of_every_kind_of_table(home: Path, data: str, split: str) -> None:
    output = f"{data}.{split}.parquet"
    ran("score", "test.detector", data, "--split", split, "--workers", "0", "-o", output, cwd=home)
    assert pq.read_table(home / output)["content_sha256"].to_pylist() == hashes(split)
    asked = ("check", output, "--verify", "--data", data)
    assert run_cli(*asked, "--format", "json", cwd=home).returncode == 0


def test_in_parts_as_at_once(home: Path) -> None:
    asked = ("score", "test.detector", "all.parquet", "--split", "train", "--workers", "0")
    ran(*asked, "-o", "whole.parquet", cwd=home)
    for part in ("1/2", "2/2"):
        ran(*asked, "--part", part, "--unit-rows", "16", "-o", "parts", cwd=home)
    whole, parts = (read_scores(home / name) for name in ("whole.parquet", "parts"))
    for name in ("row", "file_name", "content_sha256", "perceptual_hash"):
        assert parts.table[name].to_pylist() == whole.table[name].to_pylist()
    assert parts.metadata["split"] == whole.metadata["split"] == ["train"]
    assert run_cli("check", "parts", "--verify", "--data", "all.parquet", cwd=home).returncode == 0


def test_later_commands_find_the_same_pictures(home: Path) -> None:
    """By the rows of the split, which the table's metadata name."""
    asked = ("check", "test.parquet", "--data", "all.parquet")
    assert run_cli(*asked, "--verify", cwd=home).returncode == 0
    ran("report", "test.parquet", "--data", "all.parquet", "-o", "r.html", "--quiet", cwd=home)
    export = ("--data", "all.parquet", "--to", "imagefolder", "-o", "out")
    ran("export", "test.parquet", *export, cwd=home)
    written = {
        hashlib.sha256(path.read_bytes()).hexdigest() for path in (home / "out").rglob("*.png")
    }
    kept = pq.read_table(home / "test.parquet")
    assert written == set(kept.filter(kept["keep"])["content_sha256"].to_pylist())
    rows = [each for each in (row(index) for index in range(ROWS)) if each["split"] == "train"]
    pq.write_table(pa.Table.from_pylist(rows), home / "other.parquet")
    asked = ("check", "test.parquet", "--data", "other.parquet", "--verify")
    done = run_cli(*asked, cwd=home)
    assert done.returncode == 2
    assert "It has the splits train" in done.stderr


def test_corrupt_writes_the_pictures_of_the_split_again(home: Path) -> None:
    noise = ("--noise", "symmetric", "--ratio", "0.4", "--seed", "0")
    ran("corrupt", "all.parquet", "--split", "test", *noise, "-o", "noisy.parquet", cwd=home)
    noisy = pq.read_table(home / "noisy.parquet").to_pylist()
    found = [each["image"]["bytes"] for each in noisy]
    assert [each and hashlib.sha256(each).hexdigest() for each in found] == hashes("test")
    truth = pq.read_table(home / "noisy.truth.parquet").to_pylist()
    true = [NAMES[index % len(NAMES)] for index in range(ROWS) if split_of(index) == "test"]
    assert [each["true_label"] for each in truth] == true
    assert [each["wrong"] for each in truth] == [
        each["label"] != name for each, name in zip(noisy, true, strict=True)
    ]
