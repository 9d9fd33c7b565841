"""Cells as text."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deftclean.cli.cells import counted, listing
from deftclean.experiments.cells import Adaptation, Cell, LabelledData, Selection
from deftclean.experiments.paper import PAPER_TABLES, paper_cells


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("table1", "4 data sets x 6 noises x 3 methods = 72 cells"),
        ("table2", "4 data sets x 6 noises x 5 methods = 120 cells"),
        ("table3", "3 data sets x 1 noise x 9 methods = 27 cells"),
        ("table4", "4 columns x 5 methods = 20 cells"),
        ("table6", "4 data sets x 2 noises x 3 methods = 24 cells"),
        ("table8", "1 data set x 1 noise x 8 methods = 8 cells"),
        ("table9", "12 columns x 1 method = 12 cells"),
        ("figure1", "12 columns x 3 methods = 36 cells"),
    ],
)
def test_counts_in_words(name, expected):
    assert counted(paper_cells(name)) == expected


def test_seeds_are_counted():
    assert counted(paper_cells("table1", (0, 1))) == (
        "4 data sets x 6 noises x 3 methods x 2 seeds = 144 cells"
    )


def test_cells_that_are_not_all_combinations():
    assert counted(paper_cells("table1")[:4]) == "4 cells"
    assert counted(paper_cells("table1")[:1]) == "1 data set x 1 noise x 1 method = 1 cell"


TWO = [
    Cell(
        grid="mine",
        column="Birds",
        method="DEFT",
        data=LabelledData("birds", "symmetric", 0.25),
        selection=Selection("deft", "synthetic", "nano", {"tuner": "none", "epochs": 3}),
        adaptation=Adaptation("nano", "linear", {"loss": "sce"}),
        seed=7,
        published={"precision": 99.5, "recall": 97.77},
    ),
    Cell("mine", "Birds", "CE", LabelledData("birds"), None, None, 7),
]


def test_lines_to_the_letter():
    assert listing(TWO) == (
        "mine: 1 column x 2 methods = 2 cells\n"
        "  column  method  data                  scan                                     "
        "adapt                 seed  published, %\n"
        "  Birds   DEFT    birds symmetric 0.25  deft synthetic nano epochs=3 tuner=none  "
        "nano linear loss=sce  7     precision 99.50 recall 97.77\n"
        "  Birds   CE      birds given           all rows                                 "
        "-                     7     -\n"
        "\n"
        "2 cells: 1 different scan, 1 different adaptation\n"
    )


@pytest.mark.parametrize("name", PAPER_TABLES)
def test_one_line_for_each_cell_with_all_of_it(name):
    cells = paper_cells(name, (0, 5))
    lines = listing(cells).splitlines()
    assert lines[0].startswith(f"{name}: ")
    assert lines[0].endswith(f"{len(cells)} cells")
    rows = [re.split(r"  +", line.strip()) for line in lines[2:-2]]
    assert len(rows) == len(cells)
    assert len({tuple(row) for row in rows}) == len(cells)
    for row, cell in zip(rows, cells, strict=True):
        assert (row[0], row[1], row[5]) == (cell.column, cell.method, str(cell.seed))
        assert (row[6] == "-") == (not cell.published)


def test_a_scan_that_several_cells_share_counts_once():
    assert listing(paper_cells("table10")).endswith(
        "144 cells: 48 different scans, 144 different adaptations\n"
    )
    assert listing(paper_cells("figure3", (0, 1))).endswith(
        "72 cells: 24 different scans, 72 different adaptations\n"
    )


def test_several_grids_and_none():
    both = listing([*paper_cells("table8"), *paper_cells("table9")])
    assert "\n\ntable9: 12 columns" in both
    assert both.endswith("\n\n20 cells: 20 different scans, 0 different adaptations\n")
    assert listing([]) == "0 cells: 0 different scans, 0 different adaptations\n"


@given(st.text(), st.text(), st.text())
def test_names_cannot_break_lines_or_drive_a_terminal(grid, column, setting):
    cell = Cell(
        grid, column, column, LabelledData(column),
        Selection("deft", "real", column, {"device": setting}),
        Adaptation(column, "fft", {"loss": setting}), 0,
    )  # fmt: skip
    text = listing([cell])
    assert len(text.splitlines()) == 5
    assert all(line.isprintable() for line in text.split("\n"))
