"""The end of a command: what it says to do next can be done."""

import json
import shlex
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import deftclean
from deftclean.core.results import plain
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


def test_json_is_the_result_and_nothing_else(tmp_path):
    """Attributes as in Python; numbers, not texts for people."""
    scored = make_suspects(tmp_path / "data")
    done = run_cli("select", scored.table, "-o", "x.parquet", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    result = deftclean.select(scored.table, output=tmp_path / "y.parquet")
    assert found["output"] == "x.parquet"
    assert found["summary"]["noise_rate"] == result.summary.noise_rate
    assert found["summary"]["classes"][0]["name"] == result.summary.classes[0].name
    assert found["scores"] == {"metadata": json.loads(json.dumps(result.scores.metadata))}
    for command in (
        "report x.parquet -o r.html --json", "export x.parquet --to csv -o e.csv --json",
    ):  # fmt: skip
        done = run_cli(*command.split(), cwd=tmp_path)
        assert json.loads(done.stdout)["output"] in ("r.html", "e.csv")


def test_what_json_cannot_hold_is_left_out():
    @dataclass
    class Inner:
        path: Path
        rate: float
        table: object

    @dataclass
    class Outer:
        inner: Inner
        several: tuple[Inner, ...]
        counts: dict[str, int]
        nothing: None = None

    inner = Inner(Path("a/b"), float("nan"), np.zeros(3))
    told = {"path": "a/b", "rate": None}
    assert plain(Outer(inner, (inner,), {"a": 1})) == {
        "inner": told, "several": [told], "counts": {"a": 1}, "nothing": None,
    }  # fmt: skip
