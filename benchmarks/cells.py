"""Cells that `deftclean bench` has run, as the files of `benchmarks/results/`.

    python -m benchmarks.cells GRID FOLDER... --results benchmarks/results/

GRID is the grid file, FOLDERs are the `-o` of commands that ran it, or parts of it. Of cells that
stand in several folders the last one counts. Written are NAME.csv, the columns that are not empty,
and NAME.md, the tables as `bench` makes them; NAME is the grid file's.
"""

import argparse
from pathlib import Path
from typing import Any

import pandas as pd

from deftclean.experiments.choose import chosen_cells
from deftclean.experiments.results import Results, cell_name
from deftclean.experiments.tables import grid_tables, markdown_page

# They stand for the others, are the same in every row, or say nothing to a reader.
_LEFT_OUT = (
    *("key", "cell", "how", "data", "noise", "ratio", "strategy", "model", "published", "warnings"),
    *("scored", "judged", "tested_on", "scan_seconds", "adapt_seconds", "weights_sha256"),
    *("backbone_sha256", "all_rows", "tool_version", "precision_mode", "error"),
)


def gathered(grid: Path, folders: list[Path]) -> list[dict[str, Any]]:
    """A row for each cell of the grid, in its order."""
    found = {row["cell"]: row for folder in folders for row in Results.read(folder).rows}
    names = [cell_name(cell) for cell in chosen_cells(grid).cells]
    missing = [name for name in names if name not in found or found[name]["error"] is not None]
    if missing:
        raise SystemExit(f"{len(missing)} of {len(names)} cells of {grid} have no figures")
    return [found[name] for name in names]


def main() -> None:
    """Write both files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("grid", type=Path)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--results", type=Path, required=True)
    options = parser.parse_args()
    rows = gathered(options.grid, options.folders)
    table = pd.DataFrame(rows).drop(columns=list(_LEFT_OUT)).dropna(axis="columns", how="all")
    counts = table.columns.intersection(["limit_rows", "trained_on"])
    table = table.astype(dict.fromkeys(counts, "Int64")).round(4)
    name = options.grid.stem
    table.to_csv(options.results / f"{name}.csv", index=False)
    page = markdown_page(grid_tables(rows))
    (options.results / f"{name}.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
