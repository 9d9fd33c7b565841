"""An export that is one table holds the same whatever is read at once, and never all of it."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import deftclean
from deftclean.core.errors import InputError
from deftclean.exports import pieces
from deftclean.table import scores
from deftclean.table.scores import read_scores, score_pieces, write_scores
from tests.support.scored import Scored, make_scored


@pytest.fixture
def scored(tmp_path: Path) -> Scored:
    """48 rows, whose column `label` repeats the given labels but for the last row."""
    made = make_scored(tmp_path)
    read = read_scores(made.table)
    own = [*read.table["given_label"].to_pylist()[:-1], "another"]
    suggested = pa.array([0.99 if row % 3 else 0.5 for row in range(48)], pa.float32())
    table = read.table.add_column(0, "label", pa.array(own))
    table = table.set_column(
        table.column_names.index("suggested_prob"), "suggested_prob", suggested
    )
    facts = {**read.metadata, "strategy": "evidence"}
    write_scores(type(read)(table, facts), made.table, made.images, overwrite=True)
    return made


@pytest.mark.parametrize(
    ("to", "name", "options"),
    [
        ("csv", "a.csv", {"rows": "all"}),
        ("csv", "a.csv", {"rows": "flagged"}),
        ("csv", "a.csv", {"apply": "suggested"}),
        ("parquet", "a.parquet", {"scores": True}),
        ("cleanlab", "a.csv", {}),
    ],
)
def test_any_pieces_make_the_same_file(
    to: Any, name: str, options: Any, scored: Scored, tmp_path: Path, monkeypatch: Any
) -> None:
    found = []
    for piece in (65_536, 7, 1):
        monkeypatch.setattr(scores, "_PIECE", piece)
        (tmp_path / f"{piece}").mkdir()
        output = tmp_path / f"{piece}" / name
        made = deftclean.export(scored.table, to=to, output=output, **options)
        texts = {p.name: p.read_bytes() for p in output.parent.iterdir() if p.suffix == ".csv"}
        table = pq.read_table(output) if to == "parquet" else None
        found.append((made.written, dict(made.left_out), made.corrected, texts, table))
    assert found[0] == found[1] == found[2]


def test_row_groups_are_as_large_as_ever(
    scored: Scored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scores, "_PIECE", 7)
    monkeypatch.setattr(pieces, "_GROUP", 10)
    output = tmp_path / "a.parquet"
    deftclean.export(scored.table, to="parquet", output=output, rows="all")
    facts = pq.read_metadata(output)
    sizes = [facts.row_group(group).num_rows for group in range(facts.num_row_groups)]
    assert sizes == [10, 10, 10, 10, 8]


def test_all_columns_are_never_held_of_more_rows_than_a_piece(
    scored: Scored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scores, "_PIECE", 5)
    held: list[int] = []
    plain = scores.typed

    def counting(path: Path, table: pa.Table, schema: pa.Schema) -> pa.Table:
        if "content_sha256" in table.column_names:
            held.append(len(table))
        return plain(path, table, schema)

    monkeypatch.setattr(scores, "typed", counting)
    deftclean.export(scored.table, to="csv", output=tmp_path / "a.csv", rows="all")
    assert max(held) <= 5
    assert sum(held) == 48


def test_pieces_are_the_table(scored: Scored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores, "_PIECE", 7)
    parts = list(score_pieces(scored.table))
    assert [len(part) for part in parts] == [7] * 6 + [6]
    assert pa.concat_tables([part.table for part in parts]) == read_scores(scored.table).table


def test_bad_text_further_on_is_told_by_its_row_and_nothing_is_written(
    scored: Scored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scores, "_PIECE", 7)
    read = read_scores(scored.table).table
    names = [f"{row:02d}".encode() for row in range(48)]
    names[30] = b"\xff\xfe"
    offsets = pa.array(range(0, 98, 2), pa.int32()).buffers()[1]
    bad = pa.StringArray.from_buffers(48, offsets, pa.py_buffer(b"".join(names)))
    at = read.column_names.index("file_name")
    pq.write_table(read.set_column(at, "file_name", bad), scored.table)
    output = tmp_path / "a.csv"
    with pytest.raises(InputError, match="'file_name' from row 30 on"):
        deftclean.export(scored.table, to="csv", output=output)
    assert not output.exists()
