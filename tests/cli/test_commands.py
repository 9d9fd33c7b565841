"""Commands parse, call and print: short enough to be seen at a glance."""

import ast
import inspect
from pathlib import Path

import pytest

from deftclean.cli import main
from deftclean.cli.main import app
from tests.support.places import PACKAGE

MOST_LINES = 40
COMMANDS = {each.callback.__name__: each.callback for each in app.registered_commands}


def functions(path: Path) -> dict[str, int]:
    """Lines of every function, without its decorators."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        node.name: node.end_lineno - node.lineno + 1
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_forty_lines_at_most(name):
    source = Path(inspect.getsourcefile(inspect.unwrap(COMMANDS[name])))
    assert functions(source)[name] <= MOST_LINES


def test_no_other_function_of_the_room_is_longer():
    lengths = {
        (path.stem, name): lines
        for path in (PACKAGE / "cli").glob("*.py")
        for name, lines in functions(path).items()
    }
    assert {name for _, name in lengths} >= set(COMMANDS)
    assert {each: lines for each, lines in lengths.items() if lines > MOST_LINES} == {}


def test_memory_that_runs_out_is_no_bug(monkeypatch, capsys):
    def greedy(*_arguments, **_options):
        raise MemoryError("while a picture was decoded")

    monkeypatch.setattr(main, "app", greedy)
    assert main.run(["report", "t.parquet"]) == 3
    said = capsys.readouterr().err
    assert said.startswith("Error: Memory ran out: while a picture was decoded.\nHint: ")
