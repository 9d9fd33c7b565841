"""The paper's tables and figures by name.

Source: Wei et al., "Vision-Language Models are Strong Noisy Label Detectors", NeurIPS 2024.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Literal, get_args

from deftclean.core.errors import UsageError
from deftclean.experiments import paper_accuracy, paper_detection, paper_figures
from deftclean.experiments.cells import Cell

PaperTable = Literal[
    "table1", "table2", "table3", "table4", "table5", "table6", "table7", "table8", "table9",
    "table10", "figure1", "figure3", "figure4",
]  # fmt: skip

PAPER_TABLES: tuple[PaperTable, ...] = get_args(PaperTable)

_GRIDS: Mapping[PaperTable, Callable[[Iterable[int]], tuple[Cell, ...]]] = {
    "table1": paper_detection.table1,
    "table2": paper_accuracy.table2,
    "table3": paper_accuracy.table3,
    "table4": paper_accuracy.table4,
    "table5": paper_detection.table5,
    "table6": paper_detection.table6,
    "table7": paper_detection.table7,
    "table8": paper_detection.table8,
    "table9": paper_detection.table9,
    "table10": paper_accuracy.table10,
    "figure1": paper_figures.figure1,
    "figure3": paper_figures.figure3,
    "figure4": paper_figures.figure4,
}


def paper_cells(name: PaperTable, seeds: Iterable[int] = (0,)) -> tuple[Cell, ...]:
    """Exactly the cells of a table or figure.

    Args:
        name: of the table or figure.
        seeds: every cell once for each.

    Returns:
        Cells in the order of the paper: column by column, method by method, seed by seed.

    Raises:
        UsageError: the paper has no such table.
    """
    if name not in _GRIDS:
        raise UsageError(
            f"The paper has no table {name!r} to run.", f"One of {', '.join(PAPER_TABLES)}."
        )
    return _GRIDS[name](seeds)
