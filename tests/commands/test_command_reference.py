"""The page of commands and options says what the commands do."""

import importlib.util
import re
import sys
from types import ModuleType

import pytest
import typer

from deftclean.cli.main import app
from tests.support.commands import run_cli
from tests.support.places import ROOT

HOOK = ROOT / "docs" / "hooks" / "command_reference.py"


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    pytest.importorskip("mkdocs", reason="needs mkdocs, of the extra `docs`")
    spec = importlib.util.spec_from_file_location("command_reference", HOOK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["command_reference"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def section(page: str, name: str) -> str:
    return page.partition(f"\n## deftclean {name}\n")[2].partition("\n## ")[0]


def test_every_option_of_every_command_is_on_the_page(hook, tmp_path):
    page = hook.page()
    group = typer.main.get_command(app)
    assert len(group.commands) >= 8
    for name, command in group.commands.items():
        text = section(page, name)
        for parameter in command.params:
            if parameter.name == "help":
                continue
            shown = [parameter.name.upper()] if parameter.param_type_name == "argument" else [
                *parameter.opts, *parameter.secondary_opts,
            ]  # fmt: skip
            for option in shown:
                assert f"`{option}`" in text, f"{name} {option}"


def test_variables_and_defaults_are_those_of_the_help(hook, tmp_path):
    text = section(hook.page(), "export")
    shown = run_cli("export", "--help-all", cwd=tmp_path, COLUMNS="250").stdout
    variables = set(re.findall(r"DEFTCLEAN_\w+", shown))
    assert variables == set(re.findall(r"DEFTCLEAN_\w+", text))
    assert "| `--link` | `copy` `hard` `symlink` | `copy` |" in text
    assert "deftclean export clean.parquet --to csv -o cleaned.csv" in text


def test_help_is_text_not_markup(hook):
    text = hook.page()
    assert "\\[scan\\] epochs = 20" in text
    assert "[dim]" not in text
