"""Time and memory of the detector against the plain implementation of the same method.

    python -m benchmarks.speed --work WORK [--only TEXT] [--repetitions N] [--print]

For a randomly initialised CLIP ViT-B/16 and for the built-in `nano`. Every case runs in a process
of its own and becomes one line in WORK/speed.jsonl; a case that stands there is not run again. The
table is printed at the end.

- `forward`: no gradients. In place of `fast` stands open_clip's own `encode_text` of as many
  prompts and its image tower on P tokens more (timed, not reckoned): plain is no straw man.
- `text side`: forward and backward from fixed gradients of all 2·K features; below it with the
  negative features only that a step of batch 16 reads.
- `training step`: image features, loss after warm-up, backward, SGD.
- `scoring`: image features and similarities in inference mode; in place of `plain` stands
  open_clip's own `encode_image`.
- `peak`: memory beyond the model's after a step with two classes and one image.

What is compared is timed in turn, and the ratio is the median of the turns' ratios. Plain at
K = 1000 does not fit an ordinary machine: its text side goes in chunks of 100 classes, each
backpropagated at once from a fixed gradient, in one repetition; its step is that and the image
side, with the loss on text features that stand still.
"""

import argparse
import gc
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from benchmarks.case_log import append, logged
from benchmarks.workload import (
    MOST_PLAIN_CLASSES,
    Batch,
    Clip,
    FastSide,
    OwnSide,
    PlainSide,
    Scorer,
    load,
)

What = Literal[
    "forward (fast: open_clip's own)",
    "text side",
    "training step",
    "scoring (plain: open_clip's own)",
    "peak of text side",
    "peak of training step",
]
Run = Callable[[], object]


@dataclass(frozen=True)
class Case:
    """One comparison.

    Attributes:
        what: is measured.
        model: `ViT-B-16` or `nano`.
        classes: K.
        batch: B; 0 for the text side alone.
        wanted: of the ratio, or of `fast` where there is none.
    """

    what: What
    model: str
    classes: int
    batch: int
    wanted: str

    @property
    def name(self) -> str:
        """Key in the log."""
        batch = f", batch {self.batch}" if self.batch else ""
        return f"{self.model}: {self.what}, K = {self.classes:,}{batch}"

    @property
    def repetitions(self) -> int:
        """Turns, where they are not given."""
        return 15 if self.model == "nano" else 3


def cases() -> Iterator[Case]:
    """All cases, `nano`, which takes seconds, first."""
    timed: list[tuple[What, int, int, str]] = [
        ("scoring (plain: open_clip's own)", 100, 16, "≥ 1.0"),
        ("scoring (plain: open_clip's own)", 100, 64, "≥ 1.0"),
        ("forward (fast: open_clip's own)", 100, 16, "≤ 1.1"),
        ("text side", 100, 0, "≥ 10"),
        ("training step", 100, 16, "≥ 2.5"),
        ("training step", 100, 64, ""),
        ("text side", 1000, 0, "≥ 13"),
        ("training step", 1000, 16, "≥ 8"),
    ]
    for what, classes, batch, _ in timed:
        yield Case(what, "nano", classes, batch, "")
    for what, classes, batch, wanted in timed:
        yield Case(what, "ViT-B-16", classes, batch, wanted)
    yield Case("peak of text side", "ViT-B-16", 200, 0, "≥ 10")
    yield Case("peak of training step", "ViT-B-16", 200, 16, "≥ 4")
    yield Case("peak of training step", "ViT-B-16", 1000, 16, "≤ 3 GB")
    yield Case("peak of training step", "ViT-B-16", 10_000, 16, "≤ 6 GB")


def run_case(case: Case, repetitions: int) -> list[dict[str, Any]]:
    """Rows of the table for one case, measured in processes of their own."""
    if not case.what.startswith("peak"):
        return list(_in_own_process(case, str(repetitions)))
    fast = float(_in_own_process(case, "fast"))
    row = {"case": case.name, "unit": "GB", "fast": fast, "wanted": case.wanted}
    if case.classes <= MOST_PLAIN_CLASSES:
        plain = float(_in_own_process(case, "plain"))
        row |= {"plain": plain, "ratio": plain / fast}
    return [row]


