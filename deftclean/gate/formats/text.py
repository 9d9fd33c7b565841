"""A check as people read it, on a terminal and off one."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from deftclean.core.text import on_one_line, visible
from deftclean.gate.results import Change, ChangedRow, CheckResult, Finding, shown
from deftclean.table.audit import Audited

_STYLES = {"passed": "green", "failed": "red", "unknown": "yellow"}
_KINDS = {True: "identical", False: "near copy"}
# In findings already, where they count.
_UNLISTED = frozenset({"new_problems", "newly_flagged", "newly_bad"})


def print_check(result: CheckResult, console: Console) -> None:
    """Counts, gates, what changed, rows to look at.

    No line begins with a name or a label: a CI service might take it for a command.
    """
    _counts(result, console)
    print_asked(result, console)


def print_asked(result: CheckResult, console: Console) -> None:
    """The same without the counts, where they have been shown."""
    if result.changes:
        _changes(result, console)
    _findings(result, console)
    if result.conflicts:
        _title("the same picture with different labels", console)
        _lines([f"{_KINDS[c.identical]:<13}{c.statement}" for c in result.conflicts], console)
    if result.leaks is not None and result.leaks.rows:
        _title(f"pictures that are in {visible(str(result.leaks.table))} too", console)
        _lines([f"{_KINDS[each.identical]:<13}{each.statement}" for each in result.leaks.rows],
               console)  # fmt: skip
    _gates(result, console)


def audit_lines(audited: Audited) -> list[str]:
    """What people's decisions about a random sample prove, as lines of a summary."""
    lines = [
        f"audited        {audited.decided:,} of {audited.drawn:,} rows drawn at random",
        f"  wrong labels {audited.noise.text}",
    ]
    if audited.precision is not None:
        lines.append(f"  flags right  {audited.precision.text}")
    if audited.missed is not None:
        lines.append(f"  kept wrong   {audited.missed.text}")
    return lines


def _counts(result: CheckResult, console: Console) -> None:
    counts = result.counts
    rate = "-" if counts.noise_rate is None else f"{counts.noise_rate:.2%}"
    lines = [
        f"table          {escape(visible(str(result.table)))}",
        f"rows           {counts.rows:,}",
        f"kept           {counts.kept:,}",
        f"flagged        {counts.flagged:,}",
        f"noise rate     {rate}",
    ]
    if counts.not_scored:
        bad = ", ".join(f"{count:,} {status}" for status, count in counts.not_scored.items())
        lines.append(f"not scored     {bad}")
    if result.estimate is not None:
        lines.append(f"wrong labels   {result.estimate.text} estimated")
    if result.audited is not None:
        lines += audit_lines(result.audited)
    lines += result.copies.lines
    if result.leaks is not None and result.leaks.nearly:
        lines.append(f"  nearly       {result.leaks.nearly:,} of them, by their perceptual hashes")
    lines += result.kinds.lines
    console.print("\n".join(lines), highlight=False, soft_wrap=True)


def _changes(result: CheckResult, console: Console) -> None:
    _title(f"since {_known(result)}", console)
    counted = [f"{c.name:<15}{c.total:,}" for c in result.changes if c.total]
    console.print("\n".join(counted) or "nothing has changed", highlight=False)
    lines = [
        _changed(change, row)
        for change in result.changes
        if change.name not in _UNLISTED
        for row in change.rows
    ]
    if lines:
        _title("rows that changed", console)
        _lines(lines, console)


def _changed(change: Change, row: ChangedRow) -> str:
    seen = row.now or row.before
    if seen is None:
        return change.name
    before = row.before or seen
    detail = {
        "relabelled": f"label {before.given_label!r} -> {seen.given_label!r}",
        "moved": f"was {before.file_name}",
        "cleared": f"was {before.kind}",
    }.get(change.name, seen.kind)
    return f"{change.name:<13}{seen.file_name} (row {seen.row}): {detail}"


def _findings(result: CheckResult, console: Console) -> None:
    if not result.findings:
        return
    new = "" if result.baseline is None else ", new problems only"
    _title(f"rows to look at ({len(result.findings):,} of {result.total:,}{new})", console)
    _lines([f"{f.kind:<13}{_where(f)}: {f.statement}" for f in result.findings], console)


def _where(finding: Finding) -> str:
    if finding.place.line is None and finding.place.path.endswith(finding.file_name):
        return str(finding.place)
    return f"{finding.place}: {finding.file_name} (row {finding.row})"


def _gates(result: CheckResult, console: Console) -> None:
    console.print()
    if not result.gates:
        console.print("gates          none: nothing was asked, so nothing has passed")
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    for gate in result.gates:
        value = gate.reason if gate.value is None else f"is {shown(gate.value)}"
        state = Text(gate.state, _STYLES[gate.state])
        table.add_row(state, _cell(gate.expression.text), _cell(value))
    console.print(table)
    if result.baseline is not None:
        left_out = f"problems that {_known(result)} has already are left out"
        console.print(left_out, style="dim", highlight=False, markup=False, soft_wrap=True)


def _known(result: CheckResult) -> str:
    return visible(str(result.baseline))


def _title(text: str, console: Console) -> None:
    console.print()
    console.print(text, style="bold", highlight=False, markup=False, soft_wrap=True)


def _lines(texts: list[str], console: Console) -> None:
    text = "\n".join(on_one_line(text) for text in texts)
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def _cell(text: str) -> Text:
    return Text(visible(text))
