"""How the end of scan, score and select looks on a terminal."""

import shlex
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from deftclean.cli.terminal import shown
from deftclean.core.text import visible

if TYPE_CHECKING:
    from deftclean.applying.parts import PartsResult
    from deftclean.detection.result import ScanResult
    from deftclean.table.summary import Summary


def print_result(result: "ScanResult", console: Console) -> None:
    """The end of scan, score and select, on stdout."""
    summary = result.summary
    zero_shot = result.scores.metadata.get("zero_shot_agreement")
    _headline(summary, result, console)
    if zero_shot is not None and result.detector is not None:
        console.print(
            f"zero-shot      agrees with {zero_shot:.1%} of the given labels "
            "[dim](column zero_shot_prob)[/dim]",
            highlight=False,
        )
    _splits(summary, console)
    _classes(summary, console)
    _confusions(summary, console)
    _suspects(summary, console)
    console.print(f"table          {shown(result.output)}", soft_wrap=True)
    if result.detector is not None:
        console.print(f"detector       {shown(result.detector)}/", soft_wrap=True)
    if result.warnings:
        console.print(f"warnings       {len(result.warnings)}, see above")
    console.print(f"time           {result.seconds:.1f} s")
    _next_steps(result.output, console)


def print_parts(result: "PartsResult", console: Console) -> None:
    """The end of score --part, on stdout."""
    console.print()
    console.print(f"rows           {result.rows:,}")
    console.print(
        f"units          {result.units:,}: {result.scored:,} scored, {result.found:,} were there, "
        f"{result.open:,} are open"
    )
    if result.noise_rate is not None:
        console.print(f"noise rate     {result.noise_rate:.1%}  [dim](flagged of scored)[/dim]")
    console.print(f"folder         {shown(result.output)}/", soft_wrap=True)
    for text in result.warnings:
        console.print(f"warning        {shown(text)}", soft_wrap=True)
    console.print(f"time           {result.seconds:.1f} s")
    if result.committed:
        _next_steps(result.output, console)
    else:
        console.print("next           the other parts; the last one to end makes it a table")


def _next_steps(table: PurePath, console: Console) -> None:
    """What people do with a table, to be copied."""
    name = str(table)
    steps = {
        "look at what was flagged, and decide": ["report", name],
        "a gate for CI": ["check", name, "--fail-on", "noise_rate>0.05"],
        "what is kept": ["export", name, "--to", "csv", "-o", "cleaned.csv"],
    }
    for index, (what, words) in enumerate(steps.items()):
        heading = "" if index else "next"
        line = f"{heading:<15}{shlex.join(['deftclean', *words])}  {what}"
        console.print(shown(line), soft_wrap=True)


def _headline(summary: "Summary", result: "ScanResult", console: Console) -> None:
    rule, threshold = result.scores.metadata["rule"], result.scores.metadata["threshold"]
    rate = "-" if summary.noise_rate is None else f"{summary.noise_rate:.1%}"
    estimate = summary.estimate
    lines = [
        f"rows           {summary.rows:,}",
        f"kept           {summary.kept:,}",
        f"flagged        {summary.flagged:,}  [dim](rule {rule}, clean_prob > {threshold:g})[/dim]",
        f"noise rate     {rate}  [dim](flagged of scored)[/dim]",
    ]
    if summary.filled:
        rows, classes = sum(summary.filled.values()), len(summary.filled)
        lines.append(
            f"filled         {rows:,} kept for {classes:,} class{'es' if classes > 1 else ''} that "
            "would be left without a row"
        )
    if estimate is not None:
        lines.append(f"wrong labels   about {estimate.text}  [dim](flagged or not)[/dim]")
    if summary.not_scored:
        bad = ", ".join(f"{count:,} {status}" for status, count in summary.not_scored.items())
        lines.append(f"not scored     {bad}  [dim](columns status and error)[/dim]")
    lines += summary.copies.lines + summary.kinds.lines
    console.print()
    console.print("\n".join(lines))


def _splits(summary: "Summary", console: Console) -> None:
    if not summary.splits:
        return
    title, table = "splits", _table()
    for heading in ("split", "kept", "flagged", "of"):
        table.add_column(heading, justify="left" if heading == "split" else "right")
    for each in summary.splits:
        table.add_row(_name(each.name), f"{each.kept:,}", f"{each.flagged:,}", f"{each.rows:,}")
    _print_table(title, table, console)


def _classes(summary: "Summary", console: Console) -> None:
    if not summary.classes:
        return
    title, table = "most suspected classes", _table()
    for heading in ("class", "flagged", "of", "share"):
        table.add_column(heading, justify="left" if heading == "class" else "right")
    for noise in summary.classes:
        share = f"{noise.flagged / noise.scored:.1%}"
        table.add_row(_name(noise.name), f"{noise.flagged:,}", f"{noise.scored:,}", share)
    _print_table(title, table, console)


def _confusions(summary: "Summary", console: Console) -> None:
    if not summary.confusions:
        return
    title, table = "most frequent confusions", _table()
    table.add_column("given", overflow="fold")
    table.add_column("suggested", overflow="fold")
    table.add_column("rows", justify="right")
    for pair in summary.confusions:
        table.add_row(_name(pair.given), _name(pair.suggested), f"{pair.count:,}")
    _print_table(title, table, console)


def _suspects(summary: "Summary", console: Console) -> None:
    if not summary.suspects:
        return
    title, table = "most suspicious files", _table()
    table.add_column("file", overflow="fold")
    table.add_column("given", overflow="fold")
    table.add_column("suggested", overflow="fold")
    table.add_column("clean_prob", justify="right")
    for suspect in summary.suspects:
        table.add_row(
            _name(suspect.file_name),
            _name(suspect.given),
            _name(suspect.suggested),
            f"{suspect.clean_prob:.4f}",
        )
    _print_table(title, table, console)


def _table() -> Table:
    return Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))


def _print_table(title: str, table: Table, console: Console) -> None:
    console.print()
    console.print(title, style="bold")
    console.print(table)


def _name(text: str) -> Text:
    """A file name or label, with control characters made visible and no markup read."""
    return Text(visible(text))


def scan_command(root: Path, labels: Path, options: tuple[str, ...]) -> str:
    """The scan that comes next, to be copied."""
    return shlex.join(["deftclean", "scan", str(root), str(labels), *options])
