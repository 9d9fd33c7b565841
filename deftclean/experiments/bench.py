"""The command `bench`, whole: a grid in, results and tables out; resumable. Nothing is printed."""

import json
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deftclean import __version__
from deftclean.core.errors import InputError, UsageError
from deftclean.core.outputs import check_name
from deftclean.core.progress import Progress, Silent
from deftclean.core.results import Shown
from deftclean.core.run import RunOptions
from deftclean.core.switch import whole_file
from deftclean.core.text import visible
from deftclean.experiments.cells import Cell
from deftclean.experiments.choose import chosen_cells
from deftclean.experiments.data import CellData
from deftclean.experiments.grid import Grid
from deftclean.experiments.paper import paper_cells
from deftclean.experiments.results import RESULTS, Results, cell_columns, cell_name, cell_title
from deftclean.experiments.tables import grid_tables, html_page, markdown_page
from deftclean.stores.door import opens_urls

if TYPE_CHECKING:
    from deftclean.experiments.run import CellRunner

DEFAULT_BENCH = Path("bench")
_CARD, _MARKDOWN, _HTML = "bench.json", "tables.md", "tables.html"
_PARTS = (RESULTS, _MARKDOWN, _HTML, "data", "scans", "adapted", "errors", _CARD)  # card last


@dataclass(frozen=True, repr=False)
class BenchResult(Shown):
    """What `bench` made.

    Attributes:
        output: the folder.
        results: Parquet file, one row for each cell, also of earlier commands.
        markdown, html: the tables.
        rows: the cells of this command, as plain values, in their order.
        ran: how many were run now.
        found: how many stood in the results already.
        skipped: how many were left out since their data are missing.
        failures: a line for each cell that failed.
        seconds: wall time.
    """

    output: Path
    results: Path
    markdown: Path
    html: Path
    rows: tuple[dict[str, Any], ...]
    ran: int
    found: int
    skipped: int
    failures: tuple[str, ...]
    seconds: float

    def facts(self) -> Mapping[str, object]:
        """What a notebook shows."""
        return {
            "cells": len(self.rows),
            "run now": self.ran,
            "failed": len(self.failures) or None,
            "skipped": self.skipped or None,
            "results": self.results,
            "tables": self.html,
            "seconds": round(self.seconds, 1),
        }


@opens_urls(
    "grid",
    "data",
    "run",
    local={"output": "bench keeps what it goes on with on a local disk."},
)
def bench(
    grid: str | Path | None = None,
    *,
    paper: Iterable[str] = (),
    data: str | Path | None = None,
    output: str | Path = DEFAULT_BENCH,
    overwrite: bool = False,
    seeds: Sequence[int] | None = None,
    backbone: str | None = None,
    epochs: int | None = None,
    only: str | None = None,
    limit_rows: int | None = None,
    all_rows: bool = False,
    skip_missing: bool = False,
    run: RunOptions | None = None,
    progress: Progress | None = None,
) -> BenchResult:
    """Run a grid, cell after cell, and write its results and tables.

    Cells that stand in the folder with the same data, settings, version and kind of device are not
    run again; those that failed are. A cell that fails does not stop the others.

    Args:
        grid: a grid file (TOML).
        paper: tables and figures of the paper, `table1`, ...
        data: folder with a folder for each public data set, by its name.
        output: folder for everything; one that `bench` made is gone on with.
        overwrite: begin anew: delete what `bench` has put into the folder.
        seeds: in place of those of the grids.
        backbone: in place of every adaptation's.
        epochs: of every training.
        only: cells in whose grid, column, method or data this text occurs.
        limit_rows: of every data set a stratified sample of so many rows, to train and to test on.
        all_rows: of Clothing1M all rows, not a balanced sample.
        skip_missing: leave out cells whose data are missing.
        run: device, workers, cache; its model is in place of every selection's. No weights.
        progress: told what happens; nobody by default.

    Raises:
        UsageError, InputError: the grid is wrong, the folder is not one of ours, or data are
            missing: which, and what has to lie where. Nothing was run.
        RunError: the disk is full.
    """
    began = time.monotonic()
    run, progress, output = run or RunOptions(), progress or Silent(), Path(output)
    _check_options(limit_rows, run)
    chosen = chosen_cells(
        grid, paper, seeds=seeds, model=run.model, backbone=backbone, epochs=epochs, only=only
    )
    _check_folder(output, overwrite)
    root = Path(data) if data is not None else None
    _refuse_inside(output, root, chosen)
    places = CellData(output / "data", root, chosen.data, limit_rows, all_rows, progress)
    cells = _with_data(chosen, places, skip_missing, progress)
    runner = _runner(output, places, run, progress)  # which refuses a device that is not there
    _open_folder(output, overwrite)
    results, ran = _run_all(cells, runner)
    rows = _rows_of(cells, results)
    return BenchResult(
        output=output,
        results=results.path,
        markdown=output / _MARKDOWN,
        html=output / _HTML,
        rows=rows,
        ran=ran,
        found=len(cells) - ran,
        skipped=len(chosen.cells) - len(cells),
        failures=tuple(_failure(row) for row in rows if row["error"] is not None),
        seconds=time.monotonic() - began,
    )


