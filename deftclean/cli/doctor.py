"""The command `doctor`: parse, call, print."""

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from deftclean.cli.from_settings import takes
from deftclean.cli.options import RUN
from deftclean.cli.terminal import Terminal, put, shown
from deftclean.core.run import RunOptions

if TYPE_CHECKING:
    from deftclean.cli.diagnosis import Diagnosis

DOCTOR_EXAMPLES = (
    "Examples:\n\n"
    "deftclean doctor\n\n"
    "deftclean doctor --model ViT-L-14 --device cuda\n\n"
    "deftclean doctor --format json > doctor.json"
)

_BROKEN = 3  # as for a run that could not be finished
_MARKS = {"ok": " ", "note": "[yellow]![/yellow]", "broken": "[red]x[/red]"}


@takes(run=RUN.only("weights", "device", "cache_dir", "cache_size"))
def doctor(
    model: Annotated[
        str, typer.Option(help="Look for this model, as scan names it.", rich_help_panel="Model")
    ] = "ViT-B-16",
    *,
    run: RunOptions,
    format: Annotated[Literal["text", "json"], typer.Option(help="What to print.")] = "text",
) -> None:
    """Say what is installed, what a scan would use, and whether anything is broken.

    Nothing is fetched or changed. Ends with 0 where a scan can work, else with 3.
    """
    from deftclean.cli.diagnosis import diagnose

    found = diagnose(replace(run, model=model), model)
    if format == "json":
        put(json.dumps(found.as_dict(), indent=2) + "\n")
    else:
        _print(found, Terminal())
    if not found.ok:
        raise typer.Exit(_BROKEN)


def _print(found: "Diagnosis", console: Console) -> None:
    group = ""
    width = max(len(finding.name) for finding in found.findings)
    for finding in found.findings:
        if finding.group != group:
            group = finding.group
            console.print()
            console.print(f"[bold]{group}[/bold]")
        name = shown(finding.name.ljust(width))
        console.print(f"{_MARKS[finding.state]} {name}  {shown(finding.value)}", soft_wrap=True)
        if finding.hint:
            console.print(f"  {' ' * width}  [dim]{shown(finding.hint)}[/dim]", soft_wrap=True)
    broken = sum(finding.state == "broken" for finding in found.findings)
    console.print()
    console.print("A scan can work here." if found.ok else f"{broken} broken: the lines with an x.")
