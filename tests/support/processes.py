"""Python in a process of its own, for what only such a one shows."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import IO

from tests.support.places import ROOT


def start_python(
    *words: object,
    cwd: Path | None = None,
    stdin: int | None = None,
    stdout: int | IO[str] | None = None,
    stderr: int | IO[str] | None = None,
    **environment: str,
) -> "subprocess.Popen[str]":
    """An interpreter that can import deftclean from wherever it runs; it is not waited for."""
    return subprocess.Popen(
        [sys.executable, *map(str, words)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        text=True,
    )


def run_code(
    code: str, *arguments: object, cwd: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    """A few lines of Python in a fresh interpreter, to their end, whatever that is."""
    process = start_python(
        "-c",
        textwrap.dedent(code),
        *arguments,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, errors = process.communicate(timeout=300)
    return subprocess.CompletedProcess(process.args, process.returncode, out, errors)
