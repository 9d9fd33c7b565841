"""The commands `adapt` and `predict`: parse, call, print."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from deftclean.cli.options import (
    AllowOutside,
    CacheDir,
    CacheSize,
    Delimiter,
    Device,
    LabelColumn,
    NoCache,
    Offline,
    Output,
    Overwrite,
    PathColumn,
    PrecisionChoice,
    Quiet,
    Workers,
    progress_of,
    reading_of,
    run_of,
)
from deftclean.settings.adaptation import (
    RECIPES,
    Augmentation,
    FitLossName,
    Method,
    OptimiserName,
)
from deftclean.settings.detector import Labels
from deftclean.settings.training import Decode, Schedule, Tuner

if TYPE_CHECKING:
    from deftclean.adaptation.predict import PredictResult
    from deftclean.adaptation.run_folder import AdaptResult


_ROWS, _TEST, _TRAINING = "Rows", "Test", "Training (defaults: the backbone's recipe)"

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


def adapt(
    table: Annotated[Path, typer.Argument(help="Score table that scan, score or select wrote.")],
    backbone: Annotated[str, typer.Option(help=_recipe_help())] = "clip-vit-b16",
    method: Annotated[
        Method,
        typer.Option(
            help="fft: all weights and a new head. linear: the head, on frozen features. turn: the "
            "head first, then all weights on those of the given rows that it believes; with --all "
            "it does without the table's cleaning, without --all it selects from the kept rows. "
            "peft: a visual tuner and a head, in a CLIP. vlpt: a visual tuner and a textual "
            "context. prompts: train nothing; classify with the detector's own positive prompts."
        ),
    ] = "fft",
    output: Annotated[Path, typer.Option("--output", "-o", help="Run folder to write.")] = Path(
        "adapted"
    ),
    overwrite: Overwrite = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on where a stopped run with the same options left off, with the same "
            "numbers; begin anew where there is none.",
        ),
    ] = False,
    seed: Annotated[int, typer.Option(help="Of every random draw; same seed, same bytes.")] = 0,
    weights: Annotated[
        str | None,
        typer.Option(
            help="Checkpoint file or folder to begin with. Default: the backbone's own, by name.",
            rich_help_panel="Model",
        ),
    ] = None,
    from_scratch: Annotated[
        bool,
        typer.Option("--from-scratch", help="Begin with random weights.", rich_help_panel="Model"),
    ] = False,
    offline: Offline = False,
    device: Device = "auto",
    precision: PrecisionChoice = "auto",
    workers: Workers = None,
    cache_dir: CacheDir = None,
    no_cache: NoCache = False,
    cache_size: CacheSize = 10.0,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Image folder, or the table that holds the images. Default: the scan's.",
            rich_help_panel=_ROWS,
        ),
    ] = None,
    labels: Annotated[
        Labels | None,
        typer.Option(
            help="given; final: column final_label of a reviewed table, the default where there "
            "is one; suggested: also flagged rows, with their suggested label, where it is certain "
            "enough (--relabel-above).",
            rich_help_panel=_ROWS,
        ),
    ] = None,
    relabel_above: Annotated[
        float | None,
        typer.Option(
            help="With --labels suggested: predicted_prob that a flagged row needs, 0 to 1.",
            rich_help_panel=_ROWS,
        ),
    ] = None,
    weighted: Annotated[
        bool,
        typer.Option("--weighted", help="Weight the loss by clean_prob.", rich_help_panel=_ROWS),
    ] = False,
    all: Annotated[  # a name of its own would be another one in the settings file
        bool,
        typer.Option(
            "--all", help="Ignore the cleaning: train on every row.", rich_help_panel=_ROWS
        ),
    ] = False,
    allow_outside: AllowOutside = False,
    test: Annotated[
        Path | None,
        typer.Option(
            help="Test rows with labels you believe: a folder of class folders, or a table.",
            rich_help_panel=_TEST,
        ),
    ] = None,
    test_data: Annotated[
        Path | None,
        typer.Option(
            help="Image folder of --test. Default: the folder the table stands in.",
            rich_help_panel=_TEST,
        ),
    ] = None,
    holdout: Annotated[
        float | None,
        typer.Option(
            help="Share of the rows to test on instead, of every class; 0 for no test. Default: "
            "0.1 where there is no --test.",
            rich_help_panel=_TEST,
        ),
    ] = None,
    compare: Annotated[
        bool,
        typer.Option(
            "--compare",
            help="Train the same on all rows, uncleaned, and show the difference.",
            rich_help_panel=_TEST,
        ),
    ] = False,
    loss: Annotated[
        FitLossName | None,
        typer.Option(
            help="ce: cross-entropy. sce: symmetric. elr: early-learning regularisation. gce: "
            "generalised. Default: ce.",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            help="Passes over the rows; of turn: after its probe.", rich_help_panel=_TRAINING
        ),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Images in a training step.", rich_help_panel=_TRAINING)
    ] = None,
    micro_batch: Annotated[
        int | None,
        typer.Option(
            help="Images that pass through the model at once; the gradients of a batch add up. "
            "Found by itself where a batch does not fit into memory.",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    optimizer: Annotated[
        OptimiserName | None,
        typer.Option(help="sgd or adamw.", rich_help_panel=_TRAINING),
    ] = None,
    lr: Annotated[
        float | None,
        typer.Option("--lr", help="Learning rate.", rich_help_panel=_TRAINING),
    ] = None,
    momentum: Annotated[
        float | None, typer.Option(help="Of SGD.", rich_help_panel=_TRAINING)
    ] = None,
    weight_decay: Annotated[
        float | None, typer.Option(help="Of the weights.", rich_help_panel=_TRAINING)
    ] = None,
    schedule: Annotated[
        Schedule | None,
        typer.Option(
            help="Of the learning rate, stepped per epoch. Default: cosine.",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    clip_grad: Annotated[
        float | None,
        typer.Option(help="Largest gradient norm; off by default.", rich_help_panel=_TRAINING),
    ] = None,
    augmentation: Annotated[
        Augmentation | None,
        typer.Option(
            help="paper: random crop and mirror. strong: timm's RandAugment, random resized crop "
            "and erasing. none. Default: paper.",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    flip: Annotated[
        bool | None,
        typer.Option(
            "--flip/--no-flip",
            help="Random mirroring; off for digits, text and whatever has a left and a right.",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    image_size: Annotated[
        int | None,
        typer.Option(
            help="Side of the model's input in pixels. Default: the backbone's.",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    decode: Annotated[
        Decode | None,
        typer.Option(
            help="fast: large JPEGs are decoded at a part of their size. Default: exact.",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    tuner: Annotated[
        Tuner | None,
        typer.Option(
            help="Of peft and vlpt: what is trained in the image tower, as in scan. Default: "
            "vpt-deep.",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    prompt_length: Annotated[
        int | None,
        typer.Option(
            "--prompt-length",
            "-P",
            help="Visual prompts before each layer.",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    rank: Annotated[
        int | None, typer.Option(help="Of --tuner lora. Default: 8.", rich_help_panel=_TRAINING)
    ] = None,
    bottleneck: Annotated[
        int | None,
        typer.Option(help="Width of --tuner adaptformer. Default: 8.", rich_help_panel=_TRAINING),
    ] = None,
    tower_lr_share: Annotated[
        float | None,
        typer.Option(
            help="With bitfit and fft: learning rate of the tower's own weights, as a share of "
            "--lr. Default: 0.02 and 0.002.",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    context_length: Annotated[
        int | None,
        typer.Option(
            "--context-length",
            "-M",
            help="Learned vectors of vlpt's textual context.",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    detector: Annotated[
        Path | None,
        typer.Option(
            help="With --method prompts: detector folder. Default: the one beside the table.",
            rich_help_panel="Model",
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Train a classifier on the kept rows, test it, and write it.

    Writes a run folder (-o): weights that timm loads, configuration, figures of every epoch,
    pictures and a model card. deftclean predict uses it.
    """
    from deftclean.adaptation.adapt import AdaptOptions
    from deftclean.adaptation.adapt import adapt as run_adapt

    settings = {
        "loss": loss, "epochs": epochs, "batch_size": batch_size, "micro_batch": micro_batch,
        "optimiser": optimizer, "lr": lr, "momentum": momentum, "weight_decay": weight_decay,
        "schedule": schedule, "clip_grad": clip_grad, "augmentation": augmentation, "flip": flip,
        "image_size": image_size, "decode": decode, "tuner": tuner,
        "prompt_length": prompt_length, "rank": rank, "bottleneck": bottleneck,
        "tower_lr_share": tower_lr_share,
        "context_length": context_length, "seed": seed,
    }  # fmt: skip
    result = run_adapt(
        table,
        backbone=backbone,
        weights=weights,
        from_scratch=from_scratch,
        method=method,
        output=output,
        overwrite=overwrite,
        resume=resume,
        settings=settings,
        options=AdaptOptions(
            labels=labels,
            relabel_above=relabel_above,
            weighted=weighted,
            everything=all,
            data=data,
            allow_outside=allow_outside,
            test=test,
            test_data=test_data,
            holdout=holdout,
            compare=compare,
            detector=detector,
        ),
        run=run_of(
            None, None, offline, device, precision, False, workers, cache_dir, no_cache, cache_size
        ),
        progress=progress_of(quiet),
    )
    print_adapted(result, Console())


