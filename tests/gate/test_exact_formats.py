"""Every format, to the letter, for one result that holds some of everything."""

import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from deftclean import __version__
from deftclean.gate.expressions import parse_expressions
from deftclean.gate.formats.github import as_github
from deftclean.gate.formats.json import as_json
from deftclean.gate.formats.junit import as_junit
from deftclean.gate.formats.sarif import as_sarif
from deftclean.gate.formats.text import audit_lines, print_asked, print_check
from deftclean.gate.results import (
    Change,
    ChangedRow,
    CheckResult,
    Finding,
    Gate,
    Leak,
    Leaks,
    SeenRow,
    TableCounts,
)
from deftclean.table.audit import Audited, Proportion
from deftclean.table.copies import Conflict, CopyCounts
from deftclean.table.estimate import NoiseEstimate
from deftclean.table.kinds import KindCounts
from deftclean.table.places import Place

NOTHING = CopyCounts(None, None, None, None, None)
COPIES = CopyCounts(3, 2, None, None, 1)
SURE, LOOSE = Proportion(0.25, 0.125, 0.5), Proportion(None, 0, 1)


def seen(row: int, kind: str, label: str | None = "cat", name: str = "") -> SeenRow:
    return SeenRow(row, name or f"{row}.png", label, kind)


def gates() -> tuple[Gate, ...]:
    failed, passed, unknown = parse_expressions(["flagged>7", "rows[x%]<3", "noise_rate>0.5"])
    return (
        Gate(failed, 1100, "failed"),
        Gate(passed, 4, "passed"),
        Gate(unknown, None, "unknown", "no row was scored"),
    )


FINDINGS = (
    Finding(0, "a.png", "flagged", "cat", "dog", 0.25, None, Place("labels.csv", 7)),
    Finding(1, "b.png", "missing", None, None, None, "gone", Place("data/b.png", None)),
    Finding(2, "c.png", "unreadable", "cat", None, None, None, Place("x y.parquet", None)),
)
CHANGES = (
    Change("newly_flagged", 1, (ChangedRow(seen(0, "flagged"), seen(0, "fine")),)),
    Change("cleared", 1, (ChangedRow(seen(3, "fine"), seen(4, "flagged")),)),
    Change("relabelled", 1200, (ChangedRow(seen(5, "fine", "dog"), seen(5, "fine")),)),
    Change("moved", 1, (ChangedRow(seen(6, "fine"), seen(6, "fine", name="old.png")),)),
    Change("new_rows", 1, (ChangedRow(seen(7, "missing"), None),)),
    Change("gone_rows", 1, (ChangedRow(None, seen(8, "fine")), ChangedRow(None, None))),
    Change("new_problems", 0, ()),
)


@pytest.fixture
def result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CheckResult:
    monkeypatch.chdir(tmp_path)
    return CheckResult(
        table=Path("out/x[b].parquet"),
        baseline=Path("out/old.parquet"),
        counts=TableCounts(2000, 1900, 800, 1100, 0.125, {"missing": 1050, "unreadable": 2}),
        gates=gates(),
        findings=FINDINGS,
        found={"flagged": 1100, "missing": 1050, "unreadable": 2},
        changes=CHANGES,
        source=Place("labels.csv", None),
        warnings=("[a] look {0}",),
        estimate=NoiseEstimate(0.25, 0.2, 0.3, 0.9, 0.75),
        audited=Audited(1000, 900, SURE, LOOSE, SURE),
        copies=COPIES,
        kinds=KindCounts({"wrong_label": 2}, {"dark": 1}),
        conflicts=(
            Conflict((0, 5), ("a.png", "e.png"), ("cat", "dog"), True),
            Conflict((1, 6), ("b.png", "f.png"), ("cat", "cow"), False),
        ),
        leaks=Leaks(
            Path("out/te[s]t.parquet"),
            1,
            1200,
            (Leak((0, 5), ("a.png", "e.png"), True), Leak((1, 6), ("b.png", "f.png"), False)),
        ),
    )


def plain(result: CheckResult) -> CheckResult:
    """The same without a baseline, gates, findings and what more there may be."""
    return replace(
        result, baseline=None, gates=(), findings=(), found={}, changes=(), warnings=(),
        counts=TableCounts(0, 0, 0, 0, None, {}), estimate=None, audited=None, copies=NOTHING,
        kinds=KindCounts(None, None), conflicts=(), leaks=None,
    )  # fmt: skip


