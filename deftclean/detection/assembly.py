"""Scores and findings put together: the score table and what its metadata say."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean import __version__
from deftclean.core.arrow import int_array_where
from deftclean.core.errors import RunError
from deftclean.core.progress import Progress
from deftclean.core.runtime import Runtime
from deftclean.data.manifest import Manifest
from deftclean.detection.task import Outcome, Task
from deftclean.detection.warnings import warned
from deftclean.evidence.near_copies import CERTAIN, LEAST, SHARE, near_groups
from deftclean.evidence.rates import LEVEL
from deftclean.evidence.reliability import Reliability
from deftclean.evidence.strangers import FAR, TOGETHER, UNLIKELY
from deftclean.evidence.witness import WitnessName
from deftclean.features.pictures import RunPictures
from deftclean.features.scoring import DetectorScores, ZeroShotScores
from deftclean.hearing.judging import Verdict
from deftclean.images.look import hash_texts
from deftclean.images.prepared import PreparedRows
from deftclean.images.usable_rows import UsableRows
from deftclean.models.detector_card import FORMAT_VERSION, DetectorCard
from deftclean.models.saved_detector import portable_name
from deftclean.settings.strategies import StrategyOptions
from deftclean.table.emptied import new_warnings
from deftclean.table.estimate import EVIDENCE
from deftclean.table.kinds import with_kinds
from deftclean.table.reviewed import with_review
from deftclean.table.scores import (
    NEAR,
    OFF_TOPIC,
    QUALITY,
    SCHEMA_VERSION,
    SCORE_SCHEMA,
    SPLITS,
    ScoreTable,
    decide,
)

Column = NDArray[np.float32]


@dataclass(frozen=True)
class Said:
    """What there is to say of n readable rows, column by column.

    Attributes:
        scores: the judgement.
        suggested: (n,) class, and `suggested_prob` its probability.
        zero_shot, prompt, head, neighbours, brought: (n,) probability of the given label by each
            witness; None where it was not asked.
        own: (n,) DEFT's p_clean, or None.
        strangers: (n,) whether the picture fits no class, or None.
    """

    scores: DetectorScores
    suggested: NDArray[np.int64]
    suggested_prob: Column
    zero_shot: Column | None
    own: Column | None
    prompt: Column | None
    head: Column | None
    neighbours: Column | None
    brought: Column | None
    strangers: NDArray[np.bool_] | None = None

    @classmethod
    def of(
        cls,
        scores: DetectorScores,
        zero_shot: ZeroShotScores | None,
        verdict: Verdict | None,
        is_deft: bool,
    ) -> "Said":
        """Of a run.

        Args:
            scores: the judgement.
            zero_shot: of the same rows; None without a model.
            verdict: where all evidence was heard; otherwise the prediction is the suggestion.
            is_deft: whether `clean_prob` is DEFT's own where there is no verdict.
        """
        untrained = None if zero_shot is None else zero_shot.prob
        if verdict is None:
            own = scores.clean_prob if is_deft else None
            sure = scores.predicted, scores.predicted_prob
            return cls(scores, *sure, untrained, own, None, None, None, None)
        judged, said = verdict.judged, verdict.judged.said
        return cls(
            scores,
            judged.suggested,
            judged.suggested_prob.astype(np.float32),
            untrained,
            verdict.own,
            said.get("deft"),
            said.get("head"),
            said.get("neighbours"),
            said.get("own"),
            verdict.strangers,
        )


def near_copies(pictures: RunPictures | None, progress: Progress) -> NDArray[np.int64] | None:
    """(U,) groups of nearly identical pictures, -1 outside any; None where they are not known.

    Args:
        pictures: that may have untuned features.
        progress: told what happens.
    """
    if pictures is None or not pictures.embedded:
        return None
    count = len(pictures.rows.distinct)
    take, device = pictures.embeddings.take, pictures.runtime.device
    try:
        with progress.stage("Comparing pictures", count) as advance:
            return near_groups(take, count, device, lambda done: advance(done, ""))
    except RunError as error:  # of an index that is not installed; no score depends on it
        progress.warn(f"nearly identical pictures were not searched for: {error}")
        return None


def score_table(
    prepared: PreparedRows,
    said: "Said",
    class_names: tuple[str, ...],
    near: NDArray[np.int64] | None,
) -> pa.Table:
    """Input columns, then score columns; N rows in input order. `keep` is decided later.

    Args:
        prepared: the rows.
        said: of the readable ones.
        class_names: K.
        near: see `near_copies`.
    """
    manifest, found, rows = prepared.manifest, prepared.found, prepared.rows
    count, readable = len(manifest), prepared.readable
    names = pa.array(class_names, pa.string())
    unlabelled = manifest.given_labels.is_null().to_numpy(zero_copy_only=False)
    status = pc.if_else(pa.array(readable & unlabelled), "unlabeled", found.status)
    unknown = pa.array(readable & ~unlabelled & ~rows.labelled)
    status = pc.if_else(unknown, "unknown_label", status)

    scores = said.scores

    def spread(values: Any, where: Any) -> pa.Array:
        """Values of the scored rows at their places, null elsewhere and where `where` is not."""
        if values is None:
            return pa.nulls(count, pa.float32())
        full = np.zeros(count, dtype=np.float32)
        full[scores.rows] = values
        mask = np.ones(count, dtype=bool)
        mask[scores.rows] = ~where[scores.rows]
        return pa.array(full, pa.float32(), mask=mask)

    def named(values: Any) -> pa.Array:
        full = np.zeros(count, dtype=np.int64)
        full[scores.rows] = values
        return names.take(pa.array(full, pa.int64(), mask=~readable))

    columns = {
        "row": pa.array(np.arange(count), pa.int64()),
        "file_name": manifest.file_names,
        "given_label": manifest.given_labels,
        "clean_prob": spread(scores.clean_prob, rows.labelled),
        "clean_top_label": named(scores.clean_top),
        "keep": pa.array(np.zeros(count, dtype=bool)),
        "predicted_label": named(scores.predicted),
        "predicted_prob": spread(scores.predicted_prob, readable),
        "suggested_label": named(said.suggested),
        "suggested_prob": spread(said.suggested_prob, readable),
        "zero_shot_prob": spread(said.zero_shot, rows.labelled),
        "deft_prob": spread(said.own, rows.labelled),
        "prompt_prob": spread(said.prompt, rows.labelled),
        "head_prob": spread(said.head, rows.labelled),
        "neighbours_prob": spread(said.neighbours, rows.labelled),
        "own_prob": spread(said.brought, rows.labelled),
        "status": status,
        "error": found.error,
        "content_sha256": found.sha256,
        "perceptual_hash": hash_texts(found.looks),
        "source_line": manifest.source_lines,
        "duplicate_of": found.first_of_same,
        "near_duplicate_group": _of_rows(near, rows, count),
        "quality": prepared.quality.reasons,
        "kind": _off_topic(said, prepared.quality.unclear),
    }
    given = manifest.columns
    schema = pa.schema([*given.schema, *SCORE_SCHEMA], metadata=given.schema.metadata)
    arrays = [*given.columns, *(columns[name] for name in SCORE_SCHEMA.names)]
    return pa.Table.from_arrays(arrays, schema=schema)


def _of_rows(near: NDArray[np.int64] | None, rows: UsableRows, count: int) -> pa.Array:
    """(N,) group of each row's picture."""
    groups = np.full(count, -1, dtype=np.int64)
    if near is not None:
        groups[rows.readable] = near[rows.pictures[rows.readable]]
    return int_array_where(groups, groups >= 0)


