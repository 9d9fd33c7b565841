"""What is shown goes through here: no text can act on a terminal or a CI service, and no failure to
show something is a failure of the run.
"""

import errno
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.markup import escape

from deftclean.core.results import Shown, plain
from deftclean.core.text import quiet_json, visible


class Terminal(Console):
    """Standard output, or standard errors, as every command writes to it.

    Text in colons stays text, and numbers are not coloured.

    Args:
        stderr: errors and progress, not results.
        kwargs: of `rich.console.Console`.
    """

    def __init__(self, *, stderr: bool = False, **kwargs: Any) -> None:
        super().__init__(stderr=stderr, emoji=False, highlight=False, **kwargs)

    def tell(self, heading: str, text: object) -> None:
        """One line, however long.

        Args:
            heading: markup, our own.
            text: anybody's.
        """
        self.print(f"{heading} {shown(text)}", soft_wrap=True)


def shown(text: object) -> str:
    """A file name, a label or a message that may hold such, for a place where markup is read."""
    return escape(visible(str(text)))


def put(text: str) -> None:
    """Text as it is, to standard output, for programs to read."""
    print(text, end="")  # noqa: T201


def show(result: Shown, as_json: bool, write: Callable[[Any, Console], None]) -> None:
    """The end of a command, on standard output.

    Args:
        result: what it made.
        as_json: one object with the result's attributes, for programs; without tables.
        write: shows it to people.
    """
    if as_json:
        put(quiet_json(json.dumps(plain(result), indent=2, allow_nan=False)) + "\n")
    else:
        write(result, Terminal())


class SafeStream:
    """A standard stream that takes everything and never fails.

    Characters that its encoding does not have become escapes. Where it is closed or full, what is
    written is lost; `lost` says why.

    Args:
        stream: `sys.stdout` or `sys.stderr`.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.lost: OSError | None = None
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")

    def write(self, text: str) -> int:
        """As any stream."""
        self._try(lambda: self._stream.write(text))
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        """As any stream."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """As any stream."""
        self._try(self._stream.flush)

    def _try(self, use: Any) -> None:
        if self.lost is not None:
            return
        try:
            use()
        except OSError as error:
            self.lost = error
            self._abandon()

    def _abandon(self) -> None:
        """What waits in the buffer would be tried again at the end of the process, and fail."""
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self._stream.fileno())
        os.close(null)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def be_silent() -> None:
    """What is printed goes nowhere: of several processes that do one run, the first speaks."""
    nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the process ends
    sys.stdout = sys.stderr = nowhere
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # what it warns of goes past Python


def show_safely() -> SafeStream | None:
    """Make the standard streams of this process such that never fail.

    Returns:
        Standard output; None where the process has none.
    """
    if sys.stderr is not None:
        sys.stderr = SafeStream(sys.stderr)
    if sys.stdout is None:
        return None
    out = SafeStream(sys.stdout)
    sys.stdout = out
    return out


def say_lost(out: SafeStream) -> None:
    """Say that standard output took not everything; nobody has to be told of a pipe that closed."""
    out.flush()
    if out.lost is not None and out.lost.errno != errno.EPIPE:
        reason = out.lost.strerror or str(out.lost)
        what = f"not everything could be shown: standard output: {reason}"
        Terminal(stderr=True).tell("[yellow]Warning:[/yellow]", what)
