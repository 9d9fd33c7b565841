"""The recipes in the documentation: they parse, and ask what can be asked."""

import re
import shlex

import pytest
import yaml

from deftclean.cli.check import check
from deftclean.gate.expressions import METRICS, parse_expressions
from tests.support.places import ROOT

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
    assert len(RECIPES) == 5
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