def _check_options(limit_rows: int | None, run: RunOptions) -> None:
    if limit_rows is not None and limit_rows < 2:
        raise UsageError(f"--limit-rows is {limit_rows}; it must be 2 or more.")
    if run.weights is not None:
        raise UsageError(
            "bench takes no weights: they would be those of every model.",
            "Name them with the model: hf-hub:ORG/REPO or local-dir:FOLDER.",
        )


def _run_all(cells: Sequence[Cell], runner: "CellRunner") -> tuple[Results, int]:
    """Every cell that is not there yet; results and tables are written after each."""
    results = Results.read(runner.output)
    order = {cell_name(cell): place for place, cell in enumerate(cells)}
    ran = 0
    for number, cell in enumerate(cells, 1):
        key = runner.key(cell)
        if key in results.done():
            results = results.with_how(key, runner.how(cell))
            continue
        runner.progress.say(
            f"cell {number} of {len(cells)}: {visible(cell_title(cell_columns(cell), 'seed'))}"
        )
        try:
            row = runner.row(cell)
        except (KeyboardInterrupt, SystemExit):
            runner.progress.say(
                f"stopped; {number - 1} of {len(cells)} cells are kept in {runner.output}: "
                "the same command goes on from there"
            )
            raise
        if row["error"] is not None:
            runner.progress.warn(_failure(row))
        results = results.with_row(row, order)
        _write(runner.output, results)
        ran += 1
    _write(runner.output, results)  # rows that were found may say more now, or tables be gone
    return results, ran


def _runner(output: Path, places: CellData, run: RunOptions, progress: Progress) -> "CellRunner":
    from importlib import import_module

    from deftclean.core.runtime import choose_runtime
    from deftclean.experiments.run import CellRunner

    # Loading them is no part of the first cell's time.
    for name in ("features.session", "adaptation.trainer"):
        import_module(f"deftclean.{name}")
    runtime = choose_runtime(run.device, run.precision, run.workers)
    return CellRunner(output, places, replace(run, model=None), runtime, progress)


def _rows_of(cells: Iterable[Cell], results: Results) -> tuple[dict[str, Any], ...]:
    by_name = {row["cell"]: row for row in results.rows}
    return tuple(by_name[cell_name(cell)] for cell in cells)


def _failure(row: Mapping[str, Any]) -> str:
    return visible(f"{cell_title(row, 'seed')}: {row['error']}")


# ---------------------------------------------------------------- data