def _in_own_process(case: Case, how: str) -> Any:
    command = [sys.executable, "-m", "benchmarks.speed", "--measure", case.name, how]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def measure(name: str, how: str) -> list[dict[str, Any]] | float:
    """In its own process: the peak of one side (`plain`, `fast`), or so many repetitions."""
    (case,) = (case for case in cases() if case.name == name)
    if how == "plain":
        return peak(case, PlainSide)
    return peak(case, FastSide) if how == "fast" else times(case, int(how))


def times(case: Case, repetitions: int) -> list[dict[str, Any]]:
    """A row for everything that the first function of a case is compared with."""
    first, *others = _compared(case)
    names = [case.name, f"{case.name}, thresholds for batch 16 only"]
    seconds = in_turn([first, *others], repetitions, case.classes > MOST_PLAIN_CLASSES)
    rows = []
    for name, fast in zip(names, seconds[1:], strict=False):
        ratios = [plain / own for plain, own in zip(seconds[0] * len(fast), fast, strict=False)]
        row = {"plain": statistics.median(seconds[0]), "fast": statistics.median(fast)}
        row |= {"ratio": statistics.median(ratios)}
        wanted = case.wanted if name == case.name else ""
        rows.append({"case": name, "unit": "s", **row, "wanted": wanted})
    return rows


def _compared(case: Case) -> list[Run]:
    clip = load(case.model)
    names = class_names(case.classes)
    check_names(names, clip)
    batch = Batch(clip, case.classes, case.batch)
    plain, fast = PlainSide(clip, names, batch), FastSide(clip, names, batch)
    normalised = fast.detector.encoder.image.normalise(batch.pixels)
    own = OwnSide(clip, plain.text.ids.repeat(2, 1), normalised)
    runs: dict[What, list[Run]] = {
        "forward (fast: open_clip's own)": [plain.forward, own.forward],
        "text side": [plain.text_side, fast.text_side, fast.text_side_of_a_step],
        "training step": [plain.step, fast.step],
        "scoring (plain: open_clip's own)": [own.encode_image, Scorer(fast).score],
    }
    return runs[case.what]


def in_turn(functions: Sequence[Run], repetitions: int, first_once: bool) -> list[list[float]]:
    """Seconds of each function in each turn, after a turn that is not counted.

    With `first_once` the first function, which then takes minutes, runs once in all.
    """
    seconds: list[list[float]] = [[] for _ in functions]
    for turn in range(-1, repetitions):
        for own, function in zip(seconds, functions, strict=True):
            if first_once and own is seconds[0] and turn != 0:
                continue
            gc.collect()
            start = time.perf_counter()
            function()
            if turn >= 0:
                own.append(time.perf_counter() - start)
    return seconds


def peak(case: Case, side: type[PlainSide] | type[FastSide]) -> float:
    """Gigabytes that one run takes over the loaded model, in a process that has done no other."""

    def run(classes: int, batch: int) -> None:
        work = side(clip, class_names(classes), Batch(clip, classes, batch))
        return work.text_side() if case.what == "peak of text side" else work.step()

    clip = load(case.model)
    run(2, 1)
    before = _most_memory()
    run(case.classes, case.batch)
    return _most_memory() - before


