"""Labels of all rows at once become what each row alone would."""

import json
import re
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from deftclean.core.errors import InputError
from deftclean.data.labels import Labels, name_labels, read_class_names
from tests.support.arrow_columns import LAYOUTS, Layout, column_of

Plain = tuple[list[str | None], dict[str, str], tuple[str, ...]] | str


def plain(
    values: list[str | None],
    mapping: dict[str, str] | None,
    built_in: list[str] | None,
    known: dict[str, str] | None,
) -> Plain:
    """The same for text, a row at a time; of a refusal the beginning of its message."""
    texts = [text if text is not None and text.strip() else None for text in values]
    notes: tuple[str, ...] = ()
    if built_in is not None and "-1" in texts:
        notes = (f"{texts.count('-1'):,} rows have label -1, read as no label",)
        texts = [None if text == "-1" else text for text in texts]
    used = {text for text in texts if text is not None}
    as_written = mapping is not None and used <= mapping.keys()
    if not as_written and used and all(re.fullmatch(r"[+-]?\d+\.0*", text) for text in used):
        texts = [None if text is None else text.partition(".")[0] for text in texts]
        used = {text for text in texts if text is not None}
    integers = bool(used) and all(re.fullmatch(r"[+-]?\d+", text) for text in used)
    if mapping is None and built_in is None and known is not None:
        return [None if t is None else known.get(t, t) for t in texts], known, notes
    if mapping is None and built_in is None:
        if integers:
            return "The labels are integers"
        return texts, {name: name for name in sorted(used)}, notes
    names = mapping
    if names is None and built_in is not None:
        by_place = integers and not used <= set(built_in)
        names = {str(i) if by_place else name: name for i, name in enumerate(built_in)}
    assert names is not None
    foreign = Counter(text for text in texts if text is not None and text not in names)
    if foreign:
        most = ", ".join(f"{label!r} ({count:,} rows)" for label, count in foreign.most_common(5))
        more = " and more" if len(foreign) > 5 else ""
        return f"{len(foreign)} label(s) have no class name: {most}{more}."
    return [None if text is None else names[text] for text in texts], names, notes


def found(labels: Labels) -> Plain:
    assert labels.given.type == pa.string()
    return labels.given.to_pylist(), labels.names, labels.notes


words = st.sampled_from(["cat", "dog", "cow", "0", "1", "2", "-1", "-1.0", "1.0", "1.", "+1", "01"])
texts = st.none() | words | st.sampled_from(["", " ", "\xa0", " cat", "é", "猫"])
columns = st.lists(texts, max_size=12) | st.lists(words, max_size=12)
lists = st.lists(st.sampled_from(["cat", "dog", "cow", "1", "0"]), min_size=1, unique=True)
mappings = st.dictionaries(words, st.text("abc", min_size=1, max_size=3), min_size=1).filter(
    lambda names: len(set(names.values())) == len(names)
)


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    values=columns,
    mapping=st.none() | mappings,
    built_in=st.none() | lists,
    known=st.none() | mappings,
    layout=st.sampled_from(LAYOUTS),
)
@example(["1.0", "2", "1."], None, None, {"1": "a"}, "chunked")
@example([*"bcabcdefcg"], {"a": "x"}, None, None, "string")
def test_all_rows_at_once_as_each_alone(
    tmp_path: Path,
    values: list[str | None],
    mapping: dict[str, str] | None,
    built_in: list[str] | None,
    known: dict[str, str] | None,
    layout: Layout,
) -> None:
    column = column_of(values, layout)
    file = None
    if mapping is not None:
        file = tmp_path / "names.json"
        file.write_text(json.dumps(mapping), encoding="utf-8")
    expected = plain(values, mapping, built_in, known)
    if isinstance(expected, str):
        with pytest.raises(InputError) as caught:
            name_labels(column, file, built_in, known)
        assert caught.value.message.startswith(expected)
    else:
        assert found(name_labels(column, file, built_in, known)) == expected


def test_as_many_foreign_labels_as_rows() -> None:
    """Counted once, not once for each label."""
    labels = pa.array([f"label {row}" for row in range(200_000)])
    with pytest.raises(InputError, match=r"^200000 label\(s\) have no class name: 'label 0'"):
        name_labels(labels, None, ["cat"], None)


@pytest.mark.parametrize("label", ["0.", "1.0", "-1.", "01.00"])
def test_a_label_that_has_a_name_as_it_is_written_is_no_integer(label, tmp_path):
    (tmp_path / "names.json").write_text(json.dumps({label: "cat"}))
    labels = name_labels(pa.array([label, label]), tmp_path / "names.json", None, None)
    assert labels.given.to_pylist() == ["cat", "cat"]


