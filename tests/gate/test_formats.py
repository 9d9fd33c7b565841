"""Every format, read back by what reads it: the schemas, a JUnit parser, GitHub's own rules."""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from urllib.parse import unquote

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from junitparser import Error, Failure, JUnitXml

import deftclean
from deftclean.core.text import visible
from deftclean.gate.formats.github import as_github
from deftclean.gate.formats.json import as_json
from deftclean.gate.formats.junit import as_junit
from deftclean.gate.formats.sarif import as_sarif
from deftclean.table.places import Place, repository_root
from deftclean.table.scores import write_scores
from tests.support.places import ROOT, SCHEMAS
from tests.support.scored import score_table

SARIF = json.loads((SCHEMAS / "sarif-2.1.0.json").read_text(encoding="utf-8"))
CHECK = json.loads((ROOT / "docs" / "check.schema.json").read_text(encoding="utf-8"))

HOSTILE = "a,b:c%0A\n\r\r\n::error::x\x1b[31m\x00\x7f\u202e\ufffe<&>\"']]>[x](http://y){0}\\ ä"
ANY = st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


def result_of(folder, name=HOSTILE, label=HOSTILE, error=HOSTILE, top=10, baseline=False):
    """A failed, a passed and an unknown gate; a flagged and a missing row at lines of a file."""
    rows = [
        {
            "file_name": name,
            "given_label": label,
            "clean_prob": 0.25,
            "predicted_label": f"{label}!",
            "source_line": 7,
        },
        {"file_name": "b.png", "given_label": "leaf", "status": "missing", "error": error},
        {"file_name": "c.png", "given_label": label, "clean_prob": 0.9, "keep": True},
    ]
    table = folder / "clean.parquet"
    write_scores(score_table(rows), table, folder / "data", True, folder / "la,b:els %.csv")
    write_scores(score_table(rows[2:]), folder / "old.parquet", folder, True)
    quoted = label.replace("\\", "\\\\").replace('"', '\\"')
    asked = [f'flagged["{quoted}"]>0', "rows<3", "noise_rate[leaf]>0.5"]
    old = folder / "old.parquet" if baseline else None
    return deftclean.check(table, fail_on=asked, baseline=old, top=top)


@pytest.fixture
def result(tmp_path):
    return result_of(tmp_path)


def printable(text):
    return all(line.isprintable() for line in text.split("\n"))


@pytest.mark.parametrize("baseline", [False, True])
def test_json_is_what_the_published_schema_says(tmp_path, baseline):
    text = as_json(result_of(tmp_path, baseline=baseline), tmp_path)
    said = json.loads(text)
    jsonschema.Draft202012Validator.check_schema(CHECK)
    jsonschema.Draft202012Validator(CHECK).validate(said)
    assert (printable(text), text.isascii()) == (True, True)
    assert (said["passed"], said["exit_code"]) == (False, 3)
    assert [gate["state"] for gate in said["gates"]] == ["failed", "passed", "unknown"]
    assert (said["gates"][0]["class"], said["gates"][2]["value"]) == (HOSTILE, None)
    first = said["findings"]["rows"][0]
    assert (first["path"], first["line"], first["file_name"]) == ("la,b:els %.csv", 7, HOSTILE)
    assert said["table"] == "clean.parquet"
    assert said["baseline"] == ("old.parquet" if baseline else None)
    assert str(tmp_path) not in text


def test_the_schema_refuses_what_is_not_a_check(result, tmp_path):
    said = json.loads(as_json(result, tmp_path))
    for path, value in [("version", 2), ("counts", {}), ("passed", "no"), ("exit_code", 2)]:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**said, path: value}, CHECK)


def test_the_schema_knows_every_change_kind_and_property(result, tmp_path):
    said = json.loads(as_json(result, tmp_path))
    assert set(said) == set(CHECK["properties"])
    gate = CHECK["properties"]["gates"]["items"]["properties"]
    assert set(said["gates"][0]) == set(gate)
    finding = CHECK["properties"]["findings"]["properties"]["rows"]["items"]["properties"]
    assert set(said["findings"]["rows"][0]) == set(finding)


@pytest.mark.parametrize("baseline", [False, True])
def test_sarif_is_what_the_official_schema_says(tmp_path, baseline):
    text = as_sarif(result_of(tmp_path, baseline=baseline), tmp_path)
    said = json.loads(text)
    jsonschema.Draft7Validator(SARIF).validate(said)
    assert (printable(text), text.isascii()) == (True, True)
    (run,) = said["runs"]
    found = run["results"][0]
    place = found["locations"][0]["physicalLocation"]
    assert unquote(place["artifactLocation"]["uri"]) == "la,b:els %.csv"
    assert re.fullmatch(r"[\w./%~-]+", place["artifactLocation"]["uri"])
    assert place["region"] == {"startLine": 7}
    assert "\\[x\\](http://y){{0}}" in found["message"]["text"]
    assert printable(found["message"]["text"])
    assert [r["ruleId"] for r in run["results"]] == ["flagged", "missing"]
    rules = run["tool"]["driver"]["rules"]
    assert [rules[r["ruleIndex"]]["id"] for r in run["results"]] == ["flagged", "missing"]
    assert ("baselineState" in found) is baseline
    notes = [n["level"] for n in run["invocations"][0]["toolExecutionNotifications"]]
    assert notes[:3] == ["error", "note", "error"]
    assert run["invocations"][0]["executionSuccessful"] is False