# ---------------------------------------------------------------- text


def printed(show: Any, result: CheckResult, styles: bool = False) -> str:
    """As on a terminal of 62 columns, of which gates take 61 at most."""
    file = io.StringIO()
    color: Any = "standard" if styles else None
    console = Console(file=file, width=62, force_terminal=styles, color_system=color)
    show(result, console)
    return file.getvalue()


COUNTS = """\
table          out/x[b].parquet
rows           2,000
kept           800
flagged        1,100
noise rate     12.50%
not scored     1,050 missing, 2 unreadable
wrong labels   25.0% (90%: 20.0% to 30.0%) estimated
audited        900 of 1,000 rows drawn at random
  wrong labels 25.0% (95%: 12.5% to 50.0%)
  flags right  - (95%: 0.0% to 100.0%)
  kept wrong   25.0% (95%: 12.5% to 50.0%)
duplicates     3 repeat the picture of an earlier row
  in conflict  2 of such a picture with different labels: one at least is wrong
leaked         1 show a picture that is elsewhere too
  nearly       1,200 of them, by their perceptual hashes
kinds          2 wrong label
bad pictures   1 dark
"""
ASKED = """\

since out/old.parquet
newly_flagged  1
cleared        1
relabelled     1,200
moved          1
new_rows       1
gone_rows      1

rows that changed
cleared      3.png (row 3): was flagged
relabelled   5.png (row 5): label 'cat' -> 'dog'
moved        6.png (row 6): was old.png
new_rows     7.png (row 7): missing
gone_rows    8.png (row 8): fine
gone_rows

rows to look at (3 of 2,152, new problems only)
flagged      labels.csv:7: a.png (row 0): label 'cat' is doubtful, clean_prob 0.2500; suggested: 'dog'
missing      data/b.png: missing, gone
unreadable   x y.parquet: c.png (row 2): unreadable

the same picture with different labels
identical    a.png (row 0) 'cat': the same picture as e.png (row 5) 'dog'
near copy    b.png (row 1) 'cat': nearly the same picture as f.png (row 6) 'cow'

pictures that are in out/te[s]t.parquet too
identical    a.png (row 0): the same picture as e.png (row 5 there)
near copy    b.png (row 1): nearly the same picture as f.png (row 6 there)

failed   flagged>7       is 1,100
passed   rows[x%]<3      is 4
unknown  noise_rate>0.5  no row was scored
problems that out/old.parquet has already are left out
"""  # noqa: E501


def test_text(result: CheckResult) -> None:
    lines = [line.rstrip() for line in printed(print_check, result).splitlines()]
    assert lines == (COUNTS + ASKED).splitlines()
    lines = [line.rstrip() for line in printed(print_asked, result).splitlines()]
    assert lines == ASKED.splitlines()


def test_text_of_next_to_nothing(result: CheckResult) -> None:
    assert printed(print_check, plain(result)) == (
        "table          out/x[b].parquet\nrows           0\nkept           0\nflagged        0\n"
        "noise rate     -\n\n"
        "gates          none: nothing was asked, so nothing has passed\n"
    )
    same = replace(plain(result), baseline=Path("a"), changes=(Change("moved", 0, ()),))
    assert "\nsince a\nnothing has changed\n\ngates" in printed(print_asked, same)
    alone = replace(
        result, baseline=None, changes=(), conflicts=(), leaks=None, findings=FINDINGS[1:2]
    )
    assert printed(print_asked, alone).startswith(
        "\nrows to look at (1 of 2,152)\nmissing      data/b.png: missing, gone\n\nfailed "
    )
    assert "left out" not in printed(print_asked, alone)


def test_text_has_styles_where_they_help(result: CheckResult) -> None:
    shown = printed(print_check, result, styles=True)
    for state, code in (("failed", 31), ("passed", 32), ("unknown", 33)):
        assert f"\x1b[{code}m{state}" in shown
    styled = [line for line in shown.splitlines() if line.startswith("\x1b[1m")]
    assert styled == [
        f"\x1b[1m{title}\x1b[0m"
        for title in (
            "since out/old.parquet", "rows that changed",
            "rows to look at (3 of 2,152, new problems only)",
            "the same picture with different labels",
            "pictures that are in out/te[s]t.parquet too",
        )
    ]  # fmt: skip
    assert "\x1b[2mproblems that out/old.parquet has already are left out\x1b[0m" in shown
    assert shown.count("\x1b[") == 2 * 9


