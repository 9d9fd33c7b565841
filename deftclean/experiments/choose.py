"""Which cells a comparison runs: those of a grid file and of the paper, changed and narrowed down.

Runs nothing and loads no torch.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from deftclean.core.errors import InputError, UsageError
from deftclean.core.text import few, visible
from deftclean.experiments.cells import Adaptation, Cell, Selection
from deftclean.experiments.grid import SEED_LIMIT, Grid, read_grid
from deftclean.experiments.paper import PaperTable, paper_cells
from deftclean.experiments.results import cell_columns, cell_name, cell_title
from deftclean.settings.strategies import Strategy, StrategyOptions


def chosen_cells(
    grid: str | Path | None,
    paper: Iterable[str] = (),
    *,
    seeds: Sequence[int] | None = None,
    model: str | None = None,
    backbone: str | None = None,
    epochs: int | None = None,
    only: str | None = None,
) -> Grid:
    """Cells in the order in which they are run, and the data that a grid file declares.

    Args:
        grid: a grid file.
        paper: tables and figures of the paper, `table1`, ...
        seeds: in place of those of the grids.
        model: in place of every selection's.
        backbone: in place of every adaptation's.
        epochs: of every training.
        only: cells in whose grid, column, method or data this text occurs, whatever its case.

    Raises:
        UsageError, InputError: nothing was asked for, or a grid cannot be read.
    """
    names = tuple(paper)
    if grid is None and not names:
        raise UsageError(
            "There is nothing to run.", "Give a grid file, or a table of the paper: --paper table1"
        )
    if seeds is not None and not _are_seeds(seeds):
        raise UsageError("--seeds: give different whole numbers from 0, below 2**63, as in 0,1,2.")
    found = read_grid(grid) if grid is not None else Grid((), {})
    cells = list(found.cells) if seeds is None else _reseeded(found.cells, seeds)
    for name in names:  # which `paper_cells` refuses where it is none
        cells += paper_cells(cast("PaperTable", name), (0,) if seeds is None else tuple(seeds))
    cells = list(with_changes(cells, model, backbone, epochs))
    _refuse_double(cells)
    _refuse_mixed(cells)
    if only is not None:
        cells = [cell for cell in cells if only.casefold() in _title(cell).casefold()]
        if not cells:
            raise UsageError(f"--only {only!r} occurs in no cell.", "See --dry-run for all cells.")
    return Grid(tuple(cells), found.data)


def _are_seeds(seeds: Sequence[int]) -> bool:
    different = len(set(seeds)) == len(seeds) > 0
    return different and all(0 <= seed < SEED_LIMIT for seed in seeds)


def _reseeded(cells: Iterable[Cell], seeds: Sequence[int]) -> list[Cell]:
    first: dict[str, Cell] = {}
    for cell in cells:
        first.setdefault(_place(cell), cell)
    return [replace(cell, seed=seed) for cell in first.values() for seed in seeds]


# ---------------------------------------------------------------- changes


def with_changes(
    cells: Iterable[Cell],
    model: str | None = None,
    backbone: str | None = None,
    epochs: int | None = None,
) -> tuple[Cell, ...]:
    """As many cells, changed where they say something about it.

    Published figures stay; they are those of the paper's own settings.

    Args:
        cells: what would be run.
        model: of every selection; None for the cell's own.
        backbone: of every adaptation; None for the cell's own.
        epochs: of every selection and adaptation that trains, in place of the cell's; None for
            its own.
    """
    return tuple(
        replace(
            cell,
            selection=_selection(cell.selection, model, epochs),
            adaptation=_adaptation(cell.adaptation, backbone, epochs),
        )
        for cell in cells
    )


def _selection(found: Selection | None, model: str | None, epochs: int | None) -> Selection | None:
    if found is None:
        return None
    if epochs is not None and StrategyOptions(cast("Strategy", found.strategy)).trains:
        found = replace(found, settings={**found.settings, "epochs": epochs})
    return found if model is None else replace(found, model=model)


def _adaptation(
    found: Adaptation | None, backbone: str | None, epochs: int | None
) -> Adaptation | None:
    if found is None:
        return None
    if epochs is not None and found.method != "prompts":
        found = replace(found, settings={**found.settings, "epochs": epochs})
    return found if backbone is None else replace(found, backbone=backbone)


# ---------------------------------------------------------------- refusals


def _refuse_double(cells: Iterable[Cell]) -> None:
    counts = Counter(cell_name(cell) for cell in cells)
    double = [visible(_title(cell)) for cell in cells if counts[cell_name(cell)] > 1]
    if double:
        raise InputError(
            f"{len(double)} cells have the grid, column, method and seed of another one: "
            f"{few(sorted(set(double)), 3)}.",
            "Ask for each once; different grids need different names.",
        )


def _refuse_mixed(cells: Iterable[Cell]) -> None:
    """Seeds of one place in a table must differ in nothing else: their mean stands there."""
    ways: dict[str, set[str]] = {}
    for cell in cells:
        way = repr((cell.data, cell.selection, cell.adaptation))
        ways.setdefault(_place(cell), set()).add(way)
    mixed = {_title(cell) for cell in cells if len(ways[_place(cell)]) > 1}
    if mixed:
        raise InputError(
            f"{len(mixed)} places of the tables are asked for with different settings: "
            f"{few(sorted(map(visible, mixed)), 3)}.",
            "Give the grids different names.",
        )


def _place(cell: Cell) -> str:
    """In a table, where all seeds of a cell are."""
    return cell_name(replace(cell, seed=0))


def _title(cell: Cell) -> str:
    return cell_title(cell_columns(cell), "data")
