"""Data sets with wrong labels of known truth, for `benchmarks.arena`."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from deftclean.datasets.corrupt import corrupt
from deftclean.datasets.demo import write_demo
from deftclean.datasets.options import NoiseKind, NoiseOptions
from deftclean.settings.detector import Noise


@dataclass(frozen=True)
class Files:
    """What is scanned, and what it is compared with.

    Attributes:
        images: folder.
        labels: table of them.
        truth: the true label of each file name.
    """

    images: Path
    labels: Path
    truth: dict[str, str]

    @property
    def wrong(self) -> float:
        """Share of the labels that is wrong."""
        given = _column(self.labels, "label")
        return sum(label != self.truth[name] for name, label in given.items()) / len(given)


@dataclass(frozen=True)
class Cell:
    """A data set with one kind and share of noise.

    Attributes:
        data: `worse`, `random1`, `aggregate` (label sets of CIFAR-10N), `cifar100`, `signs` or
            `digits`.
        noise: how labels are drawn; None for those that the data have.
        ratio: what is asked of it; of `symmetric` the share that gets a random label, which may be
            the true one.
        name: in tables.
        tuned: whether it is measured with a visual tuner, too.
    """

    data: str
    noise: Literal["symmetric", "instance-dependent"] | None
    ratio: float
    name: str
    tuned: bool = False

    @property
    def human(self) -> bool:
        """Whether people made the errors."""
        return self.data in ("worse", "random1", "aggregate")

    @property
    def preset(self) -> Noise:
        """For the detectors."""
        return "real" if self.human else "synthetic"

    def files(self, data: Path, folder: Path, seed: int) -> Files:
        """Write what has to be written.

        Args:
            data: with the folders `cifar10n`, `cifar100` and `signs`.
            folder: for what is made; empty.
            seed: of labels that are drawn.
        """
        if self.human:
            source = data / "cifar10n"
            truth = source / "truth.csv"
            labels = folder / "labels.csv"
            _write(labels, _column(truth, f"{self.data}_label"))
            return Files(source / "images", labels, _column(truth, "true_label"))
        if self.data == "digits":
            made = write_demo(folder / "digits", seed)
            return Files(made.images, made.labels, _column(made.truth, "true_label"))
        if self.data == "signs":
            images, truth = data / "signs" / "images", data / "signs" / "truth.csv"
            if self.noise is None:
                labels = data / "signs" / "labels.csv"
                return Files(images, labels, _column(truth, "true_label"))
            right = folder / "right.csv"
            _write(right, _column(truth, "true_label"))
            return _noisy(images, right, folder, NoiseOptions(self.noise, self.ratio, seed))
        kind: NoiseKind = self.noise or "symmetric"
        return _noisy(data / "cifar100", None, folder, NoiseOptions(kind, self.ratio, seed))


# Of the signs such a share of random labels that so many become wrong.
CELLS = (
    Cell("worse", None, 0.0, "worse", tuned=True),
    Cell("random1", None, 0.0, "random1"),
    Cell("aggregate", None, 0.0, "aggregate"),
    Cell("cifar100", "symmetric", 0.2, "cifar100-symmetric-0.2"),
    Cell("cifar100", "symmetric", 0.4, "cifar100-symmetric-0.4", tuned=True),
    Cell("cifar100", "symmetric", 0.6, "cifar100-symmetric-0.6"),
    Cell("cifar100", "symmetric", 0.8, "cifar100-symmetric-0.8"),
    Cell("cifar100", "instance-dependent", 0.2, "cifar100-instance-0.2"),
    Cell("cifar100", "instance-dependent", 0.4, "cifar100-instance-0.4"),
    Cell("signs", "symmetric", 0.1 * 10 / 9, "signs-0.1"),
    Cell("signs", None, 0.0, "signs-0.3", tuned=True),
    Cell("signs", "symmetric", 0.5 * 10 / 9, "signs-0.5"),
    Cell("digits", None, 0.0, "digits-0.2"),
)


def _noisy(images: Path, labels: Path | None, folder: Path, noise: NoiseOptions) -> Files:
    made = corrupt(images, labels, output=folder / "labels.csv", options=noise)
    return Files(images, made.output, _column(made.truth, "true_label"))


def _column(path: Path, name: str) -> dict[str, str]:
    with path.open(newline="", encoding="utf-8") as file:
        return {row["file_name"]: row[name] for row in csv.DictReader(file)}


def _write(path: Path, labels: dict[str, str]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file_name", "label"])
        writer.writerows(labels.items())
