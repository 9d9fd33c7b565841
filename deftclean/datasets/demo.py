"""A small real data set to try deftclean on: scikit-learn's handwritten digits, 20 % mislabelled.

The built-in model has not seen these 1,000 digits.
"""

import shlex
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.core.errors import UsageError
from deftclean.core.metrics import SelectionMetrics, selection_metrics
from deftclean.core.switch import recover, whole_folder
from deftclean.core.tables import read_table, write_table
from deftclean.stores.door import opens_urls
from deftclean.table.scores import ScoreTable
from deftclean.table.slim import WrittenScores

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

_COUNT = 1000
_MARGIN = 2  # black pixels around the 8 x 8 digit
_FLIPPED = 0.2


@dataclass(frozen=True)
class DemoSet:
    """Files of the demonstration data set.

    Attributes:
        folder: holds all of it.
        images: PNG files.
        labels: CSV with columns `file_name` and `label`.
        truth: CSV with columns `file_name` and `true_label`.
    """

    folder: Path

    @property
    def images(self) -> Path:
        """The image folder."""
        return self.folder / "images"

    @property
    def labels(self) -> Path:
        """Given labels."""
        return self.folder / "labels.csv"

    @property
    def truth(self) -> Path:
        """True labels."""
        return self.folder / "truth.csv"

    @property
    def output(self) -> Path:
        """The score table that the demonstration writes."""
        return self.folder / "clean.parquet"

    def command(self, seed: int) -> str:
        """The scan command that the demonstration runs, to be copied."""
        words = [
            "deftclean",
            "scan",
            str(self.images),
            str(self.labels),
            "--model",
            "nano",
            "--noise",
            "synthetic",
            "--no-flip",
            "-o",
            str(self.output),
        ]
        return shlex.join(words + (["--seed", str(seed)] if seed else []))


@opens_urls(local={"folder": "demo writes its pictures to a local disk."})
def write_demo(folder: Path, seed: int, *, resume: bool = False) -> DemoSet:
    """Write the data set into a new folder, whole or not at all.

    Args:
        folder: must not exist.
        seed: of the flipped labels.
        resume: take the folder as it is where it holds this data set already.

    Raises:
        UsageError: the folder exists, or holds something else.
        RunError: it cannot be written.
    """
    from sklearn.datasets import load_digits

    recover(folder)
    digits = load_digits()
    first = len(digits.images) - _COUNT
    names = [f"digit_{first + index:04d}.png" for index in range(_COUNT)]
    true = digits.target[first:].astype(np.int64)
    given = flip_labels(true, len(DIGITS), _FLIPPED, seed)
    labels, truth = _table(names, "label", given), _table(names, "true_label", true)
    made = DemoSet(folder)
    if folder.exists():
        _refuse(made, resume, labels, truth)
        return made
    if not folder.parent.is_dir():
        raise UsageError(f"The folder {folder.parent} does not exist.", "Make it first.")
    with whole_folder(folder, overwrite=False) as temporary:
        written = DemoSet(temporary)
        _write_pictures(written.images, names, digits.images[first:])
        write_table(labels, written.labels, ".csv")
        write_table(truth, written.truth, ".csv")
    return made


def _table(names: list[str], column: str, classes: NDArray[np.int64]) -> pa.Table:
    return pa.table({"file_name": names, column: [DIGITS[each] for each in classes]})


def _write_pictures(folder: Path, names: list[str], pixels: NDArray[np.float64]) -> None:
    from PIL import Image

    folder.mkdir()
    for name, digit in zip(names, pixels, strict=True):
        grey = np.pad((digit * 255 / 16).round().astype(np.uint8), _MARGIN)
        Image.fromarray(grey).save(folder / name)


def _refuse(found: DemoSet, resume: bool, labels: pa.Table, truth: pa.Table) -> None:
    """Refuse a folder that is there.

    Raises:
        UsageError: it may not be gone on with, or holds another data set.
    """
    other = "Give another folder: deftclean demo other-folder"
    if not resume:
        raise UsageError(f"{found.folder} exists already.", f"{other}; or go on with --resume.")
    same = all(
        path.is_file() and read_table(path, None, None).equals(table)
        for path, table in ((found.labels, labels), (found.truth, truth))
    )
    pictures = [found.images / name for name in labels["file_name"].to_pylist()]
    if not (same and all(path.is_file() for path in pictures)):
        raise UsageError(
            f"{found.folder} holds something else than the demonstration with this --seed.", other
        )


def flip_labels(
    labels: NDArray[np.int64], classes: int, share: float, seed: int
) -> NDArray[np.int64]:
    """Give round(share · N) randomly chosen labels another, uniformly drawn class.

    Not `symmetric` of `noise.py`, which may draw the true class again: here the share is exact.

    Args:
        labels: (N,) in 0..classes-1.
        classes: K.
        share: in [0, 1].
        seed: of the draw.
    """
    random = np.random.default_rng(seed)
    chosen = random.choice(len(labels), size=round(share * len(labels)), replace=False)
    flipped = labels.copy()
    flipped[chosen] = (labels[chosen] + random.integers(1, classes, size=len(chosen))) % classes
    return flipped


def compare_with_truth(scores: ScoreTable | WrittenScores, truth: Path) -> SelectionMetrics:
    """How well a score table of the demonstration found the flipped labels."""
    known, table = read_table(truth, None, None), scores.table
    rows = pc.index_in(table["file_name"], value_set=known["file_name"])
    right = pc.equal(table["given_label"], known["true_label"].take(rows))
    return selection_metrics(right, table["keep"], table["clean_prob"])
