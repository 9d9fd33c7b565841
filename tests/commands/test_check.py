"""`check` through the real command line, and the gates of `scan` and `score`."""

import json

import pyarrow.parquet as pq
import pytest

from deftclean.cli import main as cli
from deftclean.table.scores import read_scores, write_scores
from tests.support.commands import run_cli
from tests.support.processes import run_code
from tests.support.scored import make_scored, score_table

FAST = ("--model", "nano", "--noise", "synthetic", "--tuner", "none", "--epochs", "4", "--quiet")


@pytest.fixture
def table(tmp_path, monkeypatch):
    """48 rows, 8 of them flagged, in the current folder."""
    make_scored(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "clean.parquet"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 0),
        (("--fail-on", "flagged>8"), 0),
        (("--fail-on", "flagged>7"), 1),
        (("--fail-on", "flagged>8", "--fail-on", "noise_rate>5%"), 1),
        (("--fail-on", "flagged>7", "--exit-zero"), 0),
        (("--fail-on", "flagged>"), 2),
        (("--fail-on", "flagged>", "--exit-zero"), 2),
        (("--fail-on", "flagged[tree]>1", "--exit-zero"), 2),
        (("--fail-on", "new_problems>1"), 2),
        (("--baseline", "clean.parquet"), 0),
        (("--verify",), 0),
        (("--verify", "--data", "gone"), 2),
        (("--baseline", "gone.parquet"), 2),
        (("--format", "yaml"), 2),
        (("--top", "-1"), 2),
        (("--output-file", "clean.parquet", "--overwrite"), 2),
        (("--output-file", "gone/x.json"), 2),
    ],
)
def test_exit_codes(table, arguments, code, capsys):
    before = table.read_bytes()
    assert cli.run(["check", "clean.parquet", *arguments]) == code
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err
    assert ("Error" in shown.err) is (code == 2)
    assert table.read_bytes() == before


def test_what_cannot_be_computed_exits_with_3_also_with_exit_zero(tmp_path, capsys):
    rows = [{"given_label": "apple", "status": "missing"}]
    write_scores(score_table(rows), tmp_path / "x.parquet", tmp_path, False)
    arguments = ["check", str(tmp_path / "x.parquet"), "--fail-on", "noise_rate>0.1"]
    assert cli.run(arguments) == cli.run([*arguments, "--exit-zero"]) == 3
    assert "cannot be computed, no row was scored" in capsys.readouterr().err


def test_nothing_asked_is_said(table, capsys):
    assert cli.run(["check", "clean.parquet"]) == 0
    shown = capsys.readouterr()
    assert "nothing was asked, so nothing has passed" in shown.out
    assert "no gate was given, so nothing was checked" in shown.err


def test_the_text(table, capsys):
    assert cli.run(["check", "clean.parquet", "--fail-on", "flagged>7", "--top", "2"]) == 1
    shown = capsys.readouterr().out
    assert "noise rate     16.67%" in shown
    assert "rows to look at (2 of 8)" in shown
    assert "flagged      images/005.png: label 'apple' is doubtful, clean_prob 0.1000;" in shown
    assert "failed  flagged>7  is 8" in shown


def test_a_file_gets_the_format_and_the_terminal_the_text(table, tmp_path, capsys):
    arguments = ["check", "clean.parquet", "--fail-on", "flagged>7", "--format", "json"]
    assert cli.run([*arguments, "--output-file", "x.json"]) == 1
    assert "failed  flagged>7" in capsys.readouterr().out
    said = json.loads((tmp_path / "x.json").read_text())
    assert len(said["findings"]["rows"]) == 8
    assert cli.run(arguments) == 1
    assert json.loads(capsys.readouterr().out) == said
    assert cli.run([*arguments, "--output-file", "x.json"]) == 2
    assert "x.json exists already" in capsys.readouterr().err
    first = (tmp_path / "x.json").read_bytes()
    assert cli.run([*arguments, "--output-file", "x.json", "--overwrite"]) == 1
    assert (tmp_path / "x.json").read_bytes() == first


