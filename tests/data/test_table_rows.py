"""Which rows of a table are read, and what its votes, splits and contradictions are said to be."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deftclean.core.errors import UsageError
from deftclean.data import table_rows
from deftclean.data.manifest import Manifest, read_manifest
from deftclean.data.options import ManifestOptions
from deftclean.table.scores import write_scores
from tests.support.scored import make_scored, score_table


def read(path: Path, **options: Any) -> Manifest:
    return read_manifest(path, None, ManifestOptions(**options))


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def refused(path: Path, **options: Any) -> tuple[str, str | None]:
    with pytest.raises(UsageError) as caught:
        read(path, **options)
    return caught.value.message, caught.value.hint


def holding_images(path: Path, **columns: list[Any]) -> Path:
    table = pa.table({"image": [b"1", b"2"], "label": ["cat", "dog"], **columns})
    pq.write_table(table, path)
    return path


SPLITS = ("file_name,label,split", "a,cat,train", "b,dog,val", "c,cat,train", "d,cow,test")


def test_splits_are_counted_and_one_may_be_chosen(tmp_path: Path) -> None:
    table = write(tmp_path / "x.csv", *SPLITS)
    every = read(table)
    assert every.notes == (
        "column split: train 2, val 1, test 1; --split train reads it alone",
    )  # fmt: skip
    assert len(every) == 4
    some = read(table, split=("train", "test"))
    assert some.notes == ("3 rows are of --split train, test",)
    assert some.file_names.to_pylist() == ["a", "c", "d"]
    assert some.given_labels.to_pylist() == ["cat", "cat", "cow"]
    assert some.source_lines.to_pylist() == [2, 4, 5]
    assert some.columns["split"].to_pylist() == ["train", "train", "test"]
    assert some.class_names == ("cat", "cow")


def test_splits_of_a_table_that_holds_the_images(tmp_path: Path) -> None:
    table = holding_images(tmp_path / "x.parquet", split=["train", "val"])
    assert read(table).notes == (
        "column split: train 1, val 1; --split train reads it alone",
    )  # fmt: skip
    some = read(table, split=("val",))
    assert some.file_names.to_pylist() == ["x.parquet#1"]
    assert some.images is not None
    assert some.images.chosen is not None
    assert some.images.chosen.tolist() == [1]
    assert some.splits == ("val",)
    assert (read(table).splits, read(table).images.chosen) == (None, None)  # type: ignore[union-attr]
    assert refused(table, split=("test",))[0].startswith("--split test: ")


def test_splits_of_a_table_that_has_none(tmp_path: Path) -> None:
    names = [*"abcdefghij"]
    table = write(tmp_path / "x.csv", ",".join(["file_name", "label", *names]), ",".join("x" * 12))
    columns = ", ".join(["file_name", "label", *names])
    message = f"--split val, test: {table} has no column called split."
    assert refused(table, split=("val", "test")) == (message, f"It has the columns {columns}.")
    write(table, ",".join(["file_name", "label", *names, "k"]), ",".join("x" * 13))
    assert refused(table, split=("val", "test")) == (
        message, f"It has the columns {columns} and 1 more.",
    )  # fmt: skip
    assert read(table).notes == ()
    write(table, "file_name,label,split", "a,cat,x", "b,dog,y")
    assert read(table).notes == ()


def test_columns_of_zeros_and_ones_of_a_split(tmp_path: Path) -> None:
    table = write(
        tmp_path / "x.csv", "file_name,cat,dog,split", "a,1,0,train", "b,0,1,val", "c,0,0,val",
        "d,1,0,val",
    )  # fmt: skip
    some = read(table, split=("val",))
    assert some.given_labels.to_pylist() == ["dog", None, "cat"]
    assert some.label_column is None
    assert some.notes == (
        "3 rows are of --split val", "labels are 2 columns of 0 and 1: cat, dog",
    )  # fmt: skip
    assert read(table).given_labels.to_pylist() == ["cat", "dog", None, "cat"]


def test_rows_that_cannot_be_merged(tmp_path: Path) -> None:
    leave = "Leave --merge-rows out."
    table = holding_images(tmp_path / "x.parquet")
    assert refused(table, merge_rows=True) == (
        f"--merge-rows cannot go with {table}, a table that holds the images itself.", leave,
    )  # fmt: skip
    scored = make_scored(tmp_path / "scored", 6).table
    assert refused(scored, merge_rows=True) == (
        f"--merge-rows cannot go with {scored}, a score table.", leave,
    )  # fmt: skip
    votes = write(tmp_path / "x.csv", "file_name,a,b", "1,cat,dog")
    assert refused(votes, merge_rows=True, annotator=("a", "b")) == (
        "--annotator and --merge-rows exclude each other.", "Give one.",
    )  # fmt: skip


ANSWERS = ("file_name,label,id", "b,cat,1", "a,dog,2", "b,cow,3", "b,cow,4", ",cat,5", "a,,6")


def test_rows_of_one_picture_that_contradict_each_other(tmp_path: Path) -> None:
    said = "stand in several rows with different labels; --merge-rows takes their majority"
    table = write(tmp_path / "x.csv", *ANSWERS)
    manifest = read(table)
    assert manifest.notes == (f"1 pictures {said}",)
    assert len(manifest) == 6
    write(table, *ANSWERS, "a,cow,7")
    assert read(table).notes == (f"2 pictures {said}",)
    # A row without a label contradicts nobody.
    write(table, *ANSWERS[:3], "a,dog,3", "b,,4", "b, ,5", "a,dog,6")
    assert read(table).notes == ()


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary(), pa.large_binary(),
                                  pa.dictionary(pa.int8(), pa.string())])  # fmt: skip
def test_contradictions_in_any_kind_of_column(tmp_path: Path, kind: pa.DataType) -> None:
    path = tmp_path / "x.parquet"
    for labels, found in (
        (["cat", None, "cat"], 0), (["cat", "", "cat"], 0), ([" ", "cat"], 0), (["cat", "dog"], 1),
    ):  # fmt: skip
        said = pa.array(labels, pa.string()).cast(kind)
        pq.write_table(pa.table({"file_name": ["a"] * len(labels), "label": said}), path)
        assert len(read(path).notes) == found
    pq.write_table(pa.table({"file_name": ["a", "a"], "label": [b"\xff", b"x"]}), path)
    with pytest.raises(UsageError, match="not UTF-8 text"):
        read(path)


def test_contradictions_of_numbers(tmp_path: Path) -> None:
    path, names = tmp_path / "x.parquet", write(tmp_path / "names.txt", "cat", "dog")
    for labels, found in (([0, None, 0], 0), ([0, 1, None], 1)):
        pq.write_table(pa.table({"file_name": ["a"] * 3, "label": labels}), path)
        assert len(read(path, class_names=names).notes) == found


def test_the_first_rows_of_a_large_table_tell(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(table_rows, "_LOOKED_AT", 2)
    table = write(tmp_path / "x.csv", "file_name,label", "a,cat", "b,dog", "a,cow")
    assert read(table).notes == ()
    monkeypatch.setattr(table_rows, "_LOOKED_AT", 3)
    assert len(read(table).notes) == 1


def test_votes_in_rows(tmp_path: Path) -> None:
    manifest = read(write(tmp_path / "x.csv", *ANSWERS), merge_rows=True)
    assert manifest.file_names.to_pylist() == ["b", "a", "x.csv#4"]
    assert manifest.named.tolist() == [True, True, False]
    assert manifest.given_labels.to_pylist() == ["cow", "dog", "cat"]
    assert manifest.source_lines.to_pylist() == [2, 3, 6]
    assert manifest.columns.to_pydict() == {
        "label": ["cat", "dog", "cat"], "id": ["1", "2", "5"],
        "agreement": [pytest.approx(2 / 3), 1.0, 1.0],
    }  # fmt: skip
    assert manifest.label_column is None
    assert manifest.notes == (
        "labels are the majority of 6 rows about 3 pictures; on average 88.9% of the votes agree "
        "(column agreement); 0 ties went to the first vote",
    )


def test_votes_in_columns(tmp_path: Path) -> None:
    table = write(tmp_path / "x.csv", "file_name,a,b", "1,cat,dog", "2,x,x")
    manifest = read(table, annotator=("a", "b"))
    assert manifest.notes == (
        "labels are the majority of 2 annotators; on average 75.0% of the votes agree (column "
        "agreement); 1 ties went to the first vote",
    )
    write(table, "file_name,a,b,agreement", "1,cat,dog,9")
    assert refused(table, annotator=("a", "b")) == (
        f"{table} has a column agreement of its own.",
        "Carry it on under another name: --rename agreement=input_agreement",
    )


def test_labels_in_lists_go_on_as_they_were_read(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(
        pa.table({"n": [1, 2], "file_name": ["a", "a"], "label": [["cat"], ["dog"]]}), path
    )
    manifest = read(path)
    assert manifest.given_labels.to_pylist() == ["cat", "dog"]
    assert manifest.columns.to_pydict() == {"n": [1, 2], "label": ["cat", "dog"]}
    assert not any("several rows" in note for note in manifest.notes)


def test_refusals_name_the_table(tmp_path: Path) -> None:
    table = write(tmp_path / "x.csv", *SPLITS)
    assert refused(table, split=("nix",)) == (
        f"--split nix: {table} has no such split.", "It has the splits train, val, test.",
    )  # fmt: skip
    write(table, "file_name,cat,dog", "a,1,0", "b,0,1", "c,1,1")
    assert refused(table)[0] == (
        f"{table}: 1 of 3 rows have several labels in its 2 columns of 0 and 1, as row 2: cat, dog."
    )


def test_a_name_that_fits_two_files_leads_on_with_the_folder_as_given(tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg"):
        (tmp_path / "data" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "data" / name).touch()
    table = write(tmp_path / "x.csv", "file_name,label", "a,cat")
    with pytest.raises(UsageError) as caught:
        read_manifest(tmp_path / "data", table, ManifestOptions())
    assert f" deftclean scan {tmp_path / 'data'} {table} --suffix " in caught.value.hint


def test_rows_that_are_fixed_contradict_nobody(tmp_path: Path) -> None:
    """Those of a score table, and of a table that holds the pictures."""
    pictures = pa.array([{"bytes": b"1", "path": "a.png"}, {"bytes": b"2", "path": "a.png"}])
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"image": pictures, "label": ["cat", "dog"]}), path)
    assert read(path).file_names.to_pylist() == ["a.png", "a.png"]
    assert read(path).notes == ()
    rows = [{"file_name": "a.png", "given_label": label} for label in ("apple", "leaf")]
    scored = tmp_path / "scored.parquet"
    write_scores(score_table(rows), scored, tmp_path, True)
    assert read(scored).notes == ()