def test_names_are_shown_and_hide_nothing(result: CheckResult) -> None:
    odd = replace(FINDINGS[1], file_name="[b]\n::x", place=Place("[b]\n::x", None))
    shown = printed(print_asked, replace(result, baseline=Path("[b]\r"), findings=(odd,)))
    assert "since [b]\\r\n" in shown
    assert "problems that [b]\\r has already are left out" in shown
    assert "missing      [b]\\n::x: missing, gone\n" in shown


def test_names_are_neither_broken_nor_coloured(result: CheckResult) -> None:
    long = Path("of/2024-05-01/a/table/that/has/a/name/longer/than/a/line/of/a/terminal.parquet")
    shown = printed(print_asked, replace(result, baseline=long), styles=True)
    assert f"\x1b[1msince {long}\x1b[0m\n" in shown
    assert f"\x1b[2mproblems that {long} has already are left out\x1b[0m\n" in shown


def test_an_audit_of_kept_rows_alone() -> None:
    assert audit_lines(Audited(2, 1, SURE, None, None)) == [
        "audited        1 of 2 rows drawn at random",
        "  wrong labels 25.0% (95%: 12.5% to 50.0%)",
    ]


# ---------------------------------------------------------------- GitHub


def test_github(result: CheckResult, tmp_path: Path) -> None:
    odd = replace(FINDINGS[0], file_name="a\r\n%:,.png", place=Place("l,:%.csv", 7))
    made = replace(result, findings=(odd, *FINDINGS[1:]))
    assert as_github(made, tmp_path).splitlines() == [
        "::error file=labels.csv,title=deftclean check failed::flagged>7: flagged is 1,100",
        "::notice file=labels.csv,title=deftclean check passed::rows[x%25]<3: rows is 4",
        "::error file=labels.csv,title=deftclean check unknown::noise_rate>0.5: cannot be "
        "computed, no row was scored",
        "::warning file=l%2C%3A%25.csv,line=7,title=Doubtful label::a%0D%0A%25:,.png (row 0): "
        "label 'cat' is doubtful, clean_prob 0.2500; suggested: 'dog'",
        "::warning file=data/b.png,title=Row is missing::b.png (row 1): missing, gone",
        "::warning file=x y.parquet,title=Row is unreadable::c.png (row 2): unreadable",
    ]
    assert (
        as_github(result, tmp_path / "data")
        .splitlines()[0]
        .startswith("::error file=../labels.csv,")
    )
    assert "file=../x y.parquet," in as_github(result, tmp_path / "data")


# ---------------------------------------------------------------- JSON


