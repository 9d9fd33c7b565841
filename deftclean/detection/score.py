"""`score()`, whole: a saved detector and new data in, a score table out. Trains nothing."""

import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from deftclean.core.errors import InputError
from deftclean.core.progress import Progress, Silent
from deftclean.core.run import RunOptions
from deftclean.data.manifest import Manifest, read_manifest
from deftclean.data.options import ManifestOptions, input_files
from deftclean.detection.result import ScanResult
from deftclean.detection.scan import check_compile, check_threshold
from deftclean.gate.check import Gates
from deftclean.models.detector_card import DetectorCard, read_card
from deftclean.settings.detector import Rule
from deftclean.settings.strategies import StrategyOptions
from deftclean.table.emptied import new_warnings
from deftclean.table.kinds import with_kinds
from deftclean.table.scores import (
    ScoreTable,
    check_table_output,
    decide,
    judged_by,
    write_scores,
)
from deftclean.table.summary import summarise

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from deftclean.core.runtime import Runtime
    from deftclean.detection.assembly import Said
    from deftclean.detection.judging import Verdict
    from deftclean.evidence.saved import KeptEvidence
    from deftclean.features.scoring import ZeroShotScores
    from deftclean.images.prepared import PreparedRows


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
    check_table_output(output, overwrite, input_files(data, labels, reading))
    gates = Gates.of(fail_on, baseline)
    card = read_card(home)
    threshold = card.threshold if threshold is None else threshold
    check_threshold(threshold)
    check_compile(run, card.config)
    reading = replace(reading or ManifestOptions(), known_labels=card.label_names)
    manifest = read_manifest(Path(data), Path(labels) if labels is not None else None, reading)
    labels_given = manifest.given_labels.drop_null().unique().to_pylist()
    gates.refuse_unknown_classes(dict.fromkeys([*card.class_names, *labels_given]))
    for note in manifest.notes:
        progress.say(note)

    scored, read = _scored(home, card, manifest, reading, run, progress)
    decided = decide(scored, rule or card.rule, threshold)
    made = with_kinds(_with_earlier_review(decided, read, card))
    for text in new_warnings(made.metadata, scored.metadata):
        progress.warn(text)
    made = judged_by(made, home)
    write_scores(made, output, manifest.root, overwrite, manifest.labels_file, home)
    return ScanResult(
        output,
        None,
        made,
        summarise(made),
        tuple(made.metadata["warnings"]),
        time.monotonic() - began,
        gates.check(output) if gates.expressions else None,
    )


def _scored(
    home: Path,
    card: DetectorCard,
    manifest: Manifest,
    reading: ManifestOptions,
    run: RunOptions,
    progress: Progress,
) -> tuple[ScoreTable, Manifest]:
    """Every row scored, and the manifest with what is known of its pictures; decided later."""
    from deftclean.core.runtime import choose_runtime
    from deftclean.detection.assembly import Said, near_copies
    from deftclean.detection.evidence import judge_new_rows
    from deftclean.detection.judging import known_of
    from deftclean.features.pictures import RunPictures
    from deftclean.features.session import Session
    from deftclean.images.prepared import opened_reader
    from deftclean.images.resizing import Preparation
    from deftclean.models.saved_detector import load_detectors
    from deftclean.models.weights import preprocess_of

    runtime = choose_runtime(run.device, run.precision, run.workers)
    model, weights = _clip_of(home, card, run)
    preprocess = preprocess_of(model, weights, run.offline, progress.say)
    preparation = Preparation.of(preprocess, card.config.decode, crop=False)
    with opened_reader(preparation, runtime, run, progress) as reader:
        prepared = reader.prepare(manifest, reading, card.class_names)
        prepared.say_usual(progress)
        session = Session.load(model, weights, run.offline, preprocess, runtime, progress)
        detectors = load_detectors(home, card, session.loaded)
        for detector in detectors:
            detector.to(runtime.device)
            if run.compile:
                detector.compile_images()

        def pictures(part: str = "") -> RunPictures:
            folder = reader.folder / part
            folder.mkdir(exist_ok=True)
            return RunPictures(prepared.rows, preparation, session, folder, reader.cache)

        names, verdict = card.class_names, None
        if card.evidence is None:
            shown = pictures()
            zero_shot, scores = shown.zero_shot_and_score(detectors[0], names, progress)
            near = near_copies(shown, progress)
        else:
            untuned = pictures()
            untuned.embed(progress, lambda: None)
            near = near_copies(untuned, progress)
            zero_shot = untuned.zero_shot(names, progress, lambda: None)
            # Both spool their features: into the same file, the second would write over the first.
            looking = [
                untuned if detector.tuner is None else pictures(f"half-{number}")
                for number, detector in enumerate(detectors)
            ]
            kept = _evidence(home, card, runtime)
            known = known_of(prepared.rows, prepared.manifest)
            judges = list(zip(detectors, looking, strict=True))
            scores, verdict = judge_new_rows(
                untuned, judges, kept, names, known, zero_shot, progress
            )
        said = Said.of(scores, zero_shot, verdict, card.evidence is None)
        made = _table(card, prepared, said, zero_shot, verdict, near, runtime, progress)
        reader.say_cache()
    return made, prepared.manifest


def _with_earlier_review(made: ScoreTable, manifest: Manifest, card: DetectorCard) -> ScoreTable:
    from deftclean.detection.assembly import with_earlier_review

    return with_earlier_review(made, manifest, card.evidence is not None)


def _clip_of(home: Path, card: DetectorCard, run: RunOptions) -> tuple[str, str | None]:
    """Model and weights: the user's, or those that the detector was trained with."""
    from deftclean.models.saved_detector import local_name

    if run.model is not None:
        same = run.weights is None and run.model == card.model
        return run.model, card.weights if same else run.weights
    return local_name(card.model, card.weights if run.weights is None else run.weights, home)


def _evidence(home: Path, card: DetectorCard, runtime: "Runtime") -> "KeptEvidence":
    from deftclean.evidence.saved import KeptEvidence
    from deftclean.models.saved_detector import load_evidence

    tensors = load_evidence(home)
    try:
        return KeptEvidence.from_file(card.evidence or {}, tensors, runtime.device)
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(f"{home} is damaged: of its evidence, {error}.") from error


def _table(
    card: DetectorCard,
    prepared: "PreparedRows",
    said: "Said",
    zero_shot: "ZeroShotScores",
    verdict: "Verdict | None",
    near: "NDArray[np.int64] | None",
    runtime: "Runtime",
    progress: Progress,
) -> ScoreTable:
    from deftclean.detection.assembly import score_table, table_metadata
    from deftclean.detection.warnings import (
        agreement_with_zero_shot,
        unknown_label_warnings,
        warned,
        zero_shot_warnings,
    )

    rows = prepared.rows
    warnings = [
        *warned(progress, card.warnings),
        *zero_shot_warnings(zero_shot, rows, progress),
        *unknown_label_warnings(prepared.manifest, rows, card, progress),
    ]
    table = score_table(prepared, said, card.class_names, near)
    agreement = agreement_with_zero_shot(zero_shot, rows)
    told = replace(card, warnings=warnings)
    options = StrategyOptions("deft" if card.evidence is None else "evidence")
    usual = prepared.quality.usual
    facts = table_metadata(told, runtime, "score", agreement, options, verdict, near, usual)
    return ScoreTable(table, facts)
