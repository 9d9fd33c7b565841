"""The commands that make data sets, `dataset` and `corrupt`: parse, call, print."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from deftclean.cli.from_settings import Options, takes
from deftclean.cli.options import READING, AsJson, LabelTable, Overwrite, Quiet, progress_of
from deftclean.cli.results import scan_command
from deftclean.cli.terminal import show, shown
from deftclean.data.options import ManifestOptions
from deftclean.datasets.options import DatasetName, DatasetOptions, NoiseOptions

if TYPE_CHECKING:
    from deftclean.datasets.corrupt import CorruptResult
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
    json: AsJson = False,
) -> None:
    """Turn a public data set into what scan reads.

    Writes labels.csv, and truth.csv with what is publicly known of the true labels. Class names are
    words, as prompts need them.
    """
    from deftclean.datasets.dataset import dataset as write_dataset

    result = write_dataset(
        name, root, output=output, options=options, overwrite=overwrite, progress=progress_of(quiet)
    )
    show(result, json, print_dataset)


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


CORRUPT_EXAMPLES = (
    "Examples:\n\n"
    "deftclean corrupt data/ labels.csv --noise symmetric --ratio 0.4 --seed 0 -o noisy.csv\n\n"
    "deftclean corrupt data/ --noise instance-dependent --ratio 0.3\n\n"
    "deftclean corrupt data/ --noise asymmetric --ratio 0.4 --map cat=dog,dog=cat\n\n"
    "deftclean corrupt data/ labels.csv --noise transition --transition matrix.csv\n\n"
    "deftclean corrupt data/ labels.csv --noise labels --from human.csv --from-column worse"
)


NoisyTable = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        help="Table of noisy labels to write; the truth goes beside it, NAME.truth.csv. "
        "Default: noisy, with the input table's ending.",
    ),
]


@takes(options=Options(NoiseOptions), reading=READING)
def corrupt(
    data: Annotated[
        Path, typer.Argument(help="Image folder (sub-folder = class), or a table; a URL too.")
    ],
    labels: LabelTable = None,
    output: NoisyTable = None,
    overwrite: Overwrite = False,
    *,
    options: NoiseOptions,
    reading: ManifestOptions,
    quiet: Quiet = False,
    json: AsJson = False,
) -> None:
    """Put wrong labels into a data set, and write down which.

    Writes a table like the input's with other labels, for `deftclean scan`, and beside it the
    truth: file_name, true_label and whether the label is wrong now.
    """
    from deftclean.datasets.corrupt import corrupt as run_corrupt

    result = run_corrupt(
        data, labels, output=output, options=options, overwrite=overwrite, reading=reading,
        progress=progress_of(quiet),
    )  # fmt: skip
    show(result, json, print_corrupted)


def print_corrupted(result: "CorruptResult", console: Console) -> None:
    """The end of corrupt, on stdout."""
    lines = [
        f"rows           {result.rows:,}",
        f"wrong labels   {result.wrong:,}  [dim]({result.wrong / result.labelled:.1%} of "
        f"{result.labelled:,} labelled rows)[/dim]",
    ]
    if result.side is not None:
        lines.append(f"looked at      pictures of {result.side} x {result.side} pixels")
    if result.unreadable:
        lines.append(f"unreadable     {result.unreadable:,} pictures, whose rows kept their labels")
    lines += [
        f"labels         {shown(result.output)}",
        f"truth          {shown(result.truth)}",
        f"time           {result.seconds:.1f} s",
        f"next           {shown(scan_command(result.root, result.output, result.scan_options))}",
    ]
    console.print("\n".join(lines), soft_wrap=True)
