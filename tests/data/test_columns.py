"""Which column holds what, by its name and by what stands in it."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deftclean.core.errors import InputError
from deftclean.data.columns import (
    called,
    called_freely,
    find_label_column,
    find_path_column,
    huggingface_features,
    image_column,
    renamed,
)

TABLE = Path("x.csv")


def schema(*names: str) -> pa.Schema:
    return pa.schema([(name, pa.string()) for name in names])


def test_usual_names_in_any_case_of_letters() -> None:
    names = [" Image_Id", "image id", "IMAGE-ID", "imageid", "Image  Id"]
    assert called(names, ["image_id"]) == [" Image_Id"]
    assert called_freely(names, ["image_id"]) == [" Image_Id", "image id", "IMAGE-ID"]
    assert called_freely(["class name"], ["image_id"]) == []


def test_columns_of_a_table_of_labels() -> None:
    found = schema("x", "File_Name ", "Label")
    assert find_path_column(TABLE, found, None) == "File_Name "
    assert find_path_column(TABLE, found, "x") == "x"
    assert find_label_column(TABLE, found, None) == "Label"
    assert find_label_column(TABLE, found, "x") == "x"


@pytest.mark.parametrize(
    ("find", "names", "wanted", "message", "hint"),
    [
        (
            find_path_column, ["a", "b"], None,
            "x.csv: no column with the file names was recognised.",
            "It has the columns a, b. Name it: --path-column NAME.",
        ),
        (
            find_path_column, ["a;b"], None,
            "x.csv: no column with the file names was recognised.",
            "It has the columns a;b. Name it: --path-column NAME. "
            "Is it separated by something else than commas? Say so: --delimiter ';'",
        ),
        (
            find_label_column, ["a"], None,
            "x.csv: no column with the labels was recognised.",
            "It has the columns a. Name it: --label-column NAME.",
        ),
        (
            find_label_column, ["y", "label", "a"], None,
            "x.csv: several columns could hold the labels: y, label.",
            "Choose one: --label-column 'y'",
        ),
        (
            find_path_column, ["path", "file"], None,
            "x.csv: several columns could hold the file names: path, file.",
            "Choose one: --path-column 'path'",
        ),
        (
            find_label_column, ["y"], "Y", "x.csv has no column 'Y' (--label-column).",
            "It has the columns y.",
        ),
        (
            find_label_column, [*"abcdefghijkl"], "Y", "x.csv has no column 'Y' (--label-column).",
            "It has the columns a, b, c, d, e, f, g, h, i, j, k, l.",
        ),
        (
            find_label_column, [*"abcdefghijklm"], "Y", "x.csv has no column 'Y' (--label-column).",
            "It has the columns a, b, c, d, e, f, g, h, i, j, k, l and 1 more.",
        ),
    ],
)  # fmt: skip
def test_columns_that_are_not_found(find, names, wanted, message, hint) -> None:
    with pytest.raises(InputError) as caught:
        find(TABLE, schema(*names), wanted)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_names_as_bytes_are_told_from_images_by_their_own_column(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    names, images = [b"a.PNG", None, b"b.jpg"], [b"\x89PNG", b"", b"c.png"]
    pq.write_table(pa.table({"n": [1, 2, 3], "names": names, "image": images}), path)
    found = image_column(path, pq.read_schema(path), None)
    assert found is not None
    assert (found.name, found.nested, found.tables) == ("image", False, (path,))
    long = [b"x" * 4092 + b".png", b"y" * 4091 + b".png"]
    for name, expected in zip(long, ("names", None), strict=True):
        pq.write_table(pa.table({"names": [name]}), path)
        found = image_column(path, pq.read_schema(path), None)
        assert (found and found.name) == expected
    # The first sixteen rows tell.
    for count, expected in ((15, "names"), (16, None)):
        pq.write_table(pa.table({"names": [b"a.png"] * count + [b"\x89PNG"]}), path)
        found = image_column(path, pq.read_schema(path), None)
        assert (found and found.name) == expected


IMAGE = pa.struct([("path", pa.string()), ("bytes", pa.binary())])
BYTES_FIRST = pa.struct([("bytes", pa.large_binary())])


@pytest.mark.parametrize(
    ("fields", "wanted", "name", "nested"),
    [
        ([("a", IMAGE), ("n", pa.int64())], None, "a", True),
        ([("a", BYTES_FIRST)], None, "a", True),
        ([("a", pa.struct([("bytes", pa.null())]))], None, "a", True),
        ([("a", pa.binary())], None, "a", False),
        ([("a", pa.large_binary()), ("b", IMAGE)], "a", "a", False),
        ([("a", pa.large_binary()), ("b", IMAGE)], "b", "b", True),
        ([("a", IMAGE)], "b", None, None),
        ([("a", pa.struct([("path", pa.string())])), ("b", pa.string())], None, None, None),
        # A hash or a thumbnail beside a column of file names, or beside one of images.
        ([("thumb", pa.binary()), ("File_Name", pa.string())], None, None, None),
        ([(" Image", IMAGE), ("md5", pa.binary()), ("path", pa.string())], None, " Image", True),
        ([("thumb", pa.binary()), ("x", pa.string())], None, "thumb", False),
    ],
)
def test_the_column_of_images(tmp_path: Path, fields, wanted, name, nested) -> None:
    path = tmp_path / "x.PARQUET"
    pq.write_table(pa.schema(fields).empty_table(), path)
    found = image_column(path, pq.read_schema(path), wanted)
    assert (found and found.name, found and found.nested) == (name, nested)
    assert image_column(tmp_path / "x.csv", pa.schema(fields), wanted) is None


def test_columns_of_images_that_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    for fields, message, hint in (
        (
            [("a", pa.binary()), ("b", IMAGE)],
            f"{path} has several columns with image bytes: b, a.",
            "Choose one: --path-column b",
        ),
        (
            [("a", pa.struct([("bytes", pa.string())]))],
            f"{path}: field bytes of column 'a' holds string, not bytes.",
            "Write encoded images there, or name a column of file names: --path-column NAME.",
        ),
    ):
        pq.write_table(pa.schema(fields).empty_table(), path)
        with pytest.raises(InputError) as caught:
            image_column(path, pa.schema(fields), None)
        assert (caught.value.message, caught.value.hint) == (message, hint)


def test_a_column_of_bytes_without_rows(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"image": pa.array([], pa.binary())}), path)
    found = image_column(path, pq.read_schema(path), None)
    assert found is not None
    assert found.name == "image"


def test_renamed() -> None:
    made = pa.table({"a": [1], "b": [2]})
    assert renamed(made, {"a": "c"}, TABLE).to_pydict() == {"c": [1], "b": [2]}
    carried = "It carries on a, b."
    for rename, message, hint in (
        ({"x": "y", "z": "w"}, "--rename: x.csv carries on no column x, z.", carried),
        (
            {"a": "keep", "b": "clean_prob"},
            "x.csv has columns that the score table writes itself: clean_prob, keep.",
            "Carry them on under other names: --rename clean_prob=input_clean_prob "
            "--rename keep=input_keep",
        ),
        ({"a": "b"}, "x.csv: two columns would be called b.", "See --rename."),
    ):
        with pytest.raises(InputError) as caught:
            renamed(made, rename, TABLE)
        assert (caught.value.message, caught.value.hint) == (message, hint)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("", "no columns"),
        ("abcdefghijkl", "a, b, c, d, e, f, g, h, i, j, k, l"),
        ("abcdefghijklm", "a, b, c, d, e, f, g, h, i, j, k, l and 1 more"),
    ],
)
def test_twelve_columns_are_listed(names: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        renamed(pa.table({name: [1] for name in names}), {"x": "y"}, TABLE)
    assert caught.value.hint == f"It carries on {said}."


def featured(features: Any) -> pa.Schema:
    said = json.dumps({"info": {"features": features}})
    return schema("a").with_metadata({"huggingface": said})


CLASSES = {"_type": "ClassLabel", "names": ["cat", "dog"]}


def test_features_of_hugging_face() -> None:
    every = {"a": CLASSES, "b": {"_type": "ClassLabel"}, "c": {"names": 3}, "d": [CLASSES]}
    assert huggingface_features(TABLE, featured(every)) == {
        name: every[name] for name in ("a", "b", "c")
    }
    assert huggingface_features(TABLE, schema("a")) == {}
    assert huggingface_features(TABLE, schema("a").with_metadata({"x": "y"})) == {}


@pytest.mark.parametrize(
    ("features", "what"),
    [
        ([], "info.features is not an object"),
        *(
            ({"a": CLASSES, "b": {**CLASSES, "names": names}},
             "names of column 'b' are not a list of text")
            for names in ("cat", {"cat": 0}, ["cat", 1])
        ),
    ],
)  # fmt: skip
def test_features_of_another_form(features: Any, what: str) -> None:
    with pytest.raises(InputError) as caught:
        huggingface_features(TABLE, featured(features))
    assert caught.value.message == (
        f"x.csv: its Hugging Face metadata (schema metadata `huggingface`) are damaged: {what}."
    )
    assert caught.value.hint == "Write the file again with datasets, or without these metadata."