def _with_data(
    chosen: Grid, places: CellData, skip_missing: bool, progress: Progress
) -> tuple[Cell, ...]:
    """Cells whose data are there.

    Raises:
        InputError: some are not, and are not to be skipped; or none are.
    """
    tested = [cell.data.name for cell in chosen.cells if cell.adaptation is not None]
    missing = places.missing((cell.data.name for cell in chosen.cells), tested)
    cells = tuple(cell for cell in chosen.cells if cell.data.name not in missing)
    if not missing:
        return cells
    listed = "; ".join(f"{name}: {problem}" for name, problem in missing.items())
    what = "data set is" if len(missing) == 1 else "data sets are"
    text = f"{len(missing)} {what} missing or incomplete: {listed}"
    if not skip_missing:
        raise InputError(text, "Put them there, or give --skip-missing to go on without them.")
    if not cells:
        raise InputError(text, "There is nothing left to run.")
    progress.warn(f"{text}; {len(chosen.cells) - len(cells):,} cells are skipped")
    return cells


# ---------------------------------------------------------------- the folder


def _check_folder(output: Path, overwrite: bool) -> None:
    """Refuse a folder that holds something else.

    Raises:
        UsageError: it is a file, its parent is missing, or it was not made by `bench`.
    """
    check_name(output)
    if not output.exists():
        if not output.parent.is_dir():
            raise UsageError(f"The folder {output.parent} does not exist.", "Make it first.")
        return
    if not output.is_dir():
        raise UsageError(f"-o {output} is a file.", "Choose another -o.")
    foreign = set(output.iterdir()) - set(_leftovers(output))
    if foreign and not _is_ours(output / _CARD):
        what = "it is not replaced" if overwrite else "nothing is written into it"
        raise UsageError(
            f"{output} holds something that bench did not make; {what}.", "Choose another -o."
        )
    links = [name for name in _PARTS if overwrite and (output / name).is_symlink()]
    if links:
        raise UsageError(
            f"{output} holds links, which are not deleted: {', '.join(links)}.",
            "Remove them, or choose another -o.",
        )


def _is_ours(card: Path) -> bool:
    """Whether `bench` has written it; other programs have a bench.json too."""
    try:
        found = json.loads(card.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.get("format") == 1 and "tool_version" in found


def _leftovers(output: Path) -> list[Path]:
    """What a run leaves that is killed while it writes its card."""
    return list(output.glob(f".{_CARD}.*.tmp"))


def _refuse_inside(output: Path, root: Path | None, chosen: Grid) -> None:
    """Refuse data that --overwrite would delete, or that would be taken for ours.

    Raises:
        UsageError: which.
    """
    used = {cell.data.name for cell in chosen.cells}
    own = [path for name, data in chosen.data.items() if name in used for path in data.files]
    given = [*own, *([root] if root is not None else [])]
    home = output.resolve()
    inside = dict.fromkeys(str(path) for path in given if path.resolve().is_relative_to(home))
    if inside:
        raise UsageError(
            f"Data lie in the output folder {output}: {', '.join(inside)}.", "Choose another -o."
        )


def _open_folder(output: Path, overwrite: bool) -> None:
    output.mkdir(exist_ok=True)
    for leftover in _leftovers(output):
        leftover.unlink()
    if overwrite:
        for name in _PARTS:
            part = output / name
            if part.is_dir():
                shutil.rmtree(part)
            else:
                part.unlink(missing_ok=True)
    with whole_file(output / _CARD, overwrite=True) as file:
        file.write_text(json.dumps({"format": 1, "tool_version": __version__}), encoding="utf-8")
    (output / "data").mkdir(exist_ok=True)


def _write(output: Path, results: Results) -> None:
    results.write()
    grids = grid_tables(results.rows, _originals(results.rows))
    for name, text in ((_MARKDOWN, markdown_page(grids)), (_HTML, html_page(grids))):
        with whole_file(output / name, overwrite=True) as file:
            file.write_text(text, encoding="utf-8")


def _originals(rows: Iterable[Mapping[str, Any]]) -> list[Cell]:
    """The paper's own cells of the grids that have published figures."""
    names = dict.fromkeys(row["grid"] for row in rows if row["published"] not in (None, "{}"))
    return [cell for name in names for cell in paper_cells(name)]
