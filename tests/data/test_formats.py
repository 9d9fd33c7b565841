"""COCO, Label Studio, JSON in its shapes, and lists of paths: rows, or what is wrong with them."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deftclean.core.errors import UsageError
from deftclean.data.label_studio import picture_name
from deftclean.data.manifest import Manifest, read_manifest
from deftclean.data.options import ManifestOptions


def read(path: Path, content: Any, **options: Any) -> Manifest:
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    path.write_text(text, encoding=options.get("encoding") or "utf-8")
    return read_manifest(path, None, ManifestOptions(**options))


def refused(path: Path, content: Any, **options: Any) -> UsageError:
    with pytest.raises(UsageError) as caught:
        read(path, content, **options)
    return caught.value


def pairs(manifest: Manifest) -> list[tuple[str, str | None]]:
    names = manifest.file_names.to_pylist()
    return list(zip(names, manifest.given_labels.to_pylist(), strict=True))


CATS = [("a.png", "cat"), ("b.png", "dog")]


# ---------------------------------------------------------------- JSON


@pytest.mark.parametrize(
    "content",
    [
        [{"file_name": "a.png", "label": "cat"}, {"file_name": "b.png", "label": "dog"}],
        [["a.png", "cat"], ["b.png", "dog"]],
        {"a.png": "cat", "b.png": "dog"},
        {"labels": [["a.png", "cat"], ["b.png", "dog"]]},
        {"rows": [["a.png", "cat"], ["b.png", "dog"]]},
        {"info": {}, "data": [{"path": "a.png", "y": "cat"}, {"path": "b.png", "y": "dog"}]},
        {"image": ["a.png", "b.png"], "label": ["cat", "dog"]},
        {"image": {"0": "a.png", "1": "b.png"}, "label": {"0": "cat", "1": "dog"}},
        {"columns": ["img", "y"], "index": [0, 1], "data": [["a.png", "cat"], ["b.png", "dog"]]},
    ],
)  # fmt: skip
def test_json_in_its_shapes(tmp_path: Path, content: Any) -> None:
    assert pairs(read(tmp_path / "x.json", content)) == CATS
    assert pairs(read(tmp_path / "x.json", content, encoding="utf-16")) == CATS


def test_pairs_have_columns_of_usual_names(tmp_path: Path) -> None:
    for content in ([["a.png", "cat"]], {"a.png": "cat"}):
        assert read(tmp_path / "x.json", content).columns.column_names == ["label"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "cannot be read"),
        ("", "cannot be read"),
        ("[" * 100_000, "cannot be read"),
        ("[]", "no rows were recognised"),
        ("3", "no rows were recognised"),
        ('["a.png", "b.png"]', "no rows were recognised"),
        ({"a": {"b": {}}, "c": 3}, "no rows were recognised"),
        ('{"a.png": "cat", "a.png": "dog"}', "'a.png' is named twice"),
        ('[{"file_name": "a", "": 1, "": 2}]', "'' is named twice"),
        ({"columns": ["y", "img", "y"], "data": [["a", "b", "c"]]}, "the same name: 'y'"),
        (
            {"columns": ["img", "y"], "data": [["a.png", "x"], ["b.png"], 3, ["c", "x", "y"]]},
            "3 of 4 rows are no list of 2 values, one for each column (row 1, 2, 3, from 0)",
        ),
        ([{"file": "a", "label": "x", "deep": json.loads("[" * 40 + "]" * 40)}], "nested more"),
        ([{"file_name": "a", "label": "x"}, {"file_name": 3, "label": "x"}], "mixes types"),
        ("\ufeff" + '[{"file_name": 1}]' + "x", "cannot be read"),
    ],
)  # fmt: skip
def test_json_of_no_use(tmp_path: Path, content: Any, said: str) -> None:
    error = refused(tmp_path / "x.json", content)
    assert said in error.message
    assert error.message.startswith(str(tmp_path / "x.json"))
    assert error.hint


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["a.png", "cat", ""]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["images", "annotations", "categories", "id", "file_name", "image_id",
                         "category_id", "name", "data", "result", "value", "choices", "label"]),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(anything)
def test_any_json_is_read_or_refused(tmp_path: Path, content: Any) -> None:
    try:
        manifest = read(tmp_path / "x.json", content)
    except UsageError:
        return
    assert len(manifest) == len(manifest.given_labels) > 0


# ---------------------------------------------------------------- COCO


def coco(*of_images: tuple[int, ...]) -> dict[str, Any]:
    """Images a.png, b.png ..., each with annotations of these categories."""
    images = [{"id": 10 + at, "file_name": f"{chr(97 + at)}.png"} for at in range(len(of_images))]
    pairs_ = [(10 + at, kind) for at, kinds in enumerate(of_images) for kind in kinds]
    return {
        "images": images,
        "annotations": [
            {"id": n, "image_id": i, "category_id": k} for n, (i, k) in enumerate(pairs_)
        ],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    }


def test_coco_of_one_category_each(tmp_path: Path) -> None:
    manifest = read(tmp_path / "x.json", coco((1,), (2, 2), ()))
    assert pairs(manifest) == [*CATS, ("c.png", None)]
    assert manifest.notes == ("COCO: 3 images, 3 annotations; 1 images without one have no label",)
    assert manifest.columns["image_id"].to_pylist() == ["10", "11", "12"]


def test_coco_of_several_categories_is_refused(tmp_path: Path) -> None:
    error = refused(tmp_path / "x.json", coco((1,), (2, 1), (1, 2, 2)))
    assert "2 of 3 images have annotations of several categories, as 'b.png': dog, cat" in (
        error.message
    )


def test_broken_coco_is_refused_all_at_once(tmp_path: Path) -> None:
    content = coco((1,), (9,), (2,))
    del content["images"][0]["file_name"]
    content["images"][2]["id"] = 11
    content["annotations"][0]["image_id"] = 99
    message = refused(tmp_path / "x.json", content).message
    for said in ("1 images have no file_name", "1 images have no id of their own",
                 "2 annotations are of no image", "1 annotations are of no category"):  # fmt: skip
        assert said in message


# ---------------------------------------------------------------- Label Studio


def task(data: dict[str, Any], *choices: list[str], kind: str = "label") -> dict[str, Any]:
    results = [
        {"from_name": kind, "to_name": "image", "type": "choices", "value": {"choices": chosen}}
        for chosen in choices
    ]
    return {"id": 1, "data": data, "annotations": [{"result": [each]} for each in results]}


OURS = {"image": "/data/local-files/?d=x/a.png", "file_name": "a.png", "row": 3,
        "given_label": "dog", "clean_prob": 0.1, "status": "ok"}  # fmt: skip


def test_tasks_of_ours_come_back(tmp_path: Path) -> None:
    tasks = [task(OURS, ["cat"]), task({**OURS, "file_name": "b.png"}, ["dog"])]
    manifest = read(tmp_path / "x.json", tasks)
    assert pairs(manifest) == CATS
    assert manifest.columns.column_names == ["label"]
    assert manifest.notes == ("Label Studio: 2 tasks, 2 annotations",)


def test_several_annotators_of_a_task(tmp_path: Path) -> None:
    cancelled = task({"image": "/data/upload/3/0a1b2c3d-b.png"}, ["dog"], ["cat"])
    cancelled["annotations"][1]["was_cancelled"] = True
    tasks = [task({"image": "a.png"}, ["dog"], ["cat"], ["cat"]), cancelled, task({"image": "c"})]
    manifest = read(tmp_path / "x.json", tasks)
    assert pairs(manifest) == [*CATS, ("c", None)]
    assert manifest.columns["agreement"].to_pylist() == [pytest.approx(2 / 3), 1.0, None]
    assert "3 tasks, 4 annotations; 1 tasks without one have no label" in manifest.notes[0]
    assert "majority of the annotators of a task" in manifest.notes[1]


def test_tasks_that_say_nothing_or_too_much(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    assert "hold no choices" in refused(path, [task(OURS)]).message
    assert "1 annotations choose several labels, as cat, dog" in (
        refused(path, [task(OURS, ["cat", "dog"]), task(OURS, ["cat"])]).message
    )
    tasks = [task(OURS, ["cat"]), task({**OURS, "file_name": "b.png"}, ["dog"])]
    for each in tasks:
        each["annotations"] += task(OURS, ["sharp"], kind="sharpness")["annotations"]
    error = refused(path, tasks)
    assert "the choices label, sharpness" in error.message
    assert error.hint == "Say which are the labels: --label-column label"
    assert pairs(read(path, tasks, label_column="label")) == CATS
    assert pairs(read(path, tasks, label_column="sharpness"))[0] == ("a.png", "sharp")


CSV = "image,id,{},annotator,annotation_id,created_at,updated_at,lead_time\n"


def test_a_csv_of_label_studio(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    rows = (
        "/data/upload/1/0a1b2c3d-a.png,1,cat,1,1,x,x,2.5\n"
        "/data/local-files/?d=b.png,2,dog,1,2,x,x,1\n"
    )
    for kind in ("choice", "label", "animal"):
        manifest = read(path, CSV.format(kind) + rows)
        assert pairs(manifest) == CATS
        assert manifest.source_lines.to_pylist() == [2, 3]
    several = rows.replace("cat", '"{""choices"": [""cat"", ""dog""]}"')
    assert "1 rows have several labels" in refused(path, CSV.format("choice") + several).message
    ours = "file_name,row,given_label,clean_prob,status," + CSV.format("label")
    rows = (
        "a.png,0,dog,0.1,ok,x/a.png,1,cat,1,1,x,x,2\nb.png,1,cat,0.1,ok,x/b.png,2,dog,1,2,x,x,2\n"
    )
    assert pairs(read(path, ours + rows)) == CATS


@pytest.mark.parametrize("kind", ["kind", "status", "keep", "given_label"])
@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_a_choice_that_is_called_like_a_column_of_ours(
    tmp_path: Path, kind: str, suffix: str
) -> None:
    """It is the label where the user says so, and goes on under another name."""
    rows = [
        {"image": f"{name}.png", kind: label, "annotation_id": 1, "lead_time": 2.5}
        for name, label in (("a", "cat"), ("b", "dog"))
    ]
    lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows), ""]
    content = "\n".join(lines) if suffix == "csv" else rows
    named = {"label_column": kind, "rename": {kind: f"input_{kind}"}}
    if kind == "given_label":
        named.pop("rename")
    assert pairs(read(tmp_path / f"x.{suffix}", content, **named)) == CATS


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("/data/local-files/?d=my%20cats/a.png", "my cats/a.png"),
        ("http://localhost:8080/data/local-files/?d=x/a.png", "x/a.png"),
        ("/data/upload/12/0a1b2c3d-a.png", "a.png"),
        ("/data/upload/a%20b.png", "a b.png"),
        ("https://host/x/a.png?token=1", "x/a.png"),
        ("s3://bucket/x/a.png", "x/a.png"),
        ("x/a.png", "x/a.png"),
    ],
)
def test_addresses_of_pictures(address: str, name: str) -> None:
    assert picture_name(address) == name


# ---------------------------------------------------------------- paths and labels


@pytest.mark.parametrize(
    "content",
    ["a.png cat\n\nb.png dog\n", "a.png\tcat\nb.png\tdog", "cat a.png\ndog b.png",
     "0\tcat\ta.png\n1\tdog\tb.png\n"],
)  # fmt: skip
@pytest.mark.parametrize("ending", ["txt", "lst"])
def test_a_path_and_a_label_a_line(tmp_path: Path, content: str, ending: str) -> None:
    manifest = read(tmp_path / f"x.{ending}", content)
    assert pairs(manifest) == CATS
    assert manifest.source_lines[0].as_py() == 1
    assert manifest.notes == ("each line is read as a path and a label",)


def test_paths_with_spaces_and_integers(tmp_path: Path) -> None:
    path, names = tmp_path / "x.txt", tmp_path / "names.txt"
    names.write_text("cat\ndog\n")
    content = "my cats/a b.png 0\nc.png 1\n"
    assert "integers (0, 1)" in refused(path, content).message
    manifest = read(path, content, class_names=names)
    assert pairs(manifest) == [("my cats/a b.png", "cat"), ("c.png", "dog")]


def test_lists_of_no_use(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    error = refused(path, "a.png cat\nb.png\nc.png\n")
    assert "2 of 3 lines are no path and label (line 2, 3)" in error.message
    assert "is a table with commas" in refused(path, "file_name,label\na.png,cat\n").message
    path.write_bytes("ä.png cat\n".encode("cp1252"))
    with pytest.raises(UsageError) as caught:
        read_manifest(path, None, ManifestOptions())
    assert "--encoding cp1252" in caught.value.hint
