"""Units and shares tile the rows; a plan is agreed on once."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deftclean.applying.folder import LocalFolder
from deftclean.applying.plan import PLAN_VERSION, Plan, Share, agreed, units_of
from deftclean.core.errors import InputError, UsageError

PLAN = Plan(PLAN_VERSION, 10, 4, {"source": "rows"}, {"detector": "abc", "threshold": 0.5})


@given(st.integers(1, 10_000), st.integers(1, 3_000), st.integers(1, 40))
def test_units_tile_the_rows_and_shares_the_units(rows: int, size: int, workers: int) -> None:
    units = units_of(rows, size)
    assert [unit.first for unit in units] == list(range(0, rows, size))
    assert [unit.end for unit in units[:-1]] == [unit.first for unit in units[1:]]
    assert units[-1].end == rows
    shared = [Share(at, workers).among(units) for at in range(1, workers + 1)]
    assert [unit for share in shared for unit in share] == units
    assert max(map(len, shared)) - min(map(len, shared)) <= 1


@pytest.mark.parametrize("text", ["", "1", "0/3", "4/3", "1/0", "-1/2", "1/2/3", "a/b", "1/²"])
def test_what_is_no_share(text: str) -> None:
    with pytest.raises(UsageError, match="is not i/n"):
        Share.parsed(text)


def test_the_first_puts_the_plan_down_and_others_agree(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path / "x", ("parts",))
    agreed(PLAN, folder, "x")
    agreed(PLAN, folder, "x")
    other = replace(PLAN, unit_rows=5, judge={"detector": "abd", "threshold": 0.5})
    with pytest.raises(UsageError, match="another run: unit_rows 4, here 5, detector 'abc', here"):
        agreed(other, folder, "x")
    assert json.loads((tmp_path / "x" / "plan.json").read_bytes())["unit_rows"] == 4
    (tmp_path / "x" / "plan.json").write_text("{")
    with pytest.raises(InputError, match="damaged"):
        agreed(PLAN, folder, "x")


def test_a_file_is_made_once(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path, ())
    assert folder.read("a") is None
    assert folder.size("a") is None
    assert folder.create("a", b"one")
    assert not folder.create("a", b"two!")
    assert folder.read("a") == b"one"
    folder.write("a", b"two!")
    assert folder.size("a") == 4
