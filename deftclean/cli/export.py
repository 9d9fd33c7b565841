"""The command `export`: parse, call, print."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from deftclean.cli.options import AllowOutside, AsJson, Overwrite, Quiet, progress_of
from deftclean.cli.terminal import show, shown
from deftclean.core.errors import UsageError
from deftclean.exports.formats import ABOVE, Correction, Link, RowChoice, Target

if TYPE_CHECKING:
    from deftclean.exports.export import ExportResult
    from deftclean.hearing.embed import EmbeddingsResult

EXPORT_EXAMPLES = (
    "Examples:\n\n"
    "deftclean export clean.parquet --to csv -o cleaned.csv\n\n"
    "deftclean export clean.parquet --to folder -o cleaned/ --link hard\n\n"
    "deftclean export clean.parquet --to imagefolder -o cleaned/\n\n"
    "deftclean export clean.parquet --to csv -o corrected.csv --apply suggested --above 0.95\n\n"
    "deftclean export clean.parquet --to cleanlab -o issues.csv\n\n"
    "deftclean export clean.parquet --to fiftyone -o fiftyone/\n\n"
    "deftclean export clean.parquet --to label-studio -o tasks/\n\n"
    "deftclean export clean.parquet --to embeddings -o embeddings.parquet"
)


_PICTURES = "Pictures"  # a panel of the help

Kind = Literal[Target, "embeddings"]

To = Annotated[
    Kind,
    typer.Option(
        help="csv, parquet: the cleaned table. folder: pictures by class. imagefolder: "
        "pictures and metadata.jsonl, for Hugging Face. cleanlab: its columns, CSV or Parquet. "
        "fiftyone: samples with mistakenness. label-studio: tasks with predictions. "
        "embeddings: the features that the table's model has of its pictures, Parquet."
    ),
]
ExportPath = Annotated[
    Path,
    typer.Option(
        "--output", "-o", help="File to write, or folder; only a folder of export is replaced."
    ),
]
Rows = Annotated[
    RowChoice | None,
    typer.Option(
        help="kept; flagged: scored and not kept; all. Default: kept; all for cleanlab and "
        "fiftyone; flagged for label-studio."
    ),
]
Scores = Annotated[
    bool | None,
    typer.Option(
        "--scores/--no-scores",
        help="With the columns that deftclean has added (csv, parquet, imagefolder). Default: "
        "where rows are flagged or all.",
    ),
]
Apply = Annotated[
    Correction | None,
    typer.Option(
        help="suggested: flagged rows whose suggestion is certain enough take it, without a "
        "review; what people decided stays. changes.csv, in the folder or beside the file, lists "
        "them (csv, parquet, folder, imagefolder)."
    ),
]
Above = Annotated[
    float | None,
    typer.Option(
        help=f"With --apply: the suggested_prob that a row must exceed, at most 1. "
        f"Default: {ABOVE}."
    ),
]
LinkChoice = Annotated[
    Link, typer.Option(help="How pictures get into a folder.", rich_help_panel=_PICTURES)
]
Data = Annotated[
    Path | None,
    typer.Option(
        help="Image folder, or the table that holds the images. Default: the scan's.",
        rich_help_panel=_PICTURES,
    ),
]
SkipChanged = Annotated[
    bool,
    typer.Option(
        "--skip-changed",
        help="Leave rows out whose picture is missing or no longer the one that was scored; "
        "without it, nothing is written then.",
        rich_help_panel=_PICTURES,
    ),
]
ImageUrl = Annotated[
    str | None,
    typer.Option(
        help="label-studio: what stands before a picture's name in its address. Default: "
        "/data/local-files/?d=FOLDER/, files that Label Studio serves itself.",
        rich_help_panel=_PICTURES,
    ),
]


def export(
    table: Annotated[
        Path,
        typer.Argument(help="Score table that scan, score, select or review wrote; a URL too."),
    ],
    to: To,
    output: ExportPath,
    rows: Rows = None,
    scores: Scores = None,
    apply: Apply = None,
    above: Above = None,
    link: LinkChoice = "copy",
    data: Data = None,
    allow_outside: AllowOutside = False,
    skip_changed: SkipChanged = False,
    image_url: ImageUrl = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: AsJson = False,
) -> None:
    """Write the cleaned set, or the findings, in the format of another tool.

    The label is the given one, or final_label where the table was reviewed; with --apply, the
    suggested one where that is certain. Needs no model, but for embeddings.
    """
    if to == "embeddings":
        unfit = _unfit(rows, scores, apply, above, link, skip_changed, image_url)
        _embeddings(table, output, data, allow_outside, overwrite, quiet, json, unfit)
        return
    from deftclean.exports.export import export as run_export

    result = run_export(
        table, to=to, output=output, rows=rows, scores=scores, link=link, data=data,
        allow_outside=allow_outside, skip_changed=skip_changed, image_url=image_url,
        apply=apply, above=above, overwrite=overwrite,
        progress=progress_of(quiet),
    )  # fmt: skip
    show(result, json, _print)


def _unfit(
    rows: RowChoice | None,
    scores: bool | None,
    apply: Correction | None,
    above: float | None,
    link: Link,
    skip_changed: bool,
    image_url: str | None,
) -> list[str]:
    """Options that mean nothing where features are written."""
    given = {
        "--rows": rows,
        "--scores": scores,
        "--apply": apply,
        "--above": above,
        "--link": None if link == "copy" else link,
        "--skip-changed": skip_changed or None,
        "--image-url": image_url,
    }
    return [option for option, value in given.items() if value is not None]


def _embeddings(
    table: Path,
    output: Path,
    data: Path | None,
    allow_outside: bool,
    overwrite: bool,
    quiet: bool,
    json: bool,
    unfit: list[str],
) -> None:
    from deftclean.hearing.embed import export_embeddings

    if unfit:
        raise UsageError(f"{', '.join(unfit)}: of other formats than embeddings.", "Leave it out.")
    result = export_embeddings(
        table, output=output, data=data, allow_outside=allow_outside, overwrite=overwrite,
        progress=progress_of(quiet),
    )  # fmt: skip
    show(result, json, _print_embeddings)


def _print_embeddings(result: "EmbeddingsResult", console: Console) -> None:
    console.print(f"rows           {result.rows:,}")
    console.print(f"written        {result.written:,}  [dim]({result.size:,} numbers each)[/dim]")
    console.print(f"embeddings     {shown(result.output)}", soft_wrap=True)
    console.print(f"time           {result.seconds:.1f} s")


_READ = {
    "imagefolder": 'datasets.load_dataset("imagefolder", data_dir="{}")',
    "fiftyone": 'fo.Dataset.from_dir("{}", dataset_type=fo.types.FiftyOneDataset)',
    "label-studio": "labeling.xml is the labeling interface, tasks.json the import",
}


def _print(result: "ExportResult", console: Console) -> None:
    """The end of export, on stdout."""
    labels = "final_label, of the review" if result.reviewed else "given_label"
    console.print(f"rows           {result.rows:,}")
    console.print(f"written        {result.written:,}  [dim](labels: {labels})[/dim]")
    if result.changes is not None:
        console.print(f"corrected      {result.corrected:,}  [dim](suggested_label)[/dim]")
        console.print(f"changes        {shown(result.changes)}", soft_wrap=True)
    if result.left_out:
        others = ", ".join(f"{count:,} {name}" for name, count in result.left_out.items())
        console.print(f"left out       {others}")
    ending = "/" if result.output.is_dir() else ""
    console.print(f"{result.to:<14} {shown(result.output)}{ending}", soft_wrap=True)
    if result.to in _READ:
        how = _READ[result.to].format(result.output)
        console.print(f"read it        [dim]{shown(how)}[/dim]", soft_wrap=True)
    console.print(f"time           {result.seconds:.1f} s")
