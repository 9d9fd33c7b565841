"""How progress and results look on a terminal, and off one."""

import contextlib
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console, RenderableType
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
_LAST = 3  # epochs whose lines stay on a terminal


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


class _Bars(Progress):
    """Bars, and above them the last lines of a series, which stay when all is done."""

    def __init__(self, *columns: ProgressColumn, console: Console) -> None:
        self.lines: deque[Text] = deque(maxlen=_LAST)
        super().__init__(*columns, console=console)

    def get_renderables(self) -> Iterable[RenderableType]:
        """What is drawn at every look."""
        yield from self.lines
        yield from super().get_renderables()


class TerminalProgress:
    """Bars and lines on stderr: bars where it is a terminal, plain lines elsewhere.

    Args:
        console: stderr.
        quiet: only warnings.
    """

    def __init__(self, console: Console, quiet: bool) -> None:
        self._console = console
        self._quiet = quiet
        self._bars: _Bars | None = None

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

    def epoch(self, text: str) -> None:
        """One line: beside a bar only the last few stay."""
        if self._bars is None:
            self.say(text)
        else:
            line = Text.from_markup(f"[dim]·[/dim] {shown(text)}", overflow="ellipsis")
            line.no_wrap = True
            self._bars.lines.append(line)

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
        with _Bars(*columns, console=self._console) as bars, self._over(bars):
            task = bars.add_task(shown(title), total=total, text="")

            def advance(count: int, text: str) -> None:
                if text:
                    bars.update(task, advance=count, text=text)
                else:
                    bars.update(task, advance=count)

            yield advance

    @contextlib.contextmanager
    def _over(self, bars: _Bars) -> Iterator[None]:
        """Lines of a series go to these bars."""
        before, self._bars = self._bars, bars
        try:
            yield
        finally:
            self._bars = before

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
