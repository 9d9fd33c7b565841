"""What a unit says of itself, beside its rows: written last, it tells that the unit is done.

Sums, so that what is to be said of all rows follows without reading any of them again.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deftclean.core.cards import record
from deftclean.core.metrics import beyond_chance
from deftclean.core.text import parsed_json
from deftclean.evidence.reliability import Reliability
from deftclean.features.scoring import ZeroShotScores
from deftclean.images.usable_rows import UsableRows

_PARTS = 10  # of [0, 1], as `Reliability` has them


@dataclass(frozen=True)
class UnitFacts:
    """Counts of rows, of one unit or of several.

    Attributes:
        status: by status.
        scored, kept: by given label, those with a `clean_prob`, and those that are kept.
        unknown: by given label, those whose label is none of the K classes.
        given, said: by class, labelled readable rows and what zero-shot says of them.
        agreed: how often it says the given label.
        foretold: by tenth of [0, 1]: rows, the sum of what was foretold, how often it happened.
    """

    status: dict[str, int]
    scored: dict[str, int]
    kept: dict[str, int]
    unknown: dict[str, int]
    given: dict[str, int]
    said: dict[str, int]
    agreed: int
    foretold: dict[str, list[float]]

    @classmethod
    def nothing(cls) -> "UnitFacts":
        """Of no rows."""
        return cls({}, {}, {}, {}, {}, {}, 0, {})

    @classmethod
    def of(
        cls,
        table: pa.Table,
        zero_shot: ZeroShotScores | None,
        foretold: Reliability | None,
        rows: UsableRows,
        class_names: tuple[str, ...],
    ) -> "UnitFacts":
        """Count.

        Args:
            table: the unit's rows, decided.
            zero_shot: of the readable ones; None where there are none.
            foretold: None where nothing was.
            rows: of the unit.
            class_names: the K classes.
        """
        labels = table["given_label"]
        unknown = pc.equal(table["status"], "unknown_label")
        given, said, agreed = _zero_shot(zero_shot, rows, class_names)
        return cls(
            _counted(table["status"]),
            _counted(labels.filter(pc.is_valid(table["clean_prob"]))),
            _counted(labels.filter(table["keep"])),
            _counted(labels.filter(unknown)),
            given,
            said,
            agreed,
            {} if foretold is None else _tenths(foretold),
        )

    def __add__(self, other: "UnitFacts") -> "UnitFacts":
        """Of the rows of both."""
        foretold = {
            tenth: [
                a + b
                for a, b in zip(
                    self.foretold.get(tenth, [0, 0.0, 0]),
                    other.foretold.get(tenth, [0, 0.0, 0]),
                    strict=True,
                )
            ]
            for tenth in sorted({*self.foretold, *other.foretold})
        }
        return UnitFacts(
            _sum(self.status, other.status),
            _sum(self.scored, other.scored),
            _sum(self.kept, other.kept),
            _sum(self.unknown, other.unknown),
            _sum(self.given, other.given),
            _sum(self.said, other.said),
            self.agreed + other.agreed,
            foretold,
        )

    @property
    def noise_rate(self) -> float | None:
        """Rows scored and not kept ÷ rows scored; None where no row was scored."""
        scored, kept = sum(self.scored.values()), sum(self.kept.values())
        return (scored - kept) / scored if scored else None

    @property
    def emptied(self) -> dict[str, int]:
        """Rows by given label, of labels with scored rows and none that is kept."""
        return {name: self.scored[name] for name in sorted(self.scored.keys() - self.kept.keys())}

    @property
    def agreement(self) -> float | None:
        """Share of labelled rows where zero-shot says the given label."""
        labelled = sum(self.given.values())
        return self.agreed / labelled if labelled else None

    @property
    def kappa(self) -> float:
        """The same beyond chance, Cohen's; NaN where nothing can be said."""
        both = sum(count * self.said.get(name, 0) for name, count in self.given.items())
        return beyond_chance(self.agreed, sum(self.given.values()), both)

    @property
    def reliability(self) -> Reliability:
        """How often what was foretold happened."""
        entries = [self.foretold[tenth] for tenth in sorted(self.foretold)]
        return Reliability(
            tuple(int(rows) for rows, _, _ in entries),
            # Rounded, so that it does not matter in which units they were added.
            tuple(round(total / rows, 9) for rows, total, _ in entries),
            tuple(int(times) for _, _, times in entries),
        )


@dataclass(frozen=True)
class UnitDone:
    """The file of a unit.

    Attributes:
        plan: digest of the plan.
        rows, size, sha256: of its part, in bytes and hexadecimal.
        facts: of its rows.
    """

    plan: str
    rows: int
    size: int
    sha256: str
    facts: UnitFacts

    @property
    def text(self) -> bytes:
        """As it is written."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False).encode()

    @classmethod
    def read(cls, text: bytes | None) -> "UnitDone | None":
        """From a file; None where it is missing or damaged, so that the unit is done again."""
        try:
            return None if text is None else record(cls, parsed_json(text))
        except (ValueError, RecursionError):
            return None


def total(facts: Iterable[UnitFacts]) -> UnitFacts:
    """Of the rows of all."""
    found = UnitFacts.nothing()
    for each in facts:
        found = found + each
    return found


def _sum(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return dict(Counter(one) + Counter(other))


def _counted(column: pa.ChunkedArray) -> dict[str, int]:
    found = pc.value_counts(column.drop_null()).to_pylist()
    return {str(entry["values"]): entry["counts"] for entry in found}


def _zero_shot(
    zero_shot: ZeroShotScores | None, rows: UsableRows, class_names: tuple[str, ...]
) -> tuple[dict[str, int], dict[str, int], int]:
    if zero_shot is None:
        return {}, {}, 0
    labelled = rows.labelled[zero_shot.rows]
    given, said = rows.labels[zero_shot.rows][labelled], zero_shot.predicted[labelled]

    def named(classes: Any) -> dict[str, int]:
        counts = np.bincount(classes, minlength=len(class_names)).tolist()
        return {name: count for name, count in zip(class_names, counts, strict=True) if count}

    return named(given), named(said), int(np.count_nonzero(given == said))


def _tenths(foretold: Reliability) -> dict[str, list[float]]:
    """By the tenth of [0, 1] that the mean lies in, and so all of its rows."""
    return {
        str(min(int(mean * _PARTS + 1e-9), _PARTS - 1)): [rows, mean * rows, happened]
        for rows, mean, happened in zip(
            foretold.rows, foretold.foretold, foretold.happened, strict=True
        )
    }
