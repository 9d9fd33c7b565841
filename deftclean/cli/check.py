"""The command `check`, and the gate options that other commands share."""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from deftclean.cli.options import AllowOutside, Overwrite, Quiet, progress_of, warn
from deftclean.cli.terminal import Terminal, put, shown
from deftclean.core.errors import UsageError
from deftclean.stores.door import opens_urls
from deftclean.stores.urls import url_of

if TYPE_CHECKING:
    from deftclean.gate.results import CheckResult

Format = Literal["text", "json", "github", "junit", "sarif"]

CHECK_EXAMPLES = (
    "Examples:\n\n"
    'deftclean check clean.parquet --fail-on "noise_rate>0.05" --fail-on "unreadable>0"\n\n'
    'deftclean check clean.parquet --fail-on "noise_rate\\[cat]>10%"\n\n'
    "deftclean check clean.parquet --baseline old.parquet\n\n"
    "deftclean check train.parquet --against test.parquet\n\n"
    'deftclean check clean.parquet --fail-on "conflicting_duplicates>0"\n\n'
    'deftclean check clean.parquet --fail-on "bad_pictures>10" --fail-on "off_topic>0"\n\n'
    "deftclean check clean.parquet --verify\n\n"
    'deftclean check clean.parquet --fail-on "flagged>100" --format sarif --output-file x.sarif'
)

_GATE = "Gate"
_WIDTH = 120  # columns of text in a file
_TOP = {"text": 10, "github": 10, "junit": 10, "json": 1000, "sarif": 1000}

FailOn = Annotated[
    list[str] | None,
    typer.Option(
        help="Fail (exit code 1) where this is true of the table: noise_rate>0.05, "
        "noise_rate\\[cat]>10%, flagged>100, unreadable>0, rows<1000 ... Repeatable.",
        rich_help_panel=_GATE,
    ),
]
Baseline = Annotated[
    Path | None,
    typer.Option(
        help="Earlier score table: problems that it has already are forgiven. Without --fail-on, "
        "any new problem fails.",
        rich_help_panel=_GATE,
    ),
]
ExitZero = Annotated[
    bool,
    typer.Option(
        "--exit-zero",
        help="Exit with 0 where a gate failed. Errors, and gates that cannot be computed, keep "
        "their codes.",
        rich_help_panel=_GATE,
    ),
]


Against = Annotated[
    Path | None,
    typer.Option(
        help="Score table of other data, such as those of a test: rows whose picture is there "
        "too, or nearly the same one, count as leaked. Without --fail-on, any such row fails.",
        rich_help_panel=_GATE,
    ),
]
Verify = Annotated[
    bool,
    typer.Option(
        "--verify",
        help="Fail where table, detector or pictures are not those that were judged, by their "
        "hashes. Reads every picture.",
        rich_help_panel=_GATE,
    ),
]
HowFormatted = Annotated[
    Format,
    typer.Option(
        help="text; json, of a published schema; github: annotations; junit: a test case for "
        "each gate; sarif: 2.1.0."
    ),
]
OutputFile = Annotated[
    Path | None,
    typer.Option(help="Write to a file; standard output then gets the text."),
]
Top = Annotated[
    int | None,
    typer.Option(min=0, help="Most rows to list. Default: 10; 1,000 with json and sarif."),
]
Pictures = Annotated[
    Path | None,
    typer.Option(
        help="Image folder, or the table that holds the images, for --verify. Default: the "
        "folder of the scan.",
        rich_help_panel="Input",
    ),
]


def check(
    table: Annotated[
        Path, typer.Argument(help="Score table that scan, score or select wrote; a URL too.")
    ],
    fail_on: FailOn = None,
    baseline: Baseline = None,
    against: Against = None,
    verify: Verify = False,
    exit_zero: ExitZero = False,
    format: HowFormatted = "text",
    output_file: OutputFile = None,
    overwrite: Overwrite = False,
    top: Top = None,
    data: Pictures = None,
    allow_outside: AllowOutside = False,
    quiet: Quiet = False,
) -> None:
    """Ask whether a score table is good enough: a gate for CI. Needs no torch.

    Exit codes: 0 no gate failed, 1 a gate failed, 2 wrong options or input, 3 a gate could not be
    computed. Without --fail-on and --baseline the table is shown, and nothing is asked of it.
    """
    from deftclean.gate.check import check as run_check

    _check_output((table, baseline, against), output_file, overwrite)
    limit = _TOP[format] if top is None else top
    result = run_check(
        table, fail_on=fail_on or (), baseline=baseline, against=against, verify=verify,
        data=data, allow_outside=allow_outside, top=limit, progress=progress_of(quiet),
    )  # fmt: skip
    if output_file is not None:
        _write(rendered(result, format), output_file, overwrite)
    if output_file is None and format != "text":
        put(rendered(result, format))
    else:
        _print(result, Terminal())
    leave(result, exit_zero)


def rendered(result: "CheckResult", format: Format) -> str:
    """The result in a format; files are relative to the repository, or else the current folder."""
    from deftclean.table.places import repository_root

    base = repository_root(Path())
    match format:
        case "text":
            text = io.StringIO()
            _print(result, Terminal(file=text, width=_WIDTH, no_color=True, force_terminal=False))
            return text.getvalue()
        case "json":
            from deftclean.gate.formats.json import as_json

            return as_json(result, base)
        case "github":
            from deftclean.gate.formats.github import as_github

            return as_github(result, base)
        case "junit":
            from deftclean.gate.formats.junit import as_junit

            return as_junit(result, base)
        case "sarif":
            from deftclean.gate.formats.sarif import as_sarif

            return as_sarif(result, base)


def leave_by_gates(result: "CheckResult | None", exit_zero: bool, silent: bool) -> None:
    """What gates say of a table whose summary has been shown; nothing if none were asked.

    Args:
        result: what they say.
        exit_zero: end with 0 where one has failed.
        silent: show nothing of them on standard output, where they stand already.

    Raises:
        typer.Exit: they were asked; with their code.
    """
    if result is None:
        return
    from deftclean.gate.formats.text import print_asked

    if not silent:
        print_asked(result, Terminal())
    leave(result, exit_zero)


def leave(result: "CheckResult", exit_zero: bool) -> None:
    """End the command with the code that the gates say.

    Raises:
        typer.Exit: always.
    """
    errors = Terminal(stderr=True)
    warn(result.warnings)
    for gate in result.gates:
        if gate.state == "unknown":
            errors.print(f"[red]Error:[/red] {shown(gate.message)}", soft_wrap=True)
    if not result.gates:
        errors.print(
            "[yellow]Warning:[/yellow] no gate was given, so nothing was checked: "
            '--fail-on "noise_rate>0.05", or --baseline old.parquet',
            highlight=False,
            soft_wrap=True,
        )
    code = result.exit_code
    raise typer.Exit(0 if exit_zero and code == 1 else code)


def _print(result: "CheckResult", console: Console) -> None:
    from deftclean.gate.formats.text import print_check

    print_check(result, console)


def _check_output(tables: Iterable[Path | None], output: Path | None, overwrite: bool) -> None:
    from deftclean.core.outputs import check_output

    if output is None:
        return
    for given in tables:
        if given is not None and output.resolve() == given.resolve():
            raise UsageError(f"--output-file {output} is a table that is read.")
    if url_of(output) is None:
        check_output(output, overwrite)


@opens_urls(output="output")
def _write(text: str, output: Path, overwrite: bool) -> None:
    from deftclean.core.switch import whole_file

    with whole_file(output, overwrite) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
