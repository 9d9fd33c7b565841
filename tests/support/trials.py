"""The command line many times over, killed, limited and misled; each run a process of its own.

Loading torch takes five seconds, which fifty kills of each command cannot wait for. So one process
loads it, and forks for each trial (`nursery.py`).
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.places import ROOT

OWN_MOUNTS = ("unshare", "-rm")
"""Starts a program with file systems of its own, where the machine lets one."""


@dataclass(frozen=True)
class Trial:
    """One run of the command line.

    Attributes:
        words: what stands behind `deftclean`.
        cwd: where it runs.
        kill: a signal, and after how many seconds it is sent.
        limits: bytes or numbers, by the name of a limit of the system without `RLIMIT_`; of AS the
            bytes that are left.
        environment: set, or with None unset.
        patches: values, by the full name of what is replaced: another size of the demonstration.
        clock: seconds by which the wall clock jumps, back and forth.
        plain: without root's right to pass over the modes of files.
        patience: seconds after which it hangs, which is told by code 250.
    """

    words: tuple[object, ...]
    cwd: Path
    kill: tuple[int, float] | None = None
    limits: Mapping[str, int] = field(default_factory=dict)
    environment: Mapping[str, str | None] = field(default_factory=dict)
    patches: Mapping[str, Any] = field(default_factory=dict)
    clock: float = 0.0
    plain: bool = False
    patience: float = 120.0


@dataclass(frozen=True)
class Ended:
    """How a trial ended; the code of one that was killed is the signal's, below 0."""

    code: int
    seconds: float
    out: str
    errors: str

    @property
    def told(self) -> int:
        """How many errors it told."""
        return sum(line.startswith("Error:") for line in self.errors.splitlines())


class Trials:
    """Runs trials; a context manager.

    Args:
        torch: load torch, and what needs it, beforehand.
        mounts: with file systems of its own, which it may mount, and nobody else sees.
    """

    def __init__(self, *, torch: bool = True, mounts: bool = False) -> None:
        self._torch, self._mounts = torch, mounts

    def __enter__(self) -> "Trials":
        python = (sys.executable, "-m", "tests.support.nursery", "all" if self._torch else "light")
        self._process = subprocess.Popen(
            [*(OWN_MOUNTS if self._mounts else ()), *python],
            env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80", "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *_error: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def run(self, *trials: Trial) -> list[Ended]:
        """Run trials, all at the same time."""
        wishes = [
            {**vars(each), "words": list(map(str, each.words)), "cwd": str(each.cwd)}
            for each in trials
        ]
        return [Ended(**end) for end in self._asked({"trials": wishes})]

    def call(self, *words: object) -> None:
        """Another program, which sees the same file systems as the trials."""
        assert self._asked({"call": list(map(str, words))}) == 0, words

    def seen(self, path: Path) -> Path:
        """Where a path of the trials lies for everybody."""
        return Path(f"/proc/{self._process.pid}/root{path}")

    def _asked(self, what: Mapping[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def one(self, *words: object, cwd: Path, **more: Any) -> Ended:
        """Run one trial."""
        return self.run(Trial(words, cwd, **more))[0]