def _off_topic(said: Said, unclear: NDArray[np.bool_]) -> pa.Array:
    """(N,) strings, `off_topic` where a clear picture fits no class; other kinds follow later."""
    odd = np.zeros(len(unclear), dtype=bool)
    if said.strangers is not None:
        odd[said.scores.rows] = said.strangers
    names, at = pa.array(["off_topic", None], pa.string()), np.where(odd & ~unclear, 0, 1)
    return names.take(pa.array(at))


def finished_table(
    prepared: PreparedRows,
    said: "Said",
    outcome: Outcome,
    facts: dict[str, Any],
    near: NDArray[np.int64] | None,
    progress: Progress,
) -> ScoreTable:
    """The table of a scan, decided, with what people have decided earlier.

    Args:
        prepared: the rows.
        said: of the readable ones.
        outcome: rule and threshold.
        facts: see `table_metadata`.
        near: see `near_copies`.
        progress: told what follows from the decision.
    """
    table = score_table(prepared, said, tuple(facts["class_names"]), near)
    facts = {**facts, **input_facts(prepared.manifest)}
    decided = decide(ScoreTable(table, facts), outcome.rule, outcome.threshold)
    reviewed = with_earlier_review(decided, prepared.manifest, outcome.verdict is not None)
    made = with_kinds(reviewed)
    warned(progress, list(new_warnings(made.metadata, facts)))
    return made


