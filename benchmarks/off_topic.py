"""How well pictures that fit no class are told, with pictures of other data mixed in.

    python -m benchmarks.off_topic HOST STRANGERS [--rows 1500] [--count 15] [--model nano]

HOST is a folder with `labels.csv` (`file_name`, `label`); of it, some rows are taken at random, and
pictures from below STRANGERS are put among them with labels drawn at random. The table is made by
an ordinary scan without a tuner. One line: how many rows are `off_topic`, which share of them are
strangers, and which share of the strangers they are.
"""

import argparse
import csv
import random
import shutil
import tempfile
from pathlib import Path

import deftclean

_SUFFIXES = {".jpg", ".jpeg", ".png"}


def rows_of(host: Path) -> dict[Path, str]:
    """Label by picture."""
    with (host / "labels.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.reader(file))[1:]
    named = {path.name: path for path in host.rglob("*") if path.suffix.lower() in _SUFFIXES}
    return {named[Path(line[0]).name]: line[1] for line in lines}


def mixed(options: argparse.Namespace, home: Path) -> None:
    """The pictures and `labels.csv` in a new folder; strangers are named `stranger-...`."""
    draw = random.Random(options.seed)  # noqa: S311 - no secret
    labels = rows_of(options.host)
    classes = sorted(set(labels.values()))
    chosen = draw.sample(sorted(labels), options.rows)
    others = sorted(p for p in options.strangers.rglob("*") if p.suffix.lower() in _SUFFIXES)
    rows = []
    for path in chosen:
        shutil.copy(path, home / path.name)
        rows.append((path.name, labels[path]))
    for at, path in enumerate(draw.sample(others, options.count)):
        name = f"stranger-{at}{path.suffix}"
        shutil.copy(path, home / name)
        rows.append((name, draw.choice(classes)))
    draw.shuffle(rows)
    with (home / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("file_name", "label"), *rows])


def main() -> None:
    """Measure one mixture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("host", type=Path)
    parser.add_argument("strangers", type=Path)
    parser.add_argument("--rows", type=int, default=1500)
    parser.add_argument("--count", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default="nano")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        mixed(options, home)
        run = deftclean.RunOptions(model=options.model, cache=False)
        result = deftclean.scan(
            home,
            home / "labels.csv",
            output=home / "clean.parquet",
            settings={"tuner": "none", "seed": options.seed},
            run=run,
        )
    table = result.scores.table.select(["file_name", "kind"]).to_pylist()
    odd = [row["file_name"] for row in table if row["kind"] == "off_topic"]
    found = [name.startswith("stranger") for name in odd]
    names = (
        f"{options.count} of {options.strangers.name} in {options.rows:,} of {options.host.name}"
    )
    right = f"{sum(found) / len(found):.0%}" if found else "-"
    print(f"| {names} | {len(found)} | {right} | {sum(found) / max(options.count, 1):.0%} |")


if __name__ == "__main__":
    main()
