"""Gate expressions such as `noise_rate[cat]>0.1`: text -> `Expression`. Parsed, never evaluated.

::

    expression: metric [ "[" class "]" ] comparison number [ "%" ]
    class:      any text without "]", or text in quotes, in which a backslash keeps the next
                character as it is

Does not know any data: whether there is such a class is for others to say.
"""

import functools
import math
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from deftclean.core.errors import UsageError
from deftclean.core.text import visible
from deftclean.table.comparison import CHANGES
from deftclean.table.copies import COPIES
from deftclean.table.kinds import COUNTED
from deftclean.table.scores import STATUSES

if TYPE_CHECKING:
    from lark import Lark
    from lark.exceptions import UnexpectedInput

ESTIMATED = "estimated_noise"
AUDITED = ("audited_noise", "audited_precision")
ALTERED = ("altered_table", "altered_detector", "altered_pictures")
RATES = ("noise_rate", ESTIMATED, *AUDITED)
COUNTS = ("rows", "scored", "kept", "flagged", "not_scored", *(s for s in STATUSES if s != "ok"))
METRICS = (*RATES, *COUNTS, *COPIES, *COUNTED, *CHANGES, *ALTERED)
WITHOUT_CLASS = frozenset({"unlabeled", "gone_rows", *AUDITED, "altered_table", "altered_detector"})

_GRAMMAR = r"""
start: METRIC ("[" (PLAIN | QUOTED) "]")? COMPARISON LIMIT
METRIC: /[A-Za-z_]+/
QUOTED: /"(?:\\.|[^"\\])*"/s | /'(?:\\.|[^'\\])*'/s
PLAIN: /[^\]"'\s](?:[^\]]*[^\]\s])?/s
COMPARISON: ">=" | "<=" | "==" | "!=" | ">" | "<"
LIMIT: /[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?%?/
%ignore /[ \t]+/
"""

_IN_WORDS = {
    "METRIC": "a metric, such as noise_rate",
    "QUOTED": "a class",
    "PLAIN": "a class",
    "COMPARISON": "a comparison: > >= < <= == !=",
    "LIMIT": "a number",
    "LSQB": "a class in [ ]",
    "RSQB": "a closing ]",
    "$END": "the end",
}

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">": lambda value, limit: value > limit,
    ">=": lambda value, limit: value >= limit,
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
    "==": lambda value, limit: value == limit,
    "!=": lambda value, limit: value != limit,
}


@dataclass(frozen=True)
class Expression:
    """What must not be true of a score table.

    Attributes:
        text: as the user wrote it.
        metric: one of `METRICS`.
        label: the class whose rows count; None for all rows.
        comparison: `>`, `>=`, `<`, `<=`, `==` or `!=`.
        limit: what the metric's value is compared with; of a rate in [0, 1], else a whole number.
    """

    text: str
    metric: str
    label: str | None
    comparison: str
    limit: float

    def holds(self, value: float) -> bool:
        """Whether the expression is true of a value: the gate fails."""
        return _COMPARE[self.comparison](value, self.limit)


def parse_expressions(texts: str | Iterable[str]) -> tuple[Expression, ...]:
    """Read expressions, in order.

    Raises:
        UsageError: some are none, with the place where each goes wrong; all of them together.
    """
    written = [texts] if isinstance(texts, str) else list(texts)
    parsed: list[Expression] = []
    problems: list[str] = []
    for text in written:
        found = _parsed(text)
        if isinstance(found, Expression) and (problem := _impossible(found)):
            problems.append(f"{visible(text)}: {problem}")
        elif isinstance(found, Expression):
            parsed.append(found)
        else:
            problems.append(found)
    if problems:
        raise UsageError(
            f"--fail-on: {len(problems)} of {len(written)} expressions cannot be used.\n"
            + "\n".join(problems),
            'Write it like noise_rate>0.05, noise_rate[cat]>10%, flagged["odd ] name"]>100 or '
            f"unreadable>0. Metrics: {', '.join(METRICS)}.",
        )
    return tuple(parsed)


