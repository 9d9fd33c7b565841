"""A check as GitHub workflow commands: annotations of a run and of a pull request's lines."""

from pathlib import Path

from deftclean.core.text import on_one_line
from deftclean.gate.results import CheckResult, Finding, Gate
from deftclean.table.places import Place

_LEVELS = {"failed": "error", "unknown": "error", "passed": "notice"}


def as_github(result: CheckResult, base: Path) -> str:
    """One command for each gate, then one for each finding.

    Args:
        result: of the check.
        base: the repository's folder, to which GitHub takes files to be relative.
    """
    gates = [_gate(gate, result, base) for gate in result.gates]
    findings = [_finding(finding, base) for finding in result.findings]
    return "".join(f"{line}\n" for line in [*gates, *findings])


def _gate(gate: Gate, result: CheckResult, base: Path) -> str:
    place = result.source.seen_from(base)
    title = f"deftclean check {gate.state}"
    return _command(_LEVELS[gate.state], place, title, gate.message)


def _finding(finding: Finding, base: Path) -> str:
    title = "Doubtful label" if finding.kind == "flagged" else f"Row is {finding.kind}"
    return _command("warning", finding.place.seen_from(base), title, finding.message)


def _command(level: str, place: Place, title: str, message: str) -> str:
    line = "" if place.line is None else f",line={place.line}"
    return (
        f"::{level} file={_property(place.path)}{line},title={_property(title)}::{_data(message)}"
    )


def _data(text: str) -> str:
    """As the runner unescapes it. What is not printable cannot break out of the line or hide."""
    escaped = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return on_one_line(escaped)


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
