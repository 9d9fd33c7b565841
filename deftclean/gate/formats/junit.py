"""A check as JUnit XML: one test case for each gate."""

import xml.etree.ElementTree as ET
from pathlib import Path

from deftclean.core.text import on_one_line
from deftclean.gate.results import CheckResult, Gate


def as_junit(result: CheckResult, base: Path) -> str:
    """A failed gate is a failure, one that cannot be computed an error; ASCII only.

    Args:
        result: of the check.
        base: the folder that files are relative to.
    """
    states = [gate.state for gate in result.gates]
    counts = {
        "tests": str(len(states)),
        "failures": str(states.count("failed")),
        "errors": str(states.count("unknown")),
    }
    suites = ET.Element("testsuites", counts)
    suite = ET.SubElement(suites, "testsuite", {"name": "deftclean check", **counts})
    for gate in result.gates:
        _add(suite, gate, result, base)
    ET.indent(suites)
    text: bytes = ET.tostring(suites, encoding="us-ascii", xml_declaration=True)
    return text.decode("ascii") + "\n"


def _add(suite: ET.Element, gate: Gate, result: CheckResult, base: Path) -> None:
    named = {
        "classname": "deftclean.check",
        "name": on_one_line(gate.expression.text),
        "file": on_one_line(result.source.seen_from(base).path),
    }
    case = ET.SubElement(suite, "testcase", named)
    if gate.state == "passed":
        return
    kind = "failure" if gate.state == "failed" else "error"
    said = {"message": on_one_line(gate.message), "type": gate.state}
    ET.SubElement(case, kind, said).text = _listed(result, base)


def _listed(result: CheckResult, base: Path) -> str:
    lines = [f"{f.place.seen_from(base)}: {f.message}" for f in result.findings]
    if result.total > len(lines):
        lines.append(f"{len(lines):,} of {result.total:,} rows are listed.")
    # XML has no way to write most control characters, and readers refuse them.
    return "\n".join(on_one_line(line) for line in lines)