def test_zeros_before_a_number_change_nothing(tmp_path):
    """Class folders 00000, 00001, ... of many data sets."""
    names = tmp_path / "names.txt"
    names.write_text("stop\nyield\nlimit\n")
    labels = name_labels(pa.array(["00002", "00000", "1", "01"]), names, None, None)
    assert labels.given.to_pylist() == ["limit", "stop", "yield", "yield"]
    assert labels.names == {"00000": "stop", "01": "yield", "1": "yield", "00002": "limit"}
    assert list(labels.names) == ["00000", "01", "1", "00002"]
    with pytest.raises(InputError, match=r"1 label\(s\) have no class name: '00003'"):
        name_labels(pa.array(["00003", "00000"]), names, None, None)


def test_zeros_are_left_out_for_lines_of_a_file_alone(tmp_path):
    names = tmp_path / "names.json"
    names.write_text('{"0": "cat"}')
    for file, built_in in ((names, None), (None, ["cat"])):
        with pytest.raises(InputError, match=r"1 label\(s\) have no class name: '00'"):
            name_labels(pa.array(["00"]), file, built_in, None)


def test_the_hint_shows_padded_labels_as_they_are_written():
    with pytest.raises(InputError) as caught:
        name_labels(pa.array(["00000", "00001", "00002"]), None, None, None)
    assert '{"00000": "cat", "00001": "dog"}' in caught.value.hint


def test_texts_that_are_all_digits_and_all_listed_are_names(tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("7\n3\n")
    labels = name_labels(pa.array(["3", "7"]), names, None, None)
    assert labels.given.to_pylist() == ["3", "7"]
    assert labels.names == {"7": "7", "3": "3"}


def test_a_class_name_may_hold_what_unicode_calls_a_line_end(tmp_path):
    names = tmp_path / "names.txt"
    names.write_bytes("caf\x85e\r\nsea\u2028lion\r\ndog\r\n".encode())
    assert read_class_names(names) == ["caf\x85e", "sea\u2028lion", "dog"]


def refusal(values: list[object], file: Path | None = None, **names: list[str]) -> tuple[str, str]:
    with pytest.raises(InputError) as caught:
        name_labels(pa.array(values), file, names.get("built_in"), None)
    return caught.value.message, caught.value.hint or ""


def test_labels_without_a_name_are_said_with_their_rows() -> None:
    names = [f"class {at}" for at in range(8)]
    labels = ["x", *"bbb", *"aa", "y", "z", "class 1"]
    assert refusal(labels, built_in=names) == (
        "5 label(s) have no class name: 'b' (3 rows), 'a' (2 rows), 'x' (1 rows), 'y' (1 rows), "
        "'z' (1 rows).",
        f"There are names for {', '.join(names)}. Complete the class names.",
    )
    message, _ = refusal(["1.0", "7.0", "1.", "1.00"], built_in=["x"])
    assert message == "2 label(s) have no class name: '1' (3 rows), '7' (1 rows)."
    message, hint = refusal([*labels, "w"], built_in=[*names, "class 8"])
    assert message.startswith("6 label(s) have no class name: 'b' (3 rows), ")
    assert message.endswith(", 'z' (1 rows) and more.")
    assert hint.startswith(f"There are names for {', '.join(names)} and 1 more. Complete")


ONE_A_LINE = (
    "Write the class names into a file, one a line, the name of label 0 first, and give it: "
    "--class-names names.txt. Or a JSON object: "
)


@pytest.mark.parametrize(
    ("labels", "listed", "example"),
    [
        (["10", "9", "+3"], "+3, 9, 10", '{"0": "cat", "1": "dog"}'),
        ([10, 9, None, 3], "3, 9, 10", '{"0": "cat", "1": "dog"}'),
        (["02", "1", "0"], "0, 1, 02", '{"0": "cat", "1": "dog"}'),
        (["003", "001"], "001, 003", '{"001": "cat", "003": "dog"}'),
        (["01"], "01", '{"01": "cat"}'),
        (["1.0", "-2."], "-2, 1", '{"0": "cat", "1": "dog"}'),
    ],
)
def test_integers_need_names(labels: list[object], listed: str, example: str) -> None:
    assert refusal(labels) == (
        f"The labels are integers ({listed}), and prompts need words.",
        f"{ONE_A_LINE}{example}.",
    )


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([["cat"], ["dog"]], "The labels are of type list<item: string>; one class per image is "
         "needed."),
        ([0.5, 1.0], "The labels are fractional numbers, not classes."),
        ([b"cat", b"\xff"], "The labels are bytes, and not UTF-8 text."),
    ],
)  # fmt: skip
def test_columns_that_are_no_labels(labels: list[object], message: str) -> None:
    assert refusal(labels) == (message, "Choose another column: --label-column NAME")


