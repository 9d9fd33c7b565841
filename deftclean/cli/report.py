"""The commands `report` and `review`: parse, call, print."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from deftclean.cli.options import AllowOutside, AsJson, Output, Overwrite, Quiet, progress_of, warn
from deftclean.cli.terminal import show, shown

if TYPE_CHECKING:
    from deftclean.reports.report import ReportResult
    from deftclean.reports.review import ReviewResult

REPORT_EXAMPLES = (
    "Examples:\n\n"
    "deftclean report clean.parquet\n\n"
    "deftclean report clean.parquet --audit 100 -o audit.html\n\n"
    "deftclean report clean.parquet --kept 50 -o with-kept.html\n\n"
    "deftclean report clean.parquet --embeddings embeddings.parquet -o map.html\n\n"
    "deftclean report clean.parquet -o cats.html --class cat --class lynx --images 500\n\n"
    "deftclean report clean.parquet --data train.parquet   (images inside that table)"
)
REVIEW_EXAMPLES = (
    "Examples:\n\n"
    "deftclean review clean.parquet review.csv -o reviewed.parquet\n\n"
    "deftclean review clean.parquet project-1.json -o reviewed.parquet   (Label Studio)\n\n"
    "deftclean review clean.parquet fiftyone-results/ -o reviewed.parquet\n\n"
    "deftclean review reviewed.parquet more.csv -o reviewed-2.parquet"
)


Page = Annotated[Path, typer.Option("--output", "-o", help="Page to write (HTML, one file).")]
Images = Annotated[
    int,
    typer.Option(
        min=0,
        max=2000,
        help="Rows in the gallery, the most suspicious first. The file stays under 15 MB: of "
        "many pictures each is smaller.",
    ),
]
Audit = Annotated[
    int | None,
    typer.Option(
        min=2,
        max=2000,
        help="Show a random sample of so many rows instead, half flagged and half kept. Once "
        "people have decided about it, check states the true noise rate and how many flags are "
        "right.",
    ),
]
Kept = Annotated[
    int,
    typer.Option(
        min=0,
        max=2000,
        help="Show so many kept rows too, drawn at random: what was not flagged. Not with --audit.",
    ),
]
Classes = Annotated[
    list[str] | None,
    typer.Option(
        "--class",
        envvar="DEFTCLEAN_REPORT_CLASS",
        help="Given label that the gallery is limited to. Repeatable. Default: all.",
    ),
]
NewClass = Annotated[
    list[str] | None,
    typer.Option(
        help="Label that rows may be given too, though it is no class of the table yet; any other "
        "is taken for a slip. Repeatable.",
    ),
]
OfMap = Annotated[
    Path | None,
    typer.Option(
        help="Features of the pictures: what export --to embeddings wrote, or your own (.npy, "
        ".safetensors or a table; by row or file name). The page then has a map of up to 2,000 "
        "rows, where look-alikes lie together. Not with --audit.",
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(help="Image folder, or the table that holds the images. Default: the scan's."),
]


def report(
    table: Annotated[Path, typer.Argument(help="Score table that deftclean wrote; a URL too.")],
    output: Page = Path("report.html"),
    images: Images = 200,
    audit: Audit = None,
    kept: Kept = 0,
    classes: Classes = None,
    data: Data = None,
    embeddings: OfMap = None,
    allow_outside: AllowOutside = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: AsJson = False,
) -> None:
    """Show a score table as a page, and review it there.

    One HTML file that loads nothing and opens from disk: figures, charts, and the most suspicious
    pictures, about which one decides with the keyboard. Its button saves review.csv, which
    deftclean review merges into the table.
    """
    from deftclean.reports.report import report as run_report

    result = run_report(
        table,
        output=output,
        overwrite=overwrite,
        images=images,
        audit=audit,
        kept=kept,
        classes=classes or (),
        data=data,
        embeddings=embeddings,
        allow_outside=allow_outside,
        progress=progress_of(quiet),
    )
    show(result, json, _print_report)


def review(
    table: Annotated[
        Path, typer.Argument(help="Score table that the report was made from; a URL too.")
    ],
    decisions: Annotated[
        Path,
        typer.Argument(
            help="review.csv, as the report saves it; or what Label Studio (JSON, JSON-MIN, CSV) "
            "or FiftyOne (samples.json) export of the tasks or samples that export made."
        ),
    ],
    output: Output = Path("reviewed.parquet"),
    new_class: NewClass = None,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Merge what people decided, in a report or another tool, into the score table.

    Sets keep and final_label, the label to train on. Rows that nobody decided about stay as they
    are. The same files give the same bytes.
    """
    from deftclean.reports.review import review as run_review

    result = run_review(
        table, decisions, output=output, overwrite=overwrite, new_class=new_class or ()
    )
    warn(result.warnings)
    show(result, json, _print_review)


def _print_report(result: "ReportResult", console: Console) -> None:
    summary, noise = result.overview.summary, result.overview.noise
    rate = "-"
    if noise is not None:
        rate = f"{noise.value:.1%}  [dim](as a sample: {noise.low:.1%} to {noise.high:.1%})[/dim]"
    from deftclean.gate.formats.text import audit_lines

    lines = [
        "",
        f"rows           {summary.rows:,}",
        f"flagged        {summary.flagged:,}",
        f"noise rate     {rate}",
    ]
    if result.overview.reviewed.rows:
        lines.append(f"reviewed       {result.overview.reviewed.rows:,}")
    if result.overview.audited is not None:
        lines += audit_lines(result.overview.audited)
    beside = result.images - result.flagged
    if result.drawn is not None:
        lines.append(f"gallery        {result.images:,} of {result.drawn:,} rows drawn at random")
    else:
        lines.append(
            f"gallery        {result.flagged:,} of {result.waiting:,} flagged rows to review"
        )
    if beside and result.drawn is None:
        lines.append(f"               {beside:,} kept rows beside them")
    if result.mapped is not None:
        lines.append(f"map            {result.mapped:,} rows")
    if result.problems:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in result.problems.items())
        lines.append(f"no picture     {kinds}  [dim](said in its place)[/dim]")
    console.print("\n".join(lines))
    size = f"[dim]({result.size / 1e6:.1f} MB)[/dim]"
    console.print(f"report         {shown(result.output)}  {size}", soft_wrap=True)


def _print_review(result: "ReviewResult", console: Console) -> None:
    from deftclean.gate.formats.text import audit_lines

    reviewed, summary = result.reviewed, result.summary
    lines = ["", f"merged         {result.merged:,} decisions"]
    if result.repeated:
        lines.append(
            f"repeated       {result.repeated:,} lines  [dim](the last about a row counts)[/dim]"
        )
    if result.undecided:
        lines.append(f"undecided      {result.undecided:,}  [dim](nobody has answered)[/dim]")
    lines += [
        f"reviewed       {reviewed.rows:,}  [dim]({reviewed.kept:,} kept, "
        f"{reviewed.relabelled:,} relabelled, {reviewed.dropped:,} dropped)[/dim]",
        f"rows           {summary.rows:,}",
        f"kept           {summary.kept:,}",
        f"flagged        {summary.flagged:,}  [dim](dropped rows are among them)[/dim]",
    ]
    if result.audited is not None:
        lines += audit_lines(result.audited)
    console.print("\n".join(lines))
    console.print(f"table          {shown(result.output)}", soft_wrap=True)
