"""The command line: parse, call `api`, print. The one place that handles errors.

Loads neither torch nor pandas nor pyarrow until a command runs.
"""

import errno
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from deftclean import __version__
from deftclean.cli.adapt import ADAPT_EXAMPLES, PREDICT_EXAMPLES, adapt, predict
from deftclean.cli.bench import BENCH_EXAMPLES, bench
from deftclean.cli.check import CHECK_EXAMPLES, check
from deftclean.cli.data_sets import CORRUPT_EXAMPLES, DATASET_EXAMPLES, corrupt, dataset
from deftclean.cli.demo import DEMO_EXAMPLES, demo
from deftclean.cli.doctor import DOCTOR_EXAMPLES, doctor
from deftclean.cli.export import EXPORT_EXAMPLES, export
from deftclean.cli.help import HELP, Command, Group
from deftclean.cli.options import refuse_several, warn
from deftclean.cli.report import REPORT_EXAMPLES, REVIEW_EXAMPLES, report, review
from deftclean.cli.scan import SCAN_EXAMPLES, scan
from deftclean.cli.score import SCORE_EXAMPLES, SELECT_EXAMPLES, score, select
from deftclean.cli.settings_file import file_settings, known_options, unknown_variables
from deftclean.cli.terminal import Terminal, be_silent, say_lost, show_safely
from deftclean.core.errors import DeftcleanError, ProcessLostError, RunError, UsageError
from deftclean.core.run import is_follower
from deftclean.core.signals import Signals
from deftclean.core.text import visible

_FIRST_SPEAKS = 1.0  # seconds
_INTERRUPTED = 130  # what Typer returns for Ctrl-C

_MACHINE = {
    **dict.fromkeys((errno.EACCES, errno.EPERM), "Change its mode, or that of its folders."),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "Let the run open more files: ulimit -n 4096."),
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "Free space, and run again."),
    **dict.fromkeys((errno.EIO, errno.ESTALE, errno.EROFS), "Look at the disk, and run again."),
    errno.ENOMEM: "Give the run more memory, or fewer --workers.",
    errno.EAGAIN: "Let the user have more processes: ulimit -u.",
}
"""What to do about errors of the system that are nobody's bug, by their number."""

app = typer.Typer(
    name="deftclean",
    cls=Group,
    help="Find wrong labels in image-classification data sets and write the cleaned set.",
    epilog="Start here: deftclean demo",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"auto_envvar_prefix": "DEFTCLEAN", "help_option_names": list(HELP)},
)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"deftclean {__version__}")  # noqa: T201
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            help="Settings file. Default: deftclean.toml, or \\[tool.deftclean] in pyproject.toml, "
            "in the current folder. A table for each command: \\[scan] epochs = 20."
        ),
    ] = None,
    version: Annotated[  # noqa: ARG001 - its callback does the work
        bool,
        typer.Option(
            "--version",
            help="Print the version.",
            allow_from_autoenv=False,
            is_eager=True,
            callback=_print_version,
        ),
    ] = False,
) -> None:
    refuse_several(context.invoked_subcommand)
    group = cast("Any", context.command)
    context.default_map = file_settings(config, known_options(group))
    warn(unknown_variables(os.environ, group))


app.command(cls=Command, epilog=SCAN_EXAMPLES)(scan)
app.command(cls=Command, epilog=SCORE_EXAMPLES)(score)
app.command(cls=Command, epilog=SELECT_EXAMPLES)(select)
app.command(cls=Command, epilog=DEMO_EXAMPLES)(demo)
app.command(cls=Command, epilog=ADAPT_EXAMPLES)(adapt)
app.command(cls=Command, epilog=PREDICT_EXAMPLES)(predict)
app.command(cls=Command, epilog=CHECK_EXAMPLES)(check)
app.command(cls=Command, epilog=REPORT_EXAMPLES)(report)
app.command(cls=Command, epilog=REVIEW_EXAMPLES)(review)
app.command(cls=Command, epilog=EXPORT_EXAMPLES)(export)
app.command(cls=Command, epilog=DOCTOR_EXAMPLES)(doctor)
app.command(cls=Command, epilog=CORRUPT_EXAMPLES)(corrupt)
app.command(cls=Command, epilog=DATASET_EXAMPLES)(dataset)
app.command(cls=Command, epilog=BENCH_EXAMPLES)(bench)


