"""The command line as tests call it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.places import ROOT


def run_cli(*arguments: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command as a user starts it, in another folder."""
    return subprocess.run(
        [sys.executable, "-m", "deftclean", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


def stopped(number: int, epoch: int, cwd: Path, *arguments: object) -> tuple[int, str]:
    """A command that gets a signal once an epoch is through; its exit code and what it said."""
    # Where the tests run in the background, interrupts are ignored, and children would inherit it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [sys.executable, "-m", "deftclean", *map(str, arguments)],
        cwd=cwd,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "TMPDIR": str(cwd), "PYTHONPATH": str(ROOT)},
    )
    signal.signal(signal.SIGINT, before)
    said = ""
    while f"epoch {epoch}/" not in said:
        assert process.poll() is None, said
        said += process.stderr.readline()
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors
