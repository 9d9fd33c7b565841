"""The commands `score` and `select`: their options, and what they print."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from deftclean.cli.check import Baseline, ExitZero, FailOn, leave_by_gates
from deftclean.cli.from_settings import takes
from deftclean.cli.options import (
    EVIDENCE,
    READING,
    RUN,
    AsJson,
    LabelTable,
    Model,
    Output,
    Overwrite,
    Quiet,
    progress_of,
    taking_part,
    warn,
)
from deftclean.cli.terminal import show
from deftclean.core.run import RunOptions
from deftclean.data.options import ManifestOptions
from deftclean.settings.detector import Rule
from deftclean.settings.evidence import EvidenceOptions

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


@takes(
    own=EVIDENCE.only("embeddings", "pred_probs", "features", "features_weights"),
    run=RUN,
    reading=READING,
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
    model: Model = None,
    *,
    own: EvidenceOptions,
    run: RunOptions,
    reading: ManifestOptions,
    fail_on: FailOn = None,
    baseline: Baseline = None,
    exit_zero: ExitZero = False,
    quiet: Quiet = False,
    json: AsJson = False,
) -> None:
    """Score new data with a saved detector, without training.

    Labels that are none of the detector's classes, and images without a label, keep their
    predictions and get no clean probability.
    """
    from deftclean.cli.results import print_result
    from deftclean.detection.score import score as run_score

    with taking_part() as ranks:
        result = run_score(
            detector, data, labels, output=output, overwrite=overwrite, rule=rule,
            threshold=threshold, reading=reading, evidence=own,
            run=replace(run, model=model, ranks=ranks),
            progress=progress_of(quiet), fail_on=fail_on or (), baseline=baseline,
        )  # fmt: skip
    show(result, json, print_result)
    leave_by_gates(result.check, exit_zero, json)


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
    json: AsJson = False,
) -> None:
    """Decide anew which rows are kept, without training, model or images."""
    from deftclean.cli.results import print_result
    from deftclean.detection.select import select as run_select

    result = run_select(table, output=output, rule=rule, threshold=threshold, overwrite=overwrite)
    warn(result.warnings)
    show(result, json, print_result)
