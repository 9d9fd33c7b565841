"""What is exported comes back as it was, whoever reads it: text is text."""

import datetime
import decimal
import io
import json
import math
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pv
import pyarrow.json as paj
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import deftclean
from deftclean.core.errors import InputError
from deftclean.exports.json_lines import read_as_dates, write_json_lines
from deftclean.table.scores import read_scores, write_scores
from tests.support.scored import make_scored

NAMES = ["NA", "None", "null", "nan", "007", "1e5", "true", "N/A", "", "-5", "猫", "2024"]


def as_hugging_face_reads(path: Path) -> pa.Table:
    """`datasets` reads metadata.jsonl with Arrow's own reader, in blocks, and lets it guess."""
    options = paj.ReadOptions(block_size=16 << 10)
    return paj.read_json(io.BytesIO(path.read_bytes()), read_options=options)


def test_names_that_look_like_something_else_stay_text(tmp_path):
    table = pa.table({"label": NAMES, "n": pa.array(range(len(NAMES)), pa.int16())})
    write_json_lines(table, tmp_path / "x.jsonl")
    assert as_hugging_face_reads(tmp_path / "x.jsonl").to_pydict() == table.to_pydict()
    frame = pd.read_json(tmp_path / "x.jsonl", lines=True, dtype={"label": str})
    assert frame["label"].tolist() == NAMES


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.none() | st.text(st.characters(codec="utf-8"), max_size=6), min_size=1))
def test_any_text_comes_back(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("json") / "x.jsonl"
    table = pa.table({"t": pa.array(texts, pa.string())})
    write_json_lines(table, path)
    assert [json.loads(line)["t"] for line in path.read_text("utf-8").split("\n")[:-1]] == texts
    assert as_hugging_face_reads(path)["t"].to_pylist() == texts


def test_other_values(tmp_path):
    table = pa.table(
        {
            "short": pa.array([0.9, math.nan, None], pa.float32()),
            "double": [0.1, math.inf, 1e300],
            "coded": pa.array(["NA", None, "b"]).dictionary_encode(),
            "day": pa.array([datetime.date(2024, 1, 2), None, None]),
            "exact": pa.array([decimal.Decimal("1.50"), None, None]),
            "list": pa.array([[0.5, math.nan], None, []]),
            "struct": pa.array([{"a": "NA"}, None, {"a": None}]),
        }
    )
    write_json_lines(table, tmp_path / "x.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert rows == [
        {"short": 0.9, "double": 0.1, "coded": "NA", "day": "2024-01-02", "exact": "1.50",
         "list": [0.5, None], "struct": {"a": "NA"}},
        {"short": None, "double": None, "coded": None, "day": None, "exact": None,
         "list": None, "struct": None},
        {"short": None, "double": 1e300, "coded": "b", "day": None, "exact": None,
         "list": [], "struct": {"a": None}},
    ]  # fmt: skip


def test_what_json_cannot_hold_is_named(tmp_path):
    table = pa.table({"a": [b"x"], "b": [{"c": b"x"}], "d": ["x"]})
    with pytest.raises(InputError, match=r"hold 2 column\(s\): a \(binary\), b \(struct"):
        write_json_lines(table, tmp_path / "x.jsonl")


def test_text_that_arrow_takes_for_dates_is_known(tmp_path):
    texts = {"day": ["2024-01-02", None], "other": ["2024-01-02", "x"], "none": [None, None]}
    table = pa.table({name: pa.array(cells, pa.string()) for name, cells in texts.items()})
    write_json_lines(table, tmp_path / "x.jsonl")
    read = as_hugging_face_reads(tmp_path / "x.jsonl")
    changed = [f.name for f in read.schema if pa.types.is_timestamp(f.type)]
    assert read_as_dates(table) == changed == ["day"]


@pytest.mark.parametrize("to", ["csv", "cleanlab"])
def test_csv_comes_back_with_the_arguments_of_the_documentation(to, tmp_path):
    """docs/export.md, "Reading CSV back"."""
    made = make_scored(tmp_path)
    scores = read_scores(made.table)
    wild = [name for name in NAMES if name and not name.startswith("-")]
    labels = [*wild * 4, *[None] * 8][:48]
    at = scores.table.column_names.index("given_label")
    table = scores.table.set_column(at, "given_label", pa.array(labels, pa.string()))
    write_scores(type(scores)(table, scores.metadata), made.table, made.images, overwrite=True)
    deftclean.export(made.table, to=to, output=tmp_path / "x.csv", rows="all")
    column = "label" if to == "csv" else "given_label"

    text = dict.fromkeys(["file_name", column], str)
    frame = pd.read_csv(tmp_path / "x.csv", dtype=text, keep_default_na=False, na_values=[""])
    assert [None if pd.isna(name) else name for name in frame[column]] == labels

    options = pv.ConvertOptions(
        column_types={column: pa.string()},
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    read = pv.read_csv(tmp_path / "x.csv", convert_options=options)
    assert read[column].to_pylist() == labels
