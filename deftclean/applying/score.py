"""`score()`, whole: a saved detector and new data in, a score table out. Trains nothing."""

import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from deftclean.applying.asked import Asked
from deftclean.core.progress import Progress, Silent
from deftclean.core.run import RunOptions
from deftclean.data.manifest import Manifest, read_manifest
from deftclean.data.options import ManifestOptions, input_files
from deftclean.detection.result import ScanResult
from deftclean.gate.check import Gates
from deftclean.models.detector_card import DetectorCard
from deftclean.settings.detector import Rule
from deftclean.settings.evidence import EvidenceOptions
from deftclean.settings.strategies import StrategyOptions
from deftclean.stores.door import opens_urls
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
    from deftclean.applying.judge import Judge, Opinion
    from deftclean.images.prepared import PreparedRows


@opens_urls("detector", "data", "labels", "reading", "evidence", "run", "baseline", output="output")
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
    asked = Asked.of(home, rule, threshold, reading, evidence, run)
    card = asked.card
    labelled = None if labels is None else Path(labels)
    manifest = read_manifest(Path(data), labelled, asked.reading)
    labels_given = manifest.given_labels.drop_null().unique().to_pylist()
    gates.refuse_unknown_classes(dict.fromkeys([*card.class_names, *labels_given]))
    for note in manifest.notes:
        progress.say(note)

    scored, read = _scored(asked, manifest, run, progress)
    decided = decide(scored, asked.rule, asked.threshold)
    made = with_kinds(_reviewed(decided, read, card))
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


def _scored(
    asked: Asked, manifest: Manifest, run: RunOptions, progress: Progress
) -> tuple[ScoreTable, Manifest]:
    """Every row scored, and the manifest with what is known of its pictures; decided later."""
    from deftclean.applying.judge import opened_judge

    brought = asked.brought(manifest, progress.say)
    with opened_judge(asked.home, asked.card, brought, run, progress) as judge:
        early = judge.early(judge.reader.folder)
        prepared = judge.prepare(manifest, asked.reading, early)
        prepared.say_usual(progress)
        made = _table(judge, prepared, judge.of_set(prepared, early))
    return made, prepared.manifest


def _reviewed(made: ScoreTable, manifest: Manifest, card: DetectorCard) -> ScoreTable:
    from deftclean.detection.assembly import with_earlier_review

    return with_earlier_review(made, manifest, card.evidence is not None)


def _table(judge: "Judge", prepared: "PreparedRows", opinion: "Opinion") -> ScoreTable:
    from deftclean.detection.assembly import input_facts, score_table, table_metadata
    from deftclean.detection.warnings import (
        agreement_with_zero_shot,
        unknown_label_warnings,
        warned,
        zero_shot_warnings,
    )

    rows, card, progress = prepared.rows, judge.card, judge.progress
    zero_shot, near = opinion.zero_shot, opinion.near
    warnings = [
        *warned(progress, card.warnings),
        *zero_shot_warnings(zero_shot, rows, progress),
        *unknown_label_warnings(prepared.manifest, rows, card, progress),
    ]
    table = score_table(prepared, opinion.said, card.class_names, near)
    agreement = agreement_with_zero_shot(zero_shot, rows)
    told, usual = replace(card, warnings=warnings), prepared.quality.usual
    options = StrategyOptions("deft" if card.evidence is None else "evidence")
    facts = table_metadata(
        told, judge.runtime, "score", agreement, options, opinion.verdict, near, usual
    )
    return ScoreTable(table, {**facts, **input_facts(prepared.manifest)})
