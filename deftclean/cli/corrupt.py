"""The command `corrupt`: parse, call, print."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from deftclean.cli.options import (
    AllowOutside,
    ClassNames,
    Delimiter,
    LabelColumn,
    LabelTable,
    Overwrite,
    PathColumn,
    Quiet,
    Rename,
    progress_of,
    reading_of,
)

CORRUPT_EXAMPLES = (
    "Examples:\n\n"
    "deftclean corrupt data/ labels.csv --noise symmetric --ratio 0.4 --seed 0 -o noisy.csv\n\n"
    "deftclean corrupt data/ --noise instance-dependent --ratio 0.3\n\n"
    "deftclean corrupt data/ --noise asymmetric --ratio 0.4 --map cat=dog,dog=cat\n\n"
    "deftclean corrupt data/ labels.csv --noise transition --transition matrix.csv\n\n"
    "deftclean corrupt data/ labels.csv --noise labels --from human.csv --from-column worse"
)


def corrupt(
    data: Annotated[Path, typer.Argument(help="Image folder (sub-folder = class), or a table.")],
    labels: LabelTable = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Table of noisy labels to write; the truth goes beside it, NAME.truth.csv. "
            "Default: noisy, with the input table's ending.",
        ),
    ] = None,
    overwrite: Overwrite = False,
    noise: Annotated[
        Literal["symmetric", "instance-dependent", "asymmetric", "transition", "labels"],
        typer.Option(
            help="symmetric: a share of the rows gets a uniformly random label, which may be the "
            "true one. instance-dependent: labels are flipped by what a picture shows. asymmetric: "
            "classes turn into certain others (--map). transition: by a K x K matrix "
            "(--transition). labels: those of another file (--from)."
        ),
    ] = "symmetric",
    ratio: Annotated[
        float | None,
        typer.Option(
            help="0 to 1. symmetric: share of the rows that get a random label. "
            "instance-dependent: mean chance of a flip. asymmetric: chance of a flip in the "
            "classes that change."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of every random draw; same seed, same bytes.")] = 0,
    map: Annotated[  # a name of its own would be another one in the settings file
        list[str] | None,
        typer.Option(
            help="With asymmetric: CLASS=OTHER_CLASS, also several with commas. Repeatable."
        ),
    ] = None,
    transition: Annotated[
        Path | None,
        typer.Option(
            help="With transition: rows are true classes, columns noisy ones. CSV with class names "
            'in first line and column, JSON {"cat": {"cat": 0.8, "dog": 0.2}}, or K x K numbers '
            "(.csv, .json, .npy)."
        ),
    ] = None,
    other: Annotated[
        Path | None,
        typer.Option(
            "--from", help="With labels: a table of other labels for the same files, by file name."
        ),
    ] = None,
    from_column: Annotated[
        str | None, typer.Option(help="Column of --from with the labels.")
    ] = None,
    size: Annotated[
        int,
        typer.Option(
            help="With instance-dependent: pictures are looked at as squares of the first one's "
            "longer side, at most this many pixels."
        ),
    ] = 64,
    workers: Annotated[
        int | None,
        typer.Option(min=0, help="Processes that read images. Default: by rows and cores."),
    ] = None,
    path_column: PathColumn = None,
    label_column: LabelColumn = None,
    class_names: ClassNames = None,
    delimiter: Delimiter = None,
    rename: Rename = None,
    allow_outside: AllowOutside = False,
    quiet: Quiet = False,
) -> None:
    """Put wrong labels into a data set, and write down which.

    Writes a table like the input's with other labels, for `deftclean scan`, and beside it the
    truth: file_name, true_label and whether the label is wrong now.
    """
    from deftclean.cli.data_results import print_corrupted
    from deftclean.datasets.corrupt import NoiseOptions
    from deftclean.datasets.corrupt import corrupt as run_corrupt

    result = run_corrupt(
        data,
        labels,
        output=output,
        options=NoiseOptions(
            noise=noise,
            ratio=ratio,
            seed=seed,
            changes=tuple(map or ()),
            transition=transition,
            labels=other,
            labels_column=from_column,
            size=size,
            workers=workers,
        ),
        overwrite=overwrite,
        reading=reading_of(
            path_column, label_column, class_names, delimiter, rename, allow_outside
        ),
        progress=progress_of(quiet),
    )
    print_corrupted(result, Console())
