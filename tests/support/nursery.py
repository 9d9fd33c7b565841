"""The process behind `Trials`: it has loaded everything, and forks once for each trial.

Run as `python -m tests.support.nursery all`, or `light` without torch. Each line of its input is,
in JSON, a program to call, or a list of wishes, which are tried at the same time; each line of its
output says how that ended. A child goes through the same `main` as the command does, with signals
as a new process has them. It is forked before anything has run, so there are no threads.
"""

import atexit
import contextlib
import ctypes
import fcntl
import gc
import importlib
import json
import os
import pkgutil
import resource
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

LIGHT = (
    "typer._adapters", "matplotlib.figure", "pandas", "pyarrow.csv", "pyarrow.dataset",
    "pyarrow.parquet", "deftclean.cli.main", "deftclean.datasets.corrupt",
    "deftclean.detection.select", "deftclean.exports.export", "deftclean.reports.report",
    "deftclean.reports.review",
)  # fmt: skip
HEAVY = (
    "cleanlab", "open_clip", "sklearn.datasets", "sklearn.linear_model", "sklearn.mixture", "timm",
    "torchvision.transforms.v2",
)  # fmt: skip


ROOM = 2**20
"""Bytes that a child may say; nobody listens before its end."""

TOO_LONG = 250
"""The code of one that did not end."""


def load(what: str) -> None:
    """Import what commands import, so that a kill falls into their work and not into that."""
    names = list(LIGHT)
    if what == "all":
        import deftclean

        found = pkgutil.walk_packages(deftclean.__path__, "deftclean.")
        names += [each.name for each in found if not each.name.endswith("__main__")]
        names += HEAVY
    for name in names:
        with contextlib.suppress(ImportError):  # an optional package
            importlib.import_module(name)


def become(wish: dict[str, Any]) -> None:
    """In the child: what a shell would have set before it starts the command."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, (_, end) in enumerate(wish["pipes"], 1):
        os.dup2(end, number)
    # Anew: the old ones know whether what they stood for was a file.
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, errors="backslashreplace", closefd=False)
    os.closerange(3, 100)
    os.chdir(wish["cwd"])
    for name, value in wish["environment"].items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for place, value in wish["patches"].items():
        home, _, name = place.rpartition(".")
        setattr(importlib.import_module(home), name, value)
    if wish["clock"]:
        set_clock(wish["clock"])
    for name, most in wish["limits"].items():
        most += address_space() if name == "AS" else 0
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))
    if wish["plain"]:
        give_up_rights()
    sys.argv = ["deftclean", *wish["words"]]


def address_space() -> int:
    """Bytes that this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def give_up_rights() -> None:
    """Of root, all that others have not: capset(2) with none."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    none = (ctypes.c_uint32 * 6)()
    assert ctypes.CDLL(None).capset(header, none) == 0


def set_clock(jump: float) -> None:
    """Let the wall clock jump back and forth, further each time it is asked."""
    real, asked = time.time, [0]

    def jumping() -> float:
        asked[0] += 1
        return real() + jump * (-1) ** asked[0] * asked[0]

    time.time = jumping
    time.time_ns = lambda: int(jumping() * 1e9)


def watched(children: dict[int, dict[str, Any]]) -> list[dict[str, Any]]:
    """Send the signals at their times, and wait; a child that takes too long is killed."""
    began = time.monotonic()
    ended: dict[int, dict[str, Any]] = {}
    todo = {pid: wish["kill"] for pid, wish in children.items() if wish["kill"]}
    while len(ended) < len(children):
        for pid, wish in children.items():
            now = time.monotonic() - began
            if pid in ended:
                continue
            if pid in todo and now >= todo[pid][1]:
                os.kill(pid, todo.pop(pid)[0])
            done, status = os.waitpid(pid, os.WNOHANG)
            if not done and now > wish["patience"]:
                os.kill(pid, signal.SIGKILL)
                _, status = os.waitpid(pid, 0)
                done, status = pid, TOO_LONG << 8
            if done:
                code = os.waitstatus_to_exitcode(status)
                ended[pid] = {"code": code, "seconds": now, **said(wish)}
        time.sleep(0.0005)
    return [ended[pid] for pid in children]


def said(wish: dict[str, Any]) -> dict[str, str]:
    """What stands in the pipes; their ends may live on in other processes."""
    heard = {}
    for name, (end, other) in zip(("out", "errors"), wish["pipes"], strict=True):
        os.close(other)
        os.set_blocking(end, False)
        pieces = []
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(end, ROOM):
                pieces.append(piece)
        os.close(end)
        heard[name] = b"".join(pieces).decode(errors="replace")
    return heard


def command() -> int:
    """The command line; its exit code, as an interpreter would give it."""
    from deftclean.__main__ import main

    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - as an interpreter does
        traceback.print_exc()
        return 1
    return 0


def leave(code: int) -> None:
    """As an interpreter leaves, but for the memory: to give back torch's takes two seconds."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def serve() -> None:
    load(sys.argv[1])
    gc.freeze()
    print("ready", flush=True)
    while line := sys.stdin.readline():
        asked = json.loads(line)
        if "call" in asked:
            answer: Any = subprocess.run(asked["call"], stdout=2, check=False).returncode
        else:
            answer = watched(dict(map(forked, asked["trials"])))
        print(json.dumps(answer), flush=True)


def forked(wish: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    wish["pipes"] = [os.pipe(), os.pipe()]
    for end, _ in wish["pipes"]:
        fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, ROOM)
    pid = os.fork()
    if pid == 0:
        become(wish)
        leave(command())
    return pid, wish


if __name__ == "__main__":
    serve()
