"""Cells that a spreadsheet would run as formulas, and back."""

import csv
import io
import re

import pyarrow as pa
import pyarrow.csv as pv
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deftclean.core.errors import InputError
from deftclean.exports.tables import harmless
from tests.support.arrow_columns import LAYOUTS, Layout, column_of

UNDO = re.compile(r"^'+[=+\-@\t\r\n]")  # as the documentation tells readers
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def written(table: pa.Table) -> list[list[str]]:
    sink = io.BytesIO()
    pv.write_csv(table, sink)
    return list(csv.reader(io.StringIO(sink.getvalue().decode(), newline="")))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_formulas_get_an_apostrophe_and_numbers_do_not(layout: Layout):
    cells = ["=1+1", "+cmd|'/c calc'!A0", "-5", "-x", "@SUM(A1)", "\tx", "\rx", "\nx", "plain",
             "+3.5e7", "", None, "'=x", "'quoted'", "a=b"]  # fmt: skip
    column = column_of(cells, layout)
    found = harmless(pa.table({"text": column}))["text"].to_pylist()
    assert found == ["'=1+1", "'+cmd|'/c calc'!A0", "-5", "'-x", "'@SUM(A1)", "'\tx", "'\rx",
                     "'\nx", "plain", "+3.5e7", "", None, "''=x", "'quoted'", "a=b"]  # fmt: skip


@PATIENT
@given(st.lists(st.text(alphabet="='+-@\t\n\r5.ex\"a,é", max_size=6), min_size=1, max_size=8))
def test_nothing_in_a_file_is_a_formula_and_all_of_it_can_be_had_back(cells):
    rows = written(harmless(pa.table({"n": list(range(len(cells))), "text": cells})))
    for original, (_, cell) in zip(cells, rows[1:], strict=True):
        assert not cell.startswith(("=", "@", "\t", "\r", "\n"))
        assert not cell.startswith(("+", "-")) or NUMBER.fullmatch(cell)
        assert (cell[1:] if UNDO.match(cell) else cell) == original


def test_file_names_go_on_naming_their_files():
    names = ["=x.png", "-a/b.png", "plain.png", "'=.png"]
    table = pa.table({"file_name": names})
    found = harmless(table, names=("file_name",))["file_name"].to_pylist()
    assert found == ["./=x.png", "./-a/b.png", "plain.png", "'=.png"]


def test_column_names_are_text_too():
    assert harmless(pa.table({"=A1": [1], "fine": [2]})).column_names == ["'=A1", "fine"]


def test_columns_that_no_cell_holds_are_refused_together():
    table = pa.table({"a": [[1, 2]], "b": [b"x"], "c": [{"d": 1}], "fine": [1]})
    with pytest.raises(InputError, match=r"3 column\(s\): a .*, b .*, c "):
        harmless(table)
