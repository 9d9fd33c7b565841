"""What `scan`, `score` and `select` give back."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deftclean.core.results import Shown, percent
from deftclean.gate.results import CheckResult
from deftclean.table.scores import ScoreTable
from deftclean.table.slim import WrittenScores
from deftclean.table.summary import Summary


@dataclass(frozen=True, repr=False)
class ScanResult(Shown):
    """What a command made.

    Attributes:
        output: the score table's file.
        detector: the detector folder, if one was written.
        scores: the table; of `select`, read when its `table` is asked for.
        summary: the table in short.
        warnings: what may make the result useless.
        seconds: wall time.
        check: what gates said of the table; None where nothing was asked.
    """

    output: Path
    detector: Path | None
    scores: ScoreTable | WrittenScores
    summary: Summary
    warnings: tuple[str, ...]
    seconds: float
    check: CheckResult | None = None

    def facts(self) -> Mapping[str, object]:
        """What a notebook shows."""
        estimate = self.summary.estimate
        return {
            "rows": self.summary.rows,
            "kept": self.summary.kept,
            "flagged": self.summary.flagged,
            "noise rate": percent(self.summary.noise_rate),
            "wrong labels": estimate.text if estimate is not None else None,
            "not scored": self.summary.not_scored or None,
            "table": self.output,
            "detector": self.detector,
            "warnings": len(self.warnings) or None,
            "seconds": round(self.seconds, 1),
        }
