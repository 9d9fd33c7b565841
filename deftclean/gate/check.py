"""The gate: expressions about a score table, and against an earlier one, decided.

No torch, no printing. What a table holds is counted once, whatever the number of expressions.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deftclean.core.errors import UsageError
from deftclean.core.progress import Progress, Silent
from deftclean.gate.elsewhere import OtherPictures, look_elsewhere
from deftclean.gate.expressions import (
    ALTERED,
    AUDITED,
    ESTIMATED,
    Expression,
    parse_expressions,
    refuse_altered,
    refuse_changes,
    refuse_unknown_classes,
)
from deftclean.gate.listed import (
    COMPARED,
    LISTED,
    Earlier,
    changes_of,
    findings_of,
    first_changed,
)
from deftclean.gate.results import Change, CheckResult, Gate, TableCounts
from deftclean.gate.verify import REASONS, Verified
from deftclean.stores.door import opens_urls
from deftclean.table.audit import Audited, audited
from deftclean.table.comparison import CHANGES, Comparison, compare
from deftclean.table.copies import (
    COLUMNS,
    COPIES,
    SHOWN,
    Copies,
    conflicting_pairs,
    copies_of,
    told_conflicts,
)
from deftclean.table.emptied import emptied_classes, told_of
from deftclean.table.estimate import noise_estimate
from deftclean.table.fingerprints import Fingerprints
from deftclean.table.kinds import COUNTED, count_of, kind_counts
from deftclean.table.places import Places
from deftclean.table.problems import FINE, FLAGGED, KINDS, Counts, Problems, problems_of, worst
from deftclean.table.reviewed import AUDIT, KNOWN
from deftclean.table.scores import HASH, ScoreTable
from deftclean.table.slim import read_slim

DEFAULT_TOP = 10
VERIFY = tuple(f"{metric}>0" for metric in ALTERED)
"""Expressions that `--verify` stands for."""

_NO_NEW_PROBLEMS = "new_problems>0"  # what a baseline is for, where nothing else is asked
_NO_LEAK = "leaked>0"  # what a table to compare with is for
_COLUMNS = tuple(dict.fromkeys((*COMPARED, "quality", "kind", AUDIT, KNOWN, *COLUMNS)))
_SHOWN = tuple(dict.fromkeys((*LISTED, "source_line", *SHOWN)))


@dataclass(frozen=True)
class Pictures:
    """How the pictures of a table are found.

    Attributes:
        data: image folder, or the table that holds them; None for the folder of the scan.
        allow_outside: follow links and names that leave the data folder.
        progress: told what happens while they are read.
    """

    data: Path | None = None
    allow_outside: bool = False
    progress: Progress = field(default_factory=Silent)


@dataclass(frozen=True)
class Gates:
    """What will be asked of a table that may not be there yet.

    Attributes:
        expressions: as asked, or for a baseline alone that there are no new problems.
        earlier: the baseline, read.
        pictures: where they are, for expressions about altered ones.
        against: pictures that should not be in the table; None for none.
        key: of all fingerprints.
    """

    expressions: tuple[Expression, ...]
    earlier: Earlier | None
    pictures: Pictures
    against: OtherPictures | None
    key: Fingerprints

    @classmethod
    def of(
        cls,
        fail_on: str | Iterable[str],
        baseline: str | Path | None,
        pictures: Pictures | None = None,
        against: Path | None = None,
    ) -> "Gates":
        """Read expressions and baseline.

        Args:
            fail_on, baseline: as `check`.
            pictures: where they are; None where the table is about to be made of them.
            against: table of data that should share no picture with the one that is checked.

        Raises:
            UsageError: expressions cannot be read, all of them together; or the baseline cannot.
        """
        expressions = parse_expressions(fail_on)
        if pictures is None:
            refuse_altered(expressions)
        pictures, key = pictures or Pictures(), Fingerprints()
        if baseline is None:
            refuse_changes(expressions)
        elsewhere = None if against is None else OtherPictures.of(against, key)
        earlier = None if baseline is None else Earlier.of(Path(baseline), key)
        if earlier is not None:
            expressions = expressions or parse_expressions(_NO_NEW_PROBLEMS)
        return cls(expressions, earlier, pictures, elsewhere, key)

    def refuse_unknown_classes(self, names: Iterable[str]) -> None:
        """Refuse classes that the data do not have.

        Raises:
            UsageError: which, all of them together.
        """
        refuse_unknown_classes(self.expressions, names)

    def check(self, table: Path, top: int = DEFAULT_TOP) -> CheckResult:
        """Ask.

        Args:
            table: score table.
            top: most rows in each list.

        Raises:
            UsageError: it is no score table, or has no such class.
        """
        columns = _COLUMNS if self.against is None else (*_COLUMNS, HASH)
        scores = read_slim(table, columns, self.key)
        rows = problems_of(scores, table)
        self.refuse_unknown_classes(rows.names)
        earlier = self.earlier
        compared = None
        if earlier is not None:
            compared = compare(scores, rows, earlier.scores, earlier.rows)
        judged = rows if compared is None else rows.forgiving(compared.known)
        counts, found = Counts.of(judged), audited(scores)
        where, other = self.pictures, self.against
        leaked = None if other is None else look_elsewhere(scores, table, other, where.progress)
        copies = copies_of(scores, None if leaked is None else leaked.found)
        verified = Verified(scores, table, where.data, where.allow_outside, where.progress)
        listed = worst(judged, judged.kinds != FINE, top)
        pairs, identical = conflicting_pairs(scores, top)
        more = [] if leaked is None else [leaked.first(top)]
        shown = np.concatenate([listed, pairs.ravel(), *first_changed(compared, top), *more])
        few = scores.excerpt(_SHOWN, shown)
        places = Places(few, table)
        changes: tuple[Change, ...] = ()
        if earlier is not None and compared is not None:
            changes = changes_of(few, rows, earlier, compared, top)
        return CheckResult(
            table=table,
            baseline=None if earlier is None else earlier.path,
            counts=_table_counts(Counts.of(rows)),
            gates=tuple(
                _of_people_or_evidence(e, scores, found)
                if e.metric in (ESTIMATED, *AUDITED)
                else _of_hashes(e, verified, rows)
                if e.metric in ALTERED
                else _of_copies(e, copies, rows)
                if e.metric in COPIES
                else _gate(e, *count_of(scores, e.metric, _of_class(e, rows)))
                if e.metric in COUNTED
                else _decided(e, counts, rows, compared)
                for e in self.expressions
            ),
            findings=findings_of(few, judged, places, listed),
            found={kind: n for kind in KINDS[1:] if (n := counts.count(kind, None))},
            changes=changes,
            source=places.source,
            warnings=(
                *_warnings(scores, compared, verified),
                *(() if leaked is None else leaked.warnings),
            ),
            estimate=noise_estimate(scores.metadata),
            audited=found,
            copies=copies.counts,
            kinds=kind_counts(scores),
            conflicts=told_conflicts(few, pairs, identical),
            leaks=None if leaked is None else leaked.leaks(few, top),
        )


@opens_urls("table", "baseline", "against", "data")
def check(
    table: str | Path,
    *,
    fail_on: str | Iterable[str] = (),
    baseline: str | Path | None = None,
    against: str | Path | None = None,
    verify: bool = False,
    data: str | Path | None = None,
    allow_outside: bool = False,
    top: int = DEFAULT_TOP,
    progress: Progress | None = None,
) -> CheckResult:
    """Ask whether a score table is good enough, without torch.

    Args:
        table: written by `scan`, `score` or `select`.
        fail_on: expressions that must not be true, such as `noise_rate>0.05`. None: nothing is
            asked, or with a baseline that there are no new problems.
        baseline: an earlier table of the same data. Rows that had the same problem there are
            forgiven: in gates and findings they count as fine.
        against: a score table of data that should share no picture with this one, such as those of
            a test: neither the same nor nearly so. Without `fail_on`, any shared picture fails.
        verify: ask too whether table, detector and pictures are still those that were judged, by
            their hashes: `altered_table>0`, `altered_detector>0`, `altered_pictures>0`.
        data: where the pictures are; None for the folder of the scan.
        allow_outside: follow links and names that leave the data folder.
        top: most rows in each list.
        progress: told what happens while pictures are read or compared; nobody by default.

    Raises:
        UsageError: an expression cannot be read, or a table cannot.
    """
    if top < 0:
        raise UsageError(f"--top is {top}; it must be 0 or more.")
    asked = [fail_on] if isinstance(fail_on, str) else list(fail_on)
    if against is not None and not asked:
        asked = [_NO_LEAK]
    asked += [each for each in VERIFY if verify and each not in asked]
    pictures = Pictures(None if data is None else Path(data), allow_outside, progress or Silent())
    other = None if against is None else Path(against)
    if other is not None and other.resolve() == Path(table).resolve():
        raise UsageError(
            f"--against {other} is the table that is checked: it shares every picture.",
            "Give the table of the other data, such as those of the test.",
        )
    return Gates.of(asked, baseline, pictures, other).check(Path(table), top)


def _warnings(
    scores: ScoreTable, compared: Comparison | None, verified: Verified
) -> tuple[str, ...]:
    notes = () if compared is None else compared.notes
    told = told_of(scores.metadata, emptied_classes(scores.table))
    return (*told, *notes, *verified.notes())


# ---------------------------------------------------------------- values


_NEED_SCORES = frozenset({"noise_rate", "flagged", "new_problems", "newly_flagged"})
"""Metrics that are 0 where nothing was looked at, and would pass for nothing."""


def _decided(
    expression: Expression, counts: Counts, rows: Problems, compared: Comparison | None
) -> Gate:
    metric = expression.metric
    label = None if metric in CHANGES else expression.label
    scored = counts.count("scored", label)
    if metric in _NEED_SCORES and not scored:
        what = "row" if label is None else f"row of class {label!r}"
        return _gate(expression, None, f"no {what} was scored")
    if compared is not None and metric in CHANGES:
        value: float = _changed(expression, rows, compared)
    elif metric == "noise_rate":
        value = counts.count("flagged", label) / scored
    else:
        value = counts.count(metric, label)
    return _gate(expression, value)


def _of_people_or_evidence(
    expression: Expression, scores: ScoreTable, found: Audited | None
) -> Gate:
    """A share of wrong labels that does not follow from what was flagged."""
    if expression.metric == ESTIMATED:
        estimate = noise_estimate(scores.metadata, expression.label)
        value = None if estimate is None else estimate.rate
        reason = "the table was not made by --recipe evidence, or has no such class"
    else:
        of_noise = expression.metric == "audited_noise"
        share = None if found is None else found.noise if of_noise else found.precision
        value = None if share is None else share.estimate
        reason = "no random sample was audited (deftclean report --audit 100)"
    return _gate(expression, value, reason)


def _of_hashes(expression: Expression, verified: Verified, rows: Problems) -> Gate:
    """Whether files are still what they were."""
    metric = expression.metric
    value = verified.count(metric, _of_class(expression, rows))
    return _gate(expression, value, REASONS.get(metric, ""))


def _of_copies(expression: Expression, copies: Copies, rows: Problems) -> Gate:
    """Rows that show a picture of another row."""
    metric = expression.metric
    value = copies.count(metric, _of_class(expression, rows))
    return _gate(expression, value, copies.reason(metric))


def _gate(expression: Expression, value: float | None, reason: str = "") -> Gate:
    """What an expression says of a value; of None that it is unknown, and why."""
    if value is None:
        return Gate(expression, None, "unknown", reason)
    return Gate(expression, value, "failed" if expression.holds(value) else "passed")


def _of_class(expression: Expression, rows: Problems) -> NDArray[np.bool_] | None:
    """(N,) bool, the rows that an expression asks about; None for all."""
    if expression.label is None:
        return None
    chosen: NDArray[np.bool_] = rows.labels == rows.names.index(expression.label)
    return chosen


def _changed(expression: Expression, rows: Problems, compared: Comparison) -> int:
    changed = compared.rows(expression.metric)
    chosen = _of_class(expression, rows)
    return len(changed) if chosen is None else int(np.count_nonzero(chosen[changed]))


def _table_counts(counts: Counts) -> TableCounts:
    scored, flagged = counts.count("scored", None), counts.count("flagged", None)
    return TableCounts(
        counts.count("rows", None),
        scored,
        counts.count("kept", None),
        flagged,
        flagged / scored if scored else None,
        {kind: n for kind in KINDS[FLAGGED + 1 :] if (n := counts.count(kind, None))},
    )