def test_json(result: CheckResult, tmp_path: Path) -> None:
    text = as_json(result, tmp_path)
    said = json.loads(text)
    assert text == json.dumps(said, indent=2) + "\n"
    now_and_before = said.pop("changes")
    assert said == {
        "format": "deftclean-check",
        "version": 1,
        "tool_version": __version__,
        "table": "out/x[b].parquet",
        "baseline": "out/old.parquet",
        "passed": False,
        "exit_code": 3,
        "counts": {
            "rows": 2000, "scored": 1900, "kept": 800, "flagged": 1100, "noise_rate": 0.125,
            "not_scored": {"missing": 1050, "unreadable": 2},
        },
        "estimate": {"rate": 0.25, "low": 0.2, "high": 0.3, "level": 0.9, "informed": 0.75},
        "audit": {
            "drawn": 1000, "decided": 900, "level": 0.95,
            "noise": {"estimate": 0.25, "low": 0.125, "high": 0.5},
            "precision": {"estimate": None, "low": 0, "high": 1},
            "missed": {"estimate": 0.25, "low": 0.125, "high": 0.5},
        },
        "copies": {
            "duplicates": 3, "conflicting_duplicates": 2, "near_duplicates": None,
            "conflicting_near_duplicates": None, "leaked": 1,
        },
        "kinds": {"wrong_label": 2},
        "quality": {"dark": 1},
        "conflicts": [
            {"rows": [0, 5], "file_names": ["a.png", "e.png"], "labels": ["cat", "dog"],
             "identical": True},
            {"rows": [1, 6], "file_names": ["b.png", "f.png"], "labels": ["cat", "cow"],
             "identical": False},
        ],
        "leaks": {
            "table": "out/te[s]t.parquet", "same": 1, "nearly": 1200,
            "rows": [
                {"rows": [0, 5], "file_names": ["a.png", "e.png"], "identical": True},
                {"rows": [1, 6], "file_names": ["b.png", "f.png"], "identical": False},
            ],
        },
        "gates": [
            {"expression": "flagged>7", "metric": "flagged", "class": None, "comparison": ">",
             "limit": 7, "value": 1100, "state": "failed", "reason": None},
            {"expression": "rows[x%]<3", "metric": "rows", "class": "x%", "comparison": "<",
             "limit": 3, "value": 4, "state": "passed", "reason": None},
            {"expression": "noise_rate>0.5", "metric": "noise_rate", "class": None,
             "comparison": ">", "limit": 0.5, "value": None, "state": "unknown",
             "reason": "no row was scored"},
        ],
        "findings": {
            "total": 2152,
            "by_kind": {"flagged": 1100, "missing": 1050, "unreadable": 2},
            "rows": [
                {"row": 0, "file_name": "a.png", "kind": "flagged", "given_label": "cat",
                 "suggested_label": "dog", "clean_prob": 0.25, "error": None,
                 "path": "labels.csv", "line": 7, "message": FINDINGS[0].message},
                {"row": 1, "file_name": "b.png", "kind": "missing", "given_label": None,
                 "suggested_label": None, "clean_prob": None, "error": "gone",
                 "path": "data/b.png", "line": None, "message": "b.png (row 1): missing, gone"},
                {"row": 2, "file_name": "c.png", "kind": "unreadable", "given_label": "cat",
                 "suggested_label": None, "clean_prob": None, "error": None,
                 "path": "x y.parquet", "line": None, "message": "c.png (row 2): unreadable"},
            ],
        },
        "warnings": ["[a] look {0}"],
    }  # fmt: skip
    assert list(now_and_before) == [change.name for change in CHANGES]
    assert now_and_before["relabelled"] == {
        "total": 1200,
        "rows": [
            {
                "now": {"row": 5, "file_name": "5.png", "given_label": "dog", "kind": "fine"},
                "before": {"row": 5, "file_name": "5.png", "given_label": "cat", "kind": "fine"},
            }
        ],
    }
    assert now_and_before["new_rows"]["rows"][0]["before"] is None
    assert now_and_before["gone_rows"]["rows"][0]["now"] is None


def test_json_of_next_to_nothing(result: CheckResult, tmp_path: Path) -> None:
    said = json.loads(as_json(plain(result), tmp_path / "out"))
    assert (said["table"], said["passed"], said["exit_code"]) == ("x[b].parquet", None, 0)
    for name in ("baseline", "estimate", "audit", "kinds", "quality", "changes"):
        assert said[name] is None
    with pytest.raises(ValueError, match="not JSON compliant"):
        as_json(replace(result, estimate=NoiseEstimate(float("nan"), 0, 1, 0.9, 0)), tmp_path)


# ---------------------------------------------------------------- JUnit


def test_junit(result: CheckResult, tmp_path: Path) -> None:
    listed = (
        f"labels.csv:7: {FINDINGS[0].message}\ndata/b.png: b.png (row 1): missing, gone\n"
        "x y.parquet: c.png (row 2): unreadable\n3 of 2,152 rows are listed."
    )
    head = '<testcase classname="deftclean.check" name='
    assert as_junit(result, tmp_path) == (
        "<?xml version='1.0' encoding='us-ascii'?>\n"
        '<testsuites tests="3" failures="1" errors="1">\n'
        '  <testsuite name="deftclean check" tests="3" failures="1" errors="1">\n'
        f'    {head}"flagged&gt;7" file="labels.csv">\n'
        '      <failure message="flagged&gt;7: flagged is 1,100" '
        f'type="failed">{listed}</failure>\n'
        "    </testcase>\n"
        f'    {head}"rows[x%]&lt;3" file="labels.csv" />\n'
        f'    {head}"noise_rate&gt;0.5" file="labels.csv">\n'
        '      <error message="noise_rate&gt;0.5: cannot be computed, no row was scored" '
        f'type="unknown">{listed}</error>\n'
        "    </testcase>\n"
        "  </testsuite>\n"
        "</testsuites>\n"
    )
    whole = as_junit(replace(result, found=dict.fromkeys("abc", 1)), tmp_path / "data")
    assert "listed." not in whole
    assert 'file="../labels.csv"' in whole
    assert ">../labels.csv:7: " in whole


