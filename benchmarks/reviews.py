"""What a person's decisions are worth: a scan, a review by somebody who knows the truth, a scan.

    python -m benchmarks.reviews [--data DATA] [--cells NAME...] [--seeds 0 1 2]

Two kinds of review: `audit`, a random sample, half flagged and half kept, and `worst`, the rows
with the lowest `clean_prob`. The calibration error is that of the other rows, before and after.
OUTPUT.csv has a line for each review, OUTPUT.md the means over the seeds.
"""

import argparse
import csv
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

import deftclean
from benchmarks.arena_cells import CELLS, Cell
from benchmarks.arena_figures import calibration_error
from deftclean.table.audit import audited, draw
from deftclean.table.reviewed import Decisions, apply_decisions
from deftclean.table.scores import ScoreTable, read_scores, write_scores
from deftclean.table.ways import image_root, labels_file

REVIEWS = (("audit", 100), ("audit", 400), ("worst", 100), ("worst", 400))


@dataclass(frozen=True)
class Figures:
    """One review.

    Attributes:
        cell, seed, review, rows: which.
        wrong: the true share of wrong labels.
        before, after: as the scan estimates it.
        low, high: the interval after.
        proved_low, proved_high: what the audit proves; 0 and 1 where the rows are no sample.
        ece_before, ece_after: calibration error of the other rows.
    """

    cell: str
    seed: int
    review: str
    rows: int
    wrong: float
    before: float
    after: float
    low: float
    high: float
    proved_low: float
    proved_high: float
    ece_before: float
    ece_after: float


def measure(cell: Cell, data: Path, seed: int) -> list[Figures]:
    """All reviews of one cell."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = cell.files(data, folder, seed)
        first = folder / "first.parquet"
        _scan(cell, [files.images, files.labels], first, seed)
        scores = read_scores(first)
        names = scores.table["file_name"].to_pylist()
        truth = np.array([files.truth[each] for each in names], dtype=object)
        found = []
        for review, rows in REVIEWS:
            if review == "audit":
                sample = draw(scores, rows)
                places = sample.places
                marks: list[str | None] = list(sample.marks)
            else:
                places = np.argsort(scores.table["clean_prob"].to_numpy(), kind="stable")[:rows]
                marks = [None] * rows
            made = reviewed(scores, truth, places, marks)
            table = folder / f"{review}-{rows}.parquet"
            root, labels = image_root(scores.metadata, first), labels_file(scores.metadata, first)
            write_scores(made, table, root, True, labels)
            _scan(cell, [table], folder / "second.parquet", seed)
            second = read_scores(folder / "second.parquet")
            found.append(_figures(cell, seed, review, truth, places, (scores, made, second)))
            print(found[-1], flush=True)
    return found


def _scan(cell: Cell, data: Sequence[Path], output: Path, seed: int) -> None:
    deftclean.scan(
        *data,
        output=output,
        overwrite=True,
        noise=cell.preset,
        settings={"seed": seed, "tuner": "none"},
        run=deftclean.RunOptions(model="nano", device="cpu"),
    )


def reviewed(
    scores: ScoreTable,
    truth: NDArray[np.object_],
    places: NDArray[np.int64],
    marks: Sequence[str | None],
) -> ScoreTable:
    """The table after a person who knows the truth has looked at some rows.

    Args:
        scores: N rows.
        truth: (N,) the true labels.
        places: (n,) rows, in any order.
        marks: (n,) the sample that each was drawn in, or None.
    """
    order = np.argsort(places)
    places = places[order]
    given = np.array(scores.table["given_label"].to_pylist(), dtype=object)[places]
    right = given == truth[places]
    nobody = pa.nulls(len(places), pa.string())
    decisions = Decisions(
        places,
        pa.array(np.where(right, "keep", "relabel").tolist(), pa.string()),
        pa.array(truth[places].tolist(), pa.string(), mask=right.astype(bool)),
        nobody,
        nobody,
        pa.array([marks[at] for at in order], pa.string()),
    )
    return apply_decisions(scores, decisions)


def _figures(
    cell: Cell,
    seed: int,
    review: str,
    truth: NDArray[np.object_],
    places: NDArray[np.int64],
    tables: tuple[ScoreTable, ScoreTable, ScoreTable],
) -> Figures:
    first, made, second = tables
    right = np.asarray(np.array(first.table["given_label"].to_pylist(), dtype=object) == truth)
    others = np.setdiff1d(np.arange(len(right)), places)
    before, after = (t.metadata["evidence"]["estimated_noise"] for t in (first, second))
    proved = audited(made)
    ece = [
        calibration_error(right[others], t.table["clean_prob"].to_numpy()[others].astype(float))
        for t in (first, second)
    ]
    return Figures(
        cell.name,
        seed,
        review,
        len(places),
        float((~right).mean()),
        before["estimate"],
        after["estimate"],
        after["low"],
        after["high"],
        0.0 if proved is None else proved.noise.low,
        1.0 if proved is None else proved.noise.high,
        *ece,
    )


def page(found: Sequence[Figures]) -> str:
    """Means over the seeds."""
    lines = [
        "| data | review | wrong | estimated before | after | interval holds the truth | "
        "proved interval, holds | ECE of the others before | after |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for key in dict.fromkeys((f.cell, f.review, f.rows) for f in found):
        group = [f for f in found if (f.cell, f.review, f.rows) == key]
        mean = {
            field.name: float(np.mean([getattr(f, field.name) for f in group]))
            for field in fields(Figures)
            if field.type is float
        }
        holds = sum(f.low <= f.wrong <= f.high for f in group)
        proved = "-"
        if key[1] == "audit":
            sure = sum(f.proved_low <= f.wrong <= f.proved_high for f in group)
            low, high = mean["proved_low"], mean["proved_high"]
            proved = f"[{low:.3f}, {high:.3f}], {sure} of {len(group)}"
        lines.append(
            f"| {key[0]} | {key[1]} {key[2]} | {mean['wrong']:.3f} | {mean['before']:.3f} | "
            f"{mean['after']:.3f} | [{mean['low']:.3f}, {mean['high']:.3f}], {holds} of "
            f"{len(group)} | {proved} | {mean['ece_before']:.3f} | {mean['ece_after']:.3f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, then write."""
    cells = {cell.name: cell for cell in CELLS}
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    usual = ["worse", "random1", "aggregate", "signs-0.3", "cifar100-symmetric-0.4"]
    parser.add_argument("--cells", nargs="+", choices=list(cells), default=usual)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results/reviews"))
    options = parser.parse_args()
    found = [
        figures
        for name in options.cells
        for seed in options.seeds
        for figures in measure(cells[name], options.data, seed)
    ]
    with options.output.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Figures)])
        writer.writeheader()
        writer.writerows(asdict(figures) for figures in found)
    options.output.with_suffix(".md").write_text(page(found), encoding="utf-8")


if __name__ == "__main__":
    main()
