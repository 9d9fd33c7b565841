"""The commands, whole: scan, score, select. Typed results out; nothing is printed.

The one file that knows all the others and the order of the work.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deftclean.core.errors import UsageError
from deftclean.core.progress import Progress, Silent
from deftclean.core.results import Shown, percent
from deftclean.core.run import RunOptions, open_run_cache
from deftclean.data.manifest import ManifestOptions, read_manifest
from deftclean.gate.check import Gates
from deftclean.gate.results import CheckResult
from deftclean.settings.detector import (
    DetectorConfig,
    Noise,
    ResolvedConfig,
    Rule,
    resolve,
)
from deftclean.settings.strategies import Strategy, StrategyOptions
from deftclean.table.reviewed import decide_unreviewed
from deftclean.table.scores import (
    ScoreTable,
    check_table_output,
    decide,
    image_root,
    labels_file,
    read_scores,
    whole_table,
    write_scores,
)
from deftclean.table.summary import Summary, summarise

if TYPE_CHECKING:
    from deftclean.core.runtime import Runtime
    from deftclean.models.encoder import Encoder

DEFAULT_MODEL = "ViT-B-16"
DEFAULT_OUTPUT = Path("clean.parquet")
DEFAULT_THRESHOLD = 0.5  # Eq. 5


@dataclass(frozen=True, repr=False)
class ScanResult(Shown):
    """What a command made.

    Attributes:
        output: the score table's file.
        detector: the detector folder, if one was written.
        scores: the table.
        summary: the table in short.
        warnings: what may make the result useless.
        seconds: wall time.
        check: what gates said of the table; None where nothing was asked.
    """

    output: Path
    detector: Path | None
    scores: ScoreTable
    summary: Summary
    warnings: tuple[str, ...]
    seconds: float
    check: CheckResult | None = None

    def facts(self) -> Mapping[str, object]:
        """What a notebook shows."""
        return {
            "rows": self.summary.rows,
            "kept": self.summary.kept,
            "flagged": self.summary.flagged,
            "noise rate": percent(self.summary.noise_rate),
            "not scored": self.summary.not_scored or None,
            "table": self.output,
            "detector": self.detector,
            "warnings": len(self.warnings) or None,
            "seconds": round(self.seconds, 1),
        }


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
    from deftclean.detection.session import RunPictures, Session
    from deftclean.detection.strategies.select_rows import select_rows
    from deftclean.detection.task import Task
    from deftclean.detection.warnings import agreement_with_zero_shot, warned, zero_shot_warnings
    from deftclean.images.first_pass import check_images
    from deftclean.images.resizing import Preparation
    from deftclean.images.row_images import row_images, work_folder
    from deftclean.images.usable_rows import UsableRows, refuse_hopeless
    from deftclean.models.saved_detector import remove_detector, save_detector
    from deftclean.models.weights import outline_of
    from deftclean.training.checkpoint import Unfinished, unfinished_folder

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
        unfinished: Unfinished | None = None
        if options.is_deft:
            identity = session.identity(manifest.class_names, resolved.config, rows)
            unfinished = Unfinished(
                unfinished_folder(output), {**identity, "--compile": run.compile}
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


def score(
    detector: str | Path,
    data: str | Path,
    labels: str | Path | None = None,
    *,
    output: str | Path = Path("scores.parquet"),
    overwrite: bool = False,
    rule: Rule | None = None,
    threshold: float | None = None,
    reading: ManifestOptions | None = None,
    run: RunOptions | None = None,
    progress: Progress | None = None,
    fail_on: str | Iterable[str] = (),
    baseline: str | Path | None = None,
) -> ScanResult:
    """Score new data with a saved detector, without training.

    Args:
        detector: folder written by `scan`.
        data, labels, output, overwrite, reading, run, progress, fail_on, baseline: as in `scan`.
        rule: keep rule; None for the detector's.
        threshold: None for the detector's.

    Raises:
        UsageError, RunError: as in `scan`.
    """
    began = time.monotonic()
    progress, run = progress or Silent(), run or RunOptions()
    output, home = Path(output), Path(detector)
    check_table_output(output, overwrite)
    gates = Gates.of(fail_on, baseline)

    from deftclean.core.runtime import choose_runtime, reproducible
    from deftclean.detection.assembly import score_table, table_metadata
    from deftclean.detection.session import RunPictures, Session
    from deftclean.detection.warnings import (
        agreement_with_zero_shot,
        unknown_label_warnings,
        warned,
        zero_shot_warnings,
    )
    from deftclean.images.first_pass import check_images
    from deftclean.images.resizing import Preparation
    from deftclean.images.row_images import row_images, work_folder
    from deftclean.images.usable_rows import UsableRows, nothing_readable
    from deftclean.models.saved_detector import findable_name, load_detector, read_card
    from deftclean.models.weights import preprocess_of

    card = read_card(home)
    threshold = card.threshold if threshold is None else threshold
    _check_threshold(threshold)
    _check_compile(run, card.config)
    reading = replace(reading or ManifestOptions(), known_labels=card.label_names)
    manifest = read_manifest(Path(data), Path(labels) if labels is not None else None, reading)
    labels_given = manifest.given_labels.drop_null().unique().to_pylist()
    gates.refuse_unknown_classes(dict.fromkeys([*card.class_names, *labels_given]))
    for note in manifest.notes:
        progress.say(note)

    runtime = choose_runtime(run.device, run.precision, run.workers)
    model, weights = findable_name(card.model, card.weights, home)
    if run.model is not None:
        model, weights = run.model, run.weights
    elif run.weights is not None:
        weights = run.weights
    preprocess = preprocess_of(model, weights, run.offline, progress.say)
    preparation = Preparation.of(preprocess, card.config.decode, crop=False)
    cache = open_run_cache(run, progress)
    with work_folder() as folder, reproducible():
        images = row_images(manifest, reading, folder)
        checks = check_images(images.source, preparation, cache, runtime, progress)
        rows = UsableRows.of(manifest, images, checks, card.class_names)
        if not len(rows.readable):
            raise nothing_readable(manifest, images, checks)
        session = Session.load(model, weights, run.offline, preprocess, runtime, progress)
        trained = load_detector(home, card, session.loaded).to(runtime.device)
        if run.compile:
            trained.compile_images()
        pictures = RunPictures(rows, preparation, session, folder, cache)
        zero_shot, scores = pictures.zero_shot_and_score(trained, card.class_names, progress)
        warned(progress, card.warnings)
        warnings = [*card.warnings, *zero_shot_warnings(zero_shot, rows, progress)]
        warnings += unknown_label_warnings(manifest, rows, card, progress)
        table = score_table(manifest, images, checks, rows, scores, zero_shot, card.class_names)
        facts = table_metadata(
            replace(card, warnings=warnings),
            runtime,
            "score",
            agreement_with_zero_shot(zero_shot, rows),
            StrategyOptions(),
        )
        made = decide(ScoreTable(table, facts), rule or card.rule, threshold)
        write_scores(made, output, manifest.root, overwrite, manifest.labels_file)
    if cache is not None:
        cache.say(progress)
    return ScanResult(
        output,
        None,
        made,
        summarise(made),
        tuple(warnings),
        time.monotonic() - began,
        gates.check(output) if gates.expressions else None,
    )


def select(
    table: str | Path,
    *,
    output: str | Path,
    rule: Rule | None = None,
    threshold: float | None = None,
    overwrite: bool = False,
) -> ScanResult:
    """Decide anew which rows of a score table are kept, without torch.

    Args:
        table: written by `scan` or `score`.
        output: the new table.
        rule: None for the table's.
        threshold: in [0, 1]; None for the table's.
        overwrite: replace an existing output.

    Raises:
        UsageError: options or table are wrong.
        RunError: the output cannot be written.
    """
    began = time.monotonic()
    table, output = Path(table), Path(output)
    check_table_output(output, overwrite)
    if threshold is not None:
        _check_threshold(threshold)
    scores = read_scores(table)
    rule = rule or scores.metadata["rule"]
    threshold = scores.metadata["threshold"] if threshold is None else threshold
    made = decide_unreviewed(scores, rule, threshold)
    root, labels = image_root(scores.metadata, table), labels_file(scores.metadata, table)
    write_scores(made, output, root, overwrite, labels)
    return ScanResult(output, None, made, summarise(made), (), time.monotonic() - began)


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
    from deftclean.models.saved_detector import check_detector_output
    from deftclean.training.checkpoint import check_unfinished_output, unfinished_folder

    check_table_output(output, overwrite)
    check_detector_output(target, overwrite)
    check_unfinished_output(unfinished_folder(output))


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