def _most_memory() -> float:
    """Most memory that this process has had so far, in gigabytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def class_names(count: int) -> tuple[str, ...]:
    """Distinct names of 1 to 6 words of one token each, 3 on average.

    With full stop and end mark these are suffixes of 3 to 8 tokens, 5 on average.
    """
    used = dict.fromkeys(range(1, 7), 0)
    names = []
    for index in range(count):
        lengths = _LENGTHS if index < 1000 else _LENGTHS_WITHOUT_ONE
        length = lengths[index * 37 % 100]  # 37 and 100 have no common divisor: all, mixed
        names.append(_name(length, used[length]))
        used[length] += 1
    return tuple(names)


def _name(length: int, number: int) -> str:
    nouns, adjectives = _NOUNS.split(), _ADJECTIVES.split()
    number, noun = divmod(number, len(nouns))
    words = [nouns[noun]]
    for place in range(length - 1):
        number, adjective = divmod(number, len(adjectives))
        words.insert(0, adjectives[(adjective + 7 * place) % len(adjectives)])
    return " ".join(words)


def check_names(names: tuple[str, ...], clip: Clip) -> None:
    """Raise ValueError where names are not what `class_names` promises of whole hundreds."""
    suffixes = [len(clip.tokenizer.encode(f"{name}.")) + 1 for name in names]
    mean, least, most = statistics.mean(suffixes), min(suffixes), max(suffixes)
    if (mean, least, most, len(set(names))) != (5, 3, 8, len(names)):
        raise ValueError(f"suffixes of {least} to {most} tokens, {mean} on average; or twins")


_LENGTHS = [1] * 10 + [2] * 24 + [3] * 37 + [4] * 18 + [5] * 7 + [6] * 4

# There are 100 one-word names; lengths that made up for them go with them.
_LENGTHS_WITHOUT_ONE = [2] * 24 + [3] * 56 + [4] * 18 + [6] * 2

_ADJECTIVES = """
black white red blue green yellow brown grey golden silver small large tall short round flat old
new young wild wooden metal glass paper stone plastic heavy light dark bright sweet sour hot cold
wet dry soft hard smooth long
"""

_NOUNS = """
apple arch axe baby bag ball band bank bar barn basket bat beach bear bed bee bell belt bike bird
boat book boot bottle bowl box boy bread bridge brush bus cake camera camp can candle cap car cat
chain chair church clock cloud coat coin corn couch cow crab cup deer desk dog doll door dress drum
duck eagle egg fan farm fish flag flower fork fox frog game gate girl goat guitar gun hammer hat
hawk horse house jar key king kite knife lake lamp leaf lion lizard map mask monkey moon mouse mug
ocean owl pan park pear
"""


def machine() -> str:
    """What the figures depend on."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    cpu = models[0] if models else platform.processor() or platform.machine()
    threads = torch.get_num_threads()
    return f"{cpu}, {os.cpu_count()} cores, {threads} threads, torch {torch.__version__}"


def print_table(lines: list[dict[str, Any]]) -> None:
    """All rows that are there, in Markdown, and where they were measured."""
    print("| case | plain | fast | ratio | wanted |\n|---|---|---|---|---|")
    for row in (row for line in lines for row in line["rows"]):
        figures = [_figure(row.get(side), row["unit"]) for side in ("plain", "fast")]
        ratio = f"{row['ratio']:.2f}" if "ratio" in row else ""
        print(f"| {row['case']} | {' | '.join(figures)} | {ratio} | {row['wanted']} |")
    for where in dict.fromkeys(line["machine"] for line in lines):
        print(f"\nMeasured on {where}.")


def _figure(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{1000 * value:.1f} ms" if unit == "s" and value < 1 else f"{value:.2f} {unit}"


def run_missing(log: Path, only: str, repetitions: int | None) -> None:
    """Append a line for every case that has none."""
    done = {line["key"] for line in logged(log)}
    for case in cases():
        if case.name in done or only not in case.name:
            continue
        start = time.perf_counter()
        rows = run_case(case, repetitions or case.repetitions)
        append(log, {"key": case.name, "machine": machine(), "rows": rows})
        print(f"{case.name}: {time.perf_counter() - start:.0f} s in all", flush=True)


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, help="folder of the log")
    parser.add_argument("--only", default="", metavar="TEXT", help="cases whose name has it")
    parser.add_argument("--repetitions", type=int, help="turns, where not as usual")
    parser.add_argument("--print", action="store_true", help="print what is there, run nothing")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(*options.measure)))
        return
    if options.work is None:
        parser.error("--work is missing")
    log = options.work / "speed.jsonl"
    if not options.print:
        run_missing(log, options.only, options.repetitions)
    print_table(logged(log))


if __name__ == "__main__":
    main()
