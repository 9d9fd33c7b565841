"""The rows of one unit, judged each by itself: any cut of a data set gives the same of every row.

What is told by comparing rows (nearly identical pictures, pictures that fit no class, sizes that
are odd among others) is not told here, and the table's metadata say so.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from deftclean.applying.asked import Asked
from deftclean.applying.judge import Judge, Opinion
from deftclean.applying.plan import Unit
from deftclean.applying.unit_facts import UnitFacts
from deftclean.data.manifest import Manifest
from deftclean.detection.assembly import (
    Said,
    evidence_facts,
    input_facts,
    score_table,
    table_metadata,
)
from deftclean.evidence.reliability import Reliability
from deftclean.features.scoring import DetectorScores
from deftclean.images.prepared import PreparedRows
from deftclean.images.quality import quality_of
from deftclean.settings.strategies import StrategyOptions
from deftclean.table.estimate import EVIDENCE
from deftclean.table.kinds import with_row_kinds
from deftclean.table.scores import SCORE_SCHEMA, ScoreTable, decide


def judged_unit(
    judge: Judge,
    manifest: Manifest,
    unit: Unit,
    asked: Asked,
    folder: Path,
) -> tuple[ScoreTable, UnitFacts]:
    """Score the rows of a unit and decide about them.

    Args:
        judge: the detector at work.
        manifest: the unit's rows.
        unit: where they stand among all.
        asked: how they were read, and which are kept.
        folder: empty, for files of this unit alone.

    Raises:
        RunError: a picture cannot be read any more, or the disk is full.
    """
    early = judge.early(folder)
    prepared = judge.look_at(manifest, asked.reading, folder, early)
    opinion = judge.of_each(prepared, folder, early) if len(prepared.rows.readable) else None
    table = _table(judge, prepared, opinion, unit)
    verdict = None if opinion is None else opinion.verdict
    foretold = None if verdict is None else verdict.foretold
    decided = decide(
        ScoreTable(table, metadata_of(judge, manifest, foretold)), asked.rule, asked.threshold
    )
    # Warnings about classes are of all rows, and said in the end.
    made = ScoreTable(decided.table, {**decided.metadata, "warnings": list(judge.card.warnings)})
    zero_shot = None if opinion is None else opinion.zero_shot
    names = judge.card.class_names
    return with_row_kinds(made), UnitFacts.of(made.table, zero_shot, foretold, prepared.rows, names)


def metadata_of(judge: Judge, manifest: Manifest, foretold: Reliability | None) -> dict[str, Any]:
    """What the table of a unit says of itself, before it is decided."""
    card = judge.card
    options = StrategyOptions("deft" if card.evidence is None else "evidence")
    facts = table_metadata(card, judge.runtime, "score", None, options, None, None, ())
    facts |= input_facts(manifest)
    if card.evidence is None:
        return facts
    belief = judge.kept.belief
    said = foretold or Reliability((), (), ())
    return {**facts, EVIDENCE: evidence_facts(belief.weights, belief.informed, said)}


def _table(judge: Judge, prepared: PreparedRows, opinion: Opinion | None, unit: Unit) -> pa.Table:
    """Input columns and score columns, those that compare rows left empty."""
    said = _nothing() if opinion is None else opinion.said
    count = len(prepared.manifest)
    table = score_table(prepared, said, judge.card.class_names, None)
    quality = quality_of(prepared.found.looks, np.zeros(0, dtype=np.int64))
    columns = {
        "row": pa.array(np.arange(unit.first, unit.end), pa.int64()),
        "duplicate_of": pa.nulls(count, pa.int64()),
        "quality": quality.reasons,
    }
    for name, column in columns.items():
        at = table.column_names.index(name)
        table = table.set_column(at, SCORE_SCHEMA.field(name), column)
    return table


def _nothing() -> Said:
    """What is to be said of no rows."""
    numbers, classes = np.zeros(0, np.float32), np.zeros(0, np.int64)
    scores = DetectorScores(classes, numbers, classes, classes, numbers)
    return Said(scores, classes, numbers, *(None for _ in range(6)))