# ---------------------------------------------------------------- SARIF


def fingerprint(*identity: str | None) -> dict[str, str]:
    return {"labelOfFile/v1": hashlib.sha256(json.dumps(identity).encode()).hexdigest()}


def rule(name: str, title: str, text: str) -> dict[str, Any]:
    return {
        "id": name,
        "name": title,
        "shortDescription": {"text": text},
        "defaultConfiguration": {"level": "warning"},
    }


def note(level: str, text: str) -> dict[str, Any]:
    return {"level": level, "message": {"text": text}}


def test_sarif(result: CheckResult, tmp_path: Path) -> None:
    text = as_sarif(result, tmp_path)
    said = json.loads(text)
    assert text == json.dumps(said, indent=2) + "\n"
    (run,) = said.pop("runs")
    assert said == {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0",
    }  # fmt: skip
    first, _, last = run.pop("results")
    assert run == {
        "tool": {"driver": {
            "name": "deftclean", "semanticVersion": __version__,
            "rules": [
                rule("flagged", "Flagged", "The label of this image is doubtful."),
                rule("unreadable", "Unreadable", "The image cannot be read."),
                rule("too_large", "TooLarge", "The image is too large to be read."),
                rule("missing", "Missing", "There is no such image."),
                rule("outside", "Outside", "The image is outside of the data folder."),
                rule("unlabeled", "Unlabeled", "The image has no label."),
                rule("unknown_label", "UnknownLabel",
                     "The label is none of the detector's classes."),
            ],
        }},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {"%SRCROOT%": {"description": {"text": "Root of the repository."}}},
        "invocations": [{
            "executionSuccessful": False, "exitCode": 3,
            "toolExecutionNotifications": [
                note("error", "Gate failed: flagged>7: flagged is 1,100"),
                note("note", "Gate passed: rows\\[x%\\]<3: rows is 4"),
                note("error", "Gate unknown: noise_rate>0.5: cannot be computed, no row was "
                     "scored"),
                note("warning", "\\[a\\] look {{0}}"),
                note("note", "1 rows show the same picture as one in out/te\\[s\\]t.parquet, "
                     "1,200 nearly the same."),
                note("note", "3 of 2,152 findings are listed."),
            ],
        }],
        "properties": {
            "totalFindings": 2152, "listedFindings": 3,
            "findingsByKind": {"flagged": 1100, "missing": 1050, "unreadable": 2},
        },
    }  # fmt: skip
    assert first == {
        "ruleId": "flagged", "ruleIndex": 0, "level": "warning",
        "message": {"text": FINDINGS[0].message},
        "locations": [{"physicalLocation": {
            "artifactLocation": {"uri": "labels.csv", "uriBaseId": "%SRCROOT%"},
            "region": {"startLine": 7},
        }}],
        "partialFingerprints": fingerprint("flagged", "a.png", "cat"),
        "properties": {"row": 0, "fileName": "a.png", "givenLabel": "cat",
                       "suggestedLabel": "dog", "cleanProb": 0.25},
        "baselineState": "new",
    }  # fmt: skip
    assert last["locations"] == [{"physicalLocation": {
        "artifactLocation": {"uri": "x%20y.parquet", "uriBaseId": "%SRCROOT%"},
    }}]  # fmt: skip


def test_sarif_of_next_to_nothing(result: CheckResult, tmp_path: Path) -> None:
    alone = replace(plain(result), findings=FINDINGS[:1], found={"flagged": 1}, gates=gates()[:1])
    (run,) = json.loads(as_sarif(alone, tmp_path / "data"))["runs"]
    assert run["invocations"][0] == {
        "executionSuccessful": True, "exitCode": 1,
        "toolExecutionNotifications": [note("error", "Gate failed: flagged>7: flagged is 1,100")],
    }  # fmt: skip
    (found,) = run["results"]
    assert "baselineState" not in found
    place = found["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "../labels.csv"
    with pytest.raises(ValueError, match="not JSON compliant"):
        as_sarif(replace(alone, found={"flagged": float("nan")}), tmp_path)