def main() -> None:
    """Run the command line and exit with its code."""
    signals = Signals()
    signals.install()
    sys.exit(run_process(sys.argv[1:], signals))


def run_process(arguments: list[str], signals: Signals) -> int:
    """One command line that has this process for itself; its exit code."""
    if follows := is_follower(os.environ):
        be_silent()
    out = show_safely()
    try:
        code = _guarded(lambda: _started(arguments), signals)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    if out is not None:
        say_lost(out)
    stopped = signals.code()
    signals.finish()
    if follows and code:
        # torchrun ends all when one has failed: the first is to have said why.
        time.sleep(_FIRST_SPEAKS)
    return code if stopped is None else stopped


def run(arguments: list[str]) -> int:
    """One command line; its exit code."""
    return _guarded(lambda: _started(arguments), Signals())


def _started(arguments: list[str]) -> object:
    return app(arguments, prog_name="deftclean", standalone_mode=False)


def _guarded(command: Callable[[], object], signals: Signals) -> int:
    """The one error handler: message and hint to stderr, exit code back."""
    errors = Terminal(stderr=True)
    try:
        code = command()
    except KeyboardInterrupt:  # a second one, while the first was dealt with
        code = _INTERRUPTED
    except ProcessLostError as error:
        signals.forget()  # torchrun tells those that are left to stop
        if error.aloud:
            sys.stderr, errors = sys.__stderr__, Terminal(file=sys.__stderr__)
        for line in error.trace.splitlines():
            print(visible(line), file=sys.stderr)  # noqa: T201
        return _told(error, errors)
    except (UsageError, MemoryError) as error:
        # Of a run that was told to stop, no failure is news: something may have lost its file.
        return signals.code() or _told(_as_ours(error), errors)
    except Exception as error:  # noqa: BLE001 - the outermost handler
        return _failed(error, errors, signals)
    if code == _INTERRUPTED:
        errors.print("Interrupted; what was not finished was not written.")
    return code if isinstance(code, int) else 0


def _failed(error: Exception, errors: Terminal, signals: Signals) -> int:
    show: Callable[[], None] | None = getattr(error, "show", None)
    if show is not None:
        # Typer's own usage errors know how to show themselves.
        if isinstance(message := getattr(error, "message", None), str):
            error.message = visible(message)  # type: ignore[attr-defined]
        show()
        return int(getattr(error, "exit_code", 2))
    # A signal to a whole group ends the workers too, and may do so first.
    if signals.installed and (stopped := signals.code_soon()) is not None:
        return stopped
    told = error if isinstance(error, DeftcleanError) else _of_the_machine(error)
    if told is not None:
        return _told(told, errors)
    # A bug; 1 would say that a gate has failed.
    for line in traceback.format_exc().splitlines():
        print(visible(line), file=sys.stderr)  # noqa: T201
    return 3


def _as_ours(error: UsageError | MemoryError) -> DeftcleanError:
    if isinstance(error, UsageError):
        return error
    more = f": {error}" if str(error) else ""
    return RunError(f"Memory ran out{more}.", "Give the run more memory, or fewer --workers.")


def _of_the_machine(error: Exception) -> DeftcleanError | None:
    """What a machine refuses or lacks, and no program can foresee; None of anything else."""
    if type(error).__name__ == "OutOfMemoryError":  # torch's, which is not loaded for it
        return RunError(
            f"The device's memory ran out: {str(error).splitlines()[0]}",
            "Choose a smaller --batch-size, --micro-batch or --model, or --device cpu.",
        )
    if isinstance(error, ModuleNotFoundError) and not (error.name or "").startswith("deftclean"):
        return RunError(
            f"This command needs {error.name}, which is not installed.",
            "Install all that deftclean needs: pip install deftclean. (For gates alone less is "
            "enough: check, report, review, select and export need no model.)",
        )
    if not isinstance(error, OSError) or error.errno not in _MACHINE:
        return None
    what = f"{error.filename}: " if error.filename else ""
    return RunError(f"{what}{error.strerror or error}.", _MACHINE[error.errno])


def _told(error: DeftcleanError, errors: Terminal) -> int:
    errors.tell("[red]Error:[/red]", error.message)
    if error.hint:
        errors.tell("[dim]Hint:[/dim]", error.hint)
    return error.exit_code
