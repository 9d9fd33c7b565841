"""The command `demo`: its options, and what it prints."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deftclean.cli.from_settings import takes
from deftclean.cli.options import RUN, SAME_COMMAND, Quiet, progress_of
from deftclean.cli.terminal import Terminal, shown
from deftclean.core.fields import check_integer
from deftclean.core.run import RunOptions

if TYPE_CHECKING:
    from deftclean.core.metrics import SelectionMetrics

DEMO_EXAMPLES = "Examples:\n\ndeftclean demo my-demo\n\ndeftclean demo my-demo --resume"


@takes(run=RUN.only("device"))
def demo(
    folder: Annotated[Path, typer.Argument(help="New folder for data and results.")] = Path(
        "deftclean-demo"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Of the flipped labels and of the scan.")] = 0,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on in a folder where a demonstration was stopped; begin anew where there is "
            "none.",
        ),
    ] = False,
    *,
    run: RunOptions,
    quiet: Quiet = False,
) -> None:
    """Try deftclean on 1,000 handwritten digits, 200 of them mislabelled on purpose.

    Writes the pictures, runs the same code as `deftclean scan` on them with the built-in model,
    and compares what was found with the truth. Takes about a minute on two cores.
    """
    from deftclean.cli.progress import going_on
    from deftclean.cli.results import print_result
    from deftclean.datasets.demo import compare_with_truth, write_demo
    from deftclean.detection import scan as api

    check_integer("--seed", seed)
    made = write_demo(folder, seed, resume=resume)
    with going_on(made.output, quiet, SAME_COMMAND):
        result = api.scan(
            made.images, made.labels, output=made.output, resume=resume, noise="synthetic",
            settings={"flip": False, "seed": seed}, run=replace(run, model="nano"),
            progress=progress_of(quiet),
        )  # fmt: skip
    print_result(result, Terminal())
    _print_comparison(compare_with_truth(result.scores, made.truth), made.command(seed))


def _print_comparison(found: "SelectionMetrics", command: str) -> None:
    out = Terminal()
    out.print()
    out.print("[bold]against the truth[/bold]")
    out.print(f"precision      {found.precision:.1%}  [dim]of the kept rows are right[/dim]")
    out.print(f"recall         {found.recall:.1%}  [dim]of the right rows are kept[/dim]")
    out.print(f"F1 of wrong    {found.wrong_f1:.1%}  [dim]of finding the wrong labels[/dim]")
    out.print(f"AUROC          {found.auroc:.3f}  [dim]of clean_prob; 0.5 is chance[/dim]")
    out.print()
    out.print("The same scan by hand (add --overwrite to repeat it):")
    out.print(shown(command), soft_wrap=True)
