"""How time and memory grow with files, classes and rows: a process for each size, as Markdown.

    python -m benchmarks.curves names 100000 500000 2000000
    python -m benchmarks.curves classes 100 1000 10000
    python -m benchmarks.curves tables 1000000 5000000 10000000 --work WORK

Processor time, so that other work on the machine does not show, and the peak memory of the process.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.growth_tables import write_both

_ROOT = Path(__file__).parents[1]
_COMMANDS = {
    "check": ("check", "{new}", "--fail-on", "noise_rate>0.9"),
    "check --baseline": ("check", "{new}", "--baseline", "{old}", "--exit-zero"),
    "export --to csv": ("export", "{new}", "--to", "csv", "-o", "{work}/out.csv", "--overwrite"),
    "select": ("select", "{new}", "-o", "{work}/out.parquet", "--threshold", "0.7", "--overwrite"),
    "report --images 0": ("report", "{new}", "--images", "0", "-o", "{work}/o.html", "--overwrite"),
}


def run(*words: object) -> tuple[float, float, str]:
    """A module in a process of its own: CPU seconds, peak memory in GB, what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", *map(str, words)]
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        said = out.read()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed: {said}")
    unit = 1 if sys.platform == "darwin" else 1024
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit / 1e9, said


def parts(part: str, sizes: list[int]) -> None:
    """What `growth_parts` measures, at every size."""
    for number, size in enumerate(sizes):
        _, peak, said = run("benchmarks.growth_parts", part, size)
        found = {**json.loads(said), "peak GB": peak}
        if not number:
            print(f"| {part} | {' | '.join(found)} |\n|{'---|' * (len(found) + 1)}")
        print(f"| {size:,} | {' | '.join(f'{each:.3g}' for each in found.values())} |", flush=True)


def tables(work: Path, sizes: list[int]) -> None:
    """The commands that read tables alone, at every number of rows."""
    work.mkdir(exist_ok=True)
    print(f"| rows | {' | '.join(_COMMANDS)} |\n|{'---|' * (len(_COMMANDS) + 1)}")
    for rows in sizes:
        new, old = write_both(work, rows)
        cells = []
        for words in _COMMANDS.values():
            given = [word.format(new=new, old=old, work=work) for word in words]
            seconds, peak, _ = run("deftclean", *given)
            cells.append(f"{seconds:.1f} s, {peak:.2f} GB")
        print(f"| {rows:,} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("names", "fill", "classes", "tables"))
    parser.add_argument("sizes", type=int, nargs="+")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "curves")
    options = parser.parse_args()
    if options.what == "tables":
        tables(options.work, options.sizes)
    else:
        parts(options.what, options.sizes)


if __name__ == "__main__":
    main()
