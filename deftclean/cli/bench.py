"""The command `bench`: parse, call, print."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypedDict

import typer
from rich.console import Console

from deftclean.cli.from_settings import takes
from deftclean.cli.options import RUN, AsJson, Quiet, progress_of
from deftclean.cli.terminal import Terminal, show, shown
from deftclean.core.errors import UsageError
from deftclean.core.fields import check_integer
from deftclean.core.run import RunOptions

if TYPE_CHECKING:
    from deftclean.experiments.bench import BenchResult
    from deftclean.experiments.cells import Cell

_CELLS, _DATA = "Cells", "Data"
_FAILED = 3

BENCH_EXAMPLES = (
    "Examples:\n\n"
    "deftclean bench grid.toml -o bench/\n\n"
    "deftclean bench grid.toml --dry-run\n\n"
    "deftclean bench --paper table1 --data data-sets/ --seeds 0,1,2\n\n"
    "deftclean bench --paper table1 --data data-sets/ --only cifar-100 --model nano "
    "--limit-rows 2000"
)


class _Chosen(TypedDict):
    """What narrows the cells down, for the run and for the list of them alone."""

    seeds: tuple[int, ...] | None
    backbone: str | None
    epochs: int | None
    only: str | None


Grid = Annotated[
    Path | None, typer.Argument(help="Grid file (TOML): data, noise, strategies, seeds.")
]
Paper = Annotated[
    list[str] | None,
    typer.Option(
        help="Cells of the paper: table1 to table10, figure1, figure3 or figure4. Repeatable.",
        rich_help_panel=_CELLS,
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(
        help="Folder with a folder for each public data set, by its name as in deftclean "
        "dataset, unpacked as published; nothing is fetched.",
        rich_help_panel=_DATA,
    ),
]
BenchFolder = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        help="Folder for results, tables and what cells share. One that bench made is gone on "
        "with: what stands there is not run again.",
    ),
]
Anew = Annotated[
    bool, typer.Option("--overwrite", help="Begin anew: delete what bench has put into -o.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the cells, and run nothing.")]
Seeds = Annotated[
    str | None,
    typer.Option(
        help="In place of the grids' seeds: numbers with commas, 0,1,2.", rich_help_panel=_CELLS
    ),
]
Model = Annotated[
    str | None, typer.Option(help="In place of the model of every scan.", rich_help_panel=_CELLS)
]
Backbone = Annotated[
    str | None,
    typer.Option(help="In place of the backbone of every adaptation.", rich_help_panel=_CELLS),
]
Epochs = Annotated[
    int | None, typer.Option(min=1, help="Of every training.", rich_help_panel=_CELLS)
]
Only = Annotated[
    str | None,
    typer.Option(
        help="Only cells in whose grid, column, method or data set this text occurs.",
        rich_help_panel=_CELLS,
    ),
]
LimitRows = Annotated[
    int | None,
    typer.Option(
        min=2,
        help="Of every data set a stratified random sample of so many rows, to train and to "
        "test on; for trials.",
        rich_help_panel=_DATA,
    ),
]
AllRows = Annotated[
    bool,
    typer.Option(
        "--all-rows",
        help="Of Clothing1M all rows, not a balanced sample of 32,000.",
        rich_help_panel=_DATA,
    ),
]
SkipMissing = Annotated[
    bool,
    typer.Option(
        "--skip-missing", help="Leave out cells whose data are missing.", rich_help_panel=_DATA
    ),
]


@takes(run=RUN.without("weights"))
def bench(
    grid: Grid = None,
    paper: Paper = None,
    data: Data = None,
    output: BenchFolder = Path("bench"),
    overwrite: Anew = False,
    dry_run: DryRun = False,
    seeds: Seeds = None,
    model: Model = None,
    backbone: Backbone = None,
    epochs: Epochs = None,
    only: Only = None,
    limit_rows: LimitRows = None,
    all_rows: AllRows = False,
    skip_missing: SkipMissing = False,
    *,
    run: RunOptions,
    quiet: Quiet = False,
    json: AsJson = False,
) -> None:
    """Compare strategies on data whose wrong labels are known, and write tables.

    Runs a grid of data, noise, strategies and seeds, one cell after the other. Writes into -o
    results.parquet with a row for each cell, and tables.md and tables.html with the paper's figures
    beside yours. A cell that fails is told at the end, with exit code 3; the others are run.
    """
    chosen = _Chosen(seeds=_seeds(seeds), backbone=backbone, epochs=epochs, only=only)
    if dry_run:
        _print_chosen(grid, paper or (), model, chosen)
        return
    from deftclean.experiments.bench import bench as run_bench

    result = run_bench(
        grid, paper=paper or (), data=data, output=output, overwrite=overwrite,
        limit_rows=limit_rows, all_rows=all_rows, skip_missing=skip_missing,
        run=replace(run, model=model), progress=progress_of(quiet), **chosen,
    )  # fmt: skip
    show(result, json, print_bench)
    if result.failures:
        raise typer.Exit(_FAILED)


def _seeds(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        seeds = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--seeds {text!r}: write numbers with commas, 0,1,2.") from None
    for seed in seeds:
        check_integer("--seeds", seed)
    return seeds


def _print_chosen(
    grid: Path | None, paper: Sequence[str], model: str | None, chosen: _Chosen
) -> None:
    from deftclean.experiments.choose import chosen_cells

    print_cells(chosen_cells(grid, paper, model=model, **chosen).cells, Terminal())


def print_bench(result: "BenchResult", console: Console) -> None:
    """The end of bench, on stdout."""
    lines = [
        f"cells          {len(result.rows):,}  [dim]({result.ran:,} run now, {result.found:,} were "
        "there)[/dim]",
    ]
    if result.skipped:
        lines.append(f"skipped        {result.skipped:,}  [dim]their data are missing[/dim]")
    if result.failures:
        lines.append(f"[red]failed         {len(result.failures):,}[/red]")
        lines += [f"  {shown(failure)}" for failure in result.failures]
    lines += [
        f"results        {shown(result.results)}",
        f"tables         {shown(result.markdown)}, {shown(result.html)}",
        f"time           {result.seconds:.1f} s",
    ]
    console.print("\n".join(lines), soft_wrap=True)


def print_cells(cells: "Sequence[Cell]", console: Console) -> None:
    """The cells and nothing else, on stdout."""
    from deftclean.cli.cells import listing

    console.print(listing(cells), end="", soft_wrap=True, markup=False, emoji=False)