def test_no_line_of_the_text_begins_with_a_name(tmp_path, monkeypatch, capsys):
    name = "::error::x\n::add-mask::y\x1b[31m [bold]"
    rows = [{"file_name": name, "given_label": name, "clean_prob": 0.1, "predicted_label": name}]
    write_scores(score_table(rows), tmp_path / "x.parquet", tmp_path, False)
    write_scores(score_table([]), tmp_path / "old.parquet", tmp_path, False)
    monkeypatch.chdir(tmp_path)
    assert cli.run(["check", "x.parquet", "--baseline", "old.parquet"]) == 1
    shown = capsys.readouterr().out
    assert "\\n::add-mask::y\\x1b[31m [bold]" in shown
    assert not any(line.lstrip().startswith("::") for line in shown.splitlines())
    assert "\x1b" not in shown


def test_gates_may_stand_in_the_settings_file(table, tmp_path):
    (tmp_path / "deftclean.toml").write_text('[check]\nfail-on = ["flagged>7", "rows<1"]\n')
    assert cli.run(["check", "clean.parquet"]) == 1
    (tmp_path / "deftclean.toml").write_text('[check]\nfail-on = ["flagged>8", "rows<1"]\n')
    assert cli.run(["check", "clean.parquet"]) == 0


def test_check_loads_neither_torch_nor_pandas(table):
    code = (
        "import sys\nfrom deftclean.cli import main as cli\n"
        "cli.run(['check', 'clean.parquet', '--baseline', 'clean.parquet', '--format', 'sarif'])\n"
        "absent = ('torch', 'pandas', 'PIL', 'sklearn', 'pyarrow.dataset')\n"
        "print([m for m in absent if m in sys.modules], file=sys.stderr)"
    )
    done = run_code(code)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "[]"


def test_scan_refuses_gates_before_it_works(folder, labels, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for expression, message in [("flagged>", "a number"), ("flagged[leef]>0", "mean 'leaf'")]:
        assert cli.run(["scan", "data", "labels.csv", "--fail-on", expression]) == 2
        assert message in capsys.readouterr().err
    assert cli.run(["scan", "data", "labels.csv", "--baseline", "labels.csv"]) == 2
    assert "not a Parquet file" in capsys.readouterr().err
    assert not (tmp_path / "clean.parquet").exists()


def test_scan_and_score_ask_when_the_table_is_written(folder, labels, tmp_path):
    def scan(*more):
        recipe = ("--recipe", "deft")
        return run_cli("scan", "data", "labels.csv", *FAST, *recipe, *more, cwd=tmp_path)

    done = scan("--fail-on", "rows>=60", "--fail-on", "rows[leaf]<1", "--threshold", "1")
    assert done.returncode == 1, done.stderr
    assert "failed  rows>=60      is 60" in done.stdout
    assert "labels.csv:2" in done.stdout
    scores = read_scores(tmp_path / "clean.parquet")
    assert scores.table["source_line"].to_pylist() == list(range(2, 62))
    assert scores.metadata["labels_file"] == "labels.csv"

    # The table that is replaced is the one that the new one is compared with.
    done = scan("--baseline", "clean.parquet", "--overwrite", "--threshold", "1")
    assert done.returncode == 0, done.stderr
    assert "passed  new_problems>0  is 0" in done.stdout

    (tmp_path / "deep").mkdir()
    select = ("select", "clean.parquet", "--threshold", "0", "-o", "deep/kept.parquet")
    assert run_cli(*select, cwd=tmp_path).returncode == 0
    kept = read_scores(tmp_path / "deep" / "kept.parquet")
    assert kept.metadata["labels_file"] == "../labels.csv"
    assert kept.table["source_line"].equals(scores.table["source_line"])

    # A table of our own, scored again: its lines are gone, and the labels file is the table.
    done = run_cli(
        "score", "clean.detector", "clean.parquet", "-o", "again.parquet", "-q",
        "--baseline", "deep/kept.parquet", "--fail-on", "new_problems>0", "--exit-zero",
        "--threshold", "1", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "failed  new_problems>0" in done.stdout
    assert "threshold was 0.0, is 1.0" in done.stderr
    again = read_scores(tmp_path / "again.parquet")
    assert again.table["source_line"].null_count == 60
    assert again.metadata["labels_file"] == "clean.parquet"
    assert "source_line" in pq.read_schema(tmp_path / "again.parquet").names
