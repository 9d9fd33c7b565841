"""Data sets that Hugging Face's datasets saved to disk, through the real command line."""

import hashlib
import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deftclean.table.scores import read_scores
from tests.support.commands import run_cli

FAST = ("--model", "nano", "--recipe", "zero-shot-margin", "--tuner", "none", "--workers", "0")
CLASSES = ["apple", "leaf", "ocean"]
FEATURES = {"image": {"_type": "Image"}, "label": {"names": CLASSES, "_type": "ClassLabel"}}


def rows(folder: Path, start: int = 0, step: int = 1) -> pa.Table:
    """Pictures as `datasets` holds them, with class numbers."""
    pictures = sorted(folder.rglob("*.png"))[start::step]
    images = [{"bytes": path.read_bytes(), "path": path.name} for path in pictures]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    labels = [CLASSES.index(path.parent.name) for path in pictures]
    said = {b"huggingface": json.dumps({"info": {"features": FEATURES}}).encode()}
    table = pa.table({"image": pa.array(images, kind), "label": pa.array(labels, pa.int64())})
    return table.replace_schema_metadata(said)


def saved(home: Path, *parts: pa.Table, batch: int = 7) -> None:
    """What `Dataset.save_to_disk` writes; compared with the package's own where that is there."""
    home.mkdir(parents=True)
    names = [f"data-{at:05d}-of-{len(parts):05d}.arrow" for at in range(len(parts))]
    for name, part in zip(names, parts, strict=True):
        with pa.OSFile(str(home / name), "wb") as file, pa.ipc.new_stream(file, part.schema) as to:
            to.write_table(part, max_chunksize=batch)
    state = {"_data_files": [{"filename": name} for name in names], "_split": None}
    (home / "state.json").write_text(json.dumps(state))
    (home / "dataset_info.json").write_text(json.dumps({"features": FEATURES}))


def cut(path: Path, count: int) -> None:
    path.write_bytes(path.read_bytes()[:-count])


def columns(path: Path) -> dict[str, list[object]]:
    return pq.read_table(path).to_pydict()