def predict(
    folder: Annotated[Path, typer.Argument(help="Run folder that adapt wrote.")],
    data: Annotated[Path, typer.Argument(help="Image folder, or a table.")],
    labels: Annotated[
        Path | None, typer.Argument(help="Table that names files, with labels or without.")
    ] = None,
    output: Output = Path("predictions.parquet"),
    overwrite: Overwrite = False,
    offline: Offline = False,
    device: Device = "auto",
    precision: PrecisionChoice = "auto",
    workers: Workers = None,
    cache_dir: CacheDir = None,
    no_cache: NoCache = False,
    cache_size: CacheSize = 10.0,
    path_column: PathColumn = None,
    label_column: LabelColumn = None,
    delimiter: Delimiter = None,
    allow_outside: AllowOutside = False,
    quiet: Quiet = False,
) -> None:
    """Classify pictures with what adapt has trained.

    Writes a table with predicted_label and predicted_prob for every row, and the probability of the
    given label where there is one.
    """
    from deftclean.adaptation.predict import predict as run_predict

    result = run_predict(
        folder,
        data,
        labels,
        output=output,
        overwrite=overwrite,
        reading=reading_of(path_column, label_column, None, delimiter, None, allow_outside),
        run=run_of(
            None, None, offline, device, precision, False, workers, cache_dir, no_cache, cache_size
        ),
        progress=progress_of(quiet),
    )
    print_predicted(result, Console())


