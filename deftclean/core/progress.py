"""What a long command tells while it works; how it looks is the business of `cli/progress.py`."""

import contextlib
import time
from collections.abc import Callable
from typing import Protocol

Advance = Callable[[int, str], None]
"""Called with how many more are done and a short text, empty to leave the last one."""


class Progress(Protocol):
    """Receives progress and remarks."""

    def stage(self, title: str, total: int) -> contextlib.AbstractContextManager[Advance]:
        """A piece of work of known length."""

    def say(self, text: str) -> None:
        """Something worth a line."""

    def epoch(self, text: str) -> None:
        """One of many lines alike, within a stage; the last few are what stays to be read."""

    def warn(self, text: str) -> None:
        """Something that may make the result useless."""


_SHOW_EVERY = 1.0  # seconds between looks at a step, each of which waits for the device


class NowAndThen:
    """Moves a bar step by step, and asks for a text about the step once a second."""

    def __init__(self, advance: Advance) -> None:
        self._advance = advance
        self._shown = 0.0

    def __call__(self, text: Callable[[], str]) -> None:
        """Another step is done."""
        now, shown = time.monotonic(), ""
        if now - self._shown > _SHOW_EVERY:
            self._shown = now
            shown = text()
        self._advance(1, shown)


class Silent:
    """Progress for nobody: the default in Python."""

    def stage(self, title: str, total: int) -> contextlib.AbstractContextManager[Advance]:  # noqa: ARG002
        """Nothing is shown."""
        return contextlib.nullcontext(lambda _count, _text: None)

    def say(self, text: str) -> None:
        """Nothing is shown."""

    def epoch(self, text: str) -> None:
        """As `say`."""
        self.say(text)

    def warn(self, text: str) -> None:
        """Nothing is shown; warnings also stand in the result."""
