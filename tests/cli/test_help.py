"""Help as people read it: short, in whole words; and all of it on demand."""

import re

import pytest
import typer

from deftclean.cli import main as cli
from deftclean.cli.help import Command, parameters
from deftclean.cli.main import app
from tests.support.commands import run_process

COMMANDS = {str(each.name or each.callback.__name__): each for each in app.registered_commands}


def shown(capsys, monkeypatch, *arguments, columns=80):
    monkeypatch.setenv("COLUMNS", str(columns))
    assert cli.run(list(arguments)) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_short_and_names_everything(name, capsys, monkeypatch):
    short = shown(capsys, monkeypatch, name, "--help")
    whole = shown(capsys, monkeypatch, name, "--help-all")
    assert len(short.splitlines()) <= 80
    for text in (short, whole):
        assert "<bool>" not in text
        assert "…" not in text
        assert all(len(line) <= 80 for line in text.splitlines() if "deftclean " not in line)
    words = re.sub(r"\s+", " ", whole)
    for each in parameters(COMMANDS[name].callback):
        if each.is_option:
            assert all(flag in whole for flag in each.flags)
            assert all(re.search(rf"(?<![\w-]){flag}(?![\w-])", short) for flag in each.names)
            assert f"[{each.variable(name)}]" in words
        assert " ".join(each.help.split()) in words


def test_every_command_has_this_help():
    assert all(each.cls is Command for each in app.registered_commands)


def test_the_first_page_names_all_commands(capsys, monkeypatch):
    text = shown(capsys, monkeypatch, "--help")
    assert re.findall(r"^  (\w+) ", text, re.MULTILINE) == list(
        typer.main.get_command(app).commands
    )
    assert "--install-completion" in text
    assert "Start here: deftclean demo" in text


@pytest.mark.parametrize("columns", [20, 60, 100, 300])
def test_words_stay_whole_at_any_width(columns, capsys, monkeypatch):
    text = shown(capsys, monkeypatch, "scan", "--help-all", columns=columns)
    assert "cross-fitted" in text
    assert "DEFTCLEAN_SCAN_CONTEXT_LENGTH" in text
    lines = [line for line in text.splitlines() if "  deftclean " not in line]  # to be copied
    assert max(map(len, lines)) <= max(60, min(columns, 100))


def test_the_shell_completes(tmp_path):
    """The words that a shell asks for: commands, and options of one."""
    ask = {"_DEFTCLEAN_COMPLETE": "complete_bash", "COMP_CWORD": "1"}
    done = run_process(cwd=tmp_path, COMP_WORDS="deftclean sc", **ask)
    assert set(done.stdout.split()) >= {"scan", "score"}
    ask["COMP_CWORD"] = "2"
    done = run_process(cwd=tmp_path, COMP_WORDS="deftclean check --fail", **ask)
    assert "--fail-on" in done.stdout
    script = run_process(cwd=tmp_path, _DEFTCLEAN_COMPLETE="source_bash")
    assert "_DEFTCLEAN_COMPLETE" in script.stdout
