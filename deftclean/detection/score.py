"""`score()`, whole: a saved detector and new data in, a score table out. Trains nothing."""

import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from deftclean.core.errors import InputError, UsageError
from deftclean.core.progress import Progress, Silent
from deftclean.core.run import RunOptions
from deftclean.data.manifest import Manifest, read_manifest
from deftclean.data.options import ManifestOptions, input_files
from deftclean.detection.result import ScanResult
from deftclean.detection.scan import check_compile, check_threshold
from deftclean.gate.check import Gates
from deftclean.hearing.brought import Brought, read_brought
from deftclean.models.detector_card import DetectorCard, read_card
from deftclean.settings.detector import Rule
from deftclean.settings.evidence import EMBEDDINGS, FEATURES, PRED_PROBS, EvidenceOptions
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
    from deftclean.evidence.saved import KeptEvidence
    from deftclean.features.scoring import ZeroShotScores
    from deftclean.hearing.judging import Verdict
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
    evidence: EvidenceOptions | None = None,
    run: RunOptions | None = None,
    progress: Progress | None = None,
    fail_on: str | Iterable[str] = (),
    baseline: str | Path | None = None,
) -> ScanResult:
    """Score new data with a saved detector, without training.

    Args:
        detector: folder written by `scan`.
        data, labels, output, overwrite, reading, run, progress, fail_on, baseline: as in `scan`.
        evidence: the same kinds of numbers that the scan heard, of these rows.
        rule: keep rule; None for the detector's.
        threshold: None for the detector's.

    Raises:
        UsageError, RunError: as in `scan`.
    """
    began = time.monotonic()
    progress, run = progress or Silent(), run or RunOptions()
    output, home = Path(output), Path(detector)
    evidence = evidence or EvidenceOptions()
    inputs = [*input_files(data, labels, reading), *evidence.files]
    run.ranks.of_first(lambda: check_table_output(output, overwrite, inputs))
    gates = Gates.of(fail_on, baseline)
    card = read_card(home)
    threshold = card.threshold if threshold is None else threshold
    check_threshold(threshold)
    check_compile(run, card.config)
    evidence.check(True, None, {})
    _check_evidence(evidence, card, home)
    reading = replace(reading or ManifestOptions(), known_labels=card.label_names)
    manifest = read_manifest(Path(data), Path(labels) if labels is not None else None, reading)
    labels_given = manifest.given_labels.drop_null().unique().to_pylist()
    gates.refuse_unknown_classes(dict.fromkeys([*card.class_names, *labels_given]))
    for note in manifest.notes:
        progress.say(note)

    brought = read_brought(evidence, manifest, card.class_names, progress.say)
    brought = _as_in_scan(brought, card, home)
    scored, read = _scored(home, card, manifest, reading, brought, run, progress)
    decided = decide(scored, rule or card.rule, threshold)
    made = with_kinds(_with_earlier_review(decided, read, card))
    for text in new_warnings(made.metadata, scored.metadata):
        progress.warn(text)
    made = judged_by(made, home)
    if run.ranks.first:
        write_scores(made, output, manifest.root, overwrite, manifest.labels_file, home)
    return ScanResult(
        output,
        None,
        made,
        summarise(made),
        tuple(made.metadata["warnings"]),
        time.monotonic() - began,
        gates.check(output) if gates.expressions and run.ranks.first else None,
    )


