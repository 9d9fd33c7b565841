"""The command `dataset`: parse, call, print."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape

from deftclean.cli.options import Overwrite, Quiet, progress_of
from deftclean.cli.results import scan_command

if TYPE_CHECKING:
    from deftclean.datasets.dataset import DatasetResult


DATASET_EXAMPLES = (
    "Examples:\n\n"
    "deftclean dataset cifar10n cifar/ --labels worse -o cifar10n/\n\n"
    "deftclean dataset stanford-cars cars/ --split test -o cars-test/\n\n"
    "deftclean dataset clothing1m clothing1m/ --balanced -o clothing/\n\n"
    "deftclean scan cifar10n/images cifar10n/labels.csv"
)


def dataset(
    name: Annotated[
        Literal[
            "cifar10",
            "cifar100",
            "cifar10n",
            "cifar100n",
            "tiny-imagenet",
            "stanford-cars",
            "cub-200-2011",
            "clothing1m",
            "webvision",
            "food-101n",
            "animal-10n",
        ],
        typer.Argument(help="Name of the data set."),
    ],
    root: Annotated[
        Path, typer.Argument(help="Its folder, unpacked as published; nothing is fetched.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="Folder to write: labels.csv, truth.csv, and images/ where the data set does not "
            "hold its pictures as files.",
        ),
    ],
    overwrite: Overwrite = False,
    split: Annotated[
        Literal["train", "clean-train", "val", "test"],
        typer.Option(help="Part of the data set; clean-train is Clothing1M's."),
    ] = "train",
    labels: Annotated[
        Literal["worse", "aggregate", "random1", "random2", "random3"] | None,
        typer.Option(help="Label set of cifar10n. Default: worse."),
    ] = None,
    classes: Annotated[
        int | None, typer.Option(help="Of webvision: the first so many. Default: 50.")
    ] = None,
    balanced: Annotated[
        bool,
        typer.Option("--balanced", help="Of clothing1m: a random 32,000, as many of each class."),
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of that sample.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Turn a public data set into what scan reads.

    Writes labels.csv, and truth.csv with what is publicly known of the true labels. Class names are
    words, as prompts need them.
    """

    from deftclean.datasets.dataset import DatasetOptions
    from deftclean.datasets.dataset import dataset as write_dataset

    result = write_dataset(
        name,
        root,
        output=output,
        options=DatasetOptions(split, labels, classes, balanced, seed),
        overwrite=overwrite,
        progress=progress_of(quiet),
    )
    print_dataset(result, Console())


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
        f"labels         {escape(str(result.labels))}",
        f"truth          {escape(str(result.truth))}",
        f"time           {result.seconds:.1f} s",
        f"next           {escape(scan_command(result.root, result.labels, ()))}",
    ]
    console.print("\n".join(lines), highlight=False, soft_wrap=True)
