"""The commands `score` and `select`: their options, and what they print."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deftclean.cli.check import Baseline, ExitZero, FailOn, leave_by_gates
from deftclean.cli.options import (
    AllowOutside,
    CacheDir,
    CacheSize,
    ClassNames,
    Compile,
    Delimiter,
    Device,
    LabelColumn,
    LabelTable,
    NoCache,
    Offline,
    Output,
    Overwrite,
    PathColumn,
    PrecisionChoice,
    Quiet,
    Rename,
    Weights,
    Workers,
    progress_of,
    reading_of,
    run_of,
)
from deftclean.settings.detector import Rule

SCORE_EXAMPLES = (
    "Examples:\n\n"
    "deftclean score clean.detector/ new_data/ -o scores.parquet\n\n"
    "deftclean score clean.detector/ new_data/ labels.csv --threshold 0.7"
)
SELECT_EXAMPLES = (
    "Examples:\n\n"
    "deftclean select clean.parquet --rule threshold --threshold 0.7 -o stricter.parquet\n\n"
    "deftclean select clean.parquet --rule agree -o agree.parquet"
)


def score(
    detector: Annotated[Path, typer.Argument(help="Detector folder that scan wrote.")],
    data: Annotated[Path, typer.Argument(help="Image folder, or a table.")],
    labels: LabelTable = None,
    output: Output = Path("scores.parquet"),
    overwrite: Overwrite = False,
    rule: Annotated[Rule | None, typer.Option(help="Keep rule. Default: the detector's.")] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Of clean_prob. Default: the detector's.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Where the detector's model is now, if it was moved. Its hash is checked.",
            rich_help_panel="Model",
        ),
    ] = None,
    weights: Weights = None,
    offline: Offline = False,
    device: Device = "auto",
    precision: PrecisionChoice = "auto",
    compiled: Compile = False,
    workers: Workers = None,
    cache_dir: CacheDir = None,
    no_cache: NoCache = False,
    cache_size: CacheSize = 10.0,
    path_column: PathColumn = None,
    label_column: LabelColumn = None,
    class_names: ClassNames = None,
    delimiter: Delimiter = None,
    rename: Rename = None,
    allow_outside: AllowOutside = False,
    fail_on: FailOn = None,
    baseline: Baseline = None,
    exit_zero: ExitZero = False,
    quiet: Quiet = False,
) -> None:
    """Score new data with a saved detector, without training.

    Labels that are none of the detector's classes, and images without a label, keep their
    predictions and get no clean probability.
    """
    from deftclean.cli.results import print_result
    from deftclean.detection.score import score as run_score

    reading = reading_of(path_column, label_column, class_names, delimiter, rename, allow_outside)
    run = run_of(
        model, weights, offline, device, precision, compiled, workers,
        cache_dir, no_cache, cache_size,
    )  # fmt: skip
    result = run_score(
        detector,
        data,
        labels,
        output=output,
        overwrite=overwrite,
        rule=rule,
        threshold=threshold,
        reading=reading,
        run=run,
        progress=progress_of(quiet),
        fail_on=fail_on or (),
        baseline=baseline,
    )
    print_result(result, Console())
    leave_by_gates(result.check, exit_zero)


def select(
    table: Annotated[Path, typer.Argument(help="Score table that scan or score wrote.")],
    output: Output,
    rule: Annotated[
        Rule | None,
        typer.Option(
            help="threshold: clean_prob > threshold. agree: also the given label has the highest "
            "clean probability. Default: the table's."
        ),
    ] = None,
    threshold: Annotated[float | None, typer.Option(help="0 to 1. Default: the table's.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Decide anew which rows are kept, without training, model or images."""
    from deftclean.cli.results import print_result
    from deftclean.detection.select import select as run_select

    result = run_select(table, output=output, rule=rule, threshold=threshold, overwrite=overwrite)
    print_result(result, Console())
