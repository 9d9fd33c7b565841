"""One process that runs commands for a long time while things go wrong at random.

    python -m benchmarks.soak --minutes 20

Commands are run in turn, in this process and on small data, most of them with a fault: interrupted
at a random moment, on a disk that takes no file of some size, with few file descriptors left, or
with a damaged input. Printed are what was run, how it ended, and how memory, descriptors and
threads grew. It ends with exit code 1 where something else than a message came out, or something
was left behind, or grew.
"""

import argparse
import collections
import contextlib
import gc
import io
import os
import random
import resource
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import numpy as np
import psutil
from PIL import Image

from deftclean.cli.main import run

CODES = (0, 1, 2, 3, 130)
MOST_MEMORY = 100.0
"""MB that the process may grow by after the first quarter."""
MOST_HANDLES = 2
"""Descriptors that it may hold more at its end."""
SLOWEST = 8.0
"""Seconds after which an interruption comes at the latest."""

TRAINED = ("--workers", "0")
SCANNED = ("--model", "nano", "--tuner", "none", "--epochs", "2", *TRAINED)
COMMANDS = {
    "scan": ("scan", "data", *SCANNED),
    "scan deft": ("scan", "data", *SCANNED, "--strategy", "deft", "-o", "deft.parquet"),
    "scan workers": (
        *("scan", "data", *SCANNED[:-1], "1", "--strategy", "deft", "-o", "workers.parquet"),
    ),
    "score": ("score", "kept.detector", "data", "-o", "score.parquet", *TRAINED),
    "select": ("select", "kept.parquet", "--rule", "threshold", "-o", "select.parquet"),
    "check": ("check", "kept.parquet", "--fail-on", "noise_rate>0.9"),
    "report": ("report", "kept.parquet", "-o", "report.html"),
    "export csv": ("export", "kept.parquet", "--to", "csv", "-o", "out.csv"),
    "export folder": ("export", "kept.parquet", "--to", "imagefolder", "-o", "out"),
    "corrupt": ("corrupt", "data", "--ratio", "0.3", "-o", "noisy.csv"),
    "adapt": (
        *("adapt", "kept.parquet", "--backbone", "nano", "--method", "linear", "--epochs", "2"),
        *("--batch-size", "16", "-o", "adapted", *TRAINED),
    ),
    "predict": ("predict", "run", "data", "-o", "predicted.parquet", *TRAINED),
}


class StopError(Exception):
    """It would go on wrongly."""


@dataclass
class Figures:
    """What came out.

    Attributes:
        memory, handles, threads: after each run.
        spared: left where no descriptor was left to remove a folder with; the next runs do it.
        ends: how often a command, and a fault, ended with which exit code.
        wrong: what should not have been.
    """

    memory: list[float] = field(default_factory=list)
    handles: list[int] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)
    ends: collections.Counter[tuple[str, int]] = field(default_factory=collections.Counter)
    spared: set[Path] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)

    def measure(self) -> None:
        """Note the state of this process."""
        gc.collect()
        process = psutil.Process()
        self.memory.append(process.memory_info().rss / 1e6)
        self.handles.append(process.num_fds())
        self.threads.append(threading.active_count())


# ---------------------------------------------------------------- faults


