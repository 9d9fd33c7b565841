"""The command `dataset`: parse, call, print."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from deftclean.cli.from_settings import Options, takes
from deftclean.cli.options import Overwrite, Quiet, progress_of
from deftclean.cli.results import scan_command
from deftclean.cli.terminal import Terminal, shown
from deftclean.datasets.options import DatasetName, DatasetOptions

if TYPE_CHECKING:
    from deftclean.datasets.dataset import DatasetResult


DATASET_EXAMPLES = (
    "Examples:\n\n"
    "deftclean dataset cifar10n cifar/ --labels worse -o cifar10n/\n\n"
    "deftclean dataset stanford-cars cars/ --split test -o cars-test/\n\n"
    "deftclean dataset clothing1m clothing1m/ --balanced -o clothing/\n\n"
    "deftclean scan cifar10n/images cifar10n/labels.csv"
)


SetFolder = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        help="Folder to write: labels.csv, truth.csv, and images/ where the data set does not "
        "hold its pictures as files.",
    ),
]


@takes(options=Options(DatasetOptions))
def dataset(
    name: Annotated[DatasetName, typer.Argument(help="Name of the data set.")],
    root: Annotated[
        Path, typer.Argument(help="Its folder, unpacked as published; nothing is fetched.")
    ],
    output: SetFolder,
    overwrite: Overwrite = False,
    *,
    options: DatasetOptions,
    quiet: Quiet = False,
) -> None:
    """Turn a public data set into what scan reads.

    Writes labels.csv, and truth.csv with what is publicly known of the true labels. Class names are
    words, as prompts need them.
    """
    from deftclean.datasets.dataset import dataset as write_dataset

    result = write_dataset(
        name, root, output=output, options=options, overwrite=overwrite, progress=progress_of(quiet)
    )
    print_dataset(result, Terminal())


def print_dataset(result: "DatasetResult", console: Console) -> None:
    """The end of dataset, on stdout."""
    known = "not public"
    if result.judged:
        known = (
            f"{result.wrong:,}  [dim]({result.wrong / result.judged:.1%} of {result.judged:,} rows "
            "of which it is known)[/dim]"
        )
    lines = [
        f"rows           {result.rows:,}",
        f"classes        {result.classes:,}",
        f"wrong labels   {known}",
        f"labels         {shown(result.labels)}",
        f"truth          {shown(result.truth)}",
        f"time           {result.seconds:.1f} s",
        f"next           {shown(scan_command(result.root, result.labels, ()))}",
    ]
    console.print("\n".join(lines), soft_wrap=True)
