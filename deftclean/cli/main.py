"""The command line: parse, call `api`, print. The one place that handles errors.

Loads neither torch nor pandas nor pyarrow until a command runs.
"""

import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.console import Console
from rich.markup import escape

from deftclean import __version__
from deftclean.cli.adapt import ADAPT_EXAMPLES, PREDICT_EXAMPLES, adapt, predict
from deftclean.cli.bench import BENCH_EXAMPLES, bench
from deftclean.cli.check import CHECK_EXAMPLES, check
from deftclean.cli.corrupt import CORRUPT_EXAMPLES, corrupt
from deftclean.cli.dataset import DATASET_EXAMPLES, dataset
from deftclean.cli.demo import DEMO_EXAMPLES, demo
from deftclean.cli.doctor import DOCTOR_EXAMPLES, doctor
from deftclean.cli.export import EXPORT_EXAMPLES, export
from deftclean.cli.report import REPORT_EXAMPLES, REVIEW_EXAMPLES, report, review
from deftclean.cli.scan import SCAN_EXAMPLES, scan
from deftclean.cli.score import SCORE_EXAMPLES, SELECT_EXAMPLES, score, select
from deftclean.cli.settings_file import file_settings
from deftclean.core.errors import DeftcleanError

_INTERRUPTED = 130  # what Typer returns for Ctrl-C

app = typer.Typer(
    name="deftclean",
    help="Find wrong labels in image-classification data sets and write the cleaned set.",
    epilog="Start here: deftclean demo",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"auto_envvar_prefix": "DEFTCLEAN", "help_option_names": ["-h", "--help"]},
    add_completion=False,
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
    commands = cast("Any", context.command).commands
    known = {name: {option.name for option in each.params} for name, each in commands.items()}
    context.default_map = file_settings(config, known)


app.command(epilog=SCAN_EXAMPLES)(scan)
app.command(epilog=SCORE_EXAMPLES)(score)
app.command(epilog=SELECT_EXAMPLES)(select)
app.command(epilog=DEMO_EXAMPLES)(demo)
app.command(epilog=ADAPT_EXAMPLES)(adapt)
app.command(epilog=PREDICT_EXAMPLES)(predict)
app.command(epilog=CHECK_EXAMPLES)(check)
app.command(epilog=REPORT_EXAMPLES)(report)
app.command(epilog=REVIEW_EXAMPLES)(review)
app.command(epilog=EXPORT_EXAMPLES)(export)
app.command(epilog=DOCTOR_EXAMPLES)(doctor)
app.command(epilog=CORRUPT_EXAMPLES)(corrupt)
app.command(epilog=DATASET_EXAMPLES)(dataset)
app.command(epilog=BENCH_EXAMPLES)(bench)


def main() -> None:
    """Run the command line and exit with its code."""
    signal.signal(signal.SIGTERM, _terminated)
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """One command line; its exit code."""
    return _guarded(lambda: app(arguments, standalone_mode=False))


def _terminated(_number: int, _frame: object) -> None:
    # An exception, so that temporary files are removed on the way out.
    raise SystemExit(128 + signal.SIGTERM)


def _guarded(command: Callable[[], object]) -> int:
    """The one error handler: message and hint to stderr, exit code back."""
    errors = Console(stderr=True)
    try:
        code = command()
    except DeftcleanError as error:
        errors.print(f"[red]Error:[/red] {escape(error.message)}", highlight=False, soft_wrap=True)
        if error.hint:
            errors.print(f"[dim]Hint:[/dim] {escape(error.hint)}", highlight=False, soft_wrap=True)
        return error.exit_code
    except MemoryError as error:
        more = f": {error}" if str(error) else ""
        errors.print(f"[red]Error:[/red] Memory ran out{escape(more)}.", highlight=False)
        errors.print("[dim]Hint:[/dim] Give the run more memory, or fewer --workers.")
        return 3
    except Exception as error:  # noqa: BLE001 - the outermost handler
        # Typer's own usage errors know how to show themselves.
        show = getattr(error, "show", None)
        if show is None:
            # A bug; 1 would say that a gate has failed.
            traceback.print_exc()
            return 3
        show()
        return int(getattr(error, "exit_code", 2))
    if code == _INTERRUPTED:
        errors.print("Interrupted; what was not finished was not written.")
    return code if isinstance(code, int) else 0