def print_adapted(result: "AdaptResult", console: Console) -> None:
    """The end of adapt, on stdout."""
    used = f"{result.cleaned.rows:,} rows"
    if result.cleaned.offered is not None:
        used += f", which TURN selected from {result.cleaned.offered:,}"
    if relabelled := result.counts.get("relabelled"):
        used += f", {relabelled:,} of them with the suggested label"
    console.print()
    console.print(f"trained on     {used}", highlight=False)
    _accuracies(result, console)
    console.print(f"run            {escape(str(result.output))}/", highlight=False, soft_wrap=True)
    if result.warnings:
        console.print(f"warnings       {len(result.warnings)}, see above", highlight=False)
    console.print(f"time           {result.seconds:.1f} s", highlight=False)


def _accuracies(result: "AdaptResult", console: Console) -> None:
    cleaned, uncleaned = result.cleaned, result.uncleaned
    if cleaned.evaluation is None:
        console.print("tested on      nothing  [dim](--test LABELS, or --holdout 0.1)[/dim]")
        return
    whose = "held-out rows, wrong labels included" if result.held_out else "test rows"
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
        lines += [
            f"all rows       {other:.1%}  [dim]trained on {uncleaned.rows:,} rows, uncleaned[/dim]",
            f"difference     {100 * (accuracy - other):+.1f} points by cleaning",
        ]
    console.print("\n".join(lines), highlight=False)


def print_predicted(result: "PredictResult", console: Console) -> None:
    """The end of predict, on stdout."""
    console.print()
    console.print(f"rows           {result.rows:,}", highlight=False)
    if bad := result.rows - result.predicted:
        console.print(
            f"not predicted  {bad:,}  [dim](columns status and error)[/dim]", highlight=False
        )
    if result.accuracy is not None:
        console.print(
            f"accuracy       {result.accuracy:.1%}  [dim]of the given labels[/dim]",
            highlight=False,
        )
    console.print(f"table          {escape(str(result.output))}", highlight=False, soft_wrap=True)
    console.print(f"time           {result.seconds:.1f} s", highlight=False)
