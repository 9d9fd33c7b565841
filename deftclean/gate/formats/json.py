"""A check as JSON: version 1 of the layout in docs/check.schema.json."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from deftclean import __version__
from deftclean.core.text import quiet_json
from deftclean.gate.results import ChangedRow, CheckResult, Finding, Gate, SeenRow
from deftclean.table.audit import LEVEL

VERSION = 1


def as_json(result: CheckResult, base: Path) -> str:
    """One object, ASCII only; places are relative to the folder `base`."""
    return quiet_json(json.dumps(_object(result, base), indent=2, allow_nan=False)) + "\n"


def _object(result: CheckResult, base: Path) -> dict[str, Any]:
    return {
        "format": "deftclean-check",
        "version": VERSION,
        "tool_version": __version__,
        "table": result.at(result.table, base),
        "baseline": None if result.baseline is None else result.at(result.baseline, base),
        "passed": result.passed,
        "exit_code": result.exit_code,
        "counts": {
            "rows": result.counts.rows,
            "scored": result.counts.scored,
            "kept": result.counts.kept,
            "flagged": result.counts.flagged,
            "noise_rate": result.counts.noise_rate,
            "not_scored": result.counts.not_scored,
        },
        "estimate": None if result.estimate is None else asdict(result.estimate),
        "audit": None if result.audited is None else {**asdict(result.audited), "level": LEVEL},
        "copies": asdict(result.copies),
        "kinds": result.kinds.kinds,
        "quality": result.kinds.quality,
        "conflicts": [asdict(conflict) for conflict in result.conflicts],
        "leaks": None
        if result.leaks is None
        else {
            "table": result.at(result.leaks.table, base),
            "same": result.leaks.same,
            "nearly": result.leaks.nearly,
            "rows": [asdict(leak) for leak in result.leaks.rows],
        },
        "gates": [_gate(gate) for gate in result.gates],
        "findings": {
            "total": result.total,
            "by_kind": result.found,
            "rows": [_finding(finding, base) for finding in result.findings],
        },
        "changes": None
        if result.baseline is None
        else {
            change.name: {"total": change.total, "rows": [_changed(row) for row in change.rows]}
            for change in result.changes
        },
        "warnings": list(result.warnings),
    }


def _gate(gate: Gate) -> dict[str, Any]:
    asked = gate.expression
    return {
        "expression": asked.text,
        "metric": asked.metric,
        "class": asked.label,
        "comparison": asked.comparison,
        "limit": asked.limit,
        "value": gate.value,
        "state": gate.state,
        "reason": gate.reason or None,
    }


def _finding(finding: Finding, base: Path) -> dict[str, Any]:
    place = finding.place.seen_from(base)
    return {
        "row": finding.row,
        "file_name": finding.file_name,
        "kind": finding.kind,
        "given_label": finding.given_label,
        "suggested_label": finding.suggested_label,
        "clean_prob": finding.clean_prob,
        "error": finding.error,
        "path": place.path,
        "line": place.line,
        "message": finding.message,
    }


def _changed(row: ChangedRow) -> dict[str, Any]:
    return {"now": _seen(row.now), "before": _seen(row.before)}


def _seen(row: SeenRow | None) -> dict[str, Any] | None:
    if row is None:
        return None
    return {
        "row": row.row,
        "file_name": row.file_name,
        "given_label": row.given_label,
        "kind": row.kind,
    }
