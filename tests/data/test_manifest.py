import csv
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deftclean.core.errors import InputError, UsageError
from deftclean.data.columns import ImageColumn
from deftclean.data.labels import read_class_names
from deftclean.data.manifest import Manifest, read_manifest
from deftclean.data.options import ManifestOptions
from deftclean.table.reviewed import REVIEW_COLUMNS, Decisions, apply_decisions
from deftclean.table.scores import METADATA_KEY, read_scores, write_scores
from tests.support.scored import make_scored


def make(root: Path, *names: str) -> Path:
    """Files of no content; no image is opened here."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def read(data: Path, labels: Path | None = None, **options: Any) -> Manifest:
    return read_manifest(data, labels, ManifestOptions(**options))


def refusal(data: Path, labels: Path | None = None, **options: Any) -> UsageError:
    with pytest.raises(UsageError) as caught:
        read(data, labels, **options)
    assert caught.value.exit_code == 2
    return caught.value


def text(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


def parquet(path: Path, columns: dict[str, Any], metadata: dict[str, str] | None = None) -> Path:
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), path)
    return path


def pairs(manifest: Manifest) -> list[tuple[str, str | None]]:
    return list(
        zip(manifest.file_names.to_pylist(), manifest.given_labels.to_pylist(), strict=True)
    )


# ---------------------------------------------------------------- folders


def test_folder_layout(tmp_path: Path) -> None:
    root = make(
        tmp_path / "data",
        "dog/b.JPG",
        "cat/a.png",
        "cat/deep/er/c.WebP",
        "golden retriever/it is.jpeg",
        "Kätzchen/猫.tiff",
        "loose.png",
    )
    manifest = read(root)
    assert pairs(manifest) == [
        ("Kätzchen/猫.tiff", "Kätzchen"),
        ("cat/a.png", "cat"),
        ("cat/deep/er/c.WebP", "cat"),
        ("dog/b.JPG", "dog"),
        ("golden retriever/it is.jpeg", "golden retriever"),
        ("loose.png", None),
    ]
    assert manifest.class_names == ("Kätzchen", "cat", "dog", "golden retriever")
    assert manifest.named.tolist() == [True] * 6
    assert (manifest.source, manifest.root, manifest.images) == ("data", root, None)
    assert manifest.columns.num_columns == 0
    assert manifest.notes == ()
    assert len(manifest) == 6


def test_hidden_files_and_folders_are_skipped_silently(tmp_path: Path) -> None:
    root = make(tmp_path, "cat/a.png", "cat/.b.png", ".git/c.png", "cat/.thumbs/d.png")
    manifest = read(root)
    assert pairs(manifest) == [("cat/a.png", "cat")]
    assert manifest.notes == ()


def test_files_that_are_not_images_are_counted(tmp_path: Path) -> None:
    root = make(tmp_path, "cat/a.png", "cat/x.TXT", "y.txt", "cat/README", "cat/labels.csv")
    assert read(root).notes == (
        "4 files that are not images were left out (.txt 2, no suffix 1, .csv 1)",
    )


def test_a_folder_called_like_an_image_is_a_folder(tmp_path: Path) -> None:
    assert pairs(read(make(tmp_path, "cat.png/a.png"))) == [("cat.png/a.png", "cat.png")]


def test_splits_do_not_become_classes(tmp_path: Path) -> None:
    root = make(tmp_path, "Train/cat/a.png", "val/cat/b.png", "mice/c.png")
    assert pairs(read(root)) == [("Train/cat/a.png", "cat"), ("val/cat/b.png", "cat")]
    assert read(root).columns.to_pydict() == {"split": ["train", "val"]}


def test_a_split_of_a_folder(tmp_path: Path) -> None:
    root = make(tmp_path / "data", "train/cat/a.png", "val/cat/b.png", "val/dog/c.png")
    chosen = read(root, split=("val",))
    assert pairs(chosen) == [("val/cat/b.png", "cat"), ("val/dog/c.png", "dog")]
    assert chosen.columns["split"].to_pylist() == ["val", "val"]
    assert chosen.notes[-1] == "2 images are of --split val"
    both = read(root, split=("val", "train"))
    assert both.notes[-1] == "3 images are of --split val, train"
    assert refusal(root, split=("test",)).message == f"--split test: {root} has no such split."
    plain = make(tmp_path / "plain", "cat/a.png")
    assert refusal(plain, split=("test",)).hint == "It has no splits."


def test_what_people_decided_is_read_with_a_table_of_ours(tmp_path: Path) -> None:
    scored = make_scored(tmp_path)
    assert read(scored.table).review is None
    scores = read_scores(scored.table)
    nobody = pa.nulls(1, pa.string())
    made = Decisions(np.array([5]), pa.array(["drop"]), nobody, nobody, nobody, nobody)
    write_scores(apply_decisions(scores, made), scored.table, scored.images, True)
    review = read(scored.table).review
    assert review is not None
    assert review.rows == 1
    assert review.columns["review_decision"].to_pylist()[5] == "drop"
    assert not {*read(scored.table).columns.column_names} & {*REVIEW_COLUMNS}
    assert review.sha256.to_pylist() == scores.table["content_sha256"].to_pylist()


def test_folders_without_anything_to_scan(tmp_path: Path) -> None:
    assert "holds no images" in refusal(tmp_path).message
    make(tmp_path, "notes.txt")
    assert "holds no images" in refusal(tmp_path).message
    make(tmp_path, "a.png", "b.png")
    error = refusal(tmp_path)
    assert "has no class folders: its 2 images lie side by side" in error.message
    assert "labels.csv" in error.hint
    assert "does not exist" in refusal(tmp_path / "nowhere").message


def test_linked_folders_are_noted_or_followed(tmp_path: Path) -> None:
    make(tmp_path / "elsewhere", "b.png")
    root = make(tmp_path / "data", "cat/a.png")
    (root / "dog").symlink_to(tmp_path / "elsewhere")
    manifest = read(root)
    assert pairs(manifest) == [("cat/a.png", "cat")]
    assert manifest.notes == (
        "1 linked folder(s) were not followed (dog); --allow-outside follows them",
    )
    followed = read(root, allow_outside=True)
    assert pairs(followed) == [("cat/a.png", "cat"), ("dog/b.png", "dog")]
    assert followed.notes == ()


@pytest.mark.timeout(30)
def test_links_in_circles_end(tmp_path: Path) -> None:
    root = make(tmp_path / "data", "cat/a.png", "dog/b.png")
    (root / "cat" / "up").symlink_to(root)
    (root / "cat" / "other").symlink_to(root / "dog")
    (root / "dog" / "other").symlink_to(root / "cat")
    (root / "dog" / "self").symlink_to(root / "dog" / "self")
    names = read(root, allow_outside=True).file_names.to_pylist()
    assert {"cat/a.png", "dog/b.png"} <= set(names)
    assert len(names) <= 6
    assert read(root).file_names.to_pylist() == ["cat/a.png", "dog/b.png"]


def test_linked_images_are_rows(tmp_path: Path) -> None:
    """Whether a link may be opened is settled row by row."""
    root = make(tmp_path / "data", "cat/a.png")
    (root / "cat" / "dead.png").symlink_to("/nowhere/at/all.png")
    assert read(root).file_names.to_pylist() == ["cat/a.png", "cat/dead.png"]


def test_file_names_that_are_not_unicode(tmp_path: Path) -> None:
    make(tmp_path, "cat/a.png")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/cat/b\xff.png")).touch()
    error = refusal(tmp_path)
    assert error.message.startswith("1 file name(s) are not valid Unicode: 'cat/b\\udcff.png'")


def test_a_folder_has_no_columns(tmp_path: Path) -> None:
    make(tmp_path, "cat/a.png")
    error = refusal(tmp_path, path_column="x", delimiter=";", rename={"a": "b"})
    assert error.message.startswith("--path-column, --delimiter, --rename cannot go with a folder")


def test_folders_called_by_numbers_need_names(tmp_path: Path) -> None:
    root = make(tmp_path / "data", "0/a.png", "1/b.png")
    assert "integers (0, 1)" in refusal(root).message
    manifest = read(root, class_names=text(tmp_path / "names.txt", "cat\ndog\n"))
    assert pairs(manifest) == [("0/a.png", "cat"), ("1/b.png", "dog")]


# ---------------------------------------------------------------- columns


@pytest.mark.parametrize("path", ["file_name", "Filename", " path ", "image", "IMG_PATH", "uri"])
@pytest.mark.parametrize("label", ["label", "Class", "category", "target", "y", "noisy_label"])
def test_usual_columns_are_recognised(tmp_path: Path, path: str, label: str) -> None:
    table = text(tmp_path / "labels.csv", f"{label},id,{path}\ncat,007,a.png\ndog,NA,b.png\n")
    manifest = read(tmp_path, table)
    assert pairs(manifest) == [("a.png", "cat"), ("b.png", "dog")]
    assert manifest.columns.to_pydict() == {label: ["cat", "dog"], "id": ["007", "NA"]}
    assert manifest.class_names == ("cat", "dog")
    assert manifest.source == "labels.csv"


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
@pytest.mark.parametrize("alone", [False, True])
def test_every_format(tmp_path: Path, suffix: str, alone: bool) -> None:
    path = tmp_path / f"labels.{suffix}"
    if suffix == "parquet":
        parquet(path, {"file_name": ["x/a.png", None], "label": ["cat", None]})
    elif suffix == "jsonl":
        text(path, '{"file_name": "x/a.png", "label": "cat"}\n{"file_name": null}\n')
    else:
        between = "," if suffix == "csv" else "\t"
        text(path, f"file_name{between}label\nx/a.png{between}cat\n{between}\n")
    manifest = read(path) if alone else read(tmp_path, path)
    assert pairs(manifest) == [("x/a.png", "cat"), (f"labels.{suffix}#1", None)]
    assert manifest.named.tolist() == [True, False]
    assert manifest.root == tmp_path


def test_ambiguous_columns_are_refused_and_options_decide(tmp_path: Path) -> None:
    table = text(tmp_path / "labels.csv", "file,path,label,class\na.png,b.png,cat,dog\n")
    error = refusal(tmp_path, table)
    assert error.message == (
        f"{table}: several columns could hold the file names: file, path; several columns could "
        "hold the labels: label, class."
    )
    assert error.hint == (
        "It has the columns file, path, label, class. Name them, as: deftclean scan "
        f"{tmp_path} {table} --path-column file --label-column label"
    )
    error = refusal(tmp_path, table, path_column="path")
    assert error.message == f"{table}: several columns could hold the labels: label, class."
    manifest = read(tmp_path, table, path_column="path", label_column="class")
    assert pairs(manifest) == [("b.png", "dog")]
    assert manifest.columns.to_pydict() == {"file": ["a.png"], "label": ["cat"], "class": ["dog"]}


def test_columns_that_are_not_there(tmp_path: Path) -> None:
    table = text(tmp_path / "labels.csv", "where,what,more\na.png,cat,1\n")
    error = refusal(tmp_path, table)
    assert "no column with the file names was recognised" in error.message
    assert error.hint == (
        "It has the columns where, what, more. Name them, as: deftclean scan "
        f"{tmp_path} {table} --path-column where --label-column what"
    )
    assert "no column with the labels" in refusal(tmp_path, table, path_column="where").message
    error = refusal(tmp_path, table, path_column="nix")
    assert error.message == f"{table} has no column 'nix' (--path-column)."
    manifest = read(tmp_path, table, path_column="where", label_column="what")
    assert pairs(manifest) == [("a.png", "cat")]


def test_a_wrong_delimiter_is_guessed_at(tmp_path: Path) -> None:
    table = text(tmp_path / "labels.csv", "file_name;label\na.png;cat\n")
    assert "--delimiter ';'" in refusal(tmp_path, table).hint
    assert pairs(read(tmp_path, table, delimiter=";")) == [("a.png", "cat")]


def test_a_right_delimiter_is_not_doubted(tmp_path: Path) -> None:
    table = text(tmp_path / "labels.csv", "file_name,kind\na.png,cat\n")
    error = refusal(tmp_path, table)
    assert "no column with the labels" in error.message
    assert "--delimiter" not in error.hint


def test_tables_without_rows(tmp_path: Path) -> None:
    table = text(tmp_path / "labels.csv", "file_name,label\n")
    assert refusal(tmp_path, table).message == f"{table} has no rows."
    assert "no rows" in refusal(tmp_path, text(tmp_path / "e.jsonl", "")).message


def test_arguments_of_the_wrong_kind(tmp_path: Path) -> None:
    table = text(tmp_path / "labels.csv", "file_name,label\na.png,cat\n")
    assert "is not a folder" in refusal(table, table).message
    assert "is not a file" in refusal(tmp_path, tmp_path / "nix.csv").message
    assert "is not a file" in refusal(tmp_path, tmp_path).message


def test_struct_columns_are_no_file_names(tmp_path: Path) -> None:
    table = parquet(tmp_path / "x.parquet", {"image": [{"path": "a.png"}], "label": ["cat"]})
    assert "the file names are not text" in refusal(tmp_path, table).message


# ---------------------------------------------------------------- paths


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("cat/a.png", "cat/a.png"),
        ("cat\\a.png", "cat/a.png"),
        (".\\cat\\a.png", "cat/a.png"),
        ("./cat/a.png", "cat/a.png"),
        ("my cat/ä ö.PNG", "my cat/ä ö.PNG"),
        ("../outside.png", "../outside.png"),
        ("a#b?c%20.png", "a#b?c%20.png"),
    ],
)
def test_paths_as_written(tmp_path: Path, written: str, name: str) -> None:
    table = text(tmp_path / "labels.csv", f"file_name,label\n{written},cat\n")
    assert read(tmp_path, table).file_names.to_pylist() == [name]


def test_a_file_really_called_with_a_backslash(tmp_path: Path) -> None:
    make(tmp_path, "cat\\a.png")
    table = text(tmp_path / "labels.csv", "file_name,label\ncat\\a.png,cat\n")
    assert read(tmp_path, table).file_names.to_pylist() == ["cat\\a.png"]


def test_absolute_paths_become_relative(tmp_path: Path) -> None:
    root = make(tmp_path / "data", "cat/a.png")
    table = text(
        tmp_path / "labels.csv",
        f"file_name,label\n{root}/cat/a.png,cat\n{tmp_path}/b.png,cat\n{root}ish/c.png,cat\n",
    )
    assert read(root, table).file_names.to_pylist() == [
        "cat/a.png",
        "../b.png",
        "../dataish/c.png",
    ]


def test_absolute_paths_through_a_linked_data_folder(tmp_path: Path) -> None:
    make(tmp_path / "real", "cat/a.png")
    (tmp_path / "data").symlink_to(tmp_path / "real")
    table = text(
        tmp_path / "labels.csv",
        f"file_name,label\n{tmp_path}/data/cat/a.png,cat\n{tmp_path}/real/cat/a.png,cat\n",
    )
    manifest = read(tmp_path / "data", table)
    assert manifest.file_names.to_pylist() == ["cat/a.png", "cat/a.png"]


def test_a_relative_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "data", "cat/a.png")
    text(tmp_path / "labels.csv", f"file_name,label\n{tmp_path}/data/cat/a.png,cat\n")
    monkeypatch.chdir(tmp_path)
    manifest = read(Path("data"), Path("labels.csv"))
    assert manifest.file_names.to_pylist() == ["cat/a.png"]


@pytest.mark.parametrize("name", ["x\\" + "b" * 300, "x\\" + "b/" * 3000, "a\0\\b"])
def test_impossible_names_do_not_stop_the_run(tmp_path: Path, name: str) -> None:
    table = parquet(tmp_path / "x.parquet", {"file_name": [name, "a.png"], "label": ["a", "b"]})
    assert read(tmp_path, table).file_names.to_pylist() == [name.replace("\\", "/"), "a.png"]


def test_several_rows_may_name_one_file(tmp_path: Path) -> None:
    table = text(tmp_path / "labels.csv", "file_name,label\na.png,cat\na.png,dog\na.png,cat\n")
    assert pairs(read(tmp_path, table)) == [("a.png", "cat"), ("a.png", "dog"), ("a.png", "cat")]


# ---------------------------------------------------------------- labels


def test_integer_labels_need_class_names(tmp_path: Path) -> None:
    table = text(tmp_path / "labels.csv", "file_name,label\na,10\nb,9\nc,\n")
    error = refusal(tmp_path, table)
    assert error.message == "The labels are integers (9, 10), and prompts need words."
    assert "--class-names names.txt" in error.hint
    assert '{"0": "cat", "1": "dog"}' in error.hint


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("names.txt", "cat\ndog\nhot dog\n"),
        ("names.txt", "\ufeffcat\r\n dog \r\nhot dog\r\n\r\n"),
        ("names.json", '["cat", "dog", "hot dog"]'),
        ("names.json", '{"0": "cat", "1": "dog", "2": "hot dog"}'),
    ],
    ids=["text", "text from Windows", "list", "object"],
)
@pytest.mark.parametrize("kind", ["csv", "int8", "float64", "strings"])
def test_class_names_for_integers(tmp_path: Path, file: str, content: str, kind: str) -> None:
    names = text(tmp_path / file, content)
    if kind == "csv":
        table = text(tmp_path / "x.csv", "file_name,label\na,2\nb,0\nc,\n")
    else:
        types = {"int8": pa.int8(), "float64": pa.float64(), "strings": pa.string()}
        label = pa.array([2, 0, None], pa.int64()).cast(types[kind])
        table = parquet(tmp_path / "x.parquet", {"file_name": ["a", "b", "c"], "label": label})
    manifest = read(tmp_path, table, class_names=names)
    assert manifest.given_labels.to_pylist() == ["hot dog", "cat", None]
    assert manifest.label_names == {"0": "cat", "1": "dog", "2": "hot dog"}
    assert manifest.class_names == ("cat", "dog", "hot dog")


def test_class_names_as_a_list_of_text_labels(tmp_path: Path) -> None:
    names = text(tmp_path / "names.txt", "dog\ncat\nbird\n")
    table = text(tmp_path / "x.csv", "file_name,label\na,cat\nb,dog\n")
    manifest = read(tmp_path, table, class_names=names)
    assert manifest.class_names == ("dog", "cat", "bird")  # the list's order, unused ones too
    assert manifest.given_labels.to_pylist() == ["cat", "dog"]


def test_class_names_that_translate_text_labels(tmp_path: Path) -> None:
    names = text(tmp_path / "names.json", '{"n01": "cat", "n02": "dog", "n03": "cat flap"}')
    table = text(tmp_path / "x.csv", "file_name,label\na,n02\nb,n01\n")
    manifest = read(tmp_path, table, class_names=names)
    assert manifest.given_labels.to_pylist() == ["dog", "cat"]
    assert manifest.columns.to_pydict() == {"label": ["n02", "n01"]}


@pytest.mark.parametrize("content", ["cat\ndog\n", "dog\nbird\n"])
def test_labels_without_a_class_name(tmp_path: Path, content: str) -> None:
    names = text(tmp_path / "names.txt", content)
    table = text(tmp_path / "x.csv", "file_name,label\na,dog\nb,cow\nc,cow\nd,pig\n")
    error = refusal(tmp_path, table, class_names=names)
    assert error.message.startswith("2 label(s) have no class name: 'cow' (2 rows), 'pig' (1 rows)")
    assert (
        error.hint == f"There are names for {', '.join(content.split())}. Complete the class names."
    )


def test_an_integer_label_past_the_list(tmp_path: Path) -> None:
    names = text(tmp_path / "names.txt", "cat\ndog\n")
    table = text(tmp_path / "x.csv", "file_name,label\na,1\nb,2\n")
    assert "'2' (1 rows)" in refusal(tmp_path, table, class_names=names).message


@pytest.mark.parametrize(
    ("file", "content", "problem"),
    [
        ("names.txt", "cat\ndog\ncat\n", "cat stand there twice"),
        ("names.txt", "cat\n\ndog\n", "the names number 1 (from 0) are empty"),
        ("names.txt", "\n\n", "it is empty"),
        ("names.json", "[]", "it is empty"),
        ("names.json", '["a", "", "b", "a"]', "the names number 1 (from 0) are empty; a stand"),
        ("names.json", '["a", ""]', "the names number 1 (from 0) are empty"),
        ("names.json", '{"0": "cat", "1": "cat"}', "cat stand there twice"),
        ("names.json", '{"0": "cat", "0": "dog"}', "'0' is named twice"),
        ("names.json", "[1, 2]", "is neither a list of names nor an object"),
        ("names.json", '"cat"', "is neither a list of names nor an object"),
        ("names.json", "[", "cannot be read"),
    ],
)
def test_bad_class_names(tmp_path: Path, file: str, content: str, problem: str) -> None:
    with pytest.raises(InputError) as caught:
        read_class_names(text(tmp_path / file, content))
    assert f"--class-names {tmp_path / file}" in caught.value.message
    assert problem in caught.value.message


def test_class_names_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_class_names(tmp_path / "nix.txt")
    (tmp_path / "latin.txt").write_bytes(b"\xe9\n")
    with pytest.raises(InputError, match="cannot be read"):
        read_class_names(tmp_path / "latin.txt")


def test_whole_floats_are_integers(tmp_path: Path) -> None:
    columns = {"file_name": ["a", "b", "c"], "label": [1.0, float("nan"), 0.0]}
    table = parquet(tmp_path / "x.parquet", columns)
    assert "integers (0, 1)" in refusal(tmp_path, table).message
    names = text(tmp_path / "names.txt", "cat\ndog\n")
    manifest = read(tmp_path, table, class_names=names)
    assert manifest.given_labels.to_pylist() == ["dog", None, "cat"]


def test_whole_floats_as_pandas_writes_them_to_csv(tmp_path: Path) -> None:
    """An integer column with a gap comes out of `DataFrame.to_csv` as 1.0, 0.0."""
    table = text(tmp_path / "x.csv", "file_name,label\na,1.0\nb,\nc,0.0\n")
    assert "integers (0, 1)" in refusal(tmp_path, table).message
    names = text(tmp_path / "names.txt", "cat\ndog\n")
    manifest = read(tmp_path, table, class_names=names)
    assert manifest.given_labels.to_pylist() == ["dog", None, "cat"]


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        ([0.5, 1.0], "fractional numbers"),
        ([{"name": "cat"}, None], "type struct"),
    ],
)
def test_labels_of_no_use(tmp_path: Path, labels: list, problem: str) -> None:
    table = parquet(tmp_path / "x.parquet", {"file_name": ["a", "b"], "label": labels})
    error = refusal(tmp_path, table)
    assert problem in error.message
    assert error.hint == "Choose another column: --label-column NAME"


def test_labels_of_other_types(tmp_path: Path) -> None:
    coded = pa.array(["dog", None, "cat"]).dictionary_encode()
    columns = {"file_name": ["a", "b", "c"], "label": coded, "y": [True, None, False]}
    table = parquet(tmp_path / "x.parquet", columns)
    by_name = read(tmp_path, table, label_column="label")
    assert by_name.given_labels.to_pylist() == ["dog", None, "cat"]
    by_flag = read(tmp_path, table, label_column="y")
    assert by_flag.given_labels.to_pylist() == ["true", None, "false"]


def test_missing_labels(tmp_path: Path) -> None:
    table = text(tmp_path / "x.csv", 'file_name,label\na,cat\nb,\nc,  \nd,""\ne,NA\n')
    manifest = read(tmp_path, table)
    assert manifest.given_labels.to_pylist() == ["cat", None, None, None, "NA"]
    assert manifest.class_names == ("NA", "cat")
    nothing = parquet(tmp_path / "x.parquet", {"file_name": ["a"], "label": pa.nulls(1)})
    assert read(tmp_path, nothing).class_names == ()


def test_label_indices(tmp_path: Path) -> None:
    table = text(tmp_path / "x.csv", "file_name,label\na,cat\nb,\nc,dog\nd,cow\n")
    indices = read(tmp_path, table).label_indices(("dog", "cat"))
    assert indices.tolist() == [1, None, 0, None]


def test_known_labels_of_a_saved_detector(tmp_path: Path) -> None:
    known = {"0": "cat", "1": "dog"}
    table = text(tmp_path / "x.csv", "file_name,label\na,1\nb,7\nc,\n")
    manifest = read(tmp_path, table, known_labels=known)
    assert manifest.given_labels.to_pylist() == ["dog", "7", None]
    assert manifest.class_names == ("cat", "dog")
    assert manifest.label_indices(manifest.class_names).tolist() == [1, None, None]
    names = text(tmp_path / "names.json", '{"1": "bird", "7": "fish"}')
    own_names = read(tmp_path, table, known_labels=known, class_names=names)
    assert own_names.given_labels.to_pylist() == ["bird", "fish", None]


def test_a_saved_detector_scores_rows_without_labels(tmp_path: Path) -> None:
    known = {"cat": "cat", "dog": "dog"}
    root = make(tmp_path / "data", "a.png", "b.png")
    assert pairs(read(root, known_labels=known)) == [("a.png", None), ("b.png", None)]
    table = text(tmp_path / "x.csv", "file_name,id\na.png,1\n")
    manifest = read(root, table, known_labels=known)
    assert pairs(manifest) == [("a.png", None)]
    assert manifest.columns.to_pydict() == {"id": ["1"]}
    assert manifest.class_names == ("cat", "dog")


def test_class_names_as_a_list_of_categorical_labels(tmp_path: Path) -> None:
    """What `DataFrame.to_parquet` makes of a pandas categorical."""
    coded = pa.array(["cat", "dog"]).dictionary_encode()
    table = parquet(tmp_path / "x.parquet", {"file_name": ["a", "b"], "label": coded})
    manifest = read(tmp_path, table, class_names=text(tmp_path / "names.txt", "dog\ncat\n"))
    assert manifest.given_labels.to_pylist() == ["cat", "dog"]
    assert manifest.class_names == ("dog", "cat")


# ---------------------------------------------------------------- Hugging Face


IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def hugging_face(
    path: Path, labels: list[int | None], names: list[str], paths: list[str | None]
) -> Path:
    images = pa.array([{"bytes": b"x", "path": name} for name in paths], IMAGE)
    features = {
        "image": {"_type": "Image"},
        "label": {"_type": "ClassLabel", "names": names},
        "id": {"_type": "Value", "dtype": "string"},
    }
    columns = {
        "image": images,
        "label": pa.array(labels, pa.int64()),
        "id": [f"{index:03d}" for index in range(len(labels))],
    }
    return parquet(path, columns, {"huggingface": json.dumps({"info": {"features": features}})})


def test_hugging_face_parquet(tmp_path: Path) -> None:
    paths = ["a.png", None, "b.png", "b.png"]
    path = hugging_face(tmp_path / "train.parquet", [1, 0, -1, None], ["cat", "dog"], paths)
    manifest = read(path)
    assert pairs(manifest) == [
        ("a.png", "dog"),
        ("train.parquet#1", "cat"),
        ("b.png", None),
        ("b.png", None),
    ]
    assert manifest.images == ImageColumn(path, "image", nested=True)
    assert manifest.named.tolist() == [True, False, True, True]
    assert manifest.label_names == {"0": "cat", "1": "dog"}
    assert manifest.columns.to_pydict() == {
        "label": [1, 0, -1, None],
        "id": ["000", "001", "002", "003"],
    }
    assert manifest.notes == ("1 rows have label -1, read as no label",)


@pytest.mark.parametrize(
    ("labels", "names", "expected"),
    [
        ([0, 1, 2], ["2", "0", "1"], ["2", "0", "1"]),
        ([1, 2], ["1", "2", "3"], ["2", "3"]),
        ([0, 1], ["0", "1"], ["0", "1"]),
    ],
)
def test_class_labels_are_places_even_where_names_are_digits(
    tmp_path: Path, labels: list, names: list[str], expected: list[str]
) -> None:
    path = hugging_face(tmp_path / "x.parquet", labels, names, [None] * len(labels))
    manifest = read(path)
    assert manifest.given_labels.to_pylist() == expected
    assert manifest.class_names == tuple(names)


def test_hugging_face_class_names_can_be_replaced(tmp_path: Path) -> None:
    path = hugging_face(tmp_path / "x.parquet", [0, 1], ["n01", "n02"], [None, None])
    names = text(tmp_path / "names.txt", "tabby cat\nhot dog\n")
    assert read(path, class_names=names).class_names == ("tabby cat", "hot dog")


def test_the_class_label_column_wins_over_usual_names(tmp_path: Path) -> None:
    features = {"species": {"_type": "ClassLabel", "names": ["cat", "dog"]}}
    path = parquet(
        tmp_path / "x.parquet",
        {"file": ["a", "b"], "label": ["x", "y"], "species": [1, 0]},
        {"huggingface": json.dumps({"info": {"features": features}})},
    )
    assert read(path).given_labels.to_pylist() == ["dog", "cat"]
    assert read(path, label_column="label").given_labels.to_pylist() == ["x", "y"]


@pytest.mark.parametrize("metadata", ["", "{", "[]", '{"info": null}', '{"info": {}}'])
def test_broken_hugging_face_metadata_is_ignored(tmp_path: Path, metadata: str) -> None:
    columns = {"file_name": ["a"], "label": ["cat"]}
    path = parquet(tmp_path / "x.parquet", columns, {"huggingface": metadata})
    assert pairs(read(path)) == [("a", "cat")]


@pytest.mark.parametrize(
    ("features", "said"),
    [
        ([], "info.features is not an object"),
        ("x", "info.features is not an object"),
        ({"label": {"_type": "ClassLabel", "names": 3}}, "names of column 'label'"),
        ({"label": {"_type": "ClassLabel", "names": [1, 2]}}, "names of column 'label'"),
        ({"label": {"_type": "ClassLabel", "names": {"a": "b"}}}, "names of column 'label'"),
    ],
)
def test_hugging_face_metadata_of_the_wrong_form(
    tmp_path: Path, features: object, said: str
) -> None:
    columns = {"file_name": ["a", "b"], "label": [0, 1]}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    path = parquet(tmp_path / "x.parquet", columns, metadata)
    message = refusal(path).message
    assert message.startswith(f"{path}: its Hugging Face metadata")
    assert said in message


@pytest.mark.parametrize("features", [None, {}, {"label": []}, {"label": {"_type": ["x"]}}])
def test_hugging_face_metadata_that_say_nothing(tmp_path: Path, features: object) -> None:
    columns = {"file_name": ["a", "b"], "label": ["cat", "dog"]}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    path = parquet(tmp_path / "x.parquet", columns, metadata)
    if features is None:
        assert "info.features" in refusal(path).message
    else:
        assert len(read(path)) == 2


@pytest.mark.parametrize("kind", [pa.string(), pa.int64(), pa.list_(pa.uint8())])
def test_an_image_column_of_something_else(tmp_path: Path, kind: pa.DataType) -> None:
    cells: list = {"string": ["x"], "int64": [1]}.get(str(kind), [[1]])
    images = pa.StructArray.from_arrays([pa.array(cells, kind), pa.array(["a"])], ["bytes", "path"])
    path = parquet(tmp_path / "x.parquet", {"image": images, "label": ["cat"]})
    assert f"field bytes of column 'image' holds {str(kind)[:5]}" in refusal(path).message


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view()])
def test_names_and_labels_that_are_not_marked_as_text(tmp_path: Path, kind: pa.DataType) -> None:
    """As older writers of Parquet leave them."""
    columns = {
        "file_name": pa.array([b"a.png", "é/b.JPEG".encode()], kind),
        "label": pa.array([b"cat", b"dog"], kind),
    }
    manifest = read(parquet(tmp_path / "x.parquet", columns))
    assert pairs(manifest) == [("a.png", "cat"), ("é/b.JPEG", "dog")]
    assert manifest.images is None
    bad = parquet(tmp_path / "y.parquet", {**columns, "label": pa.array([b"\xff", b"x"], kind)})
    assert "The labels are bytes" in refusal(bad).message


@pytest.mark.parametrize("kind", [pa.binary_view(), pa.dictionary(pa.int32(), pa.binary())])
def test_image_bytes_in_other_layouts(tmp_path: Path, kind: pa.DataType) -> None:
    images = pa.array([b"\x89PNG", b"\xff\xd8"]).cast(kind)
    path = parquet(tmp_path / "x.parquet", {"image": images, "label": ["cat", "dog"]})
    assert read(path).images == ImageColumn(path, "image", nested=False)


@pytest.mark.parametrize("kind", [pa.string_view(), pa.large_string(), pa.json_()])
def test_names_and_labels_in_other_layouts(tmp_path: Path, kind: pa.DataType) -> None:
    cells = {"file_name": ["a.png", "b.png"], "label": ["cat", "dog"], "note": ["x", "y"]}
    columns = {
        name: pa.ExtensionArray.from_storage(kind, pa.array(texts))
        if isinstance(kind, pa.BaseExtensionType)
        else pa.array(texts, kind)
        for name, texts in cells.items()
    }
    manifest = read(parquet(tmp_path / "x.parquet", columns))
    assert pairs(manifest) == [("a.png", "cat"), ("b.png", "dog")]
    assert manifest.columns["note"].to_pylist() == ["x", "y"]


def test_a_column_that_no_output_can_hold(tmp_path: Path) -> None:
    path = text(tmp_path / "x.jsonl", '{"file_name": "a.png", "label": "cat", "extra": {}}\n')
    assert "1 column(s) that a Parquet table cannot hold: 'extra'" in refusal(path).message


def test_flat_image_bytes(tmp_path: Path) -> None:
    path = parquet(tmp_path / "x.parquet", {"jpg": [b"1", b"2"], "label": ["cat", "dog"]})
    manifest = read(path)
    assert pairs(manifest) == [("x.parquet#0", "cat"), ("x.parquet#1", "dog")]
    assert manifest.images == ImageColumn(path, "jpg", nested=False)
    assert manifest.columns.column_names == ["label"]


def test_several_columns_of_image_bytes(tmp_path: Path) -> None:
    columns = {"photo": [b"1"], "mask": [b"2"], "label": ["cat"]}
    path = parquet(tmp_path / "x.parquet", columns)
    error = refusal(path)
    assert "several columns with image bytes: photo, mask" in error.message
    assert error.hint == "Choose one: --path-column photo"
    assert read(path, path_column="mask").images == ImageColumn(path, "mask", nested=False)


# ---------------------------------------------------------------- columns passed through


def test_other_columns_pass_through_untouched(tmp_path: Path) -> None:
    columns = {
        "file_name": ["a", "b"],
        "n": pa.array([1, None], pa.int16()),
        "label": ["cat", "dog"],
        "box": [[1.5, 2.5], None],
    }
    path = parquet(tmp_path / "x.parquet", columns)
    assert read(path).columns.equals(pa.table(columns).drop_columns("file_name"))
    renamed = read(path, rename={"n": "count", "label": "species"}).columns
    assert renamed.column_names == ["count", "species", "box"]


def test_reserved_columns_are_refused_with_the_way_out(tmp_path: Path) -> None:
    path = text(tmp_path / "x.csv", "file_name,label,row,keep,id\na,cat,5,yes,1\n")
    error = refusal(tmp_path, path)
    assert error.message == f"{path} has columns that the score table writes itself: keep, row."
    assert error.hint.endswith("--rename keep=input_keep --rename row=input_row")
    manifest = read(tmp_path, path, rename={"keep": "input_keep", "row": "input_row"})
    assert manifest.columns.column_names == ["label", "input_row", "input_keep", "id"]


def test_renaming_goes_wrong(tmp_path: Path) -> None:
    path = text(tmp_path / "x.csv", "file_name,label,id\na,cat,1\n")
    assert "carries on no column nix" in refusal(tmp_path, path, rename={"nix": "x"}).message
    assert "two columns would be called label" in (
        refusal(tmp_path, path, rename={"id": "label"}).message
    )
    assert "the score table writes itself: row" in (
        refusal(tmp_path, path, rename={"id": "row"}).message
    )


def own_table(path: Path, metadata: str = '{"image_root": "."}') -> Path:
    columns = {
        "label": [0, 1],
        "id": ["x", "y"],
        "row": [0, 1],
        "file_name": ["a.png", "b.png"],
        "given_label": ["cat", "dog"],
        "clean_prob": [0.5, None],
        "keep": [True, False],
        "status": ["ok", "missing"],
    }
    return parquet(path, columns, {METADATA_KEY.decode(): metadata})


def test_a_table_of_our_own_can_be_scanned_again(tmp_path: Path) -> None:
    manifest = read(tmp_path, own_table(tmp_path / "clean.parquet"))
    assert pairs(manifest) == [("a.png", "cat"), ("b.png", "dog")]
    assert manifest.columns.to_pydict() == {"label": [0, 1], "id": ["x", "y"]}


def test_a_table_of_our_own_knows_its_data_folder(tmp_path: Path) -> None:
    root = make(tmp_path / "data", "a.png", "b.png")
    (tmp_path / "out").mkdir()
    table = own_table(tmp_path / "out" / "clean.parquet", '{"image_root": "../data"}')
    manifest = read(table)
    assert manifest.root.resolve() == root
    assert pairs(manifest) == [("a.png", "cat"), ("b.png", "dog")]


@pytest.mark.parametrize("place", ["out", "other"])
def test_a_data_folder_that_is_given_wins(tmp_path: Path, place: str) -> None:
    """Also where it is the folder that the table lies in."""
    for name in ("out", "other"):
        make(tmp_path / name, "a.png", "b.png")
    table = own_table(tmp_path / "out" / "clean.parquet", '{"image_root": "../data"}')
    assert read(tmp_path / place, table).root == tmp_path / place


@pytest.mark.parametrize("metadata", ["", "{", "[]", "{}"])
def test_a_table_whose_score_metadata_are_broken(tmp_path: Path, metadata: str) -> None:
    table = own_table(tmp_path / "clean.parquet", metadata)
    assert str(table) in refusal(table).message


def test_renaming_to_a_score_column_in_a_table_of_our_own(tmp_path: Path) -> None:
    table = own_table(tmp_path / "clean.parquet")
    assert "row" in refusal(tmp_path, table, rename={"id": "row"}).message


# ---------------------------------------------------------------- properties


writable = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
anything = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@anything
@given(rows=st.lists(st.tuples(writable, writable, writable), min_size=1, max_size=12))
def test_as_many_rows_out_as_in_and_in_the_same_order(tmp_path: Path, rows: list) -> None:
    table = tmp_path / "labels.csv"
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(["note", "path", "label"])
        writer.writerows(rows)
    names = text(tmp_path / "names.json", json.dumps({r[2]: f"class {r[2]!r}" for r in rows}))
    manifest = read(tmp_path, table, class_names=names)
    assert len(manifest) == len(manifest.given_labels) == len(manifest.columns) == len(rows)
    assert manifest.columns["note"].to_pylist() == [note for note, _, _ in rows]
    assert manifest.columns["label"].to_pylist() == [label for _, _, label in rows]
    assert manifest.named.tolist() == [bool(name.strip()) for _, name, _ in rows]
    expected = [f"class {label!r}" if label.strip() else None for _, _, label in rows]
    assert manifest.given_labels.to_pylist() == expected
    for index, (_, written, _) in enumerate(rows):
        name = manifest.file_names[index].as_py()
        if not written.strip():
            assert name == f"labels.csv#{index}"
        elif not {"/", "\\"} & set(written):
            assert name == written


@anything
@given(labels=st.lists(st.none() | writable, min_size=1, max_size=12))
def test_every_given_label_is_a_class(tmp_path: Path, labels: list[str | None]) -> None:
    columns = {"file_name": ["a"] * len(labels), "label": pa.array(labels, pa.string())}
    table = parquet(tmp_path / "x.parquet", columns)
    real = [label for label in labels if label is not None and label.strip()]
    if real and all(re.fullmatch(r"[+-]?\d+(\.0*)?", label) for label in real):
        assert "integers" in refusal(tmp_path, table).message
        return
    manifest = read(tmp_path, table)
    given_labels = manifest.given_labels.to_pylist()
    assert {label for label in given_labels if label is not None} == set(manifest.class_names)
    assert len(set(manifest.class_names)) == len(manifest.class_names)
    assert [a is None for a in given_labels] == [not (b and b.strip()) for b in labels]
    indices = manifest.label_indices(manifest.class_names)
    assert [
        None if i is None else manifest.class_names[i] for i in indices.tolist()
    ] == given_labels
