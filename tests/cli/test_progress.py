"""Progress on a terminal, as its screen shows it, and off one."""

import io
import re

from rich.console import Console

from deftclean.cli.progress import TerminalProgress


def train(progress: TerminalProgress) -> None:
    with progress.stage("Training", 10) as advance:
        for epoch in range(1, 11):
            advance(1, f"loss {epoch}")
            progress.epoch(f"epoch {epoch}/10: [red]{epoch}[/red]")
        progress.say("prolonged")
    progress.epoch("beside no bar")


def screen(text: str) -> list[str]:
    """The lines that stay, of a program that goes up, clears lines and writes them again."""
    lines, row = [""], 0
    for part in re.split(r"(\x1b\[\d*[A-Za-z]|\x1b\[\?\d+[a-z]|\r|\n)", text):
        if part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part == "\x1b[2K":
            lines[row] = ""
        elif part == "\x1b[1A":
            row -= 1
        elif not part.startswith(("\x1b", "\r")):
            lines[row] += re.sub(r"\x1b\[[\d;]*m", "", part)
    return [line.rstrip() for line in lines if line.strip()]


def test_on_a_terminal_the_last_epochs_stay_above_one_bar() -> None:
    file = io.StringIO()
    train(TerminalProgress(Console(file=file, force_terminal=True, width=80), quiet=False))
    lines = screen(file.getvalue())
    assert lines[:4] == [
        "· prolonged",
        "· epoch 8/10: [red]8[/red]", "· epoch 9/10: [red]9[/red]",
        "· epoch 10/10: [red]10[/red]",
    ]  # fmt: skip
    assert "10/10" in lines[4]
    assert lines[5:] == ["· beside no bar"]


def test_off_a_terminal_every_epoch_is_a_line_and_quiet_is_quiet() -> None:
    file = io.StringIO()
    train(TerminalProgress(Console(file=file, width=80), quiet=False))
    assert file.getvalue().count("epoch ") == 10
    file = io.StringIO()
    train(TerminalProgress(Console(file=file, force_terminal=True, width=80), quiet=True))
    assert file.getvalue() == ""
