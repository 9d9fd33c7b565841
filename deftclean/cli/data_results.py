"""How the results of `corrupt` and `dataset` look on a terminal."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from deftclean.datasets.corrupt import CorruptResult
    from deftclean.datasets.dataset import DatasetResult


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


def print_dataset(result: "DatasetResult", console: Console) -> None:
    """The end of dataset, on stdout."""
    known = "not public"
    if result.judged:
        known = (
            f"{result.wrong:,}  [dim]({result.wrong / result.judged:.1%} of {result.judged:,} rows "
            "of which it is known)[/dim]"
        )
    lines = [
        f"rows           {result.rows:,}",
        f"classes        {result.classes:,}",
        f"wrong labels   {known}",
        f"labels         {escape(str(result.labels))}",
        f"truth          {escape(str(result.truth))}",
        f"time           {result.seconds:.1f} s",
        f"next           {escape(scan_command(result.root, result.labels, ()))}",
    ]
    console.print("\n".join(lines), highlight=False, soft_wrap=True)


def scan_command(root: Path, labels: Path, options: tuple[str, ...]) -> str:
    """The scan that comes next, to be copied."""
    return shlex.join(["deftclean", "scan", str(root), str(labels), *options])
