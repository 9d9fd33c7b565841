"""The command line: parse, call `api`, print. The one place that handles errors.

Loads neither torch nor pandas nor pyarrow until a command runs.
"""

import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.console import Console
from rich.markup import escape

from deftclean import __version__
from deftclean.cli_adapt import ADAPT_EXAMPLES, PREDICT_EXAMPLES, adapt, predict
from deftclean.cli_bench import BENCH_EXAMPLES, bench
from deftclean.cli_check import (
    CHECK_EXAMPLES,
    Baseline,
    ExitZero,
    FailOn,
    check,
    leave,
    print_gate,
)
from deftclean.cli_corrupt import CORRUPT_EXAMPLES, corrupt
from deftclean.cli_dataset import DATASET_EXAMPLES, dataset
from deftclean.cli_doctor import DOCTOR_EXAMPLES, doctor
from deftclean.cli_export import EXPORT_EXAMPLES, export
from deftclean.cli_report import REPORT_EXAMPLES, REVIEW_EXAMPLES, report, review
from deftclean.config import (
    PRESETS,
    ClassPosition,
    Decode,
    Noise,
    Rule,
    Schedule,
    Tuner,
    WarmupLoss,
)
from deftclean.errors import DeftcleanError
from deftclean.options import (
    AllowOutside,
    CacheDir,
    CacheSize,
    ClassNames,
    Compile,
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
    Rename,
    Weights,
    Workers,
    progress_of,
    reading_of,
    run_of,
)
from deftclean.settings_file import file_settings
from deftclean.strategy_options import Strategy

_TRAINING = "Training (defaults: the preset's)"  # a panel of `scan --help`
_INTERRUPTED = 130  # what Typer returns for Ctrl-C

app = typer.Typer(
    name="deftclean",
    help="Find wrong labels in image-classification data sets and write the cleaned set.",
    epilog="Start here: deftclean demo",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"auto_envvar_prefix": "DEFTCLEAN", "help_option_names": ["-h", "--help"]},
    add_completion=False,
)


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


def _print_version(asked: bool) -> None:
    if asked:
        print(f"deftclean {__version__}")  # noqa: T201
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            help="Settings file. Default: deftclean.toml, or \\[tool.deftclean] in pyproject.toml, "
            "in the current folder. A table for each command: \\[scan] epochs = 20."
        ),
    ] = None,
    version: Annotated[  # noqa: ARG001 - its callback does the work
        bool,
        typer.Option(
            "--version",
            help="Print the version.",
            allow_from_autoenv=False,
            is_eager=True,
            callback=_print_version,
        ),
    ] = False,
) -> None:
    commands = cast("Any", context.command).commands
    known = {name: {option.name for option in each.params} for name, each in commands.items()}
    context.default_map = file_settings(config, known)


