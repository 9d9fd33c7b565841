"""The command `scan`: its options, and what it prints."""

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
from deftclean.settings.detector import (
    PRESETS,
    ClassPosition,
    Noise,
    Rule,
    WarmupLoss,
)
from deftclean.settings.strategies import Strategy
from deftclean.settings.training import Decode, Schedule, Tuner

SCAN_EXAMPLES = (
    "Examples:\n\n"
    "deftclean scan data/\n\n"
    "deftclean scan data/ labels.csv -o clean.parquet\n\n"
    "deftclean scan train.parquet --noise synthetic\n\n"
    "deftclean scan data/ labels.csv --strategy gmm --tuner none -o gmm.parquet\n\n"
    "deftclean scan data/ labels.csv --model nano --class-names names.txt"
)
_TRAINING = "Training (defaults: the preset's)"  # a panel of `scan --help`


def _preset_help() -> str:
    """One line for each preset, from the presets themselves."""
    shown = ("lr", "epochs", "warmup", "warmup_loss", "rule", "positive_weight", "pseudo_start")
    lines = []
    for name, config in PRESETS.items():
        values = ", ".join(
            f"{key.replace('_', '-')} {getattr(config, key):g}"
            if not isinstance(getattr(config, key), str)
            else f"{key.replace('_', '-')} {getattr(config, key)}"
            for key in shown
        )
        lines.append(f"{name}: {values}.")
    common = PRESETS["synthetic"]
    lines.append(
        f"All: {common.tuner}, P {common.prompt_length}, M {common.context_length}, class "
        f"{common.class_position}, batch {common.batch_size}, momentum {common.momentum:g}, weight "
        f"decay {common.weight_decay:g}, {common.schedule} schedule, crop and flip on. Epochs and "
        "warm-up grow where rows are few, so that warm-up has 80 steps and the rest as many."
    )
    return "Kind of label noise, a preset. " + " ".join(lines)


