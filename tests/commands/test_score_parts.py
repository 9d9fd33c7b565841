"""A data set scored in parts, by several workers, through the real command line."""

import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deftclean.table.scores import ScoreTable, read_scores, write_scores
from tests.support.commands import Finished, run_cli, run_process, start_process
from tests.support.pictures import COLOURS, draw
from tests.support.trials import Trial, Trials

QUICK = ("--model", "nano", "--tuner", "none", "--workers", "0", "--offline", "-q")
OF_THE_SET = ("quality", "kind", "duplicate_of", "near_duplicate_group")
"""Columns that say how a row stands among the others."""

Rows = list[dict[str, Any]]


def odd_rows(root: Path) -> Rows:
    """65 rows: pictures in three classes, and at the end all that a table may hold."""
    names = list(COLOURS)
    rows: Rows = []
    for at in range(60):
        true, file = names[at % 3], f"{at:02d}.png"
        draw(COLOURS[true], at).save(root / file)
        given = names[(at + 1) % 3] if at % 10 == 0 else true
        rows.append({"file_name": file, "label": given, "who": f"person {at % 4}"})
    shutil.copy(root / "07.png", root / "copy.png")
    (root / "broken.png").write_bytes(b"no picture")
    for file, label in (
        ("copy.png", names[0]),  # the same picture twice, with two labels
        ("broken.png", names[1]),
        ("gone.png", names[2]),
        ("05.png", None),
        ("06.png", "zebra"),
    ):
        rows.append({"file_name": file, "label": label, "who": "nobody"})
    return rows


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, a table of labels, a detector, and the scores of all rows at once."""
    home = tmp_path_factory.mktemp("parts")
    (home / "data").mkdir()
    table = pa.Table.from_pylist(odd_rows(home / "data"))
    pq.write_table(table, home / "labels.parquet", row_group_size=7)
    pq.write_table(table.slice(0, 60), home / "train.parquet")
    brief = ("--epochs", "2", "--warmup", "1")
    done = run_cli("scan", "data", "train.parquet", "-o", "clean.parquet", *QUICK, *brief, cwd=home)
    assert done.returncode == 0, done.stderr
    score = ("score", "clean.detector", "data", "labels.parquet", "-o", "whole.parquet", *QUICK[4:])
    assert run_cli(*score, cwd=home).returncode == 0
    return home


def part(home: Path, output: str, which: str, unit_rows: int, *more: object) -> Finished:
    return run_cli(
        "score", "clean.detector", "data", "labels.parquet", "-o", output, "--part", which,
        "--unit-rows", unit_rows, "--workers", "0", "--offline", "-q", *more, cwd=home,
    )  # fmt: skip


@pytest.fixture(scope="module")
def parts(home: Path) -> Path:
    """Two workers, 17 rows at a time."""
    for which in ("2/2", "1/2"):
        done = part(home, "parts", which, 17)
        assert done.returncode == 0, done.stderr
    return home / "parts"


def test_the_last_worker_makes_the_folder_a_table(home: Path) -> None:
    first = json.loads(part(home, "two", "1/2", 17, "--json").stdout)
    assert (first["scored"], first["open"], first["committed"]) == (2, 2, False)
    said = run_cli("check", "two", cwd=home)
    assert said.returncode == 2
    assert "two is not finished" in said.stderr
    last = json.loads(part(home, "two", "2/2", 17, "--json").stdout)
    assert (last["scored"], last["open"], last["committed"]) == (2, 0, True)
    again = part(home, "two", "1/1", 17)
    assert "0 scored, 4 were there, 0 are open" in again.stdout


def test_any_cut_gives_the_same_of_every_row(home: Path, parts: Path) -> None:
    one = read_scores(parts)
    for number, rows in enumerate([65, 29]):
        output = f"cut-{number}"
        for which in ("1/1",) if number % 2 else ("1/3", "3/3", "2/3"):
            assert part(home, output, which, rows).returncode == 0
        other = read_scores(home / output)
        assert other.table.equals(one.table), rows
        assert other.metadata == one.metadata, rows
    whole = read_scores(home / "whole.parquet").table
    # Rows that show one picture are judged together there: 07.png and copy.png.
    alone = [row for row in range(65) if row not in (7, 60, 5, 6, 63, 64)]
    for name in set(whole.column_names) - {*OF_THE_SET}:
        assert whole[name].take(alone).equals(one.table[name].take(alone)), name


@pytest.mark.slow
def test_any_other_cut_does_too(home: Path, parts: Path) -> None:
    one, draws = read_scores(parts), np.random.default_rng(0)
    for number, rows in enumerate([1, *draws.integers(2, 64, 12).tolist()]):
        for which in ("2/3", "1/3", "3/3"):
            assert part(home, f"other-{number}", which, rows).returncode == 0
        other = read_scores(home / f"other-{number}")
        assert other.table.equals(one.table), rows
        assert other.metadata == one.metadata, rows


def test_every_worker_writes_the_same_bytes(home: Path, parts: Path) -> None:
    assert part(home, "alone", "1/1", 17).returncode == 0
    files = [path for path in parts.rglob("*") if path.is_file()]
    assert len(files) == 10
    for path in files:
        assert path.read_bytes() == (home / "alone" / path.relative_to(parts)).read_bytes(), path


def test_a_folder_is_read_as_a_file_is(home: Path, parts: Path) -> None:
    scores = read_scores(parts)
    facts = {name: scores.metadata[name] for name in ("image_root", "labels_file", "detector")}
    assert facts == {
        "image_root": "data",
        "labels_file": "labels.parquet",
        "detector": "clean.detector",
    }
    write_scores(
        ScoreTable(scores.table, scores.metadata), home / "file.parquet", home / "data", True,
        home / "labels.parquet", home / "clean.detector",
    )  # fmt: skip
    asked: Mapping[str, tuple[object, ...]] = {
        "check": ("--fail-on", "noise_rate>0", "--fail-on", "missing>0", "--format", "json"),
        "check --baseline": ("--baseline", "whole.parquet", "--format", "sarif"),
        "check --verify": ("--verify", "--format", "text"),
        "export": ("--to", "csv", "-o", "{}.csv"),
        "select": ("--threshold", "0.9", "-o", "{}-strict.parquet"),
        "report": ("-o", "{}.html"),
    }
    for command, words in asked.items():
        said = []
        for name in ("parts", "file.parquet"):
            given = [str(word).format(name) for word in words]
            done = run_cli(command.split()[0], name, *given, cwd=home)
            assert done.returncode in (0, 1), done.stderr
            said.append((done.returncode, done.stdout.replace(name, "TABLE")))
        assert said[0][0] == said[1][0], command
        if command.startswith("check"):
            assert said[0][1] == said[1][1]
    assert (home / "parts.csv").read_bytes() == (home / "file.parquet.csv").read_bytes()
    strict = (read_scores(home / f"{name}-strict.parquet") for name in ("parts", "file.parquet"))
    one, other = strict
    assert one.table.equals(other.table)


def test_a_folder_of_another_run_is_left_alone(home: Path, parts: Path) -> None:
    before = {path: path.read_bytes() for path in parts.rglob("*") if path.is_file()}
    done = part(home, "parts", "1/2", 17, "--threshold", "0.123")
    assert done.returncode == 2
    assert "holds the parts of another run: threshold" in done.stderr
    assert "here 0.123" in done.stderr
    assert part(home, "parts", "1/2", 18).returncode == 2
    assert before == {path: path.read_bytes() for path in parts.rglob("*") if path.is_file()}


def test_other_labels_are_another_run(home: Path, tmp_path: Path) -> None:
    """In as many rows."""
    table = pq.read_table(home / "labels.parquet")
    words = ("score", home / "clean.detector", home / "data", "l.parquet", "-o", "new", *QUICK[4:])
    labels = table["label"].to_pylist()
    for number in range(2):
        pq.write_table(table.set_column(1, "label", pa.array(labels)), tmp_path / "l.parquet")
        done = run_cli(*words, "--part", "1/2", "--unit-rows", 40, cwd=tmp_path)
        assert done.returncode == (2 if number else 0), done.stderr
        labels[1] = "aardvark"
    assert "holds the parts of another run: l.parquet" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--part", "0/2"), "is not i/n"),
        (("--part", "3/2"), "is not i/n"),
        (("--part", "two"), "is not i/n"),
        (("--part", "1/2", "--overwrite"), "--overwrite cannot go with --part"),
        (("--part", "1/2", "--fail-on", "rows<1"), "--fail-on cannot go with --part"),
        (("--part", "1/2", "-o", "x.parquet"), "a folder is filled"),
        (("--part", "1/2", "-o", "data"), "the input itself"),
        (("--part", "1/2", "-o", "clean.detector"), "the input itself"),
        (("--part", "1/2", "--embeddings", "e.npy"), "--embeddings cannot go with --part"),
        (("--unit-rows", "5"), "--unit-rows goes with --part"),
    ],
)
def test_what_cannot_be_is_refused(home: Path, words: tuple[str, ...], said: str) -> None:
    output = () if "-o" in words else ("-o", "new")
    done = run_cli("score", "clean.detector", "data", "labels.parquet", *output, *words, cwd=home)
    assert done.returncode == 2, done.stdout
    assert said in " ".join(done.stderr.split())
    assert not (home / "new").exists()


def test_a_unit_that_fails_is_named_and_the_others_go_on(home: Path, tmp_path: Path) -> None:
    table = pq.read_table(home / "labels.parquet").slice(0, 60)
    images = [(home / "data" / name).read_bytes() for name in table["file_name"].to_pylist()]
    file = tmp_path / "rows.parquet"
    table = table.append_column("image", pa.array(images, pa.binary()))
    pq.write_table(table.drop_columns(["file_name"]), file, row_group_size=6, use_dictionary=False)
    whole = file.read_bytes()
    column = pq.read_metadata(file).row_group(3).column(2)
    assert column.path_in_schema == "image"
    at = column.data_page_offset
    file.write_bytes(whole[:at] + bytes(8) + whole[at + 8 :])
    words = ("score", home / "clean.detector", "rows.parquet", "-o", "new", *QUICK[4:])
    words = (*words, "--part", "1/1", "--unit-rows", 6, "--json")
    done = run_cli(*words, cwd=tmp_path)
    assert done.returncode == 3
    assert "1 of 10 units failed" in done.stderr
    assert "rows 18 to 23: " in done.stderr
    assert len(list((tmp_path / "new" / "parts").iterdir())) == 9
    assert run_cli("check", "new", cwd=tmp_path).returncode == 2
    file.write_bytes(whole)
    again = json.loads(run_cli(*words, cwd=tmp_path).stdout)
    assert (again["scored"], again["found"], again["committed"]) == (1, 9, True)


def test_damage_is_seen(home: Path, parts: Path, tmp_path: Path) -> None:
    shutil.copytree(home, tmp_path / "home")
    folder = tmp_path / "home" / "parts"
    victim = sorted((folder / "parts").iterdir())[1]
    whole = victim.read_bytes()
    victim.write_bytes(whole[:-1])
    done = run_cli("check", "parts", cwd=folder.parent)
    assert done.returncode == 2
    assert "1 of its 4 parts are gone or of another size" in done.stderr
    victim.write_bytes(whole[:50] + bytes([whole[50] ^ 1]) + whole[51:])
    asked = ("check", "parts", "--verify", "--fail-on", "altered_table>0")
    assert run_cli(*asked, cwd=folder.parent).returncode == 1
    victim.write_bytes(whole)
    assert run_cli(*asked, cwd=folder.parent).returncode == 0
    commit = json.loads((folder / "_COMMIT.json").read_bytes())
    commit["metadata"]["warnings"] = ["all is well"]
    (folder / "_COMMIT.json").write_text(json.dumps(commit))
    assert run_cli(*asked, cwd=folder.parent).returncode == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["shards", "images in shards", "csv", "folder"])
def test_wherever_rows_come_from(home: Path, tmp_path: Path, kind: str) -> None:
    """Rows and pictures of every kind of manifest, cut in the middle of files and row groups."""
    table = pq.read_table(home / "labels.parquet").slice(0, 62)
    data: tuple[str, ...] = (str(home / "data"), "labels")
    if kind == "csv":
        from pyarrow import csv

        csv.write_csv(table, tmp_path / "labels.csv")
        data = (str(home / "data"), "labels.csv")
    elif kind == "folder":
        data = ("data",)
        for row in table.slice(0, 40).to_pylist():
            place = tmp_path / "data" / row["label"]
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(home / "data" / row["file_name"], place)
    else:
        if kind == "images in shards":
            data = ("labels",)
            images = [
                (home / "data" / name).read_bytes() for name in table["file_name"].to_pylist()
            ]
            table = table.append_column("image", pa.array(images, pa.binary()))
            table = table.drop_columns(["file_name"])
        (tmp_path / "labels").mkdir()
        for number, (first, end) in enumerate([(0, 11), (11, 40), (40, 62)]):
            rows = table.slice(first, end - first)
            pq.write_table(rows, tmp_path / "labels" / f"{number}.parquet", row_group_size=5)
    score = ("score", home / "clean.detector", *data, *QUICK[4:])
    assert run_cli(*score, "-o", "whole.parquet", cwd=tmp_path).returncode == 0
    for which in ("1/2", "2/2"):
        done = run_cli(*score, "-o", "parts", "--part", which, "--unit-rows", 13, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    one, other = (read_scores(tmp_path / name).table for name in ("whole.parquet", "parts"))
    alone = [row for row in range(len(one)) if row not in (7, 60)]
    for name in set(one.column_names) - {*OF_THE_SET}:
        assert one[name].take(alone).equals(other[name].take(alone)), name


@pytest.mark.slow
def test_killed_workers_and_two_of_the_same_part(home: Path, parts: Path, trials: Trials) -> None:
    """Kills at any time, and two workers that do the same at once: always the same bytes."""
    words = (
        "score", "clean.detector", "data", "labels.parquet", "-o", "kills", "--part", "1/1",
        "--unit-rows", 17, "--workers", 0, "--offline", "-q",
    )  # fmt: skip
    whole = trials.run(Trial(words, home))[0]
    assert whole.code == 0, whole.errors
    shutil.rmtree(home / "kills")
    draws = np.random.default_rng(1)
    for number in range(25):
        kill = (9 if number % 2 else 15, float(draws.uniform(0, whole.seconds)))
        ended = trials.run(Trial(words, home, kill=kill), Trial(words, home))
        assert ended[1].code == 0, ended[1].errors
        made = home / "kills"
        for path in parts.rglob("*"):
            if path.is_file():
                other = made / path.relative_to(parts)
                assert other.read_bytes() == path.read_bytes(), (number, path)
        assert run_cli("check", "kills", "--verify", cwd=home).returncode == 0
        shutil.rmtree(made)


@pytest.mark.slow
def test_a_pool_of_ray_actors_writes_the_same_bytes(home: Path, parts: Path) -> None:
    """Two real actors, one of which is killed at work: its unit is scored again by another."""
    pytest.importorskip("ray", reason="needs ray")
    words = (
        "score", "clean.detector", "data", "labels.parquet", "-o", "pool", "--engine", "ray",
        "--actors", 2, "--workers", 0, "--offline",
    )  # fmt: skip
    process = start_process(
        *words, "--unit-rows", 17, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    victim = None
    while process.poll() is None and victim is None:
        with contextlib.suppress(psutil.NoSuchProcess):  # some end while one looks
            children = psutil.Process(process.pid).children(recursive=True)
            actors = [each for each in children if "MapWorker" in " ".join(each.cmdline())]
            victim = next(iter(actors), None)
        time.sleep(0.05)
    assert victim is not None, process.communicate()
    victim.kill()
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert "4 scored" in out
    for path in parts.rglob("*"):
        if path.is_file():
            made = home / "pool" / path.relative_to(parts)
            assert made.read_bytes() == path.read_bytes(), path
    many = run_process(*words[:8], "--actors", 99, "-o", "other", cwd=home)
    assert many.returncode == 2
    assert "--actors 99: this cluster has" in many.stderr
    other = run_process(*words, "--unit-rows", 16, cwd=home)
    assert other.returncode == 2
    assert "pool holds the parts of another run: unit_rows 17, here 16" in other.stderr
