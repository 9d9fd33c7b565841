"""A check as SARIF 2.1.0: a result for each finding, a notification for each gate."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from deftclean import __version__
from deftclean.core.text import quiet_json, visible
from deftclean.gate.results import CheckResult, Finding, Gate

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_RULES = {
    "flagged": "The label of this image is doubtful",
    "unreadable": "The image cannot be read",
    "too_large": "The image is too large to be read",
    "missing": "There is no such image",
    "outside": "The image is outside of the data folder",
    "unlabeled": "The image has no label",
    "unknown_label": "The label is none of the detector's classes",
}
_LEVELS = {"failed": "error", "unknown": "error", "passed": "note"}


def as_sarif(result: CheckResult, base: Path) -> str:
    """One run, ASCII only; files are relative to `base`, the root of the sources.

    How many findings there are in truth stands in the run's properties, and in a notification
    where not all are listed.
    """
    run = {
        "tool": {"driver": _driver()},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {"%SRCROOT%": {"description": {"text": "Root of the repository."}}},
        "invocations": [_invocation(result)],
        "results": [_result(finding, result, base) for finding in result.findings],
        "properties": {
            "totalFindings": result.total,
            "listedFindings": len(result.findings),
            "findingsByKind": result.found,
        },
    }
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return quiet_json(json.dumps(log, indent=2, allow_nan=False)) + "\n"


def _driver() -> dict[str, Any]:
    rules = [
        {
            "id": rule,
            "name": "".join(word.capitalize() for word in rule.split("_")),
            "shortDescription": {"text": f"{text}."},
            "defaultConfiguration": {"level": "warning"},
        }
        for rule, text in _RULES.items()
    ]
    return {"name": "deftclean", "semanticVersion": __version__, "rules": rules}


def _invocation(result: CheckResult) -> dict[str, Any]:
    notes = [_notification(_LEVELS[gate.state], _gate(gate)) for gate in result.gates]
    notes += [_notification("warning", text) for text in result.warnings]
    if result.leaks is not None:
        notes.append(_notification("note", result.leaks.statement))
    if result.total > len(result.findings):
        listed = f"{len(result.findings):,} of {result.total:,} findings are listed."
        notes.append(_notification("note", listed))
    return {
        "executionSuccessful": result.exit_code != 3,
        "exitCode": result.exit_code,
        "toolExecutionNotifications": notes,
    }


def _gate(gate: Gate) -> str:
    return f"Gate {gate.state}: {gate.message}"


def _notification(level: str, text: str) -> dict[str, Any]:
    return {"level": level, "message": {"text": _message(text)}}


def _result(finding: Finding, result: CheckResult, base: Path) -> dict[str, Any]:
    place = finding.place.seen_from(base)
    at: dict[str, Any] = {
        "artifactLocation": {"uri": quote(place.path), "uriBaseId": "%SRCROOT%"},
    }
    if place.line is not None:
        at["region"] = {"startLine": place.line}
    return {
        "ruleId": finding.kind,
        "ruleIndex": list(_RULES).index(finding.kind),
        "level": "warning",
        "message": {"text": _message(finding.message)},
        "locations": [{"physicalLocation": at}],
        "partialFingerprints": {"labelOfFile/v1": _fingerprint(finding)},
        "properties": {
            "row": finding.row,
            "fileName": finding.file_name,
            "givenLabel": finding.given_label,
            "suggestedLabel": finding.suggested_label,
            "cleanProb": finding.clean_prob,
        },
        **({} if result.baseline is None else {"baselineState": "new"}),
    }


def _message(text: str) -> str:
    """Text in which SARIF reads neither a link nor a place for an argument."""
    return re.sub(r"([{}])", r"\1\1", re.sub(r"([\\\[\]])", r"\\\1", visible(text)))


def _fingerprint(finding: Finding) -> str:
    """The same for the same label of the same file, on whatever line it stands."""
    identity = json.dumps([finding.kind, finding.file_name, finding.given_label])
    return hashlib.sha256(identity.encode()).hexdigest()
