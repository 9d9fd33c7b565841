"""JSON files as tables: the rows of each shape, and every refusal in full."""

import json
from pathlib import Path
from typing import Any

import pytest

from deftclean.core.errors import InputError
from deftclean.data.json_tables import json_table

ROWS = [{"file_name": "a.png", "label": "cat"}, {"file_name": "b.png", "label": "dog"}]


def rows_of(path: Path, content: Any) -> list[dict[str, Any]]:
    path.write_text(json.dumps(content))
    table, *rest = json_table(path, None, None)
    assert rest == [None, None, ()]
    return table.to_pylist()


@pytest.mark.parametrize(
    "content",
    [
        ROWS,
        [["a.png", "cat"], ["b.png", "dog"]],
        {"a.png": "cat", "b.png": "dog"},
        {"data": ROWS},
        {"labels": [["a.png", "cat"], ["b.png", "dog"]]},
        {"file_name": ["a.png", "b.png"], "label": ["cat", "dog"]},
        {"file_name": {"0": "a.png", "1": "b.png"}, "label": {"1": "dog", "0": "cat"}},
        {"columns": ["file_name", "label"], "data": [["a.png", "cat"], ["b.png", "dog"]]},
    ],
)
def test_rows_of_every_shape(tmp_path: Path, content: Any) -> None:
    assert rows_of(tmp_path / "x.json", content) == ROWS


def test_one_column_of_pandas(tmp_path: Path) -> None:
    assert rows_of(tmp_path / "x.json", {"n": {"7": 1, "8": 2}}) == [{"n": 1}, {"n": 2}]


def deep(name: str) -> dict[str, Any]:
    return {name: json.loads("[" * 40 + "]" * 40)}


TWELVE = [*"abcdefghijkl"]
WRITE = 'Write a list of objects: [{"file_name": "cat/a.jpg", "label": "cat"}, ...]'
FIVE_ROWS = "; ".join(f"row {at}: 'x'" for at in range(5))
LEAVE = "Leave such columns out."


@pytest.mark.parametrize(
    ("content", "message", "hint"),
    [
        (3, ": no rows were recognised in it.", WRITE),
        ({"a": 1.5}, ": no rows were recognised in it.", WRITE),
        ("{", " cannot be read: Expecting property name enclosed in double quotes: line 1 column "
         "2 (char 1).", "Is the file whole, and JSON?"),
        ('{"a": 1, "a": 2}', ": 'a' is named twice.",
         "Of such the last alone would be read."),
        ([deep("x"), {"x": 1}, deep("y")],
         ": row 0: 'x'; row 2: 'y' nested more than 32 deep.", LEAVE),
        ([deep("x")] * 6,
         f": {FIVE_ROWS} nested more than 32 deep.", LEAVE),
        ({"columns": TWELVE, "data": [[1], TWELVE, 3]}, ": 2 of 3 rows are no list of 12 values, "
         "one for each column (row 0, 2, from 0).", f"Its columns are {', '.join(TWELVE)}."),
        ({"columns": [*TWELVE, "m"], "data": [3]}, ": 1 of 1 rows are no list of 13 values, one "
         "for each column (row 0, from 0).", f"Its columns are {', '.join(TWELVE)} and 1 more."),
    ],
)  # fmt: skip
def test_what_is_refused_is_said_in_full(
    tmp_path: Path, content: Any, message: str, hint: str
) -> None:
    path = tmp_path / "x.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(InputError) as caught:
        json_table(path, None, None)
    assert (caught.value.message, caught.value.hint) == (f"{path}{message}", hint)


@pytest.mark.parametrize("content", [{"images": [{"id": 1}], "annotations": [], "categories": []},
                                     [{"data": {"image": "a"}, "annotations": []}]])  # fmt: skip
def test_the_file_is_named_where_a_tool_wrote_it(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError) as caught:
        json_table(path, None, None)
    assert caught.value.message.startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("encoding", "codec", "hint"),
    [
        (None, "utf-8", "Save it as UTF-8, or say what it is: --encoding cp1252, or latin-1, "
         "cp1250"),
        ("ascii", "ascii", "Is it text in ascii?"),
    ],
)  # fmt: skip
def test_text_of_another_encoding(tmp_path: Path, encoding, codec: str, hint: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes('{"K\u00e4tzchen.png": "cat"}'.encode("cp1252"))
    with pytest.raises(InputError) as caught:
        json_table(path, encoding, None)
    assert caught.value.message.startswith(f"{path} cannot be read: '{codec}' codec can't decode ")
    assert caught.value.hint == hint
    assert json_table(path, "cp1252", None)[0].column_names == ["file_name", "label"]


def test_the_column_that_is_named_is_the_label_of_annotations(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    row = {"image": "a.png", "what": "cat", "look": "sharp", "annotation_id": 1, "lead_time": 2.5}
    path.write_text(json.dumps([row]))
    for name in ("what", "look"):
        assert json_table(path, None, name)[1:3] == ("image", name)
    assert json_table(path, None, None)[1:3] == ("image", None)
