"""Scores and findings put together: the score table and what its metadata say."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deftclean import __version__
from deftclean.core.runtime import Runtime
from deftclean.detection.scoring import DetectorScores, ZeroShotScores
from deftclean.detection.task import Outcome, Task
from deftclean.images.prepared import PreparedRows
from deftclean.models.detector_card import FORMAT_VERSION, DetectorCard
from deftclean.models.saved_detector import portable_name
from deftclean.settings.strategies import StrategyOptions
from deftclean.table.scores import SCHEMA_VERSION, SCORE_SCHEMA


def score_table(
    prepared: PreparedRows,
    scores: DetectorScores,
    zero_shot: ZeroShotScores,
    class_names: tuple[str, ...],
) -> pa.Table:
    """Input columns, then score columns; N rows in input order. `keep` is decided later."""
    manifest, found, rows = prepared.manifest, prepared.found, prepared.rows
    count, readable = len(manifest), prepared.readable
    names = pa.array(class_names, pa.string())
    unlabelled = manifest.given_labels.is_null().to_numpy(zero_copy_only=False)
    status = pc.if_else(pa.array(readable & unlabelled), "unlabeled", found.status)
    unknown = pa.array(readable & ~unlabelled & ~rows.labelled)
    status = pc.if_else(unknown, "unknown_label", status)

    def spread(values: Any, where: Any) -> pa.Array:
        """Values of the scored rows at their places, null elsewhere and where `where` is not."""
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
        "zero_shot_prob": spread(zero_shot.prob, rows.labelled),
        "status": status,
        "error": found.error,
        "content_sha256": found.sha256,
        "source_line": manifest.source_lines,
    }
    given = manifest.columns
    schema = pa.schema([*given.schema, *SCORE_SCHEMA], metadata=given.schema.metadata)
    arrays = [*given.columns, *(columns[name] for name in SCORE_SCHEMA.names)]
    return pa.Table.from_arrays(arrays, schema=schema)


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
        format_version=FORMAT_VERSION,
        tool_version=__version__,
        model=model,
        weights=weights,
        weights_sha256=session.loaded.sha256,
        label_names=task.manifest.label_names,
        config=replace(task.config, rule=outcome.rule),
        threshold=outcome.threshold,
        epochs=[metrics.as_dict() for metrics in outcome.epochs],
        warnings=warnings,
    )


def table_metadata(
    card: DetectorCard,
    runtime: Runtime,
    command: Literal["scan", "score"],
    agreement: float | None,
    options: StrategyOptions,
) -> dict[str, Any]:
    """Everything but rule, threshold and noise rate, which `decide` adds."""
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
    }
