"""What is shown cannot act, and what cannot be shown is no failure of the run."""

import ast
import errno
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

from deftclean.cli.progress import TerminalProgress
from deftclean.cli.terminal import SafeStream, Terminal, say_lost, shown
from deftclean.core.errors import InputError
from deftclean.table.scores import read_scores, write_scores
from tests.core.test_text import COMMAND
from tests.support.commands import PIPE, run_cli, run_process
from tests.support.pictures import draw
from tests.support.places import PACKAGE, ROOT
from tests.support.scored import make_scored, make_suspects

EVIL = "::error::x:x:##vso[a]b##[c]\x1b]0;d\x07\x1b[31me\n::error::f\u202e[red]g[/red]"


def assert_harmless(text: str) -> None:
    assert not COMMAND.search(text), text
    assert all(line.isprintable() for line in text.split("\n")), text
    assert "❌" not in text


def test_only_one_module_prints():
    """So that whatever is shown goes through `Terminal`, and through `shown` where it is markup."""
    for path in PACKAGE.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        if path == PACKAGE / "cli" / "terminal.py":
            continue
        assert "rich.markup" not in source or path.parent.name == "formats", path
        assert not re.search(r"\bConsole\((?!\))", source), path
        assert "typer.echo" not in source, path
        # The version; a traceback, line by line.
        prints = [line for line in source.splitlines() if re.search(r"(?<![\w.])print\(", line)]
        assert not prints or path == PACKAGE / "cli" / "main.py", path


def test_what_is_filled_into_markup_is_a_number_or_made_harmless():
    """Every name or message in an f-string that `Terminal` reads as markup."""
    plain = {"percent", "len", "str"}
    for path in (PACKAGE / "cli").glob("*.py"):
        if path.stem == "terminal":
            continue
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
                continue
            if call.func.attr != "print" or any(k.arg == "markup" for k in call.keywords):
                continue
            for hole in ast.walk(call):
                if isinstance(hole, ast.FormattedValue) and hole.format_spec is None:
                    source = ast.unparse(hole.value)
                    safe = isinstance(hole.value, ast.Call) and (
                        source.split("(")[0] in {"shown", *plain}
                    )
                    assert safe or source in SETTLED, f"{path.name}: {source}"


SETTLED = {
    "used", "ending", "labels", "others", "group", "_MARKS[finding.state]", "name", "' ' * width",
    "size", "broken", "_PREFIX",
}  # fmt: skip
"""Numbers in words, and what was made harmless just before."""


def test_messages_of_every_kind(capsys):
    progress = TerminalProgress(Terminal(stderr=True), quiet=False)
    progress.say(EVIL)
    progress.warn(EVIL)
    with progress.stage(EVIL, 1) as advance:
        advance(1, EVIL)
    Terminal(stderr=True).tell("[red]Error:[/red]", EVIL)
    Terminal().print(f"table          {shown(EVIL)}", soft_wrap=True)
    for text in capsys.readouterr():
        assert ":x:" in text
        assert "[red]g[/red]" in text
        assert_harmless(text)


def evil_rows(tmp_path: Path) -> None:
    name = EVIL.replace("/", "") + "{}.png"
    made = make_suspects(tmp_path / "work", (EVIL, "b", "::warning::c"), name)
    made.table.rename(tmp_path / "clean.parquet")
    made.images.rename(tmp_path / "images")
    scores = read_scores(tmp_path / "clean.parquet")
    write_scores(scores, tmp_path / "clean.parquet", tmp_path / "images", overwrite=True)


