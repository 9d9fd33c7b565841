"""The command `bench`: parse, call, print."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from deftclean.cli.options import (
    CacheDir,
    CacheSize,
    Compile,
    Device,
    NoCache,
    Offline,
    PrecisionChoice,
    Quiet,
    Workers,
    progress_of,
    run_of,
)
from deftclean.core.errors import UsageError

if TYPE_CHECKING:
    from deftclean.experiments.grid import Grid

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


def bench(
    grid: Annotated[
        Path | None, typer.Argument(help="Grid file (TOML): data, noise, strategies, seeds.")
    ] = None,
    paper: Annotated[
        list[str] | None,
        typer.Option(
            help="Cells of the paper: table1 to table10, figure1, figure3 or figure4. Repeatable.",
            rich_help_panel=_CELLS,
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder with a folder for each public data set, by its name as in deftclean "
            "dataset, unpacked as published; nothing is fetched.",
            rich_help_panel=_DATA,
        ),
    ] = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="Folder for results, tables and what cells share. One that bench made is gone on "
            "with: what stands there is not run again.",
        ),
    ] = Path("bench"),
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Begin anew: delete what bench has put into -o."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the cells, and run nothing.")
    ] = False,
    seeds: Annotated[
        str | None,
        typer.Option(
            help="In place of the grids' seeds: numbers with commas, 0,1,2.",
            rich_help_panel=_CELLS,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="In place of the model of every scan.", rich_help_panel=_CELLS),
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option(help="In place of the backbone of every adaptation.", rich_help_panel=_CELLS),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Of every training.", rich_help_panel=_CELLS)
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(
            help="Only cells in whose grid, column, method or data set this text occurs.",
            rich_help_panel=_CELLS,
        ),
    ] = None,
    limit_rows: Annotated[
        int | None,
        typer.Option(
            min=2,
            help="Of every data set a stratified random sample of so many rows, to train and to "
            "test on; for trials.",
            rich_help_panel=_DATA,
        ),
    ] = None,
    all_rows: Annotated[
        bool,
        typer.Option(
            "--all-rows",
            help="Of Clothing1M all rows, not a balanced sample of 32,000.",
            rich_help_panel=_DATA,
        ),
    ] = False,
    skip_missing: Annotated[
        bool,
        typer.Option(
            "--skip-missing",
            help="Leave out cells whose data are missing.",
            rich_help_panel=_DATA,
        ),
    ] = False,
    offline: Offline = False,
    device: Device = "auto",
    precision: PrecisionChoice = "auto",
    compiled: Compile = False,
    workers: Workers = None,
    cache_dir: CacheDir = None,
    no_cache: NoCache = False,
    cache_size: CacheSize = 10.0,
    quiet: Quiet = False,
) -> None:
    """Compare strategies on data whose wrong labels are known, and write tables.

    Runs a grid of data, noise, strategies and seeds, one cell after the other. Writes into -o
    results.parquet with a row for each cell, and tables.md and tables.html with the paper's figures
    beside yours. A cell that fails is told at the end, with exit code 3; the others are run.
    """
    chosen = _seeds(seeds)
    if dry_run:
        from deftclean.experiments.choose import chosen_cells

        _print_cells(
            chosen_cells(
                grid, paper or (), seeds=chosen, model=model, backbone=backbone, epochs=epochs,
                only=only,
            )
        )  # fmt: skip
        return
    from deftclean.cli.bench_results import print_bench
    from deftclean.experiments.bench import bench as run_bench

    result = run_bench(
        grid,
        paper=paper or (),
        data=data,
        output=output,
        overwrite=overwrite,
        seeds=chosen,
        backbone=backbone,
        epochs=epochs,
        only=only,
        limit_rows=limit_rows,
        all_rows=all_rows,
        skip_missing=skip_missing,
        run=run_of(
            model, None, offline, device, precision, compiled, workers, cache_dir, no_cache,
            cache_size,
        ),
        progress=progress_of(quiet),
    )  # fmt: skip
    print_bench(result, Console())
    if result.failures:
        raise typer.Exit(_FAILED)


def _seeds(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--seeds {text!r}: write numbers with commas, 0,1,2.") from None


def _print_cells(grid: "Grid") -> None:
    from deftclean.cli.bench_results import print_cells

    print_cells(grid.cells, Console())