def test_the_official_schema_is_applied(result, tmp_path):
    said = json.loads(as_sarif(result, tmp_path))
    said["runs"][0]["results"][0]["level"] = "dreadful"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(SARIF).validate(said)


def test_sarif_is_capped_and_says_how_many_there_are(tmp_path):
    (run,) = json.loads(as_sarif(result_of(tmp_path, top=1), tmp_path))["runs"]
    assert len(run["results"]) == 1
    assert (run["properties"]["totalFindings"], run["properties"]["listedFindings"]) == (2, 1)
    last = run["invocations"][0]["toolExecutionNotifications"][-1]
    assert last["message"]["text"] == "1 of 2 findings are listed."


def test_junit_is_read_by_a_parser(result, tmp_path):
    path = tmp_path / "gates.xml"
    path.write_text(as_junit(result, tmp_path), encoding="ascii")
    suites = JUnitXml.fromfile(str(path))
    (suite,) = list(suites)
    assert (suite.tests, suite.failures, suite.errors) == (3, 1, 1)
    cases = list(suite)
    assert [case.name for case in cases][1:] == ["rows<3", "noise_rate[leaf]>0.5"]
    assert [case.is_passed for case in cases] == [False, True, False]
    assert isinstance(cases[0].result[0], Failure)
    assert isinstance(cases[2].result[0], Error)
    assert "no row of class 'leaf' was scored" in cases[2].result[0].message
    lines = cases[0].result[0].text.split("\n")
    assert lines[0].startswith("la,b:els %.csv:7: a,b:c%0A\\n\\r\\r\\n::error::x\\x1b[31m")


def read_command(line):
    """As the runner reads a command: name, properties, message."""
    name, properties, message = re.fullmatch(r"::(\w+) ([^\n\r]*?)::(.*)", line).groups()
    values = dict(part.split("=", 1) for part in properties.split(","))

    def decoded(text, codes):
        for code, character in codes:
            text = text.replace(code, character)
        return text

    data = [("%0D", "\r"), ("%0A", "\n"), ("%25", "%")]
    more = [("%3A", ":"), ("%2C", ","), *data]
    return name, {k: decoded(v, more) for k, v in values.items()}, decoded(message, data)


def test_github_has_a_command_for_each_gate_and_finding(result, tmp_path):
    lines = as_github(result, tmp_path).splitlines()
    commands = [read_command(line) for line in lines]
    assert [name for name, *_ in commands] == ["error", "notice", "error", "warning", "warning"]
    assert all(values["file"] == "la,b:els %.csv" for _, values, _ in commands)
    assert [values.get("line") for _, values, _ in commands] == [None, None, None, "7", None]
    assert commands[3][2].startswith("a,b:c%0A\n\r\r\n::error::x\\x1b[31m\\x00")
    assert commands[4][1]["title"] == "Row is missing"


@settings(max_examples=60, deadline=None)
@given(name=ANY, label=ANY, error=ANY)
def test_no_name_breaks_a_format(tmp_path_factory, name, label, error):
    folder = tmp_path_factory.mktemp("any")
    result = result_of(folder, name, label, error)
    jsonschema.Draft202012Validator(CHECK).validate(json.loads(as_json(result, folder)))
    (run,) = json.loads(as_sarif(result, folder))["runs"]
    assert len(run["results"]) == 2
    assert len(ET.fromstring(as_junit(result, folder)).findall("*/testcase")) == 3
    lines = as_github(result, folder).split("\n")
    assert len(lines) == 6
    assert all(line.startswith("::") and line.isprintable() for line in lines[:5])
    assert [read_command(line)[1].get("line") for line in lines[:5]][3] == "7"


@given(text=st.text())
def test_what_is_visible_is_one_printable_line(text):
    assert visible(text).isprintable()
    assert visible(visible(text)) == visible(text)


def test_files_are_relative_to_the_repository(tmp_path, monkeypatch):
    (tmp_path / ".git").mkdir()
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    assert repository_root(Path()) == tmp_path.resolve()
    assert Place("../labels.csv", 3).seen_from(tmp_path) == Place("a/labels.csv", 3)


def test_outside_of_a_repository_files_are_relative_to_the_folder(tmp_path):
    if any((folder / ".git").exists() for folder in tmp_path.resolve().parents):
        pytest.skip("the temporary folder lies in a repository")
    assert repository_root(tmp_path) == tmp_path.resolve()


def places(table):
    return [str(finding.place) for finding in deftclean.check(table).findings]


def test_what_findings_point_at(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    table = tmp_path / "out" / "x.parquet"
    rows = [{"file_name": "cat/a.png", "clean_prob": 0.1, "given_label": "cat", "source_line": 3}]
    write_scores(score_table(rows), table, Path("data"), True, Path("labels.csv"))
    assert places(Path("out/x.parquet")) == ["labels.csv:3"]
    rows[0]["source_line"] = None
    write_scores(score_table(rows), table, Path("data"), True, Path("train.parquet"))
    assert places(table) == ["train.parquet"]
    write_scores(score_table(rows), table, Path("data"), True)
    assert places(table) == ["data/cat/a.png"]
    rows[0]["file_name"] = "old.parquet#4"
    write_scores(score_table(rows), table, Path("data"), True)
    assert places(table) == ["out/x.parquet"]
