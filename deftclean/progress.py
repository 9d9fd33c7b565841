"""What a long command tells while it works; how it looks is `terminal.py`'s business."""

import contextlib
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

    def warn(self, text: str) -> None:
        """Something that may make the result useless."""


class Silent:
    """Progress for nobody: the default in Python."""

    def stage(self, title: str, total: int) -> contextlib.AbstractContextManager[Advance]:  # noqa: ARG002
        """Nothing is shown."""
        return contextlib.nullcontext(lambda _count, _text: None)

    def say(self, text: str) -> None:
        """Nothing is shown."""

    def warn(self, text: str) -> None:
        """Nothing is shown; warnings also stand in the result."""