def test_each_picture_of_a_saved_set_is_a_row(folder: Path, tmp_path: Path) -> None:
    part = rows(folder)
    saved(tmp_path / "saved", part)
    done = run_cli("scan", "saved", "-o", "a.parquet", *FAST, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = columns(tmp_path / "a.parquet")
    assert found["given_label"] == [CLASSES[at] for at in part["label"].to_pylist()]
    data = [image["bytes"] for image in part["image"].to_pylist()]
    assert found["content_sha256"] == [hashlib.sha256(each).hexdigest() for each in data]


@pytest.mark.slow
def test_a_saved_set_is_scored_in_parts(folder: Path, tmp_path: Path) -> None:
    half = rows(folder)
    saved(tmp_path / "saved", half.slice(0, 23), half.slice(23))
    brief = ("--recipe", "deft", "--epochs", "1", "--warmup", "1")
    words = ("scan", "saved", "-o", "a.parquet", "--model", "nano", "--tuner", "none", *brief)
    done = run_cli(*words, "--workers", "0", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    score = ("score", "a.detector", "saved", "--workers", "0")
    assert run_cli(*score, "-o", "whole.parquet", cwd=tmp_path).returncode == 0
    for which in ("1/2", "2/2"):
        part = (*score, "-o", "parts", "--part", which, "--unit-rows", "9")
        done = run_cli(*part, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    one, other = (read_scores(tmp_path / name).table for name in ("whole.parquet", "parts"))
    for name in ("file_name", "given_label", "clean_prob", "content_sha256"):
        assert one[name].equals(other[name]), name


@pytest.mark.slow
def test_a_saved_set_is_read_as_its_parquet_files(folder: Path, tmp_path: Path) -> None:
    parts = rows(folder, 0, 2), rows(folder, 1, 2)
    saved(tmp_path / "saved", *parts)
    (tmp_path / "parquet").mkdir()
    for at, part in enumerate(parts):
        pq.write_table(part, tmp_path / "parquet" / f"data-{at:05d}-of-00002.parquet")
    for name in ("saved", "parquet"):
        done = run_cli("scan", name, "-o", f"{name}.table.parquet", *FAST, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    here, there = (columns(tmp_path / f"{name}.table.parquet") for name in ("saved", "parquet"))
    named = here.pop("file_name"), there.pop("file_name")
    assert here == there
    assert set(here["given_label"]) == set(CLASSES)
    assert [str(name).partition("#")[2] for name in named[0]] == [
        str(name).partition("#")[2] for name in named[1]
    ]
    report = ("report", "saved.table.parquet", "--data", "saved", "-o", "r.html")
    assert run_cli(*report, cwd=tmp_path).returncode == 0
    assert "data:image/" in (tmp_path / "r.html").read_text()


@pytest.mark.slow
class TestMore:
    """Splits, and what is wrong."""

    def test_splits_are_a_column(self, folder: Path, tmp_path: Path) -> None:
        home = tmp_path / "dict"
        saved(home / "train", rows(folder, 0, 3), rows(folder, 1, 3))
        saved(home / "holdout", rows(folder, 2, 3))
        (home / "dataset_dict.json").write_text('{"splits": ["train", "holdout"]}')
        done = run_cli("scan", "dict", "-o", "a.parquet", *FAST, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert columns(tmp_path / "a.parquet")["split"] == ["train"] * 40 + ["holdout"] * 20

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (
                lambda home: (home / "data-00001-of-00002.arrow").unlink(),
                "1 of its 2 files are not",
            ),
            (lambda home: cut(home / "data-00000-of-00002.arrow", 8), "is cut off: it has no end"),
            (lambda home: cut(home / "data-00000-of-00002.arrow", 900), "cannot be read"),
            (lambda home: (home / "state.json").write_text("{"), "state.json cannot be read"),
            (lambda home: (home / "state.json").write_text("[]"), "not an object"),
            (
                lambda home: (home / "state.json").write_text(
                    '{"_data_files": [{"filename": "../../x.arrow"}]}'
                ),
                "names a file elsewhere: '../../x.arrow'",
            ),
            (
                lambda home: (home / "state.json").write_text('{"_indices_data_files": [1]}'),
                "flatten_indices",
            ),
            (
                lambda home: (home / "data-00000-of-00002.arrow").write_bytes(b"no arrow at all"),
                "data-00000-of-00002.arrow cannot be read",
            ),
        ],
    )
    def test_what_is_wrong_is_said(
        self, folder: Path, tmp_path: Path, change: object, said: str
    ) -> None:
        saved(tmp_path / "saved", rows(folder, 0, 2), rows(folder, 1, 2))
        change(tmp_path / "saved")  # type: ignore[operator]
        done = run_cli("scan", "saved", "-o", "a.parquet", *FAST, cwd=tmp_path, COLUMNS="300")
        assert done.returncode == 2, done.stderr
        assert said in done.stderr
        assert done.stderr.count("Error:") == 1

    def test_the_packages_own_files(self, folder: Path, tmp_path: Path) -> None:
        datasets = pytest.importorskip("datasets", reason="pip install 'deftclean[interop]'")
        table = rows(folder)
        features = datasets.Features(
            {"image": datasets.Image(), "label": datasets.ClassLabel(names=CLASSES)}
        )
        made = datasets.Dataset(table.replace_schema_metadata(None)).cast(features)
        made.save_to_disk(str(tmp_path / "real"), num_shards=2)
        datasets.DatasetDict({"train": made, "test": made}).save_to_disk(str(tmp_path / "both"))
        for name, count in (("real", 60), ("both", 120)):
            done = run_cli("scan", name, "-o", f"{name}.parquet", *FAST, cwd=tmp_path)
            assert done.returncode == 0, done.stderr
            found = columns(tmp_path / f"{name}.parquet")
            assert len(found["row"]) == count
            assert set(found["given_label"]) == set(CLASSES)
        shutil.rmtree(tmp_path / "real")


@pytest.mark.parametrize("form", ["stream", "file"])
def test_one_arrow_file_is_read_as_a_parquet_file(folder: Path, tmp_path: Path, form: str) -> None:
    """As the cache of `datasets` has it; later commands find its images too."""
    table = rows(folder)
    pq.write_table(table, tmp_path / "one.parquet")
    new = pa.ipc.new_stream if form == "stream" else pa.ipc.new_file
    with pa.OSFile(str(tmp_path / "two.arrow"), "wb") as file, new(file, table.schema) as to:
        to.write_table(table, max_chunksize=7)
    for data, output in (("one.parquet", "a.parquet"), ("two.arrow", "b.parquet")):
        done = run_cli("scan", data, "-o", output, *FAST, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    one, two = (columns(tmp_path / name) for name in ("a.parquet", "b.parquet"))
    names = [name.replace("one.parquet", "two.arrow") for name in map(str, one["file_name"])]
    assert {**one, "file_name": names} == two
    assert set(two["given_label"]) == set(CLASSES)
    told = run_cli("check", "b.parquet", "--verify", "--data", "two.arrow", cwd=tmp_path)
    assert told.returncode == 0, told.stdout + told.stderr
    cut(tmp_path / "two.arrow", 9)
    done = run_cli("scan", "two.arrow", "-o", "c.parquet", *FAST, cwd=tmp_path)
    assert (done.returncode, done.stderr.count("Error:")) == (2, 1)
