"""The recipes in the documentation: they parse, and ask what can be asked; the gate alone works."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from packaging.requirements import Requirement

from deftclean.cli.check import check
from deftclean.gate.expressions import METRICS, parse_expressions
from tests.support.places import ROOT
from tests.support.scored import make_suspects

CI = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
USAGE = (ROOT / "docs" / "usage.md").read_text(encoding="utf-8")
RECIPES = re.findall(r"```yaml\n(.*?)```", CI, re.DOTALL)


def texts(value):
    """Every text in a parsed document."""
    match value:
        case dict():
            for inner in value.values():
                yield from texts(inner)
        case list():
            for inner in value:
                yield from texts(inner)
        case str():
            yield value


def commands():
    documents = [yaml.safe_load(recipe) for recipe in RECIPES]
    lines = [text for document in documents for text in texts(document)]
    for block in re.findall(r"```sh\n(.*?)```", CI + USAGE, re.DOTALL):
        lines += block.splitlines()
    found = {
        line.strip() for line in lines if line.startswith(("deftclean check", "deftclean score"))
    }
    return sorted(found)


def test_there_are_recipes():
    assert len(RECIPES) == 6
    assert len([c for c in commands() if c.startswith("deftclean check")]) >= 7


@pytest.mark.parametrize("command", commands())
def test_a_command_asks_what_can_be_asked(command):
    words = shlex.split(command)
    asked = [words[i + 1] for i, word in enumerate(words) if word == "--fail-on"]
    assert len(parse_expressions(asked)) == len(asked)
    if words[1] == "check":
        options = {word for word in words if word.startswith("--")}
        assert {option[2:].replace("-", "_") for option in options} <= set(check.__annotations__)


def test_every_metric_is_documented():
    section = USAGE[USAGE.index("### Expressions") : USAGE.index("## demo")]
    assert all(f"`{metric}`" in section for metric in METRICS)


def test_the_hook_is_what_pre_commit_reads():
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert {"id", "name", "entry", "language"} <= set(hook)
    used = [h for r in RECIPES for h in texts(yaml.safe_load(r)) if h == hook["id"]]
    assert used == [hook["id"]]
    assert re.search(hook["files"], "data/clean.parquet")


# ---------------------------------------------------------------- the gate alone

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RANGES = {made.name: made for text in PROJECT["dependencies"] if (made := Requirement(text))}
GATE = [
    Requirement(line)
    for line in (ROOT / "docs" / "gate-requirements.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]


def test_the_gate_needs_what_the_project_does_and_no_model():
    assert all(RANGES[each.name] == each for each in GATE)
    assert not {each.name for each in GATE} & {"torch", "timm", "open_clip_torch", "scipy"}
    named = re.search(r"pip install (typer .*)", CI)
    assert named is not None
    assert named.group(1).split() == [each.name for each in GATE]


def test_the_hook_pins_all_that_the_gate_needs():
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    first, *pins = hook["additional_dependencies"]
    assert (hook["language"], first) == ("python", "--no-deps")
    pinned = dict(text.split("==") for text in pins)
    assert all(each.specifier.contains(pinned[each.name]) for each in GATE)


def in_gate(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    words = [str(folder / "venv" / "bin" / "python"), *map(str, arguments)]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_commands_that_need_no_model_work_where_only_the_gate_is_installed(tmp_path):
    """Installs it from the package index."""
    venv.create(tmp_path / "venv", with_pip=True)
    pip = ("-m", "pip", "install", "-q")
    for more in (("-r", ROOT / "docs" / "gate-requirements.txt"), ("--no-deps", ROOT)):
        done = in_gate(tmp_path, *pip, *more)
        assert done.returncode == 0, done.stderr
    size = sum(path.lstat().st_size for path in (tmp_path / "venv").rglob("*"))
    assert size < 350e6
    scored = make_suspects(tmp_path / "scored")
    row = pq.read_table(scored.table).to_pylist()[4]
    known = [str(row[name]) for name in ("row", "file_name", "content_sha256", "given_label")]
    names = "row,file_name,content_sha256,given_label,decision,final_label,reviewer,reviewed_at"
    (tmp_path / "review.csv").write_text(f"{names}\n{','.join(known)},keep,,Ada,\n")
    for command in (
        f"check {scored.table} --verify",
        f"check {scored.table} --fail-on rows<1 --format junit",
        f"report {scored.table} -o r.html",
        f"select {scored.table} -o s.parquet --threshold 0.1",
        f"review {scored.table} review.csv -o t.parquet",
        f"export {scored.table} --to folder -o f",
        f"export {scored.table} --to csv -o e.csv",
        f"export {scored.table} --to label-studio -o l --rows all",
    ):
        done = in_gate(tmp_path, "-m", "deftclean", *command.split())
        assert done.returncode == 0, (command, done.stderr)
    for name in ("a", "b"):
        (tmp_path / "data" / name).mkdir(parents=True)
        shutil.copy(scored.images / "0.png", tmp_path / "data" / name / f"{name}.png")
    done = in_gate(tmp_path, "-m", "deftclean", "scan", "data", "--model", "nano")
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "which is not installed" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("", 0),
        ('--fail-on "flagged>100"', 0),
        ("--fail-on 'flagged>1' --format json", 1),
        ("--fail-on 'flagged>'", 2),
        ("$(touch hacked) ; touch hacked", 2),
    ],
)
def test_the_action_runs_a_check_and_nothing_else(arguments, code, tmp_path):
    action = ROOT / ".github" / "actions" / "check" / "action.yml"
    steps = yaml.safe_load(action.read_text(encoding="utf-8"))["runs"]["steps"]
    assert not any("${{ inputs.arguments" in step.get("run", "") for step in steps)
    scored = make_suspects(tmp_path / "scored")
    python = tmp_path / "deftclean" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "RUNNER_TEMP": str(tmp_path),
        "TABLE": str(scored.table),
        "ARGUMENTS": arguments,
    }
    done = subprocess.run(
        ["bash", "-e", "-c", steps[-1]["run"]],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert not (tmp_path / "hacked").exists()
    if code == 1:
        assert '"passed": false' in done.stdout