@app.command(
    epilog="Examples:\n\n"
    "deftclean scan data/\n\n"
    "deftclean scan data/ labels.csv -o clean.parquet\n\n"
    "deftclean scan train.parquet --noise synthetic\n\n"
    "deftclean scan data/ labels.csv --strategy gmm --tuner none -o gmm.parquet\n\n"
    "deftclean scan data/ labels.csv --model nano --class-names names.txt"
)
def scan(
    data: Annotated[Path, typer.Argument(help="Image folder (sub-folder = class), or a table.")],
    labels: Annotated[
        Path | None, typer.Argument(help="Labels: .csv, .tsv, .jsonl or .parquet.")
    ] = None,
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
    from deftclean import api

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
    _print(result)
    _gate(result, exit_zero)


@app.command(
    epilog="Examples:\n\n"
    "deftclean score clean.detector/ new_data/ -o scores.parquet\n\n"
    "deftclean score clean.detector/ new_data/ labels.csv --threshold 0.7"
)
def score(
    detector: Annotated[Path, typer.Argument(help="Detector folder that scan wrote.")],
    data: Annotated[Path, typer.Argument(help="Image folder, or a table.")],
    labels: Annotated[
        Path | None, typer.Argument(help="Labels: .csv, .tsv, .jsonl or .parquet.")
    ] = None,
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
    from deftclean import api

    reading = reading_of(path_column, label_column, class_names, delimiter, rename, allow_outside)
    run = run_of(
        model, weights, offline, device, precision, compiled, workers,
        cache_dir, no_cache, cache_size,
    )  # fmt: skip
    result = api.score(
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
    _print(result)
    _gate(result, exit_zero)


@app.command(
    epilog="Examples:\n\n"
    "deftclean select clean.parquet --rule threshold --threshold 0.7 -o stricter.parquet\n\n"
    "deftclean select clean.parquet --rule agree -o agree.parquet"
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
    overwrite: Overwrite = False,
) -> None:
    """Decide anew which rows are kept, without training, model or images."""
    from deftclean import api

    _print(
        api.select(
            table,
            output=output,
            rule=rule,
            threshold=threshold,
            overwrite=overwrite,
        )
    )


@app.command(epilog="Example:\n\ndeftclean demo my-demo")
def demo(
    folder: Annotated[Path, typer.Argument(help="New folder for data and results.")] = Path(
        "deftclean-demo"
    ),
    seed: Annotated[int, typer.Option(help="Of the flipped labels and of the scan.")] = 0,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Try deftclean on 1,000 handwritten digits, 200 of them mislabelled on purpose.

    Writes the pictures, runs the same code as `deftclean scan` on them with the built-in model,
    and compares what was found with the truth. Takes about a minute on two cores.
    """
    from deftclean import api
    from deftclean.demo import compare_with_truth, write_demo
    from deftclean.run_options import RunOptions

    made = write_demo(folder, seed)
    result = api.scan(
        made.images,
        made.labels,
        output=made.output,
        noise="synthetic",
        settings={"flip": False, "seed": seed},
        run=RunOptions(model="nano", device=device),
        progress=progress_of(quiet),
    )
    _print(result)
    found = compare_with_truth(result.scores, made.truth)
    out = Console(highlight=False)
    out.print()
    out.print("[bold]against the truth[/bold]")
    out.print(f"precision      {found.precision:.1%}  [dim]of the kept rows are right[/dim]")
    out.print(f"recall         {found.recall:.1%}  [dim]of the right rows are kept[/dim]")
    out.print(f"F1 of wrong    {found.f1_wrong:.1%}  [dim]of finding the wrong labels[/dim]")
    out.print(f"AUROC          {found.auroc:.3f}  [dim]of clean_prob; 0.5 is chance[/dim]")
    out.print()
    out.print("The same scan by hand (add --overwrite to repeat it):")
    out.print(escape(made.command(seed)), soft_wrap=True)


app.command(epilog=ADAPT_EXAMPLES)(adapt)
app.command(epilog=PREDICT_EXAMPLES)(predict)
app.command(epilog=CHECK_EXAMPLES)(check)
app.command(epilog=REPORT_EXAMPLES)(report)
app.command(epilog=REVIEW_EXAMPLES)(review)
app.command(epilog=EXPORT_EXAMPLES)(export)
app.command(epilog=DOCTOR_EXAMPLES)(doctor)
app.command(epilog=CORRUPT_EXAMPLES)(corrupt)
app.command(epilog=DATASET_EXAMPLES)(dataset)
app.command(epilog=BENCH_EXAMPLES)(bench)


# ---------------------------------------------------------------- helpers


def _print(result: Any) -> None:
    from deftclean.terminal import print_result

    print_result(result, Console())


def _gate(result: Any, exit_zero: bool) -> None:
    """What gates say of the table that was just written, if they were asked."""
    if result.check is not None:
        print_gate(result.check)
        leave(result.check, exit_zero)


def main() -> None:
    """Run the command line and exit with its code."""
    signal.signal(signal.SIGTERM, _terminated)
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """One command line; its exit code."""
    return _guarded(lambda: app(arguments, standalone_mode=False))


def _terminated(_number: int, _frame: object) -> None:
    # An exception, so that temporary files are removed on the way out.
    raise SystemExit(128 + signal.SIGTERM)


def _guarded(command: Callable[[], object]) -> int:
    """The one error handler: message and hint to stderr, exit code back."""
    errors = Console(stderr=True)
    try:
        code = command()
    except DeftcleanError as error:
        errors.print(f"[red]Error:[/red] {escape(error.message)}", highlight=False, soft_wrap=True)
        if error.hint:
            errors.print(f"[dim]Hint:[/dim] {escape(error.hint)}", highlight=False, soft_wrap=True)
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - the outermost handler
        # Typer's own usage errors know how to show themselves.
        show = getattr(error, "show", None)
        if show is None:
            # A bug; 1 would say that a gate has failed.
            traceback.print_exc()
            return 3
        show()
        return int(getattr(error, "exit_code", 2))
    if code == _INTERRUPTED:
        errors.print("Interrupted; what was not finished was not written.")
    return code if isinstance(code, int) else 0
