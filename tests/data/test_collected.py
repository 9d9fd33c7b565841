"""Metadata inside a folder of images, as Hugging Face's image folders have them."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deftclean.core.errors import UsageError
from deftclean.data.manifest import Manifest, read_manifest
from deftclean.data.options import ManifestOptions


def make(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def lines(path: Path, *rows: dict[str, Any]) -> None:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def read(root: Path, **options: Any) -> Manifest:
    return read_manifest(root, None, ManifestOptions(**options))


def pairs(manifest: Manifest) -> list[tuple[str, str | None]]:
    names = manifest.file_names.to_pylist()
    return list(zip(names, manifest.given_labels.to_pylist(), strict=True))


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_pictures_side_by_side(tmp_path: Path, ending: str) -> None:
    root = make(tmp_path / "data", "a.png", "b.png")
    path = root / f"metadata.{ending}"
    if ending == "jsonl":
        lines(path, {"file_name": "a.png", "label": "cat"}, {"file_name": "b.png", "label": "dog"})
    elif ending == "csv":
        path.write_text("file_name,label\na.png,cat\nb.png,dog\n")
    else:
        pq.write_table(pa.table({"file_name": ["a.png", "b.png"], "label": ["cat", "dog"]}), path)
    manifest = read(root)
    assert pairs(manifest) == [("a.png", "cat"), ("b.png", "dog")]
    assert f"labels are read from metadata.{ending}" in manifest.notes
    assert manifest.labels_file == path
    assert manifest.source_lines[0].as_py() == {"jsonl": 1, "csv": 2, "parquet": None}[ending]


def test_metadata_in_each_split(tmp_path: Path) -> None:
    """Pictures in numbered folders, as `export --to imagefolder` writes them."""
    root = make(tmp_path / "data", "train/0000/a.png", "train/0001/b.png", "test/0000/c.png")
    lines(root / "train" / "metadata.jsonl", {"file_name": "0000/a.png", "label": "cat", "n": 1},
          {"file_name": "0001/b.png", "label": "dog"})  # fmt: skip
    lines(root / "test" / "metadata.jsonl", {"file_name": "0000/c.png", "label": "dog"})
    manifest = read(root)
    assert pairs(manifest) == [
        ("test/0000/c.png", "dog"), ("train/0000/a.png", "cat"), ("train/0001/b.png", "dog")
    ]  # fmt: skip
    assert manifest.columns["split"].to_pylist() == ["test", "train", "train"]
    assert manifest.labels_file is None
    assert pairs(read(root, split=("test",))) == [("test/0000/c.png", "dog")]
    assert pairs(read(root / "train"))[0] == ("0000/a.png", "cat")


def test_one_split_with_metadata(tmp_path: Path) -> None:
    root = make(tmp_path / "data", "train/a.png", "train/b.png")
    lines(root / "train" / "metadata.jsonl", {"file_name": "a.png", "animal": "cat"},
          {"file_name": "b.png", "animal": "dog"})  # fmt: skip
    manifest = read(root, label_column="animal")
    assert pairs(manifest) == [("train/a.png", "cat"), ("train/b.png", "dog")]
    assert manifest.labels_file == root / "train" / "metadata.jsonl"
    assert manifest.source_lines.to_pylist() == [1, 2]
    with pytest.raises(UsageError, match="no column with the labels"):
        read(root)


def test_class_folders_win_and_it_is_said(tmp_path: Path) -> None:
    root = make(tmp_path / "data", "cat/a.png", "dog/b.png")
    lines(root / "metadata.jsonl", {"file_name": "cat/a.png", "label": "lynx"},
          {"file_name": "dog/b.png", "label": "fox"})  # fmt: skip
    manifest = read(root)
    assert manifest.class_names == ("cat", "dog")
    command = f"deftclean scan {root} {root / 'metadata.jsonl'}"
    assert manifest.notes[-1].endswith(f"to read it: {command}")
    told = read_manifest(root, root / "metadata.jsonl", ManifestOptions())
    assert told.class_names == ("fox", "lynx")


def test_numbers_as_folders_say_nothing_unless_they_are_named(tmp_path: Path) -> None:
    root = make(tmp_path / "data", "0/a.png", "1/b.png")
    (root / "notes.txt").touch()
    lines(root / "metadata.jsonl", {"file_name": "0/a.png", "label": "lynx"},
          {"file_name": "1/b.png", "label": "fox"})  # fmt: skip
    manifest = read(root)
    assert pairs(manifest) == [("0/a.png", "lynx"), ("1/b.png", "fox")]
    assert any("not images" in note for note in manifest.notes)
    (tmp_path / "names.txt").write_text("cat\ndog\n")
    named = read(root, class_names=tmp_path / "names.txt")
    assert pairs(named) == [("0/a.png", "cat"), ("1/b.png", "dog")]
    assert "metadata.jsonl is not read" in named.notes[-1]


def test_metadata_of_no_use(tmp_path: Path) -> None:
    root = make(tmp_path / "data", "train/a.png", "test/b.png")
    lines(root / "train" / "metadata.jsonl", {"name": "a.png", "label": "cat"})
    with pytest.raises(UsageError, match=r"metadata.jsonl has no column file_name"):
        read(root)
    lines(root / "train" / "metadata.jsonl", {"file_name": "a.png", "label": "cat"})
    lines(root / "test" / "metadata.jsonl", {"file_name": "b.png", "label": [1]})
    with pytest.raises(UsageError, match="are of different types"):
        read(root)


# ---------------------------------------------------------------- Parquet files, one after another


def shard(root: Path, name: str, **columns: list[Any]) -> Path:
    root.mkdir(exist_ok=True)
    pq.write_table(pa.table(columns), root / name)
    return root


def test_parquet_files_without_pictures_in_them(tmp_path: Path) -> None:
    root = shard(tmp_path / "data", "b.parquet", file_name=["b.png"], label=["dog"])
    shard(root, "a.parquet", file_name=["a.png"], label=["cat"])
    manifest = read(root)
    assert pairs(manifest) == [("a.png", "cat"), ("b.png", "dog")]
    assert manifest.columns.column_names == ["label"]
    assert manifest.notes == ("2 Parquet files are read as one table: a.parquet, b.parquet",)


def test_pictures_in_several_files(tmp_path: Path) -> None:
    root = shard(tmp_path / "data", "b.parquet", image=[b"\x89PNG b"], label=["dog"])
    shard(root, "a.parquet", image=[b"\x89PNG a"], label=["cat"])
    manifest = read(root)
    assert pairs(manifest) == [("data#0", "cat"), ("data#1", "dog")]
    assert manifest.images is not None
    assert manifest.images.tables == (root / "a.parquet", root / "b.parquet")
    assert (manifest.images.name, manifest.labels_file) == ("image", None)
    assert manifest.named.tolist() == [False, False]


def test_tables_of_our_own_are_no_shards(tmp_path: Path) -> None:
    root = make(tmp_path / "data", "cat/a.png", "dog/b.png")
    shard(root, "x.parquet", file_name=["a.png"], label=["cat"])
    assert read(root).class_names == ("cat", "dog")
    other = shard(tmp_path / "other", "a.parquet", file_name=["a.png"], label=["cat"])
    own = pa.table({"row": [0]}).replace_schema_metadata({"deftclean": "{}"})
    pq.write_table(own, other / "clean.parquet")
    assert pairs(read(other)) == [("a.png", "cat")]


def test_shards_that_do_not_fit(tmp_path: Path) -> None:
    root = shard(tmp_path / "data", "a.parquet", file_name=["a.png"], label=["cat"])
    shard(root, "b.parquet", file_name=["b.png"], kind=["dog"])
    with pytest.raises(UsageError, match=r"1 of its 2 Parquet files have other columns than a"):
        read(root)
    shard(root, "b.parquet", file_name=["b.png"], label=[[1]])
    with pytest.raises(UsageError, match="are of different types"):
        read(root)


def test_labels_in_shards_beside_a_folder_of_pictures(tmp_path: Path) -> None:
    root = make(tmp_path / "data", "a.png", "b.png")
    labels = shard(tmp_path / "labels", "train-0.parquet", file_name=["b.png"], label=["dog"])
    shard(labels, "val-0.parquet", file_name=["a.png"], label=["cat"])
    manifest = read_manifest(root, labels, ManifestOptions())
    assert pairs(manifest) == [("b.png", "dog"), ("a.png", "cat")]
    assert manifest.columns["split"].to_pylist() == ["train", "val"]
    assert (manifest.root, manifest.labels_file) == (root, None)
    inside = shard(tmp_path / "inside", "a.parquet", image=[{"bytes": b"x", "path": None}] * 2)
    with pytest.raises(UsageError, match="hold the images themselves") as told:
        read_manifest(root, inside, ManifestOptions())
    assert told.value.hint == f"Leave the image folder out: deftclean scan {inside}"
    with pytest.raises(UsageError, match="nor a folder of Parquet files"):
        read_manifest(root, make(tmp_path / "empty", "x.txt"), ManifestOptions())
