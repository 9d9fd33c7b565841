"""The command line as tests call it.

`run_cli` is for nearly all of them: the real command line, in the process of the tests, where
torch is loaded already. `run_process` and `start_process` are for what only a process of its own
shows: signals, kills, broken pipes, what is imported at the start, what the environment says then.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from deftclean.cli import main as cli
from tests.support.processes import start_python

PIPE = {"COLUMNS": "80"}
"""The width that text has where no terminal says otherwise."""


@dataclass(frozen=True)
class Finished:
    """A command that came to its end, with the fields of `subprocess.CompletedProcess`."""

    returncode: int
    stdout: str
    stderr: str


def run_cli(*arguments: object, cwd: Path, **environment: str) -> Finished:
    """The command line in this process, in another folder, with both streams caught."""
    before = _state()
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng(devices=[]):
        patch.chdir(cwd)
        for name, value in {**PIPE, **environment}.items():
            patch.setenv(name, value)
        with _caught(1, "strict") as out, _caught(2, "backslashreplace") as errors:
            code = _exit_code(list(map(str, arguments)))
    assert _state() == before, "a command leaves the process as it found it"
    return Finished(code, *out, *errors)


def run_process(*arguments: object, cwd: Path, **environment: str) -> Finished:
    """The command as a user starts it, in another folder; it takes seconds to load torch."""
    process = start_process(
        *arguments, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **environment
    )
    out, errors = process.communicate(timeout=300)
    return Finished(process.returncode, out, errors)


def start_process(*arguments: object, **options: Any) -> "subprocess.Popen[str]":
    """The command in a process of its own; options are those of `start_python`."""
    # Where the tests run in the background, interrupts are ignored, and children would inherit it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return start_python("-m", "deftclean", *arguments, **{**PIPE, **options})
    finally:
        signal.signal(signal.SIGINT, before)


def stopped(number: int, said: str, cwd: Path, *arguments: object) -> tuple[int, str]:
    """A command that gets a signal once it has said so; its exit code and what else it said."""
    process = start_process(
        *arguments, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, TMPDIR=str(cwd)
    )
    heard = ""
    while said not in heard:
        assert process.poll() is None, heard
        heard += process.stderr.readline()
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    return process.returncode, errors


def _exit_code(arguments: list[str]) -> int:
    try:
        return cli.run(arguments)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)


@contextlib.contextmanager
def _caught(number: int, errors: str) -> Iterator[list[str]]:
    """What is written to a standard stream, from C or by a worker too; known at the end."""
    name = {1: "stdout", 2: "stderr"}[number]
    said: list[str] = []
    kept = os.dup(number)
    with tempfile.TemporaryFile() as file, pytest.MonkeyPatch.context() as patch:
        os.dup2(file.fileno(), number)
        try:
            with os.fdopen(number, "w", 1, "utf-8", errors, closefd=False) as stream:
                patch.setattr(sys, name, stream)
                yield said
        finally:
            os.dup2(kept, number)
            os.close(kept)
        file.seek(0)
        said.append(file.read().decode())


def _state() -> dict[str, Any]:
    """What a command could leave changed for the tests that come after it in this process."""
    return {
        "threads": torch.get_num_threads(),
        "dtype": torch.get_default_dtype(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "gradients": torch.is_grad_enabled(),
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
    }
