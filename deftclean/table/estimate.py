"""What a score table says about how much is wrong, beyond what was flagged. No torch.

In the metadata of tables whose rows were judged by all the evidence.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

EVIDENCE = "evidence"
"""Key of the metadata: who was heard, and how much is wrong."""

WITNESS_COLUMNS = {
    "zero_shot": "zero_shot_prob",
    "deft": "prompt_prob",
    "head": "head_prob",
    "neighbours": "neighbours_prob",
    "own": "own_prob",
}
"""Column of each witness's probability of the given label."""


@dataclass(frozen=True)
class NoiseEstimate:
    """The share of wrong labels among the scored rows.

    Attributes:
        rate: the estimate, in [0, 1].
        low, high: ends of its interval.
        level: probability that the truth lies between them.
        informed: how much it is believed that the witnesses know something, in [0, 1].
    """

    rate: float
    low: float
    high: float
    level: float
    informed: float

    @property
    def text(self) -> str:
        """For people."""
        return f"{self.rate:.1%} ({self.level:.0%}: {self.low:.1%} to {self.high:.1%})"


def noise_estimate(metadata: Mapping[str, Any], label: str | None = None) -> NoiseEstimate | None:
    """Of a table, or of the rows with one label; None where none was made."""
    evidence = metadata.get(EVIDENCE) or {}
    found = evidence.get("estimated_noise")
    if label is not None:
        found = (evidence.get("estimated_noise_of") or {}).get(label)
    if found is None:
        return None
    ends = found["estimate"], found["low"], found["high"]
    return NoiseEstimate(*ends, evidence["level"], evidence["informed"])


@dataclass(frozen=True)
class Foretold:
    """Rows whose label was foretold with about the same probability, before it was heard.

    Attributes:
        probability: the mean, in [0, 1].
        given: rows that were given this label.
        rows: how many.
    """

    probability: float
    given: int
    rows: int


def foretold_labels(metadata: Mapping[str, Any]) -> tuple[Foretold, ...]:
    """By ascending probability; none where not all evidence was heard."""
    found = (metadata.get(EVIDENCE) or {}).get("foretold")
    if found is None:
        return ()
    return tuple(map(Foretold, found["foretold"], found["happened"], found["rows"]))


def heard(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """Columns of the witnesses that were heard, the weightiest first."""
    weights: dict[str, float] = (metadata.get(EVIDENCE) or {}).get("witnesses", {})
    order = sorted((name for name in weights if weights[name] > 0.01), key=lambda n: -weights[n])
    return tuple(WITNESS_COLUMNS[name] for name in order)