def _check_evidence(evidence: EvidenceOptions, card: DetectorCard, home: Path) -> None:
    """Refuse to judge by other things than the scan did.

    Raises:
        UsageError: all that is missing, or was not there.
    """
    facts = card.evidence
    if facts is None and evidence.given:
        raise UsageError(
            f"{', '.join(evidence.given)}: {home} judges by its detector alone.", "Leave it out."
        )
    if facts is None:
        return
    wrong = [name for name in ("--template", "--descriptions") if name in evidence.given]
    if wrong:
        raise UsageError(
            f"{', '.join(wrong)}: {home} has the texts that its scan compared with.",
            "Leave it out.",
        )
    features = facts.get("features") or {}
    needed = {
        EMBEDDINGS: features.get("from") == EMBEDDINGS,
        FEATURES: features.get("from") == FEATURES,
        PRED_PROBS: "own" in facts.get("witnesses", {}),
    }
    missing = [name for name, used in needed.items() if used and name not in evidence.given]
    if missing:
        raise UsageError(
            f"{home} was made with {' and '.join(missing)}, and judges by them.",
            f"Give them for these rows too: {' '.join(f'{name} ...' for name in missing)}",
        )
    unused = [name for name, used in needed.items() if not used and name in evidence.given]
    if unused:
        raise UsageError(
            f"{', '.join(unused)}: the scan that made {home} heard no such thing.", "Leave it out."
        )


def _as_in_scan(brought: Brought, card: DetectorCard, home: Path) -> Brought:
    """With the texts of the classes that the scan compared with.

    Raises:
        InputError: embeddings of another size, or damaged texts.
    """
    facts = card.evidence or {}
    size = (facts.get("features") or {}).get("size")
    own = brought.embeddings
    if own is not None and own.values.shape[1] != size:
        raise InputError(
            f"{own.option} {own.path} has {own.values.shape[1]:,} numbers a row; those of the scan "
            f"had {size:,}.",
            "Give embeddings of the same model.",
        )
    texts = facts.get("texts")
    if texts is None:
        return brought
    if len(texts) != len(card.class_names) or [] in texts:
        raise InputError(f"{home} is damaged: of its evidence, 'texts'.")
    return replace(brought, texts=tuple(map(tuple, texts)), own_texts=True)


def _scored(
    home: Path,
    card: DetectorCard,
    manifest: Manifest,
    reading: ManifestOptions,
    brought: Brought,
    run: RunOptions,
    progress: Progress,
) -> tuple[ScoreTable, Manifest]:
    """Every row scored, and the manifest with what is known of its pictures; decided later."""
    from deftclean.core.runtime import choose_runtime
    from deftclean.detection.assembly import Said, near_copies
    from deftclean.detection.evidence import judge_new_rows
    from deftclean.features.backbone import check_features
    from deftclean.features.pictures import RunPictures
    from deftclean.features.session import Session
    from deftclean.hearing.judging import known_of
    from deftclean.hearing.own_numbers import own_numbers, seen_by
    from deftclean.images.prepared import opened_reader
    from deftclean.images.resizing import Preparation
    from deftclean.models.saved_detector import load_detectors
    from deftclean.models.weights import preprocess_of

    runtime = choose_runtime(run.device, run.precision, run.workers, run.ranks)
    model, weights = _clip_of(home, card, run)
    preprocess = preprocess_of(model, weights, run.offline, progress.say)
    preparation = Preparation.of(preprocess, card.config.decode, crop=False)
    chosen = None if brought.features is None else check_features(*brought.features)
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

        texts, verdict = brought.texts, None
        if card.evidence is None:
            shown = pictures()
            zero_shot, scores = shown.zero_shot_and_score(detectors[0], texts, progress)
            near = near_copies(shown, progress)
        else:
            untuned = pictures()
            untuned.embed(progress, lambda: None)
            near = near_copies(untuned, progress)
            zero_shot = untuned.zero_shot(texts, progress, lambda: None)
            # Both spool their features: into the same file, the second would write over the first.
            looking = [
                untuned if detector.tuner is None else pictures(f"half-{number}")
                for number, detector in enumerate(detectors)
            ]
            kept = _evidence(home, card, runtime)
            known = known_of(prepared.rows, prepared.manifest)
            sha256 = (card.evidence.get("features") or {}).get("sha256")
            decode, rows = card.config.decode, prepared.rows
            sight = seen_by(chosen, decode, run.offline, sha256, rows, reader)
            own = own_numbers(brought, prepared.rows, reader.folder, sight)
            judges = list(zip(detectors, looking, strict=True))
            scores, verdict = judge_new_rows(
                untuned, judges, kept, own, texts, known, zero_shot, progress
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
