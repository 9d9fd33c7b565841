"""Manifests to the letter: every refusal with its hint, every note in its order."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deftclean.core.errors import UsageError
from deftclean.data.manifest import Manifest, read_manifest
from deftclean.data.options import ManifestOptions
from deftclean.table.scores import METADATA_KEY


def read(data: Path, labels: Path | None = None, **options: Any) -> Manifest:
    return read_manifest(data, labels, ManifestOptions(**options))


def refused(data: Path, labels: Path | None = None, **options: Any) -> tuple[str, str | None]:
    with pytest.raises(UsageError) as caught:
        read(data, labels, **options)
    return caught.value.message, caught.value.hint


def make(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def parquet(path: Path, columns: dict[str, Any], metadata: Any = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), path)
    return path


def text(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


CSV = "file_name,label\na.png,cat\nb.png,dog\n"


def test_arguments(tmp_path: Path) -> None:
    gone, table = tmp_path / "gone", text(tmp_path / "x.csv", CSV)
    assert refused(gone) == (
        f"{gone} does not exist.", "Give an image folder or a label table.",
    )  # fmt: skip
    assert refused(table, table) == (
        f"{table} is not a folder.",
        "With two arguments the first is the image folder: deftclean scan data/ labels.csv",
    )
    assert refused(tmp_path, gone) == (
        f"{gone} is not a file, nor a folder of Parquet files.",
        "Give a .csv, .tsv, .jsonl, .json, .txt, .arrow or .parquet file.",
    )  # fmt: skip


def test_a_folder_alone_has_no_columns(tmp_path: Path) -> None:
    make(tmp_path, "cat/a.png")
    assert refused(
        tmp_path, path_column="x", label_column="y", delimiter=";", rename={"a": "b"}
    ) == (
        "--path-column, --label-column, --delimiter, --rename cannot go with a folder alone: it "
        "has no columns.",
        "Give the label table too: deftclean scan data/ labels.csv",
    )


def test_folders_of_no_use(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert refused(tmp_path / "empty") == (
        f"{tmp_path / 'empty'} holds no images.",
        "Images end in .avif, .bmp, .dib, .gif, .jfif, .jpe, ... in any case of letters.",
    )
    flat = make(tmp_path / "flat", *(f"{at:04}.png" for at in range(1001)))
    assert refused(flat) == (
        f"{flat} has no class folders: its 1,001 images lie side by side.",
        "Put each class into a sub-folder, or give a label table: deftclean scan data/ labels.csv",
    )
    text(flat / "x.csv", CSV)
    assert (refused(flat)[1] or "").endswith(f": deftclean scan {flat} {flat / 'x.csv'}")


def test_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make(tmp_path / "data", "cat/a.png", "dog/b.png", "c.png", "x.txt")
    (root / "link").symlink_to(tmp_path)
    manifest = read(root)
    assert (manifest.source, manifest.root, manifest.images) == ("data", root, None)
    assert (manifest.labels_file, manifest.label_column, manifest.review) == (None, None, None)
    assert manifest.columns.num_columns == 0
    assert (manifest.file_names.type, manifest.given_labels.type) == (pa.string(), pa.string())
    assert (manifest.source_lines.type, manifest.source_lines.null_count) == (pa.int64(), 3)
    assert (manifest.named.dtype, manifest.named.tolist()) == (bool, [True] * 3)
    assert len(manifest.notes) == 2
    monkeypatch.chdir(root)
    assert read(Path()).source == "."


def test_a_split_of_a_folder_in_full(tmp_path: Path) -> None:
    root = make(tmp_path / "data", "train/cat/a.png", "val/cat/b.png", "val/dog/c.png", "x.txt")
    every, chosen = read(root), read(root, split=("val",))
    assert chosen.notes == (*every.notes, "2 images are of --split val")
    assert chosen.given_labels.to_pylist() == ["cat", "dog"]
    assert chosen.columns.to_pydict() == {"split": ["val", "val"]}
    assert chosen.class_names == ("cat", "dog")


def test_folders_are_what_the_user_says(tmp_path: Path) -> None:
    root = make(tmp_path / "data", "train/cat/a.png", "val/cat/b.png")
    assert read(root).class_names == ("cat",)
    assert read(root, folders="classes").class_names == ("train", "val")


def test_folders_of_a_saved_detector(tmp_path: Path) -> None:
    root = make(tmp_path / "data", "0/a.png", "1/b.png")
    manifest = read(root, known_labels={"0": "cat"})
    assert manifest.given_labels.to_pylist() == ["cat", "1"]
    assert manifest.class_names == ("cat",)


# ---------------------------------------------------------------- metadata in folders


METADATA = "file_name,label,note\na.png,fox,x\nb.png,owl,y\n"


def test_metadata_of_a_flat_folder(tmp_path: Path) -> None:
    root = make(tmp_path / "data", "a.png", "b.png", "x.txt")
    table = text(root / "metadata.csv", METADATA)
    manifest = read(root)
    assert manifest.given_labels.to_pylist() == ["fox", "owl"]
    assert (manifest.root, manifest.labels_file) == (root, table)
    assert manifest.source_lines.to_pylist() == [2, 3]
    left_out, labels = manifest.notes[0], manifest.notes[1]
    assert "left out" in left_out
    assert labels == "labels are read from metadata.csv"
    renamed = read(root, rename={"note": "n"}, label_column="note")
    assert renamed.columns.column_names == ["label", "n"]
    assert renamed.given_labels.to_pylist() == ["x", "y"]


def test_metadata_beside_class_folders(tmp_path: Path) -> None:
    root = make(tmp_path / "data", "cat/a.png", "dog/b.png")
    table = text(root / "metadata.csv", "file_name,label\ncat/a.png,fox\ndog/b.png,owl\n")
    manifest = read(root)
    assert manifest.given_labels.to_pylist() == ["cat", "dog"]
    assert manifest.notes == (
        "1 file that is no image was left out (.csv 1)",
        "metadata.csv is not read, since folders are classes; to read it: deftclean scan "
        f"{root} {table}",
    )
    assert read(root, label_column="label").given_labels.to_pylist() == ["fox", "owl"]


def test_metadata_beside_numbered_folders(tmp_path: Path) -> None:
    """Folders that only number the pictures are no classes, but where they are given names."""
    root = make(tmp_path / "data", "0/a.png", "1/b.png")
    text(root / "metadata.csv", "file_name,label\n0/a.png,fox\n1/b.png,owl\n")
    assert read(root).given_labels.to_pylist() == ["fox", "owl"]
    names = text(tmp_path / "names.txt", "cat\ndog\n")
    assert read(root, class_names=names).given_labels.to_pylist() == ["cat", "dog"]


def test_several_metadata(tmp_path: Path) -> None:
    root = make(tmp_path / "data", "train/a.png", "val/b.png")
    text(root / "train" / "metadata.csv", "file_name,label\na.png,fox\n")
    text(root / "val" / "metadata.csv", "file_name,label\nb.png,owl\n")
    manifest = read(root)
    assert manifest.file_names.to_pylist() == ["train/a.png", "val/b.png"]
    assert manifest.given_labels.to_pylist() == ["fox", "owl"]
    assert manifest.labels_file is None


def test_roboflow_writes_zeros_and_ones_into_every_split(tmp_path: Path) -> None:
    root = make(tmp_path / "data", "train/a.png", "train/b.png", "valid/c.png")
    text(root / "train" / "_classes.csv", "filename, cat, dog\na.png, 1, 0\nb.png, 0, 1\n")
    text(root / "valid" / "_classes.csv", "filename, cat, dog\nc.png, 0, 1\n")
    manifest = read(root)
    assert manifest.file_names.to_pylist() == ["train/a.png", "train/b.png", "valid/c.png"]
    assert manifest.given_labels.to_pylist() == ["cat", "dog", "dog"]
    assert manifest.columns["split"].to_pylist() == ["train", "train", "val"]
    alone = read(root / "train")
    assert alone.file_names.to_pylist() == ["a.png", "b.png"]
    assert alone.given_labels.to_pylist() == ["cat", "dog"]


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("x.zip", "Unpack it first, and give the folder that comes out."),
        ("x.csv.gz", "Unpack it first: gunzip, bunzip2 or unxz."),
        ("x.xlsx", "Save the sheet as CSV in the program that made it."),
        ("x.odd", "Convert it, or rename the file."),
    ],
)
def test_other_kinds_of_files_and_the_way_out(tmp_path: Path, name: str, way: str) -> None:
    (tmp_path / name).write_bytes(b"PK")
    said, hint = refused(tmp_path / name)
    assert "tables of labels end in .csv" in said
    assert hint == way


def test_parquet_files_of_a_folder(tmp_path: Path) -> None:
    for name, label in (("train-0", "cat"), ("test-0", "dog")):
        parquet(tmp_path / "data" / f"{name}.parquet", {"image": [b"1"], "label": [label]})
    manifest = read(tmp_path / "data")
    assert (manifest.labels_file, manifest.root) == (None, tmp_path / "data")
    assert manifest.images is not None
    assert manifest.given_labels.to_pylist() == ["dog", "cat"]
    assert manifest.columns["split"].to_pylist() == ["test", "train"]
    assert manifest.notes[0].startswith("2 Parquet files are read as one table: ")
    parquet(tmp_path / "data" / "x.parquet", {"image": [b"1"], "y": ["cat"]})
    assert refused(tmp_path / "data")[0].startswith(f"{tmp_path / 'data'}: 1 of its 3 Parquet ")


# ---------------------------------------------------------------- tables


def test_a_table_without_rows_or_columns(tmp_path: Path) -> None:
    for path in (
        text(tmp_path / "x.csv", "file_name,label\n"),
        parquet(tmp_path / "x.parquet", {}),
        parquet(tmp_path / "y.parquet", {"file_name": [], "label": []}),
    ):
        assert refused(path) == (f"{path} has no rows.", "")


def test_a_table(tmp_path: Path) -> None:
    table = text(tmp_path / "x.csv", f",{CSV}".replace("\n", "\n0,", 1).replace("\nb", "\n1,b"))
    manifest = read(table)
    assert (manifest.source, manifest.root, manifest.images) == ("x.csv", tmp_path, None)
    assert (manifest.labels_file, manifest.label_column) == (table, "label")
    assert manifest.columns.to_pydict() == {"label": ["cat", "dog"]}
    assert manifest.notes == ("column '' was left out: it numbers the rows",)
    assert manifest.source_lines.to_pylist() == [2, 3]


def test_notes_come_in_the_order_of_reading(tmp_path: Path) -> None:
    columns = {
        "__index_level_0__": [0, 1, 2],
        "file_name": ["a", "a", "b"],
        "label": [["-1"], ["0"], ["1"]],
        "split": ["train", "val", "val"],
    }
    features = {"label": {"_type": "ClassLabel", "names": ["x", "y"]}}
    said = {"huggingface": json.dumps({"info": {"features": features}})}
    notes = read(parquet(tmp_path / "x.parquet", columns, said)).notes
    wanted = ("column '__index_level_0__' was left out", "column split: ", "", "1 rows have label")
    assert len(notes) == 4
    assert all(note.startswith(begin) for note, begin in zip(notes, wanted, strict=True))
    lines = read(text(tmp_path / "x.lst", "0 cat a.png\n1 dog b.png\n"), split=None).notes
    assert lines[0] == "each line is read as a path and a label"


def test_a_column_that_is_called_given_label(tmp_path: Path) -> None:
    """It is replaced where it is the label, and nothing is lost where it is not."""
    table = text(tmp_path / "x.csv", "file_name,label,given_label\na,cat,1\nb,dog,2\n")
    hint = "Carry them on under other names: --rename given_label=input_given_label"
    assert refused(table, label_column="label") == (
        f"{table} has columns that the score table writes itself: given_label.", hint,
    )  # fmt: skip
    manifest = read(table, label_column="label", rename={"given_label": "old"})
    assert manifest.columns.to_pydict() == {"label": ["cat", "dog"], "old": ["1", "2"]}
    names = text(tmp_path / "names.json", '{"1": "fox", "2": "owl"}')
    manifest = read(table, label_column="given_label", class_names=names)
    assert manifest.given_labels.to_pylist() == ["fox", "owl"]
    assert manifest.columns.to_pydict() == {"label": ["cat", "dog"]}
    rename = {"given_label": "old"}
    kept = read(table, label_column="given_label", class_names=names, rename=rename)
    assert kept.columns["old"].to_pylist() == ["1", "2"]
    votes = {"annotator": ("label", "given_label")}
    assert refused(table, **votes)[1] == hint


def test_rows_of_parquet_have_no_lines(tmp_path: Path) -> None:
    lines = read(parquet(tmp_path / "x.parquet", {"file_name": ["a"], "label": ["b"]})).source_lines
    assert (lines.type, lines.to_pylist()) == (pa.int64(), [None])


def test_lists_of_labels(tmp_path: Path) -> None:
    path = parquet(tmp_path / "x.parquet", {"file_name": ["a", "b"], "tag": [["x"], ["y", "z"]]})
    assert refused(path)[0] == (
        f"{path}: 1 rows have several labels in column 'tag': '[\"y\", \"z\"]' (1 rows)."
    )
    parquet(path, {"file_name": ["a", "b"], "tag": [["x"], ["y"]]})
    assert read(path).notes == ("column tag holds lists of one label each, read as labels",)
    votes = text(tmp_path / "x.csv", "file_name,p,q\na,x|y,x|y\nb,x,x\nc,y,y\n")
    assert refused(votes, annotator=("p", "q"))[0].startswith(
        f"{votes}: 1 rows have several labels in column 'label': 'x|y' (1 rows)"
    )


def test_several_labels_in_a_cell(tmp_path: Path) -> None:
    table = text(tmp_path / "x.csv", "file_name,y\na,cat|dog\nb,cat\nc,dog\nd,cow|dog\n")
    message, _ = refused(table)
    assert message.startswith(f"{table}: ")
    assert "'y'" in message or " y " in message
    names = text(
        tmp_path / "names.json", '{"cat|dog": "x", "cat": "y", "dog": "z", "cow|dog": "w"}'
    )
    assert read(table, class_names=names).given_labels.to_pylist() == ["x", "y", "z", "w"]
    assert read(table, known_labels={"cat": "cat"}).given_labels.to_pylist()[0] == "cat|dog"


def own(path: Path, metadata: str, **more: Any) -> Path:
    columns = {
        "label": ["p", "q"], "row": [0, 1], "file_name": ["a.png", "b.png"],
        "given_label": ["cat", "dog"], "clean_prob": [0.5, None], "keep": [True, False],
        "status": ["ok", "missing"], **more,
    }  # fmt: skip
    return parquet(path, columns, {METADATA_KEY.decode(): metadata})


def test_a_table_of_our_own(tmp_path: Path) -> None:
    table = own(tmp_path / "x.parquet", '{"image_root": "data"}')
    manifest = read(table)
    assert manifest.given_labels.to_pylist() == ["cat", "dog"]
    assert manifest.columns.to_pydict() == {"label": ["p", "q"]}
    assert (manifest.root, manifest.label_column) == (tmp_path / "data", "given_label")
    assert manifest.review is None
    other = read(table, label_column="label")
    assert other.given_labels.to_pylist() == ["p", "q"]
    assert other.label_column == "label"
    more = own(tmp_path / "y.parquet", '{"image_root": "."}', image=["p.png", "q.png"])
    assert read(more).file_names.to_pylist() == ["a.png", "b.png"]
    theirs = own(tmp_path / "z.parquet", '{"image_root": "."}', reviewed_by=["x", "y"])
    assert read(theirs).columns.column_names == ["label", "reviewed_by"]
    chosen = read(more, path_column="image")
    assert chosen.file_names.to_pylist() == ["p.png", "q.png"]
    assert chosen.columns.column_names == ["label"]


@pytest.mark.parametrize("replaces", [False, True])
@pytest.mark.parametrize("alone", [False, True])
def test_a_table_that_a_killed_run_was_about_to_publish(
    tmp_path: Path, replaces: bool, alone: bool
) -> None:
    table = tmp_path / "x.parquet"
    own(tmp_path / "new.parquet", '{"image_root": "."}', file_name=["new.png", "b.png"])
    (tmp_path / "new.parquet").rename(tmp_path / ".x.parquet.00aa00aa.tmp")
    if replaces:
        own(table, '{"image_root": "."}')
    moves = {"moves": [[".x.parquet.00aa00aa.tmp", "x.parquet"]], "removed": []}
    text(tmp_path / ".x.switch", json.dumps(moves) + "\n")
    manifest = read(table) if alone else read(tmp_path, table)
    assert manifest.file_names.to_pylist() == ["new.png", "b.png"]


def test_metadata_that_were_edited_name_the_table(tmp_path: Path) -> None:
    table = own(tmp_path / "x.parquet", '{"image_root": ".", "threshold": "high"}')
    assert refused(table)[0].startswith(f"{table}: its score metadata are damaged: 'threshold'")


@pytest.mark.parametrize("metadata", ["", "{", "[]", "{}", "[" * 100_000])
def test_a_table_of_our_own_that_is_damaged(tmp_path: Path, metadata: str) -> None:
    table = own(tmp_path / "x.parquet", metadata)
    assert refused(table) == (
        f"{table}: its score metadata are damaged.", "Give the image folder as first argument.",
    )  # fmt: skip
    assert len(read(make(tmp_path / "data", "a.png"), table)) == 2


def test_a_column_that_no_output_can_hold_names_its_table(tmp_path: Path) -> None:
    path = text(tmp_path / "x.jsonl", '{"file_name": "a.png", "label": "cat", "extra": {}}\n')
    assert refused(path)[0].startswith(f"{path}")


def test_places_of_labels(tmp_path: Path) -> None:
    manifest = read(text(tmp_path / "x.csv", f"{CSV}c.png,\n"))
    found = manifest.label_indices(("dog", "bird"))
    assert found.dtype == "int64"
    assert (found.tolist(), found.mask.tolist()) == ([None, 0, None], [True, False, True])
    assert found.data.tolist() == [0, 0, 0]
