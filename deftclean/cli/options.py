"""The options that several commands share, as types for Typer.

Does not know what a command does with them. Loads neither torch nor pandas nor pyarrow.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from deftclean.core.errors import UsageError
from deftclean.core.run import Precision

if TYPE_CHECKING:
    from deftclean.cli.progress import TerminalProgress
    from deftclean.core.run import RunOptions
    from deftclean.data.manifest import ManifestOptions

Output = Annotated[Path, typer.Option("--output", "-o", help="Score table to write (Parquet).")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing outputs.")]
PathColumn = Annotated[
    str | None,
    typer.Option(help="Column with file names (or image bytes).", rich_help_panel="Input"),
]
LabelColumn = Annotated[
    str | None, typer.Option(help="Column with labels.", rich_help_panel="Input")
]
ClassNames = Annotated[
    Path | None,
    typer.Option(
        help="Class names for integer (or coded) labels: a text file with a name a line, the "
        "name of label 0 first, or a JSON list, or a JSON object from label to name.",
        rich_help_panel="Input",
    ),
]
Delimiter = Annotated[
    str | None,
    typer.Option(
        help="Separator of a CSV (default: comma) or TSV file (tab).", rich_help_panel="Input"
    ),
]
Rename = Annotated[
    list[str] | None,
    typer.Option(
        help="OLD=NEW: carry an input column on under another name. Repeatable.",
        rich_help_panel="Input",
    ),
]
AllowOutside = Annotated[
    bool,
    typer.Option(
        "--allow-outside",
        help="Follow links and names that leave the data folder.",
        rich_help_panel="Input",
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(
        help="Pretrained tag (default openai) or checkpoint file for a named model.",
        rich_help_panel="Model",
    ),
]
Offline = Annotated[
    bool, typer.Option("--offline", help="Never fetch weights.", rich_help_panel="Model")
]
Device = Annotated[
    str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.", rich_help_panel="Model")
]
PrecisionChoice = Annotated[
    Precision,
    typer.Option(
        help="auto: bf16 (or fp16) autocast on CUDA, float32 elsewhere. Losses are float32.",
        rich_help_panel="Model",
    ),
]
Compile = Annotated[
    bool,
    typer.Option(
        "--compile",
        help="Translate the image tower with torch.compile: takes a minute, then runs faster, on "
        "GPUs above all. Scores differ by rounding.",
        rich_help_panel="Model",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Processes that read images, in every pass. Default: by pass and device.",
        rich_help_panel="Model",
    ),
]
CacheDir = Annotated[
    Path | None,
    typer.Option(
        help="Where resized pictures and embeddings are kept for later passes and runs. Default: "
        "DEFTCLEAN_CACHE_DIR, or else the user's cache folder.",
        rich_help_panel="Cache",
    ),
]
NoCache = Annotated[
    bool,
    typer.Option(
        "--no-cache",
        help="Keep none; pictures are decoded anew in every pass.",
        rich_help_panel="Cache",
    ),
]
CacheSize = Annotated[
    float,
    typer.Option(
        min=0,
        help="How large the cache may grow, in GB; what was not used for longest goes first.",
        rich_help_panel="Cache",
    ),
]
LabelTable = Annotated[Path | None, typer.Argument(help="Labels: .csv, .tsv, .jsonl or .parquet.")]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="No progress; results and warnings only.")
]


def reading_of(
    path_column: str | None,
    label_column: str | None,
    class_names: Path | None,
    delimiter: str | None,
    rename: list[str] | None,
    allow_outside: bool,
) -> "ManifestOptions":
    """The input options, put together.

    Raises:
        UsageError: --rename or --delimiter is not of the form it must have.
    """
    from deftclean.data.manifest import ManifestOptions

    pairs = [pair.partition("=") for pair in rename or []]
    wrong = [old for old, equals, new in pairs if not (old and equals and new)]
    if wrong:
        raise UsageError(f"--rename {wrong[0]!r}: write it as OLD=NEW.")
    if delimiter is not None and len(delimiter) != 1:
        raise UsageError(f"--delimiter {delimiter!r} is not one character.")
    return ManifestOptions(
        path_column=path_column,
        label_column=label_column,
        class_names=class_names,
        delimiter=delimiter,
        rename={old: new for old, _, new in pairs},
        allow_outside=allow_outside,
    )


def run_of(
    model: str | None,
    weights: str | None,
    offline: bool,
    device: str,
    precision: Precision,
    compiled: bool,
    workers: int | None,
    cache_dir: Path | None,
    no_cache: bool,
    cache_size: float,
) -> "RunOptions":
    """Where and how to compute, put together."""
    from deftclean.core.run import RunOptions

    return RunOptions(
        model=model,
        weights=weights,
        device=device,
        precision=precision,
        workers=workers,
        offline=offline,
        compile=compiled,
        cache=not no_cache,
        cache_dir=cache_dir,
        cache_size=cache_size,
    )


def progress_of(quiet: bool) -> "TerminalProgress":
    """Progress on stderr."""
    from deftclean.cli.progress import TerminalProgress

    return TerminalProgress(Console(stderr=True), quiet)