@pytest.mark.parametrize(
    "command",
    [
        "check clean.parquet --fail-on rows<1",
        "check clean.parquet --baseline old.parquet",
        "check clean.parquet --format json",
        "check clean.parquet --format sarif",
        "check clean.parquet --format junit",
        "check clean.parquet --format text --output-file x.txt",
        "select clean.parquet --threshold 0.9 -o x.parquet",
        "report clean.parquet -o x.html",
        "export clean.parquet --to folder -o x",
        "export clean.parquet --to folder -o x --data elsewhere",
        "export clean.parquet --to label-studio -o x",
        "corrupt evil --noise symmetric --ratio 0.5 -o x.csv",
        "corrupt evil evil.csv --noise symmetric --ratio 0.5 -o x.csv",
        "scan evil evil.csv --model nano",
        "scan nothing --model nano",
    ],
)
def test_hostile_names_on_every_way_out(command, tmp_path):
    evil_rows(tmp_path)
    (tmp_path / "old.parquet").write_bytes((tmp_path / "clean.parquet").read_bytes())
    (tmp_path / "elsewhere").mkdir()
    label = EVIL.replace("/", "")
    for at, name in enumerate([label, "b"]):
        (tmp_path / "evil" / name).mkdir(parents=True)
        draw((90 * at, 9, 9), at).save(tmp_path / "evil" / name / f"{label}.png")
        (tmp_path / "evil" / name / f"{label}.\x1b[31m::error::").touch()
    (tmp_path / "evil" / f"{label}-link").symlink_to(tmp_path / "images")
    (tmp_path / "evil.csv").write_text(f'"{EVIL}",name,label\n1,2,3\n', encoding="utf-8")
    done = run_cli(*command.split(" "), cwd=tmp_path)
    assert_harmless(done.stdout)
    assert_harmless(done.stderr)
    assert "Traceback" not in done.stderr


def test_a_bugs_traceback_is_harmless_too(tmp_path, monkeypatch):
    def broken(*_given: object, **_more: object) -> None:
        raise RuntimeError(EVIL)

    monkeypatch.setattr("deftclean.gate.check.check", broken)
    make_scored(tmp_path, 6)
    done = run_cli("check", "clean.parquet", cwd=tmp_path)
    assert done.returncode == 3
    assert "RuntimeError" in done.stderr
    assert_harmless(done.stderr)


# ---------------------------------------------------------------- what cannot be shown


class Full(io.StringIO):
    """A stream that fails after so many characters."""

    def __init__(self, room: int, number: int) -> None:
        super().__init__()
        self.room, self.number = room, number

    def write(self, text: str) -> int:
        self.room -= len(text)
        if self.room < 0:
            raise OSError(self.number, "as it is")
        return super().write(text)


@pytest.mark.parametrize("number", [errno.EPIPE, errno.ENOSPC, errno.EBADF])
def test_a_stream_that_fails_is_left_alone(number, monkeypatch, capsys):
    abandoned = []
    monkeypatch.setattr(SafeStream, "_abandon", lambda self: abandoned.append(self))
    stream = SafeStream(Full(3, number))
    for _ in range(4):
        stream.write("ab")
        stream.flush()
    assert abandoned == [stream]
    assert stream.lost is not None
    say_lost(stream)
    said = capsys.readouterr().err
    assert ("could be shown" in said) == (number != errno.EPIPE)


@pytest.mark.parametrize("encoding", ["ascii", "cp437", "cp1252", "latin-1"])
def test_characters_that_an_encoding_lacks(encoding):
    raw = io.BytesIO()
    stream = SafeStream(io.TextIOWrapper(raw, encoding=encoding, errors="strict"))
    stream.write("猫 … é\n")
    stream.flush()
    assert b"\\u732b" in raw.getvalue()


@pytest.mark.parametrize(
    ("gate", "ending", "said"),
    [
        ("flagged>1000", "| true; exit ${PIPESTATUS[0]}", ""),
        ("rows>1", "| true; exit ${PIPESTATUS[0]}", ""),
        ("flagged>1000", "> /dev/full", "No space left on device"),
        pytest.param("flagged>1000", ">&-", "", marks=pytest.mark.slow),
        pytest.param("rows>1", "> /dev/full", "No space left", marks=pytest.mark.slow),
    ],
)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a shell and /dev/full")
def test_the_exit_code_is_that_of_the_run(gate, ending, said, tmp_path):
    """A closed pipe, a full disk: the gate's answer is the gate's answer."""
    make_scored(tmp_path, 6)
    command = f"{sys.executable} -m deftclean check clean.parquet --fail-on '{gate}' {ending}"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "PATH": "/bin:/usr/bin", **PIPE},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == (gate == "rows>1"), done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_help_in_an_old_encoding(tmp_path):
    done = run_process("scan", "--help", cwd=tmp_path, PYTHONIOENCODING="cp437")
    assert done.returncode == 0
    assert not done.stderr


def test_a_message_keeps_to_its_line():
    error = InputError(EVIL, EVIL)
    assert shown(error.message).count("\n") == 0
