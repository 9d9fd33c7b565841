"""Tables that were edited or damaged are refused at the door, with the name of what is wrong."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deftclean.core.errors import InputError
from deftclean.table.estimate import heard, noise_estimate
from deftclean.table.scores import METADATA_KEY, read_scores
from tests.support.scored import make_scored

WRONG = [None, True, -1.5, "x", [], {}, [1], {"a": 1}, 2**70, [["x"]]]
EVIDENCE = {
    "witnesses": {"zero_shot": 0.5, "head": 0.5},
    "informed": 0.9,
    "level": 0.9,
    "estimated_noise": {"estimate": 0.1, "low": 0.0, "high": 0.2},
    "estimated_noise_of": {},
}


def outcome(path):
    """What is said, or the table."""
    try:
        return "", read_scores(path)
    except InputError as error:
        return error.message, None


def edited(path, change, table=None):
    """The same table with other metadata."""
    found = pq.read_table(path) if table is None else table
    own = json.loads(pq.read_schema(path).metadata[METADATA_KEY])
    change(own)
    text = json.dumps(own).encode()
    pq.write_table(found.replace_schema_metadata({METADATA_KEY: text}), path)


@pytest.mark.parametrize("value", WRONG, ids=repr)
@pytest.mark.parametrize("name", ["rule", "threshold", "image_root", "class_names", "warnings",
                                  "schema_version", "evidence", "strategy"])  # fmt: skip
def test_metadata_of_another_type(tmp_path, name, value):
    """Either it is refused by name, or what is made of it can be used."""
    path = make_scored(tmp_path, 6).table
    edited(path, lambda own: own.update({name: value}))
    message, scores = outcome(path)
    if scores is None:
        assert name in message or "is not a score table" in message
    else:
        noise_estimate(scores.metadata)
        heard(scores.metadata)
        assert list(map(str, scores.metadata["class_names"])) == scores.metadata["class_names"]


@pytest.mark.parametrize("value", WRONG, ids=repr)
@pytest.mark.parametrize("name", EVIDENCE)
def test_evidence_of_another_type(tmp_path, name, value):
    path = make_scored(tmp_path, 6).table
    edited(path, lambda own: own.update(evidence={**EVIDENCE, name: value}))
    message, scores = outcome(path)
    if scores is None:
        assert "evidence: " in message
    else:
        noise_estimate(scores.metadata)
        heard(scores.metadata)


@pytest.mark.parametrize("name", ["rule", "threshold", "image_root"])
def test_metadata_that_are_missing(tmp_path, name):
    path = make_scored(tmp_path, 6).table
    edited(path, lambda own: own.pop(name))
    with pytest.raises(InputError, match=f"'{name}' is missing"):
        read_scores(path)


def test_columns_of_another_type(tmp_path):
    path = make_scored(tmp_path, 6).table
    table = pq.read_table(path)
    wide = table.set_column(
        table.column_names.index("given_label"), "given_label",
        table["given_label"].cast(pa.string_view()),
    )  # fmt: skip
    edited(path, lambda own: None, wide)
    assert read_scores(path).table["given_label"].type == pa.string()
    broken = table.set_column(table.column_names.index("keep"), "keep", pa.array([["x"]] * 6))
    edited(path, lambda own: None, broken)
    with pytest.raises(InputError, match=r"keep holds list<.*string>, not bool"):
        read_scores(path)
