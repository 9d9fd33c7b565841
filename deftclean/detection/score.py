"""`score()`, whole: a saved detector and new data in, a score table out. Trains nothing."""

import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from deftclean.core.progress import Progress, Silent
from deftclean.core.run import RunOptions
from deftclean.data.manifest import ManifestOptions, read_manifest
from deftclean.detection.result import ScanResult
from deftclean.detection.scan import _check_compile, _check_threshold
from deftclean.gate.check import Gates
from deftclean.models.detector_card import read_card
from deftclean.settings.detector import Rule
from deftclean.settings.strategies import StrategyOptions
from deftclean.table.scores import ScoreTable, check_table_output, decide, write_scores
from deftclean.table.summary import summarise


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

    from deftclean.core.runtime import choose_runtime, reproducible
    from deftclean.detection.assembly import score_table, table_metadata
    from deftclean.detection.pictures import RunPictures
    from deftclean.detection.session import Session
    from deftclean.detection.warnings import (
        agreement_with_zero_shot,
        unknown_label_warnings,
        warned,
        zero_shot_warnings,
    )
    from deftclean.images.cache import open_run_cache
    from deftclean.images.first_pass import check_images
    from deftclean.images.resizing import Preparation
    from deftclean.images.row_images import row_images, work_folder
    from deftclean.images.usable_rows import UsableRows, nothing_readable
    from deftclean.models.saved_detector import findable_name, load_detector
    from deftclean.models.weights import preprocess_of

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