def scan(
    data: Annotated[Path, typer.Argument(help="Image folder (sub-folder = class), or a table.")],
    labels: LabelTable = None,
    output: Output = Path("clean.parquet"),
    overwrite: Overwrite = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on where a stopped scan with the same options left off, with the same "
            "numbers; begin anew where there is none.",
        ),
    ] = False,
    noise: Annotated[Noise, typer.Option(help=_preset_help())] = "real",
    strategy: Annotated[
        Strategy,
        typer.Option(
            help="How rows are selected. deft: the trained detector. Others, to compare it with, "
            "write the same table and no detector. Without training: label-match, "
            "zero-shot-margin, knn, confident-learning. With a linear head and --tuner: "
            "small-loss, gmm, rolt, unicon, longremix, promix."
        ),
    ] = "deft",
    noise_ratio: Annotated[
        float | None,
        typer.Option(help="Of --strategy small-loss: the share of labels that is wrong."),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(help="Keep rows whose clean_prob is above this, 0 to 1. Default: 0.5."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of every random draw; same seed, same bytes.")] = 0,
    model: Annotated[
        str,
        typer.Option(
            help="open_clip name, hf-hub:ORG/REPO, local-dir:FOLDER, or nano (built in, for "
            "trials and CPU-only machines).",
            rich_help_panel="Model",
        ),
    ] = "ViT-B-16",
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
    rule: Annotated[
        Rule | None,
        typer.Option(
            help="What counts as clean. threshold: clean_prob > threshold. agree: also the given "
            "label has the highest clean probability of all classes.",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    tuner: Annotated[
        Tuner | None,
        typer.Option(
            help="What is trained in the image tower. vpt-deep, vpt-shallow: visual prompts. lora: "
            "low-rank changes of queries and values. adaptformer: a bottleneck beside every MLP. "
            "bitfit: its biases. fft: all of it. none: text contexts only, on features computed "
            "once, without augmentation; much faster.",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    prompt_length: Annotated[
        int | None,
        typer.Option(
            "--prompt-length",
            "-P",
            help="Visual prompts before each layer (the paper's P).",
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
            help="Learned vectors in each textual context (the paper's M).",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    class_position: Annotated[
        ClassPosition | None,
        typer.Option(
            help="Where the class name stands among the context vectors.",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    class_specific: Annotated[
        bool | None,
        typer.Option(
            "--class-specific/--shared-context",
            help="Contexts of its own for each class.",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            help="Passes over the data, warm-up included.",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    warmup: Annotated[
        int | None,
        typer.Option(
            help="Epochs at the start that trust every label.",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    warmup_loss: Annotated[
        WarmupLoss | None,
        typer.Option(
            help="Cross-entropy, or symmetric cross-entropy.",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    pseudo_start: Annotated[
        int | None,
        typer.Option(
            help="First epoch, from 1, that uses pseudo-labels.",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    positive_weight: Annotated[
        float | None,
        typer.Option(
            help="Weight of the first term of L_dp.",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(help="Images in a training step.", rich_help_panel=_TRAINING),
    ] = None,
    lr: Annotated[
        float | None,
        typer.Option(
            "--lr",
            help="Learning rate of SGD.",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    momentum: Annotated[
        float | None,
        typer.Option(help="Of SGD.", rich_help_panel=_TRAINING),
    ] = None,
    weight_decay: Annotated[
        float | None,
        typer.Option(help="Of SGD.", rich_help_panel=_TRAINING),
    ] = None,
    schedule: Annotated[
        Schedule | None,
        typer.Option(
            help="Of the learning rate, stepped per epoch.",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    crop: Annotated[
        bool | None,
        typer.Option(
            "--crop/--no-crop",
            help="Random crops in training.",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    flip: Annotated[
        bool | None,
        typer.Option(
            "--flip/--no-flip",
            help="Random mirroring in training; off for digits, text "
            "and whatever has a left and a right.",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    clip_grad: Annotated[
        float | None,
        typer.Option(
            help="Largest gradient norm; off by default. A remedy for collapse.",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    decode: Annotated[
        Decode | None,
        typer.Option(
            help="fast: JPEGs much larger than the model's input are decoded at a part of their "
            "size, several times faster; the pixels differ a little. Kept in the detector. "
            "[default: exact]",
            rich_help_panel="Input",
        ),
    ] = None,
    fail_on: FailOn = None,
    baseline: Baseline = None,
    exit_zero: ExitZero = False,
    quiet: Quiet = False,
) -> None:
    """Train a detector on a data set, score every row, write the table and the detector.

    Writes the score table (-o) and beside it the detector, clean.detector/, for `deftclean score`.
    """
    from deftclean.cli.results import print_result
    from deftclean.detection import scan as api

    settings = {
        "seed": seed, "rule": rule, "tuner": tuner, "prompt_length": prompt_length,
        "rank": rank, "bottleneck": bottleneck,
        "tower_lr_share": tower_lr_share, "context_length": context_length,
        "class_position": class_position, "class_specific": class_specific, "epochs": epochs,
        "warmup": warmup, "warmup_loss": warmup_loss, "pseudo_start": pseudo_start,
        "positive_weight": positive_weight, "batch_size": batch_size, "lr": lr,
        "momentum": momentum, "weight_decay": weight_decay, "schedule": schedule,
        "crop": crop, "flip": flip, "clip_grad": clip_grad, "decode": decode,
    }  # fmt: skip
    reading = reading_of(path_column, label_column, class_names, delimiter, rename, allow_outside)
    run = run_of(
        model, weights, offline, device, precision, compiled, workers,
        cache_dir, no_cache, cache_size,
    )  # fmt: skip
    result = api.scan(
        data,
        labels,
        output=output,
        overwrite=overwrite,
        resume=resume,
        noise=noise,
        strategy=strategy,
        noise_ratio=noise_ratio,
        threshold=threshold,
        settings=settings,
        reading=reading,
        run=run,
        progress=progress_of(quiet),
        fail_on=fail_on or (),
        baseline=baseline,
    )
    print_result(result, Console())
    leave_by_gates(result.check, exit_zero)
