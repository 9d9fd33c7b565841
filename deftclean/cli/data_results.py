"""How the results of `corrupt` and `dataset` look on a terminal."""

from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from deftclean.cli.results import scan_command

if TYPE_CHECKING:
    from deftclean.datasets.corrupt import CorruptResult


def print_corrupted(result: "CorruptResult", console: Console) -> None:
    """The end of corrupt, on stdout."""
    lines = [
        f"rows           {result.rows:,}",
        f"wrong labels   {result.wrong:,}  [dim]({result.wrong / result.labelled:.1%} of "
        f"{result.labelled:,} labelled rows)[/dim]",
    ]
    if result.side is not None:
        lines.append(f"looked at      pictures of {result.side} x {result.side} pixels")
    if result.unreadable:
        lines.append(f"unreadable     {result.unreadable:,} pictures, whose rows kept their labels")
    lines += [
        f"labels         {escape(str(result.output))}",
        f"truth          {escape(str(result.truth))}",
        f"time           {result.seconds:.1f} s",
        f"next           {escape(scan_command(result.root, result.output, result.scan_options))}",
    ]
    console.print("\n".join(lines), highlight=False, soft_wrap=True)