@contextlib.contextmanager
def interrupted(draw: random.Random) -> Iterator[None]:
    """As by Ctrl-C, at a moment of the next seconds; most early, since most commands are short."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before, shown = signal.signal(signal.SIGALRM, stop), sys.unraisablehook
    sys.unraisablehook = unraised
    signal.setitimer(signal.ITIMER_REAL, 0.01 + SLOWEST * draw.random() ** 4)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        sys.unraisablehook = shown


def unraised(lost: "sys.UnraisableHookArgs") -> None:
    """One that a destructor swallows is lost here; a command in its own process sends it again."""
    if not isinstance(lost.exc_value, KeyboardInterrupt):
        sys.__unraisablehook__(lost)


@contextlib.contextmanager
def limited(which: int, most: int) -> Iterator[None]:
    """A limit of the system, and the old one again."""
    before = resource.getrlimit(which)
    resource.setrlimit(which, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(which, before)


@contextlib.contextmanager
def damaged(draw: random.Random) -> Iterator[None]:
    """Some bytes of an input are others, for a while."""
    inputs = [path for name in ("data", "kept.detector", "run") for path in Path(name).rglob("*.*")]
    path = draw.choice([Path("kept.parquet"), *inputs])
    data = path.read_bytes()
    made = bytearray(data)
    for _ in range(draw.randint(1, 8)):
        made[draw.randrange(len(made))] = draw.randrange(256)
    path.write_bytes(made)
    try:
        yield
    finally:
        path.write_bytes(data)


def few_handles(draw: random.Random) -> contextlib.AbstractContextManager[None]:
    """Room for some more descriptors than there are."""
    return limited(resource.RLIMIT_NOFILE, psutil.Process().num_fds() + draw.randint(1, 12))


def small_files(draw: random.Random) -> contextlib.AbstractContextManager[None]:
    """No file grows beyond so many bytes."""
    return limited(resource.RLIMIT_FSIZE, int(10 ** draw.uniform(1, 6)))


FAULTS: dict[str, Callable[[random.Random], contextlib.AbstractContextManager[None]]] = {
    "none": lambda _draw: contextlib.nullcontext(),
    "interrupted": interrupted,
    "small files": small_files,
    "few descriptors": few_handles,
    "damaged input": damaged,
}


# ---------------------------------------------------------------- one run after the other


def write_inputs() -> None:
    """Sixty pictures, and what the commands read, in the current folder."""
    drawn = np.random.default_rng(0)
    colours = {"apple": (200, 30, 40), "leaf": (40, 170, 50), "ocean": (30, 60, 190)}
    for index in range(60):
        name = list(colours)[(index + (index % 10 == 0)) % 3]
        pixels = np.array(list(colours.values())[index % 3]) + drawn.integers(-40, 40, (40, 40, 3))
        path = Path("data") / name / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
    for words in (
        (*COMMANDS["scan"], "-o", "kept.parquet"),
        (*COMMANDS["adapt"][:-4], "-o", "run", *TRAINED),
    ):
        if (end := said(words))[0]:
            raise StopError(end[1])


def said(words: tuple[str, ...]) -> tuple[int, str]:
    """Exit code of a command line, and what it said of errors."""
    errors = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors):
        try:
            code = run(list(words))
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except KeyboardInterrupt:  # between the command and its handler
            code = 130
    return code, errors.getvalue()


def one(number: int, draw: random.Random, figures: Figures) -> None:
    """One command, with one fault."""
    name = list(COMMANDS)[number % len(COMMANDS)]
    fault = draw.choice(list(FAULTS))
    words = COMMANDS[name]
    if name != "check":
        words = (*words, draw.choice(("--overwrite", "--overwrite", "--quiet")))
    code, errors = 130, ""
    with contextlib.suppress(KeyboardInterrupt), FAULTS[fault](draw):
        code, errors = said(words)
    figures.ends[name, code] += 1
    figures.ends[f"with fault: {fault}", code] += 1
    if code not in CODES or "Traceback" in errors or (fault == "none" and code not in (0, 2)):
        figures.wrong.append(f"{' '.join(words)} ({fault}) ended with {code}: {errors[-3000:]}")
    left = leftovers(name) - figures.spared
    if fault == "few descriptors":
        figures.spared |= left
    elif left:
        figures.wrong.append(f"{' '.join(words)} ({fault}) left {left}")
    figures.measure()


def leftovers(name: str) -> set[Path]:
    """Hidden files and folders of a command's output, and private ones of any run."""
    words = COMMANDS[name]
    output = words[words.index("-o") + 1] if "-o" in words else "clean"
    beside = Path().glob(f".{Path(output).stem}.*.tmp")
    return {*beside, *Path("tmp").glob("deftclean-*")}


def soak(minutes: float, seed: int) -> Figures:
    """Run commands for so long, in the current folder."""
    write_inputs()
    draw, figures = random.Random(seed), Figures()  # noqa: S311 - no secret
    end = time.monotonic() + 60 * minutes
    number = 0
    while time.monotonic() < end or number < 4 * len(COMMANDS):
        one(number, draw, figures)
        number += 1
    for name, words in COMMANDS.items():
        code, errors = said((*words, *(() if name == "check" else ("--overwrite",))))
        if code or leftovers(name):
            figures.wrong.append(f"{name} at the end: {code}, {errors}, {leftovers(name)}")
    return figures


# ---------------------------------------------------------------- figures


def growth(values: list[float]) -> float:
    """From the second quarter to the last one, by their medians."""
    quarter = len(values) // 4
    return statistics.median(values[-quarter:]) - statistics.median(values[quarter : 2 * quarter])


def tell(figures: Figures) -> bool:
    """Print them; says whether all is well."""
    codes = sorted({code for _, code in figures.ends})
    print("| command | " + " | ".join(f"exit {code}" for code in codes) + " |")
    print("|---|" + "---|" * len(codes))
    for name in dict.fromkeys(name for name, _ in sorted(figures.ends)):
        print(f"| {name} | " + " | ".join(str(figures.ends[name, code]) for code in codes) + " |")
    grown = growth(figures.memory)
    handles = figures.handles[-1] - min(figures.handles[: len(figures.handles) // 4])
    print(f"runs           {len(figures.memory):,}")
    most = max(figures.memory)
    print(f"memory         {figures.memory[-1]:,.0f} MB at the end, at most {most:,.0f}")
    print(f"its growth     {grown:+.0f} MB from the second quarter to the last one (medians)")
    print(f"descriptors    {figures.handles[-1]} at the end, {handles:+d}")
    print(f"threads        {figures.threads[-1]} at the end, at most {max(figures.threads)}")
    print(f"wrong          {len(figures.wrong)}")
    for each in figures.wrong:
        print(each, file=sys.stderr)
    return not figures.wrong and grown < MOST_MEMORY and handles <= MOST_HANDLES


def main() -> None:
    """Soak in a folder that is gone afterwards."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        private = Path(name) / "tmp"
        private.mkdir()
        os.environ.update(TMPDIR=str(private), DEFTCLEAN_CACHE_DIR=f"{name}/cache")
        tempfile.tempdir = None  # found anew
        well = tell(soak(options.minutes, options.seed))
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
