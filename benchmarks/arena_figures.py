"""One run of `benchmarks.arena` in figures, and the file that they stand in."""

import csv
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_BINS = 15

Key = tuple[str, str, str, int]
"""Cell, tuner, recipe and seed."""


@dataclass(frozen=True)
class Run:
    """One scan, compared with the truth.

    Attributes:
        cell, tuner, recipe, seed: which.
        rows: that were judged.
        auroc: of `clean_prob`.
        f1: of the wrong labels, at the recipe's own decision.
        best_f1: at the best threshold of all.
        wrong: share of the labels that is wrong.
        estimate: of it; of other recipes than `evidence` the share that was not kept.
        low, high: its interval; None where there is none.
        ece: of `clean_prob`.
        seconds: wall time of the scan.
    """

    cell: str
    tuner: str
    recipe: str
    seed: int
    rows: int
    auroc: float
    f1: float
    best_f1: float
    wrong: float
    estimate: float
    low: float | None
    high: float | None
    ece: float
    seconds: float

    @property
    def key(self) -> Key:
        """No two runs share it."""
        return self.cell, self.tuner, self.recipe, self.seed

    @property
    def line(self) -> str:
        """For the terminal."""
        return (
            f"{' '.join(map(str, self.key))}: AUROC {self.auroc:.3f}, F1 {self.f1:.3f} of "
            f"{self.best_f1:.3f}, wrong {self.wrong:.3f} ~ {self.estimate:.3f} "
            f"[{self.low or 0:.3f}, {self.high or 0:.3f}], ECE {self.ece:.3f}, "
            f"{self.seconds:.0f} s"
        )

    @property
    def collapsed(self) -> bool:
        """Whether there are no figures."""
        return not self.rows

    @property
    def decision(self) -> float:
        """F1 at its own decision, as a share of that at the best threshold."""
        return self.f1 / self.best_f1

    @property
    def miss(self) -> float:
        """How far the estimated share of wrong labels lies from the true one."""
        return abs(self.estimate - self.wrong)

    @property
    def covers(self) -> bool:
        """Whether the interval holds the true share."""
        return (
            self.low is not None and self.high is not None and self.low <= self.wrong <= self.high
        )


def best_wrong_f1(right: NDArray[np.bool_], score: NDArray[np.float64]) -> float:
    """The highest F1 of the wrong labels that any threshold reaches.

    By hand: scores 0.1, 0.2, 0.3 of a wrong, a right and a wrong label: flagging one gives
    2·1/(1 + 2), two 2·1/(2 + 2), three 2·2/(3 + 2) = 0.8.

    Args:
        right: (n,) whether each label is right; not all are.
        score: (n,) higher = more likely right.
    """
    order = np.argsort(score, kind="stable")
    found = np.cumsum(~right[order])
    last = np.append(np.diff(score[order]) > 0, True)  # rows of one score are flagged together
    flagged = np.arange(1, len(score) + 1)
    return float((2 * found / (flagged + found[-1]))[last].max())


def calibration_error(right: NDArray[np.bool_], prob: NDArray[np.float64]) -> float:
    """ECE: how far probabilities and shares are apart, in 15 bins of equal width.

    By hand: of four labels said to be right with 0.9, three are: |0.75 - 0.9| = 0.15.

    Args:
        right: (n,) whether each label is right.
        prob: (n,) that it is, in [0, 1].
    """
    bins = np.minimum((prob * _BINS).astype(np.int64), _BINS - 1)
    gaps = np.bincount(bins, weights=right - prob, minlength=_BINS)
    return float(np.abs(gaps).sum() / len(prob))


def failed(cell: str, tuner: str, recipe: str, seed: int) -> Run:
    """A run whose training collapsed: it found nothing, and has no figures."""
    nan = float("nan")
    return Run(cell, tuner, recipe, seed, 0, *(nan,) * 5, None, None, nan, nan)


# ---------------------------------------------------------------- the file


def read_runs(path: Path) -> list[Run]:
    """Runs that stand in a CSV file; none where there is no file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [_run(line) for line in csv.DictReader(file)]


def add_run(path: Path, run: Run) -> None:
    """Append a run to the file."""
    names = [field.name for field in fields(Run)]
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        if new:
            writer.writeheader()
        values = asdict(run)
        writer.writerow(
            {name: f"{v:.4f}" if isinstance(v, float) else v for name, v in values.items()}
        )


def _run(line: dict[str, str]) -> Run:
    def number(name: str) -> float | None:
        return float(line[name]) if line[name] else None

    return Run(
        line["cell"],
        line["tuner"],
        line["recipe"],
        int(line["seed"]),
        int(line["rows"]),
        float(line["auroc"]),
        float(line["f1"]),
        float(line["best_f1"]),
        float(line["wrong"]),
        float(line["estimate"]),
        number("low"),
        number("high"),
        float(line["ece"]),
        float(line["seconds"]),
    )
