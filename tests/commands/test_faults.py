"""Faults that are really injected: full disks and kills, through the real command line."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE

import pytest

from deftclean.table.scores import read_scores
from tests.support.commands import run_cli
from tests.support.processes import start_python

QUICK = ("--model", "nano", "--tuner", "none", "--epochs", "2", "--workers", "0", "--no-cache")

# The command line in a process where no file grows beyond so many bytes: what a full disk does, but
# for the number of the error.
LIMITED = """
import resource, signal, sys
from pathlib import Path
from deftclean.cli.main import run
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
sys.exit(run(sys.argv[2:]))
"""

# The command line in a process that is killed before its n-th change of names.
KILLED = """
import os, sys
from deftclean.cli.main import run
dies_at, calls = int(sys.argv[1]), 0
def deadly(call):
    def wrapped(*arguments, **more):
        global calls
        if any("clean" in str(each) for each in arguments):
            calls += 1
            if calls == dies_at:
                os._exit(9)
        return call(*arguments, **more)
    return wrapped
for name in ("rename", "replace", "link", "unlink", "rmdir"):
    setattr(os, name, deadly(getattr(os, name)))
code = run(sys.argv[2:])
print("calls", calls)
sys.exit(code)
"""


def limited(where: Path, limit: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    process = start_python("-c", LIMITED, limit, *arguments, cwd=where, stdout=PIPE, stderr=PIPE)
    out, err = process.communicate()
    return subprocess.CompletedProcess([], process.returncode, out, err)


def what_is_left(where: Path) -> set[str]:
    return {path.name for path in where.iterdir()}


@pytest.mark.parametrize(
    "limit",
    [pytest.param(limit, marks=pytest.mark.slow) for limit in (1_000, 10_000, 20_000)],
)
def test_a_scan_on_a_full_disk_says_so_and_leaves_nothing_half(
    folder: Path, tmp_path: Path, limit: int
) -> None:
    before = what_is_left(tmp_path)
    done = limited(tmp_path, limit, "scan", folder, *QUICK)
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("Error:") == 1
    assert "File too large" in done.stderr or "do not fit" in done.stderr
    left = what_is_left(tmp_path) - before
    assert not any(name.endswith(".tmp") for name in left)
    assert "clean.parquet" not in left
    assert "clean.detector" not in left


@pytest.mark.slow
def test_a_classifier_on_a_full_disk_says_so(folder: Path, tmp_path: Path) -> None:
    done = run_cli("scan", folder, *QUICK, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    before = what_is_left(tmp_path)
    done = limited(
        tmp_path, 500_000, "adapt", "clean.parquet", "--backbone", "nano", "--epochs", 1,
        "--workers", 0, "--no-cache",
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    assert {name for name in what_is_left(tmp_path) - before if name.startswith(".")} == set()
    assert not (tmp_path / "adapted").exists()


def bytes_of(where: Path) -> tuple[bytes, ...]:
    detector = where / "clean.detector"
    return (
        (where / "clean.parquet").read_bytes(),
        *(path.read_bytes() for path in sorted(detector.iterdir())),
    )


@pytest.mark.timeout(3000)
@pytest.mark.slow
@pytest.mark.parametrize("how", ["--resume", "--overwrite"])
def test_a_scan_that_is_killed_while_publishing_is_finished_by_the_next(
    folder: Path, tmp_path: Path, how: str, each_point: Callable[[], list[int]]
) -> None:
    """Old outputs, and a new run killed before each change of a name: the next command finds a
    whole pair and ends with the bytes of a run that was never killed."""
    whole = tmp_path / "whole"
    whole.mkdir()
    assert run_cli("scan", folder, *QUICK, cwd=whole).returncode == 0
    expected = bytes_of(whole)
    for point in each_point():
        home = tmp_path / f"{how}{point}"
        home.mkdir()
        first: list[object] = ["scan", folder, *QUICK]
        if how == "--overwrite":
            done = run_cli("scan", folder, *QUICK, "--seed", 5, cwd=home)
            assert done.returncode == 0
            old = bytes_of(home)
            first.append("--overwrite")
        process = start_python("-c", KILLED, point, *first, cwd=home, stdout=PIPE, stderr=PIPE)
        out, err = process.communicate()
        if process.returncode == 0:
            assert point == 60, out
            break
        assert process.returncode == 9, err
        if how == "--overwrite":
            read_scores(home / "clean.parquet")  # a reader finishes what was begun
            assert bytes_of(home) in (old, expected)
        again = run_cli("scan", folder, *QUICK, how, cwd=home)
        finished = how == "--resume" and "its run had finished" in again.stderr
        assert again.returncode == (2 if finished else 0), (point, again.stderr)
        assert bytes_of(home) == expected
        assert what_is_left(home) == {"clean.parquet", "clean.detector"}


@pytest.fixture(params=["some", pytest.param("all", marks=pytest.mark.slow)])
def each_point(request: pytest.FixtureRequest) -> Callable[[], list[int]]:
    """Where to kill: in the default run at one point, in the middle of the switch."""
    return lambda: [8] if request.param == "some" else [1, 4, 12, 14, 16, 18, 20, 22, 26, 60]