def refuse_unknown_classes(expressions: Iterable[Expression], known: Iterable[str]) -> None:
    """Refuse classes that the data do not have.

    Raises:
        UsageError: which, with classes of similar names.
    """
    names = list(known)
    there = set(names)
    unknown = {e.label for e in expressions if e.label is not None and e.label not in there}
    if unknown:
        raise UsageError(
            "--fail-on: "
            + "; ".join(
                f"there is no class {name!r}{_similar(name, names)}" for name in sorted(unknown)
            )
            + ".",
            f"There are {len(there):,} classes."
            if len(there) > 20
            else f"The classes are {', '.join(map(visible, names))}.",
        )


def refuse_changes(expressions: Iterable[Expression]) -> None:
    """Refuse metrics that compare two tables, where there is only one.

    Raises:
        UsageError: which.
    """
    _refuse(
        expressions,
        CHANGES,
        "can be counted only against an earlier table.",
        "Give it: --baseline old.parquet",
    )


def refuse_altered(expressions: Iterable[Expression]) -> None:
    """Refuse metrics that compare a table with the files that it was made from.

    Raises:
        UsageError: which.
    """
    _refuse(
        expressions,
        ALTERED,
        "can be asked of a table that is there already.",
        "Ask later: deftclean check clean.parquet --verify",
    )


def _refuse(
    expressions: Iterable[Expression], metrics: Collection[str], why: str, hint: str
) -> None:
    found = dict.fromkeys(e.metric for e in expressions if e.metric in metrics)
    if found:
        raise UsageError(f"--fail-on: {', '.join(found)} {why}", hint)


def _parsed(text: str) -> "Expression | str":
    """The expression, or what is wrong with it."""
    from lark.exceptions import UnexpectedInput

    try:
        tree = _parser().parse(text)
    except UnexpectedInput as error:
        return _pointed(text, error)
    words = {token.type: str(token) for token in tree.scan_values(lambda _token: True)}
    label = words.get("PLAIN")
    if "QUOTED" in words:
        label = re.sub(r"\\(.)", r"\1", words["QUOTED"][1:-1], flags=re.DOTALL)
    number = words["LIMIT"]
    limit = float(number.removesuffix("%")) / (100 if number.endswith("%") else 1)
    whole = words["METRIC"] not in RATES and limit == limit // 1
    comparison = words["COMPARISON"]
    return Expression(
        text.strip(), words["METRIC"], label, comparison, int(limit) if whole else limit
    )


@functools.cache
def _parser() -> "Lark":
    from lark import Lark

    return Lark(_GRAMMAR, parser="lalr")


def _pointed(text: str, error: "UnexpectedInput") -> str:
    """The expression, and below it a mark where it goes wrong."""
    at = getattr(error, "pos_in_stream", None)
    token = getattr(error, "token", None)
    if at is None or (token is not None and token.type == "$END"):
        at = len(text)
    named = (getattr(error, attribute, None) for attribute in ("expected", "allowed"))
    expected = {name for names in named for name in names or ()}
    words = dict.fromkeys(_IN_WORDS[name] for name in _IN_WORDS if name in expected)
    before, after = visible(text[:at]), visible(text[at:])
    there = f"expected {' or '.join(words) or 'nothing more'}"
    if text[at : at + 1] in ("'", '"'):
        there += "; a quote that opens here is not closed"
    return f"{before}{after}\n{' ' * len(before)}^ {there}"


def _impossible(expression: Expression) -> str:
    """Why no table can be asked this; empty where it can."""
    metric, limit = expression.metric, expression.limit
    if metric not in METRICS:
        return f"there is no metric {metric}{_similar(metric, METRICS)}"
    if expression.label is not None and metric in WITHOUT_CLASS:
        what = metric if metric in ALTERED else f"rows that are {metric.replace('_rows', '')}"
        return f"{what} {'has' if metric in ALTERED else 'have'} no class"
    if metric in RATES:
        return "" if 0 <= limit <= 1 else f"{metric} lies in [0, 1], that is 0% to 100%"
    if "%" in expression.text.rpartition("]")[2]:
        return f"{metric} is a number of rows; for a share see noise_rate"
    if not (math.isfinite(limit) and limit >= 0 and limit == int(limit)):
        return f"{metric} is a number of rows: 0, 1, 2 ..."
    return ""


def _similar(name: str, names: Iterable[str]) -> str:
    close = get_close_matches(name, list(names), n=3, cutoff=0.6)
    return f" (did you mean {' or '.join(repr(c) for c in close)}?)" if close else ""
