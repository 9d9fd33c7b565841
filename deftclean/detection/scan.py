"""The commands, whole: scan, score, select. Typed results out; nothing is printed.

The one file that knows all the others and the order of the work.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deftclean.core.errors import UsageError
from deftclean.core.outputs import check_checkpoint_output, checkpoint_folder
from deftclean.core.progress import Progress, Silent
from deftclean.core.run import RunOptions
from deftclean.data.manifest import ManifestOptions, read_manifest
from deftclean.detection.result import ScanResult
from deftclean.gate.check import Gates
from deftclean.models.detector_card import check_detector_output, remove_detector
from deftclean.settings.detector import (
    DetectorConfig,
    Noise,
    ResolvedConfig,
    resolve,
)
from deftclean.settings.strategies import Strategy, StrategyOptions
from deftclean.table.scores import (
    ScoreTable,
    check_table_output,
    decide,
    whole_table,
)
from deftclean.table.summary import summarise

if TYPE_CHECKING:
    from deftclean.core.runtime import Runtime
    from deftclean.models.encoder import Encoder

DEFAULT_MODEL = "ViT-B-16"
DEFAULT_OUTPUT = Path("clean.parquet")
DEFAULT_THRESHOLD = 0.5  # Eq. 5


def detector_folder(output: Path) -> Path:
    """The detector that belongs to a table: clean.parquet -> clean.detector."""
    return output.with_suffix(".detector")


def scan(
    data: str | Path,
    labels: str | Path | None = None,
    *,
    output: str | Path = DEFAULT_OUTPUT,
    overwrite: bool = False,
    resume: bool = False,
    noise: Noise = "real",
    strategy: Strategy = "deft",
    noise_ratio: float | None = None,
    threshold: float | None = None,
    settings: Mapping[str, Any] | None = None,
    reading: ManifestOptions | None = None,
    run: RunOptions | None = None,
    progress: Progress | None = None,
    fail_on: str | Iterable[str] = (),
    baseline: str | Path | None = None,
) -> ScanResult:
    """Train a detector on a data set, score every row, write the table and the detector.

    Args:
        data: image folder, or a table.
        labels: table of labels; None where sub-folders are classes or `data` is a table.
        output: the score table; the detector goes beside it.
        overwrite: replace existing outputs.
        resume: go on where a stopped scan of the same data and settings left off, if one did.
        noise: preset, `real`, `synthetic` or `severe`.
        strategy: how rows are selected: `deft`, or one that it is compared with, which leaves no
            detector.
        noise_ratio: of `small-loss`, the share of labels that is wrong, in [0, 1).
        threshold: of `deft`, the `clean_prob` above which a row may be kept, in [0, 1]; None for
            0.5.
        settings: fields of `DetectorConfig` that differ from the preset.
        reading: columns and class names.
        run: model and device.
        progress: told what happens; nobody by default.
        fail_on, baseline: as in `check`, which is asked when the table is written; it raises
            nothing where a gate fails.

    Raises:
        UsageError: options or input are wrong; nothing was written.
        RunError: weights cannot be had, training collapsed, or the disk is full.
    """
    began = time.monotonic()
    progress, run = progress or Silent(), run or RunOptions()
    output, target = Path(output), detector_folder(Path(output))
    options = StrategyOptions(strategy, noise_ratio)
    options.check(threshold, resume, run.compile)
    threshold = DEFAULT_THRESHOLD if threshold is None else threshold
    given = options.settings(settings or {})
    _check_threshold(threshold)
    asked = resolve(noise, given, rows=1).config  # wrong settings are found before reading
    _check_compile(run, asked)
    _check_scan_outputs(output, target, overwrite)
    gates = Gates.of(fail_on, baseline)
    reading = reading or ManifestOptions()
    manifest = read_manifest(Path(data), Path(labels) if labels is not None else None, reading)
    gates.refuse_unknown_classes(manifest.class_names)
    for note in manifest.notes:
        progress.say(note)

    from deftclean.core.runtime import choose_runtime, reproducible
    from deftclean.detection.assembly import score_table, table_metadata
    from deftclean.detection.cost import CostOfRun
    from deftclean.detection.deft import detect_rows
    from deftclean.detection.pictures import RunPictures
    from deftclean.detection.session import Session
    from deftclean.detection.strategies.select_rows import select_rows
    from deftclean.detection.task import Task
    from deftclean.detection.warnings import agreement_with_zero_shot, warned, zero_shot_warnings
    from deftclean.images.cache import open_run_cache
    from deftclean.images.first_pass import check_images
    from deftclean.images.resizing import Preparation
    from deftclean.images.row_images import row_images, work_folder
    from deftclean.images.usable_rows import UsableRows, refuse_hopeless
    from deftclean.models.saved_detector import save_detector
    from deftclean.models.weights import outline_of
    from deftclean.training.checkpoint import Checkpoint

    model = run.model or DEFAULT_MODEL
    outline = outline_of(model, run.weights, run.offline, progress.say)
    _check_model(outline, manifest.class_names, asked, options)
    preprocess = outline.preprocess
    preparation = Preparation.of(preprocess, asked.decode, asked.crop)
    runtime = choose_runtime(run.device, run.precision, run.workers)
    cache = open_run_cache(run, progress)
    with work_folder() as folder, reproducible():
        images = row_images(manifest, reading, folder)
        checks = check_images(images.source, preparation, cache, runtime, progress)
        rows = UsableRows.of(manifest, images, checks, manifest.class_names)
        refuse_hopeless(manifest, images, checks, rows)
        resolved = resolve(noise, given, len(rows.trainable))
        _say_settings(progress, options, resolved, runtime)
        warnings = warned(progress, list(resolved.warnings) if options.trains else [])

        session = Session.load(model, run.weights, run.offline, preprocess, runtime, progress)
        pictures = RunPictures(rows, preparation, session, folder, cache)
        cost = CostOfRun(rows, resolved.config, options, runtime, progress)
        if resolved.config.tuner == "none":
            pictures.embed(progress, cost)
        zero_shot = pictures.zero_shot(manifest.class_names, progress, cost)
        warnings += zero_shot_warnings(zero_shot, rows, progress)
        task = Task(pictures, manifest, resolved.config, zero_shot, progress)
        unfinished: Checkpoint | None = None
        if options.is_deft:
            identity = session.identity(manifest.class_names, resolved.config, rows)
            unfinished = Checkpoint(
                checkpoint_folder(output), {**identity, "--compile": run.compile}
            )
            judged = detect_rows(
                task, resolved.warmup_is_fixed, threshold, unfinished, resume, run.compile
            )
        else:
            judged = select_rows(options, task)
        warnings += judged.warnings
        config = replace(resolved.config, rule=judged.rule)
        card = session.card(manifest, config, judged.threshold, judged.epochs, warnings, target)
        table = score_table(
            manifest, images, checks, rows, judged.scores, zero_shot, manifest.class_names
        )
        facts = table_metadata(
            card, runtime, "scan", agreement_with_zero_shot(zero_shot, rows), options
        )
        made = decide(ScoreTable(table, facts), judged.rule, judged.threshold)
        # The table appears last: where it is, the detector beside it is its own.
        with whole_table(made, output, manifest.root, overwrite, manifest.labels_file):
            if judged.detector is None:
                remove_detector(target)
            else:
                save_detector(judged.detector, card, target, overwrite)
        if unfinished is not None:
            unfinished.remove()
    if cache is not None:
        cache.say(progress)
    return ScanResult(
        output,
        target if options.is_deft else None,
        made,
        summarise(made),
        tuple(warnings),
        time.monotonic() - began,
        gates.check(output) if gates.expressions else None,
    )


# ---------------------------------------------------------------- checks before the work


def _check_threshold(threshold: float) -> None:
    if not 0 <= threshold <= 1:
        raise UsageError(f"--threshold is {threshold}; a clean probability lies in [0, 1].")


def _check_compile(run: RunOptions, config: DetectorConfig) -> None:
    if run.compile and config.tuner == "none":
        raise UsageError(
            "--compile cannot go with --tuner none, which computes image features only once.",
            "Leave --compile out.",
        )


def _check_scan_outputs(output: Path, target: Path, overwrite: bool) -> None:
    check_table_output(output, overwrite)
    check_detector_output(target, overwrite)
    check_checkpoint_output(checkpoint_folder(output))


def _check_model(
    outline: "Encoder",
    class_names: tuple[str, ...],
    config: DetectorConfig,
    options: StrategyOptions,
) -> None:
    """A model that cannot take what is to be trained is refused now or not at all."""
    from deftclean.detection.strategies.confident import require_cleanlab
    from deftclean.detection.strategies.linear_head import fresh_tower
    from deftclean.models.saved_detector import build_detector

    if options.strategy == "confident-learning":
        require_cleanlab()
    if options.is_deft:
        build_detector(outline, class_names, config)
    else:
        fresh_tower(outline, len(class_names), config)


def _say_settings(
    progress: Progress, options: StrategyOptions, resolved: ResolvedConfig, runtime: "Runtime"
) -> None:
    c, name = resolved.config, "" if options.is_deft else f"{options.strategy}, "
    if not options.trains:
        progress.say(f"{name}without training, on {runtime.device} in {runtime.precision}")
        return
    rule = f"rule {c.rule}, " if options.is_deft else ""
    progress.say(
        f"{name}{c.epochs} epochs ({c.warmup} warm-up), batch {c.batch_size}, lr {c.lr:g}, "
        f"{c.tuner}, {rule}on {runtime.device} in {runtime.precision}"
    )
    for note in resolved.notes:
        progress.say(note)
