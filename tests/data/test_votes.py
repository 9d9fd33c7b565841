"""The majority of several annotators: by columns, by rows, and as counted one picture at a time."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deftclean.core.errors import UsageError
from deftclean.data.manifest import Manifest, read_manifest
from deftclean.data.options import ManifestOptions
from deftclean.data.votes import majority


def read(table: Path, **options: Any) -> Manifest:
    return read_manifest(table, None, ManifestOptions(**options))


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


votes = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(["a", "b", "c", "", " ", None, " a "])), min_size=1
)


@settings(deadline=None)
@given(votes)
def test_as_counted_one_by_one(cast: list[tuple[int, str | None]]) -> None:
    pictures = np.array([picture for picture, _ in cast])
    found = majority(pictures, pa.array([vote for _, vote in cast], pa.string()))
    assert found.rows.tolist() == sorted({*pictures.tolist()})
    ties = 0
    for at, picture in enumerate(found.rows.tolist()):
        given_ = [v.strip() for p, v in cast if p == picture and v and v.strip()]
        counts = Counter(given_).most_common()
        label, share = (counts[0][0], counts[0][1] / len(given_)) if counts else (None, None)
        ties += len(counts) > 1 and counts[0][1] == counts[1][1]
        assert found.labels[at].as_py() == label
        assert found.agreement[at].as_py() == (None if share is None else pytest.approx(share))
    assert found.ties == ties


def test_columns_of_annotators(tmp_path: Path) -> None:
    table = write(
        tmp_path / "x.csv", "file_name,a,b,c,note", "1.png,cat,dog,cat,x", "2.png,dog,cat,,y",
        "3.png,,,,z",
    )  # fmt: skip
    manifest = read(table, annotator=("a", "b", "c"))
    assert manifest.given_labels.to_pylist() == ["cat", "dog", None]
    assert manifest.columns["agreement"].to_pylist() == [pytest.approx(2 / 3), 0.5, None]
    assert manifest.columns.column_names == ["a", "b", "c", "note", "agreement"]
    assert manifest.notes == (
        "labels are the majority of 3 annotators; on average 58.3% of the votes agree (column "
        "agreement); 1 ties went to the first vote",
    )
    with pytest.raises(UsageError, match=r"no column 'd' \(--annotator\), 'e' \(--annotator\)"):
        read(table, annotator=("a", "d", "e"))
    with pytest.raises(UsageError, match="exclude each other"):
        read(table, annotator=("a",), label_column="b")
    with pytest.raises(UsageError, match="exclude each other"):
        read(table, annotator=("a", "b"), merge_rows=True)


def test_rows_of_annotators(tmp_path: Path) -> None:
    table = write(
        tmp_path / "x.csv", "file_name,label,worker", "1.png,cat,A", "2.png,dog,A", "1.png,dog,B",
        "1.png,dog,C", "2.png,dog,B",
    )  # fmt: skip
    plain = read(table)
    assert len(plain) == 5
    assert plain.notes == (
        "1 pictures stand in several rows with different labels; --merge-rows takes their majority",
    )
    merged = read(table, merge_rows=True)
    assert merged.file_names.to_pylist() == ["1.png", "2.png"]
    assert merged.given_labels.to_pylist() == ["dog", "dog"]
    assert merged.columns["worker"].to_pylist() == ["A", "A"]
    assert merged.columns["agreement"].to_pylist() == [pytest.approx(2 / 3), 1.0]
    assert merged.source_lines.to_pylist() == [2, 3]
    assert "5 rows about 2 pictures" in merged.notes[0]
    assert merged.named.tolist() == [True, True]
    assert merged.label_column is None


def test_rows_that_agree_are_no_conflict(tmp_path: Path) -> None:
    table = write(tmp_path / "x.csv", "file_name,label", "1.png,cat", "1.png,cat", "2.png,dog")
    assert read(table).notes == ()
    table = write(tmp_path / "x.csv", "file_name,label", "1.png,cat", "2.png,dog", "1.png,dog")
    assert "1 pictures stand in several rows" in read(table).notes[0]


def test_a_column_of_agreement_that_is_there(tmp_path: Path) -> None:
    table = write(tmp_path / "x.csv", "file_name,a,b,agreement", "1.png,cat,dog,9", "2.png,x,x,8")
    with pytest.raises(UsageError) as caught:
        read(table, annotator=("a", "b"))
    assert "--rename agreement=input_agreement" in caught.value.hint
    manifest = read(table, annotator=("a", "b"), rename={"agreement": "input_agreement"})
    assert manifest.columns.column_names == ["a", "b", "input_agreement", "agreement"]
