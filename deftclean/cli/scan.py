"""The command `scan`: its options, and what it prints."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from deftclean.cli.check import Baseline, ExitZero, FailOn, leave_by_gates
from deftclean.cli.from_settings import Options, takes
from deftclean.cli.options import (
    EVIDENCE,
    READING,
    RUN,
    SAME_COMMAND,
    AsJson,
    LabelTable,
    Output,
    Overwrite,
    Quiet,
    progress_of,
)
from deftclean.cli.terminal import show
from deftclean.core.run import RunOptions
from deftclean.data.options import ManifestOptions
from deftclean.settings.detector import PRESETS, DetectorConfig, Noise
from deftclean.settings.evidence import EvidenceOptions
from deftclean.settings.strategies import StrategyOptions

SCAN_EXAMPLES = (
    "Examples:\n\n"
    "deftclean scan data/\n\n"
    "deftclean scan data/ labels.csv -o clean.parquet\n\n"
    "deftclean scan train.parquet --noise synthetic\n\n"
    "deftclean scan s3://bucket/images/ s3://bucket/labels.csv -o clean.parquet\n\n"
    "deftclean scan data/ labels.csv --strategy gmm --tuner none -o gmm.parquet\n\n"
    "deftclean scan data/ labels.csv --model nano --class-names names.txt\n\n"
    "deftclean scan data/ labels.csv --embeddings dino.npy --model none"
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


_SETTINGS = Options(
    DetectorConfig,
    order=(
        *("seed", "rule", "tuner", "prompt_length", "rank", "bottleneck", "tower_lr_share"),
        *("context_length", "class_position", "class_specific", "epochs", "warmup", "warmup_loss"),
        *("pseudo_start", "positive_weight", "batch_size", "lr", "momentum", "weight_decay"),
        *("schedule", "crop", "flip", "clip_grad", "train_on", "micro_batch", "decode"),
    ),
    panel="Training (defaults: the preset's)",
    preset=True,
)

Data = Annotated[
    Path, typer.Argument(help="Image folder (sub-folder = class), or a table; a URL too.")
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Go on where a stopped scan with the same options left off, with the same "
        "numbers; begin anew where there is none.",
    ),
]
Preset = Annotated[Noise, typer.Option(help=_preset_help())]
Threshold = Annotated[
    float | None,
    typer.Option(
        help="Keep rows whose clean_prob is above this, 0 to 1. Default: with recipe evidence "
        "where the expected F1 of the wrong labels is highest, with others 0.5."
    ),
]
Model = Annotated[
    str,
    typer.Option(
        help="open_clip name, hf-hub:ORG/REPO, local-dir:FOLDER, s3://BUCKET/FOLDER, or nano "
        "(built in, for trials and CPU-only machines). none: load nothing, judge by --embeddings "
        "and --pred-probs alone.",
        rich_help_panel="Model",
    ),
]


@takes(
    selection=Options(StrategyOptions), own=EVIDENCE, run=RUN, reading=READING, settings=_SETTINGS
)
def scan(
    data: Data,
    labels: LabelTable = None,
    output: Output = Path("clean.parquet"),
    overwrite: Overwrite = False,
    resume: Resume = False,
    noise: Preset = "real",
    *,
    selection: StrategyOptions,
    threshold: Threshold = None,
    model: Model = "ViT-B-16",
    own: EvidenceOptions,
    run: RunOptions,
    reading: ManifestOptions,
    settings: dict[str, Any],
    fail_on: FailOn = None,
    baseline: Baseline = None,
    exit_zero: ExitZero = False,
    quiet: Quiet = False,
    json: AsJson = False,
) -> None:
    """Train a detector on a data set, score every row, write the table and the detector.

    Writes the score table (-o) and beside it the detector, clean.detector/, for `deftclean score`.
    """
    from deftclean.cli.progress import going_on
    from deftclean.cli.results import print_result
    from deftclean.detection import scan as api

    with going_on(output, quiet, SAME_COMMAND):
        result = api.scan(
            data, labels, output=output, overwrite=overwrite, resume=resume, noise=noise,
            strategy=selection.strategy, noise_ratio=selection.noise_ratio, threshold=threshold,
            settings=settings, reading=reading, evidence=own, run=replace(run, model=model),
            progress=progress_of(quiet), fail_on=fail_on or (), baseline=baseline,
        )  # fmt: skip
    show(result, json, print_result)
    leave_by_gates(result.check, exit_zero, json)
