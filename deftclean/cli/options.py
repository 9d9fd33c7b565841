"""The options that several commands share: types for Typer, and groups made from settings classes.

Does not know what a command does with them. Loads neither torch nor pandas nor pyarrow.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deftclean.cli.from_settings import Options
from deftclean.cli.terminal import Terminal
from deftclean.core.errors import UsageError
from deftclean.core.run import ALONE, Launch, Ranks, RunOptions
from deftclean.data.options import LEAVE_FOLDER, ManifestOptions
from deftclean.settings.evidence import EvidenceOptions

if TYPE_CHECKING:
    from deftclean.cli.progress import TerminalProgress

RUN = Options(
    RunOptions,
    order=(
        *("weights", "offline", "device", "precision", "compile", "workers"),
        *("cache_dir", "cache", "cache_size"),
    ),
)
"""Where and how to compute; `model`, whose help differs, is an option of its own."""

READING = Options(ManifestOptions)
"""How to read the input."""

EVIDENCE = Options(EvidenceOptions)
"""Numbers and words of the user's own."""

Output = Annotated[
    Path, typer.Option("--output", "-o", help="Score table to write (Parquet); a URL too.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing outputs.")]
AllowOutside = Annotated[
    bool, typer.Option("--allow-outside", help=LEAVE_FOLDER, rich_help_panel="Input")
]
LabelTable = Annotated[
    Path | None,
    typer.Argument(help="Labels: .csv, .tsv, .jsonl, .json, .txt or .parquet; a URL too."),
]
Model = Annotated[
    str | None,
    typer.Option(
        help="The CLIP that the folder was trained with, where it was moved or is to be fetched. "
        "Its hash is checked.",
        rich_help_panel="Model",
    ),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="No progress; results and warnings only.")
]


AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON, and nothing else.")]


def warn(texts: Iterable[str]) -> None:
    """Show warnings of a command that has no progress, on stderr."""
    progress = progress_of(quiet=True)
    for text in texts:
        progress.warn(text)


DIVIDED = ("scan", "score", "adapt")
"""Commands that several processes can do together."""


def refuse_several(command: str | None) -> None:
    """Refuse what several processes would each do, over one another.

    Raises:
        UsageError: torchrun has started several, and the command is not one of `DIVIDED`.
    """
    launch = Launch.of_environment(os.environ)
    if launch is None or command is None or command in DIVIDED:
        return
    raise UsageError(
        f"torchrun has started {launch.size} processes, and `deftclean {command}` is the work of "
        "one.",
        f"Start it without torchrun ({', '.join(DIVIDED)} share their work out); within a job of "
        "torchrun's, unset WORLD_SIZE.",
    )


@contextlib.contextmanager
def taking_part() -> Iterator[Ranks]:
    """The processes that do this command together: those that torchrun has started, or this one.

    Raises:
        RunError: they do not find each other, or one of them has failed.
    """
    launch = Launch.of_environment(os.environ)
    if launch is None:
        yield ALONE
        return
    from deftclean.training.process_group import joined

    with joined(launch) as ranks:
        yield ranks


SAME_COMMAND = "the same command with --resume"


def progress_of(quiet: bool) -> "TerminalProgress":
    """Progress on stderr."""
    from deftclean.cli.progress import TerminalProgress

    return TerminalProgress(Terminal(stderr=True), quiet)
