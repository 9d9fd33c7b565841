"""The commands `score` and `select`: their options, and what they print."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from deftclean.applying.options import PartsOptions
from deftclean.cli.check import Baseline, ExitZero, FailOn, leave_by_gates
from deftclean.cli.from_settings import Options, takes
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
    refuse_several,
    taking_part,
    warn,
)
from deftclean.cli.terminal import show
from deftclean.core.errors import UsageError
from deftclean.core.run import RunOptions
from deftclean.data.options import ManifestOptions
from deftclean.settings.detector import Rule
from deftclean.settings.evidence import EvidenceOptions

SCORE_EXAMPLES = (
    "Examples:\n\n"
    "deftclean score clean.detector/ new_data/ -o scores.parquet\n\n"
    "deftclean score clean.detector/ new_data/ labels.csv --threshold 0.7\n\n"
    "deftclean score clean.detector/ new_data/ labels.parquet -o scores/ --part 17/400\n\n"
    "deftclean score s3://bucket/clean.detector/ s3://bucket/new/ -o s3://bucket/new.parquet"
)
Threshold = Annotated[float | None, typer.Option(help="Of clean_prob. Default: the detector's.")]
SELECT_EXAMPLES = (
    "Examples:\n\n"
    "deftclean select clean.parquet --rule threshold --threshold 0.7 -o stricter.parquet\n\n"
    "deftclean select clean.parquet --rule agree -o agree.parquet\n\n"
    "deftclean select clean.parquet --fill-classes -o filled.parquet"
)


@takes(
    own=EVIDENCE.only("embeddings", "pred_probs", "features", "features_weights"),
    run=RUN,
    reading=READING,
    parts=Options(PartsOptions),
)
def score(
    detector: Annotated[Path, typer.Argument(help="Detector folder that scan wrote; a URL too.")],
    data: Annotated[Path, typer.Argument(help="Image folder, or a table; a URL too.")],
    labels: LabelTable = None,
    output: Output = Path("scores.parquet"),
    overwrite: Overwrite = False,
    rule: Annotated[Rule | None, typer.Option(help="Keep rule. Default: the detector's.")] = None,
    threshold: Threshold = None,
    model: Model = None,
    *,
    own: EvidenceOptions,
    run: RunOptions,
    reading: ManifestOptions,
    parts: PartsOptions,
    fail_on: FailOn = None,
    baseline: Baseline = None,
    exit_zero: ExitZero = False,
    quiet: Quiet = False,
    json: AsJson = False,
) -> None:
    """Score new data with a saved detector, without training.

    Images without a label, or with one of no class, keep predictions and get no clean probability.
    """
    import deftclean as api
    from deftclean.cli import results

    same: dict[str, Any] = {"output": output, "rule": rule, "threshold": threshold}
    same |= {"reading": reading, "evidence": own, "progress": progress_of(quiet)}
    same["run"] = replace(run, model=model)
    of_whole = {"overwrite": overwrite, "fail_on": fail_on or (), "baseline": baseline}
    if parts.asked:
        _refuse(of_whole)
        made = api.score_parts(detector, data, labels, parts=parts, **same)
        return show(made, json, results.print_parts)
    with taking_part() as ranks:
        same |= {"run": replace(same["run"], ranks=ranks), **of_whole}
        result = api.score(detector, data, labels, **same)
    show(result, json, results.print_result)
    return leave_by_gates(result.check, exit_zero, json)


def _refuse(of_whole: Mapping[str, Any]) -> None:
    """What concerns a whole table cannot go with a part of it; nor can several processes.

    Raises:
        UsageError: which options were given, or that torchrun has started several.
    """
    refuse_several("score --part")
    wrong = [f"--{name.replace('_', '-')}" for name, value in of_whole.items() if value]
    if wrong:
        raise UsageError(
            f"{', '.join(wrong)} cannot go with --part or --engine.",
            "Remove a folder by hand; ask for gates when it is whole: deftclean check scores/",
        )


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
    fill_classes: Annotated[
        bool,
        typer.Option(
            "--fill-classes",
            help="A class that would be left without a row keeps its most probable rows: as many "
            "as the evidence expects right labels among them (the sum of their clean_prob, rounded "
            "down, at least one).",
        ),
    ] = False,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Decide anew which rows are kept, without training, model or images."""
    from deftclean.cli.results import print_result
    from deftclean.detection.select import select as run_select

    result = run_select(
        table, output=output, rule=rule, threshold=threshold, fill_classes=fill_classes,
        overwrite=overwrite,
    )  # fmt: skip
    warn(result.warnings)
    show(result, json, print_result)
