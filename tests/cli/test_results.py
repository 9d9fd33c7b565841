"""The end of a command: what it says to do next can be done."""

import shlex

from tests.support.commands import run_cli
from tests.support.scored import make_suspects


def test_the_next_steps_lead_on(tmp_path):
    scored = make_suspects(tmp_path / "some data")
    done = run_cli("select", scored.table, "-o", "it's.parquet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout[done.stdout.index("\nnext") :].split("\n")[1:4]
    commands = [line[15:].partition("  ")[0] for line in lines]
    assert len(commands) == 3
    for command in commands:
        words = shlex.split(command)
        assert words[0] == "deftclean"
        assert run_cli(*words[1:], cwd=tmp_path).returncode == (1 if "check" in words else 0)
    assert (tmp_path / "cleaned.csv").is_file()


def test_review_has_an_output_of_its_own(tmp_path):
    scored = make_suspects(tmp_path / "data")
    done = run_cli("review", scored.table, "none.csv", cwd=tmp_path)
    assert done.returncode == 2
    assert "none.csv" in done.stderr
    assert "--output" not in done.stderr
