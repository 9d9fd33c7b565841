"""How progress and results look on a terminal, and off one."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
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
from rich.text import Text

from deftclean.cli.terminal import Terminal, shown
from deftclean.core.outputs import PARTS, checkpoint_folder

if TYPE_CHECKING:
    from deftclean.core.progress import Advance

_PLAIN_EVERY = 30.0  # seconds between lines of a long stage off a terminal


@contextlib.contextmanager
def going_on(output: Path, quiet: bool, how: str) -> Iterator[None]:
    """Say how a run that is stopped goes on, if it has kept anything to go on with.

    Args:
        output: of the run.
        quiet: say nothing.
        how: the command that goes on, in words.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        if any(checkpoint_folder(output, part).is_dir() for part in PARTS):
            TerminalProgress(Terminal(stderr=True), quiet).say(f"{how} goes on from there")
        raise


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
            self._console.print(f"[dim]·[/dim] {shown(text)}", soft_wrap=True)

    def warn(self, text: str) -> None:
        """One line, always."""
        self._console.print(f"[yellow]Warning:[/yellow] {shown(text)}", soft_wrap=True)

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
            task = bars.add_task(shown(title), total=total, text="")

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
