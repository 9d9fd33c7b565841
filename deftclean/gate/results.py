"""What a gate finds, as values: gates, rows to look at, what changed, and the exit code.

Does not know how they were found, nor how they are shown.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from deftclean.core.results import Shown, percent
from deftclean.gate.expressions import Expression
from deftclean.table.audit import Audited
from deftclean.table.copies import Conflict, CopyCounts, same_or_nearly
from deftclean.table.estimate import NoiseEstimate
from deftclean.table.kinds import KindCounts
from deftclean.table.places import Place

State = Literal["passed", "failed", "unknown"]


@dataclass(frozen=True)
class Gate:
    """One expression, decided.

    Attributes:
        expression: what must not be true.
        value: of its metric; a rate in [0, 1] or a number of rows; None where it is unknown.
        state: `unknown` where the value cannot be computed, which is no pass.
        reason: why it is unknown; empty where it is not.
    """

    expression: Expression
    value: float | None
    state: State
    reason: str = ""

    @property
    def limit(self) -> float:
        """What the value is compared with."""
        return self.expression.limit

    @property
    def passed(self) -> bool:
        """Whether the expression is known to be false."""
        return self.state == "passed"

    @property
    def message(self) -> str:
        """In words; holds the expression as it was written."""
        if self.value is None:
            return f"{self.expression.text}: cannot be computed, {self.reason}"
        return f"{self.expression.text}: {self.expression.metric} is {shown(self.value)}"


@dataclass(frozen=True)
class Finding:
    """One row to look at.

    Attributes:
        row: its index in the scanned input.
        file_name: relative to the data folder.
        kind: `flagged`, or the status of a row that could not be scored.
        given_label, suggested_label: None where there is none.
        clean_prob: in [0, 1]; None where the row was not scored.
        error: why it was not scored.
        place: what it points at.
    """

    row: int
    file_name: str
    kind: str
    given_label: str | None
    suggested_label: str | None
    clean_prob: float | None
    error: str | None
    place: Place

    @property
    def message(self) -> str:
        """Which row it is and what is wrong with it; holds names and labels as they are."""
        return f"{self.file_name} (row {self.row}): {self.statement}"

    @property
    def statement(self) -> str:
        """What is wrong with it."""
        if self.kind != "flagged":
            return f"{self.kind}, {self.error}" if self.error else self.kind
        said = f"label {self.given_label!r} is doubtful, clean_prob {self.clean_prob:.4f}"
        if self.suggested_label in (None, self.given_label):
            return said
        return f"{said}; suggested: {self.suggested_label!r}"


@dataclass(frozen=True)
class SeenRow:
    """A row as one of two tables has it.

    Attributes:
        row: its index in the scanned input.
        file_name: relative to the data folder.
        given_label: None where it has none.
        kind: `fine`, `flagged` or a status.
    """

    row: int
    file_name: str
    given_label: str | None
    kind: str


@dataclass(frozen=True)
class ChangedRow:
    """A row that is not what it was.

    Attributes:
        now: None where it is gone.
        before: None where it is new.
    """

    now: SeenRow | None
    before: SeenRow | None


@dataclass(frozen=True)
class Change:
    """One of `expressions.CHANGES`: how many rows, and the first of them."""

    name: str
    total: int
    rows: tuple[ChangedRow, ...]


@dataclass(frozen=True)
class TableCounts:
    """A score table in numbers: rows by what became of them, known problems included.

    Attributes:
        rows, scored, kept, flagged: rows.
        noise_rate: flagged ÷ scored, in [0, 1]; None where no row was scored.
        not_scored: rows by status other than `ok`.
    """

    rows: int
    scored: int
    kept: int
    flagged: int
    noise_rate: float | None
    not_scored: dict[str, int]


@dataclass(frozen=True)
class Leak:
    """A row whose picture is in the table that was compared with too, or nearly so.

    Attributes:
        rows, file_names: here and there.
        identical: byte by byte.
    """

    rows: tuple[int, int]
    file_names: tuple[str, str]
    identical: bool

    @property
    def statement(self) -> str:
        """In words."""
        (one, other), (row, there) = self.file_names, self.rows
        return f"{one} (row {row}): {same_or_nearly(self.identical)} {other} (row {there} there)"


@dataclass(frozen=True)
class Leaks:
    """What a table shares with another one.

    Attributes:
        table: the other one.
        same: rows whose picture is there, byte by byte.
        nearly: rows of others with nearly the same picture there; None where nobody could look.
        rows: the first of them, identical ones first.
    """

    table: Path
    same: int
    nearly: int | None
    rows: tuple[Leak, ...]

    @property
    def statement(self) -> str:
        """In words."""
        nearly = "nobody knows how many" if self.nearly is None else f"{self.nearly:,}"
        return (
            f"{self.same:,} rows show the same picture as one in {self.table}, "
            f"{nearly} nearly the same."
        )


@dataclass(frozen=True, repr=False)
class CheckResult(Shown):
    """What `check` found.

    Attributes:
        table: the score table.
        baseline: the earlier one, if one was given.
        counts: of the table.
        gates: in the order in which they were asked.
        findings: rows to look at, at most as many as were asked for: flagged ones, those with the
            lowest `clean_prob` first, then those that were not scored. With a baseline, only rows
            whose problem is new.
        found: all such rows, by kind.
        changes: what differs from the baseline; empty without one.
        source: the labels file, or else the table itself.
        warnings: what may mislead.
        estimate: how much is wrong, so far as the scan can tell; None where it cannot.
        audited: what people's decisions about a random sample prove; None without an audit.
        copies: rows that show a picture of another row.
        kinds: rows of each kind, and reasons why pictures are bad.
        conflicts: pairs of them with different labels, at most as many as were asked for.
        leaks: what is in the table compared with too; None without one.
    """

    table: Path
    baseline: Path | None
    counts: TableCounts
    gates: tuple[Gate, ...]
    findings: tuple[Finding, ...]
    found: dict[str, int]
    changes: tuple[Change, ...]
    source: Place
    warnings: tuple[str, ...]
    estimate: NoiseEstimate | None
    audited: Audited | None
    copies: CopyCounts
    kinds: KindCounts
    conflicts: tuple[Conflict, ...]
    leaks: Leaks | None = None

    def facts(self) -> Mapping[str, object]:
        """What a notebook shows."""
        states = Counter(gate.state for gate in self.gates)
        return {
            "table": self.table,
            "passed": self.passed,
            "gates": states or None,
            "rows": self.counts.rows,
            "noise rate": percent(self.counts.noise_rate),
            "findings": self.found or None,
            "warnings": len(self.warnings) or None,
        }

    @property
    def total(self) -> int:
        """Rows to look at, listed or not."""
        return sum(self.found.values())

    @property
    def passed(self) -> bool | None:
        """Whether every gate is; None where there is none."""
        return all(gate.passed for gate in self.gates) if self.gates else None

    @property
    def exit_code(self) -> int:
        """0: no gate failed; 1: one did; 3: one could not be computed."""
        states = {gate.state for gate in self.gates}
        return 3 if "unknown" in states else int("failed" in states)

    def at(self, file: Path, base: Path) -> str:
        """A file as it is reached from the folder `base`."""
        return Place(str(file), None).seen_from(base).path


def shown(value: float) -> str:
    """A rate with six significant digits, or a number of rows."""
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"
