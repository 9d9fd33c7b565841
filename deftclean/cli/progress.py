"""How progress and results look on a terminal, and off one."""

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from deftclean.core.text import visible

if TYPE_CHECKING:
    from deftclean.adaptation.predict import PredictResult
    from deftclean.adaptation.run_folder import AdaptResult
    from deftclean.core.progress import Advance
    from deftclean.detection.scan import ScanResult
    from deftclean.table.summary import Summary

_PLAIN_EVERY = 30.0  # seconds between lines of a long stage off a terminal


class _Rate(ProgressColumn):
    """Items per second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f}/s" if task.speed else "", style="progress.data.speed")


class TerminalProgress:
    """Bars and lines on stderr: bars where it is a terminal, plain lines elsewhere.

    Args:
        console: stderr.
        quiet: only warnings.
    """

    def __init__(self, console: Console, quiet: bool) -> None:
        self._console = console
        self._quiet = quiet

    @contextlib.contextmanager
    def stage(self, title: str, total: int) -> "Iterator[Advance]":
        """A bar, or a line now and then."""
        if self._quiet:
            yield lambda _count, _text: None
        elif self._console.is_terminal:
            with self._bar(title, total) as advance:
                yield advance
        else:
            with self._lines(title, total) as advance:
                yield advance

    def say(self, text: str) -> None:
        """One line, unless quiet."""
        if not self._quiet:
            self._console.print(f"[dim]·[/dim] {escape(text)}", highlight=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        """One line, always."""
        self._console.print(
            f"[yellow]Warning:[/yellow] {escape(text)}", highlight=False, soft_wrap=True
        )

    @contextlib.contextmanager
    def _bar(self, title: str, total: int) -> "Iterator[Advance]":
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(),
            TextColumn("[dim]{task.fields[text]}"),
        )
        with Progress(*columns, console=self._console) as bars:
            task = bars.add_task(title, total=total, text="")

            def advance(count: int, text: str) -> None:
                if text:
                    bars.update(task, advance=count, text=text)
                else:
                    bars.update(task, advance=count)

            yield advance

    @contextlib.contextmanager
    def _lines(self, title: str, total: int) -> "Iterator[Advance]":
        began = spoken = time.monotonic()
        done = 0

        def advance(count: int, text: str) -> None:
            nonlocal done, spoken
            done += count
            now = time.monotonic()
            if now - spoken > _PLAIN_EVERY and done < total:
                spoken = now
                left = (now - began) / done * (total - done)
                more = f", {text}" if text else ""
                self.say(f"{title}: {done:,} of {total:,}, {left:.0f} s left{more}")

        yield advance
        self.say(f"{title}: {done:,} in {time.monotonic() - began:.1f} s")


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
    _classes(summary, console)
    _confusions(summary, console)
    _suspects(summary, console)
    console.print(f"table          {escape(str(result.output))}", highlight=False, soft_wrap=True)
    if result.detector is not None:
        console.print(
            f"detector       {escape(str(result.detector))}/", highlight=False, soft_wrap=True
        )
    if result.warnings:
        console.print(f"warnings       {len(result.warnings)}, see above", highlight=False)
    console.print(f"time           {result.seconds:.1f} s", highlight=False)


def print_adapted(result: "AdaptResult", console: Console) -> None:
    """The end of adapt, on stdout."""
    used = f"{result.cleaned.rows:,} rows"
    if result.cleaned.offered is not None:
        used += f", which TURN selected from {result.cleaned.offered:,}"
    if relabelled := result.counts.get("relabelled"):
        used += f", {relabelled:,} of them with the suggested label"
    console.print()
    console.print(f"trained on     {used}", highlight=False)
    _accuracies(result, console)
    console.print(f"run            {escape(str(result.output))}/", highlight=False, soft_wrap=True)
    if result.warnings:
        console.print(f"warnings       {len(result.warnings)}, see above", highlight=False)
    console.print(f"time           {result.seconds:.1f} s", highlight=False)


def _accuracies(result: "AdaptResult", console: Console) -> None:
    cleaned, uncleaned = result.cleaned, result.uncleaned
    if cleaned.evaluation is None:
        console.print("tested on      nothing  [dim](--test LABELS, or --holdout 0.1)[/dim]")
        return
    whose = "held-out rows, wrong labels included" if result.held_out else "test rows"
    accuracy = cleaned.evaluation.accuracy
    lines = [
        f"tested on      {result.test_rows:,} {whose}",
        f"accuracy       {accuracy:.1%}  [dim]after the last epoch; best epoch "
        f"{cleaned.best:.1%}, which looked at the test rows[/dim]",
        f"calibration    {cleaned.evaluation.calibration_error:.3f}  [dim]expected error of the "
        "probabilities; 0 is best[/dim]",
    ]
    if uncleaned is not None and uncleaned.evaluation is not None:
        other = uncleaned.evaluation.accuracy
        lines += [
            f"all rows       {other:.1%}  [dim]trained on {uncleaned.rows:,} rows, uncleaned[/dim]",
            f"difference     {100 * (accuracy - other):+.1f} points by cleaning",
        ]
    console.print("\n".join(lines), highlight=False)


def print_predicted(result: "PredictResult", console: Console) -> None:
    """The end of predict, on stdout."""
    console.print()
    console.print(f"rows           {result.rows:,}", highlight=False)
    if bad := result.rows - result.predicted:
        console.print(
            f"not predicted  {bad:,}  [dim](columns status and error)[/dim]", highlight=False
        )
    if result.accuracy is not None:
        console.print(
            f"accuracy       {result.accuracy:.1%}  [dim]of the given labels[/dim]",
            highlight=False,
        )
    console.print(f"table          {escape(str(result.output))}", highlight=False, soft_wrap=True)
    console.print(f"time           {result.seconds:.1f} s", highlight=False)


def _headline(summary: "Summary", result: "ScanResult", console: Console) -> None:
    rule, threshold = result.scores.metadata["rule"], result.scores.metadata["threshold"]
    rate = "-" if summary.noise_rate is None else f"{summary.noise_rate:.1%}"
    lines = [
        f"rows           {summary.rows:,}",
        f"kept           {summary.kept:,}",
        f"flagged        {summary.flagged:,}  [dim](rule {rule}, clean_prob > {threshold:g})[/dim]",
        f"noise rate     {rate}",
    ]
    if summary.not_scored:
        bad = ", ".join(f"{count:,} {status}" for status, count in summary.not_scored.items())
        lines.append(f"not scored     {bad}  [dim](columns status and error)[/dim]")
    console.print()
    console.print("\n".join(lines), highlight=False)


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