@pytest.mark.parametrize(
    ("labels", "given", "names"),
    [
        (pa.array([True, None, False]), ["true", None, "false"], ["false", "true"]),
        (pa.nulls(2), [None, None], []),
        (pa.array([b"cat", None]), ["cat", None], ["cat"]),
        (pa.array([b"cat"], pa.large_binary()), ["cat"], ["cat"]),
        (pa.array(["cat"], pa.large_string()), ["cat"], ["cat"]),
        (pa.chunked_array([["b", " "], ["a"]]), ["b", None, "a"], ["a", "b"]),
        (pa.array(["b", None, "b"]).dictionary_encode(), ["b", None, "b"], ["b"]),
    ],
)
def test_labels_of_any_kind_of_column(labels, given, names) -> None:
    made = name_labels(labels, None, None, None)
    assert (made.given.to_pylist(), list(made.names), made.notes) == (given, names, ())


def test_numbers_are_places_in_a_list_and_text_may_be_in_it() -> None:
    for labels, expected in (
        ([1, None, 0], ["y", None, "x"]),
        ([1.0, float("nan"), 0.0], ["y", None, "x"]),
        (["1", None, "0"], ["y", None, "x"]),
        (["y", " ", "x"], ["y", None, "x"]),
    ):
        made = name_labels(pa.array(labels), None, ["x", "y"], None)
        assert made.given.to_pylist() == expected
    made = name_labels(pa.array([1, 0]), None, ["1", "0"], None)
    assert made.given.to_pylist() == ["0", "1"]
    made = name_labels(pa.nulls(1), None, ["x", "y"], None)
    assert list(made.names) == ["x", "y"]


def test_a_class_label_of_minus_one_is_none() -> None:
    labels = pa.array([-1] * 1200 + [1])
    made = name_labels(labels, None, ["x", "y"], None)
    assert made.given.null_count == 1200
    assert made.notes == ("1,200 rows have label -1, read as no label",)
    with pytest.raises(InputError, match="integers"):
        name_labels(labels, None, None, None)
    known = name_labels(pa.array(["-1", "1"]), None, None, {"1": "cat"})
    assert (known.given.to_pylist(), known.notes) == (["-1", "cat"], ())


OF_ITS_OWN = "Every class needs a name of its own."


@pytest.mark.parametrize(
    ("name", "content", "message", "hint"),
    [
        ("x.txt", "", ": it is empty.", OF_ITS_OWN),
        ("x.txt", "a\n\n \nb\n\n", ": the names number 1, 2 (from 0) are empty.", OF_ITS_OWN),
        ("x.txt", "a\nb\n a\nb\n", ": a, b stand there twice.", OF_ITS_OWN),
        ("x.JSON", '["a", "", "", "b", "a"]', ": the names number 1, 2 (from 0) are empty; a stand "
         "there twice.", OF_ITS_OWN),
        ("x.json", '["a", ""]', ": the names number 1 (from 0) are empty.", OF_ITS_OWN),
        ("x.json", '{"a": "x", "b": " x "}', ": x stand there twice.", OF_ITS_OWN),
        ("x.json", "{}", ": it is empty.", OF_ITS_OWN),
        ("x.json", '["a", 1]', " is neither a list of names nor an object from label to name.", ""),
        ("x.json", '{"a": 1}', " is neither a list of names nor an object from label to name.", ""),
        ("x.json", "[1", " cannot be read: Expecting ',' delimiter: line 1 column 3 (char 2).", ""),
    ],
)  # fmt: skip
def test_class_names_of_no_use(tmp_path: Path, name, content, message, hint) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        read_class_names(path)
    assert caught.value.message == f"--class-names {path}{message}"
    assert (caught.value.hint or "") == hint


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("x.txt", " a \nb\n \n\n", ["a", "b"]),
        ("x.json", '[" a ", "b"]', ["a", "b"]),
        ("x.Json", '{"0": " a ", "x": "b"}', {"0": "a", "x": "b"}),
    ],
)
def test_class_names(tmp_path: Path, name: str, content: str, expected: object) -> None:
    (tmp_path / name).write_text(content)
    assert read_class_names(tmp_path / name) == expected
