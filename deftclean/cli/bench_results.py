"""How a comparison looks on a terminal: its cells before, its end after."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from deftclean.experiments.cells import Cell

if TYPE_CHECKING:
    from deftclean.experiments.bench import BenchResult


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
        lines += [f"  {escape(failure)}" for failure in result.failures]
    lines += [
        f"results        {escape(str(result.results))}",
        f"tables         {escape(str(result.markdown))}, {escape(str(result.html))}",
        f"time           {result.seconds:.1f} s",
    ]
    console.print("\n".join(lines), highlight=False, soft_wrap=True)


def print_cells(cells: Sequence[Cell], console: Console) -> None:
    """The cells and nothing else, on stdout."""
    from deftclean.cli.cells import listing

    console.print(
        listing(cells), end="", highlight=False, soft_wrap=True, markup=False, emoji=False
    )