def input_facts(manifest: Manifest) -> dict[str, Any]:
    """What later commands have to know of how the input was read, beside where it is."""
    return {} if manifest.splits is None else {SPLITS: list(manifest.splits)}


def with_earlier_review(scores: ScoreTable, manifest: Manifest, known: bool) -> ScoreTable:
    """The table with what people have decided about its rows, in the input, already.

    Args:
        scores: of the manifest's rows, decided by the rule.
        manifest: the input.
        known: whether the scores follow from the decisions.
    """
    if manifest.review is None or not manifest.review.rows:
        return scores
    return with_review(scores, manifest.review.columns, known)


def detector_card(task: Task, outcome: Outcome, warnings: list[str], folder: Path) -> DetectorCard:
    """What the detector folder will say of itself, and the table of its detector.

    Args:
        task: what was scanned.
        outcome: what was found.
        warnings: what may make the result useless.
        folder: of the detector.
    """
    session = task.pictures.session
    model, weights = portable_name(session.model, session.weights, folder)
    return DetectorCard(
        format_version=FORMAT_VERSION if outcome.kept is not None else 1,
        tool_version=__version__,
        model=model,
        weights=weights,
        weights_sha256=session.loaded.sha256,
        label_names=task.manifest.label_names,
        config=task.config if outcome.kept is not None else replace(task.config, rule=outcome.rule),
        threshold=outcome.threshold,
        epochs=[metrics.as_dict() for metrics in outcome.epochs],
        warnings=warnings,
        evidence=None if outcome.kept is None else outcome.kept.facts(),
    )


def table_metadata(
    card: DetectorCard,
    runtime: Runtime,
    command: Literal["scan", "score"],
    agreement: float | None,
    options: StrategyOptions,
    verdict: Verdict | None,
    near: NDArray[np.int64] | None,
    usual: tuple[str, ...],
) -> dict[str, Any]:
    """Everything but rule, threshold and noise rate, which `decide` adds."""
    told = verdict is not None and verdict.strangers is not None
    return {
        "schema_version": SCHEMA_VERSION,
        "tool_version": __version__,
        "command": command,
        "strategy": options.strategy,
        "noise_ratio": options.noise_ratio,
        "model": card.model,
        "weights": card.weights,
        "weights_sha256": card.weights_sha256,
        "class_names": list(card.class_names),
        "config": card.config.as_dict(),
        "seed": card.config.seed,
        "device": runtime.device.type,
        "precision": runtime.precision,
        "separation": card.epochs[-1]["separation"] if card.epochs else None,
        "zero_shot_agreement": agreement,
        "warnings": list(card.warnings),
        NEAR: None if near is None else {"certain": CERTAIN, "least": LEAST, "share": SHARE},
        QUALITY: {"usual": list(usual)},
        OFF_TOPIC: {"far": FAR, "together": TOGETHER, "unlikely": UNLIKELY} if told else None,
        **({} if verdict is None else {EVIDENCE: _evidence(verdict, card.class_names)}),
    }


def _evidence(verdict: Verdict, class_names: tuple[str, ...]) -> dict[str, Any]:
    """Who was heard, and how much is wrong."""
    rates = verdict.rates
    facts = evidence_facts(verdict.weights, verdict.informed, verdict.foretold)
    if rates is None:
        return facts
    classes = {
        name: asdict(rate)
        for name, rate in zip(class_names, rates.classes, strict=True)
        if rate is not None
    }
    return {
        **facts,
        "estimated_noise": asdict(rates.overall),
        "estimated_noise_of": classes,
    }


def evidence_facts(
    weights: Mapping[WitnessName, float], informed: float, foretold: Reliability
) -> dict[str, Any]:
    """Who was heard, where nobody has estimated how much is wrong.

    Args:
        weights: of the witnesses that are heard.
        informed: how much it is believed that they know something.
        foretold: how often labels were given that were foretold.
    """
    return {
        "witnesses": dict(weights),
        "informed": informed,
        "foretold": asdict(foretold),
        "level": LEVEL,
        "estimated_noise": None,
        "estimated_noise_of": {},
    }
