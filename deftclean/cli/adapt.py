"""The commands `adapt` and `predict`: parse, call, print."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from deftclean.adaptation.options import AdaptOptions
from deftclean.cli.from_settings import Options, takes
from deftclean.cli.options import (
    READING,
    RUN,
    SAME_COMMAND,
    AsJson,
    Model,
    Output,
    Overwrite,
    Quiet,
    progress_of,
    taking_part,
)
from deftclean.cli.terminal import show, shown
from deftclean.core.run import RunOptions
from deftclean.data.options import ManifestOptions
from deftclean.settings.adaptation import RECIPES, AdaptConfig, Method

if TYPE_CHECKING:
    from deftclean.adaptation.predict import PredictResult
    from deftclean.adaptation.run_folder import AdaptResult

ADAPT_EXAMPLES = (
    "Examples:\n\n"
    "deftclean adapt clean.parquet --backbone resnet50\n\n"
    "deftclean adapt clean.parquet --backbone nano --test test/labels.csv --compare\n\n"
    "deftclean adapt clean.parquet --backbone clip-vit-b16 --method linear -o linear-head\n\n"
    "deftclean adapt clean.parquet --backbone resnet50 --method turn --all -o turn\n\n"
    "deftclean adapt clean.parquet --backbone resnet50 --weights resnet50.safetensors"
)
PREDICT_EXAMPLES = (
    "Examples:\n\n"
    "deftclean predict adapted/ images/ -o pred.parquet\n\n"
    "deftclean predict adapted/ images/ labels.csv -o pred.parquet"
)


def _recipe_help() -> str:
    """One line for each short name, from the recipes themselves."""
    lines = []
    for name, recipe in RECIPES.items():
        values = ", ".join(f"{key.replace('_', '-')} {value}" for key, value in recipe.fft.items())
        lines.append(f"{name} ({recipe.model}): {values}.")
    return (
        "A short name, any timm name, or a CLIP as scan names it. Recipes of fft and turn: "
        + " ".join(lines)
        + " Where nothing else is said: 10 epochs, batch 64, cosine. Heads and tuners: sgd, "
        "lr 0.03, momentum 0.9, weight-decay 0.0005."
    )


_SETTINGS = Options(
    AdaptConfig,
    order=(
        *("seed", "loss", "epochs", "batch_size", "micro_batch", "optimiser", "lr", "momentum"),
        *("weight_decay", "schedule", "clip_grad", "augmentation", "flip", "image_size", "decode"),
        *("tuner", "prompt_length", "rank", "bottleneck", "tower_lr_share", "context_length"),
    ),
    panel="Training (defaults: the backbone's recipe)",
    preset=True,
)
_ROWS = Options(AdaptOptions, order=("data",))
_WHERE = RUN.without("weights", "compile")

MethodChoice = Annotated[
    Method,
    typer.Option(
        help="fft: all weights and a new head. linear: the head, on frozen features. turn: the "
        "head first, then all weights on those of the given rows that it believes; with --all "
        "it does without the table's cleaning, without --all it selects from the kept rows. "
        "peft: a visual tuner and a head, in a CLIP. vlpt: a visual tuner and a textual "
        "context. prompts: train nothing; classify with the detector's own positive prompts."
    ),
]
RunFolder = Annotated[Path, typer.Option("--output", "-o", help="Run folder to write.")]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Go on where a stopped run with the same options left off, with the same "
        "numbers; begin anew where there is none.",
    ),
]
StartWeights = Annotated[
    str | None,
    typer.Option(
        help="Checkpoint file or folder to begin with. Default: the backbone's own, by name.",
        rich_help_panel="Model",
    ),
]
FromScratch = Annotated[
    bool,
    typer.Option("--from-scratch", help="Begin with random weights.", rich_help_panel="Model"),
]


@takes(run=_WHERE, options=_ROWS, settings=_SETTINGS)
def adapt(
    table: Annotated[
        Path, typer.Argument(help="Score table that scan, score or select wrote; a URL too.")
    ],
    backbone: Annotated[str, typer.Option(help=_recipe_help())] = "clip-vit-b16",
    method: MethodChoice = "fft",
    output: RunFolder = Path("adapted"),
    overwrite: Overwrite = False,
    resume: Resume = False,
    weights: StartWeights = None,
    from_scratch: FromScratch = False,
    *,
    run: RunOptions,
    options: AdaptOptions,
    settings: dict[str, Any],
    quiet: Quiet = False,
    json: AsJson = False,
) -> None:
    """Train a classifier on the kept rows, test it, and write it.

    Writes a run folder (-o): weights that timm loads, configuration, figures of every epoch,
    pictures and a model card. deftclean predict uses it.
    """
    from deftclean.adaptation.adapt import adapt as run_adapt
    from deftclean.cli.progress import going_on

    with going_on(output, quiet, SAME_COMMAND), taking_part() as ranks:
        result = run_adapt(
            table, backbone=backbone, weights=weights, from_scratch=from_scratch, method=method,
            output=output, overwrite=overwrite, resume=resume, settings=settings, options=options,
            run=replace(run, ranks=ranks), progress=progress_of(quiet),
        )  # fmt: skip
    show(result, json, print_adapted)


@takes(run=_WHERE, reading=READING.without("class_names", "rename"))
def predict(
    folder: Annotated[Path, typer.Argument(help="Run folder that adapt wrote; a URL too.")],
    data: Annotated[Path, typer.Argument(help="Image folder, or a table; a URL too.")],
    labels: Annotated[
        Path | None, typer.Argument(help="Table that names files, with labels or without.")
    ] = None,
    output: Output = Path("predictions.parquet"),
    overwrite: Overwrite = False,
    model: Model = None,
    *,
    run: RunOptions,
    reading: ManifestOptions,
    quiet: Quiet = False,
    json: AsJson = False,
) -> None:
    """Classify pictures with what adapt has trained.

    Writes a table with predicted_label and predicted_prob for every row, and the probability of the
    given label where there is one.
    """
    from deftclean.adaptation.predict import predict as run_predict

    result = run_predict(
        folder, data, labels, output=output, overwrite=overwrite, reading=reading,
        run=replace(run, model=model), progress=progress_of(quiet),
    )  # fmt: skip
    show(result, json, print_predicted)


def print_adapted(result: "AdaptResult", console: Console) -> None:
    """The end of adapt, on stdout."""
    used = f"{result.cleaned.rows:,} rows"
    if result.cleaned.offered is not None:
        used += f", which TURN selected from {result.cleaned.offered:,}"
    if relabelled := result.counts.get("relabelled"):
        used += f", {relabelled:,} of them with the suggested label"
    console.print()
    console.print(f"trained on     {used}")
    _accuracies(result, console)
    console.print(f"run            {shown(result.output)}/", soft_wrap=True)
    if result.warnings:
        console.print(f"warnings       {len(result.warnings)}, see above")
    console.print(f"time           {result.seconds:.1f} s")


_TESTED = {
    "test rows": "test rows",
    "chosen rows": "held-out rows of the chosen ones, which are easier than others",
    "all rows": "held-out rows of all, wrong labels included",
}


def _accuracies(result: "AdaptResult", console: Console) -> None:
    cleaned, uncleaned = result.cleaned, result.uncleaned
    if cleaned.evaluation is None:
        console.print("tested on      nothing  [dim](--test LABELS, or --holdout 0.1)[/dim]")
        return
    whose = _TESTED[result.tested_on or "test rows"]
    accuracy = cleaned.evaluation.accuracy
    lines = [
        f"tested on      {result.test_rows:,} {whose}",
        f"accuracy       {accuracy:.1%}  [dim]after the last epoch; best epoch "
        f"{cleaned.best:.1%}, which looked at the test rows[/dim]",
        f"calibration    {cleaned.evaluation.calibration_error:.3f}  [dim]expected error of the "
        "probabilities; 0 is best[/dim]",
    ]
    if uncleaned is not None and uncleaned.evaluation is not None:
        other = uncleaned.evaluation.accuracy
        lines.append(
            f"all rows       {other:.1%}  [dim]trained on {uncleaned.rows:,} rows, uncleaned[/dim]"
        )
        if result.tested_on == "test rows":
            lines.append(f"difference     {100 * (accuracy - other):+.1f} points by cleaning")
        else:
            lines.append(
                "difference     not told: labels of held-out rows are as wrong as the others  "
                "[dim](--test LABELS)[/dim]"
            )
    console.print("\n".join(lines))


def print_predicted(result: "PredictResult", console: Console) -> None:
    """The end of predict, on stdout."""
    console.print()
    console.print(f"rows           {result.rows:,}")
    if bad := result.rows - result.predicted:
        console.print(f"not predicted  {bad:,}  [dim](columns status and error)[/dim]")
    if result.accuracy is not None:
        console.print(
            f"accuracy       {result.accuracy:.1%}  [dim]of the given labels[/dim]",
            highlight=False,
        )
    console.print(f"table          {shown(result.output)}", soft_wrap=True)
    console.print(f"time           {result.seconds:.1f} s")
