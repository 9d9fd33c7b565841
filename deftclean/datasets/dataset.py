"""Public data sets by name, and the command `dataset`: tables (and pictures) that `scan` reads.

Nothing is fetched: the files lie there already, as their authors publish them.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import get_args

import pyarrow as pa
import pyarrow.compute as pc

from deftclean.core.errors import UsageError
from deftclean.core.outputs import check_name, check_output, refuse_foreign
from deftclean.core.progress import Progress, Silent
from deftclean.core.results import Shown
from deftclean.core.switch import whole_folder
from deftclean.core.tables import write_table
from deftclean.datasets.cifar import (
    HUMAN_LABELS,
    load_cifar10,
    load_cifar10n,
    load_cifar100,
    load_cifar100n,
)
from deftclean.datasets.image_sets import load_cars, load_cub, load_tiny_imagenet
from deftclean.datasets.options import DatasetName, DatasetOptions
from deftclean.datasets.public_sets import PublicSet
from deftclean.datasets.truth import truth_table
from deftclean.datasets.web_sets import (
    load_animal10n,
    load_clothing1m,
    load_food101n,
    load_webvision,
)
from deftclean.stores.door import opens_urls

_ON_DISK = "dataset reads public sets from a local disk, and writes beside them."

NOISY_SETS: tuple[DatasetName, ...] = (
    *("cifar10n", "cifar100n", "clothing1m", "webvision", "food-101n", "animal-10n"),
)
"""Those whose labels are wrong in part as they are published."""

_TRAINING_ONLY = ("cifar10n", "cifar100n", "food-101n")


@dataclass(frozen=True, repr=False)
class DatasetResult(Shown):
    """What `dataset` made.

    Attributes:
        output: the folder.
        root: the folder of the pictures: `images/` in the output, or the data set's own.
        labels: table of `file_name` and `label`.
        truth: table of `file_name`, `true_label` and `wrong`.
        rows: N.
        classes: K.
        judged: rows of which it is known whether their label is wrong.
        wrong: of those, how many are.
        seconds: wall time.
    """

    output: Path
    root: Path
    labels: Path
    truth: Path
    rows: int
    classes: int
    judged: int
    wrong: int
    seconds: float

    def facts(self) -> Mapping[str, object]:
        """What a notebook shows."""
        return {
            "rows": self.rows,
            "classes": self.classes,
            "known wrong": self.wrong if self.judged else None,
            "labels": self.labels,
            "truth": self.truth,
        }


@opens_urls(local={"root": _ON_DISK})
def load_dataset(
    name: DatasetName, root: str | Path, options: DatasetOptions | None = None
) -> PublicSet:
    """Rows of a public data set.

    Args:
        name: of the data set.
        root: its folder, as published.
        options: which part of it.

    Raises:
        UsageError: an option that the data set does not know.
        InputError: files are missing or damaged; what has to lie where, and where it is published.
    """
    root, options = Path(root), options or DatasetOptions()
    _check_options(name, options)
    split = options.split
    match name:
        case "cifar10":
            return load_cifar10(root, split)
        case "cifar100":
            return load_cifar100(root, split)
        case "cifar10n":
            return load_cifar10n(root, options.labels or "worse")
        case "cifar100n":
            return load_cifar100n(root)
        case "tiny-imagenet":
            return load_tiny_imagenet(root, split)
        case "stanford-cars":
            return load_cars(root, split)
        case "cub-200-2011":
            return load_cub(root, split)
        case "clothing1m":
            return load_clothing1m(root, split, options.balanced, options.seed)
        case "webvision":
            return load_webvision(root, split, options.classes or 50)
        case "food-101n":
            return load_food101n(root)
        case "animal-10n":
            return load_animal10n(root, split)


def _check_options(name: str, options: DatasetOptions) -> None:
    if name not in get_args(DatasetName):
        raise UsageError(f"There is no data set {name!r}.", f"{', '.join(get_args(DatasetName))}")
    problems = []
    if options.labels is not None and name != "cifar10n":
        problems.append("--labels is for cifar10n")
    if options.labels is not None and options.labels not in HUMAN_LABELS:
        problems.append(f"--labels is one of {', '.join(HUMAN_LABELS)}")
    if options.classes is not None and name != "webvision":
        problems.append("--classes is for webvision")
    if options.classes is not None and not 2 <= options.classes <= 1000:
        problems.append(f"--classes is {options.classes}; it must be from 2 to 1000")
    if options.balanced and (name, options.split) != ("clothing1m", "train"):
        problems.append("--balanced is for clothing1m's split train")
    if name in _TRAINING_ONLY and options.split != "train":
        problems.append(f"{name} has the split train only")
    if problems:
        raise UsageError(f"{'; '.join(problems)}.", "See deftclean dataset --help.")


@opens_urls(local={"root": _ON_DISK, "output": _ON_DISK})
def dataset(
    name: DatasetName,
    root: str | Path,
    *,
    output: str | Path,
    options: DatasetOptions | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> DatasetResult:
    """Write a public data set as tables that `scan` reads, whole or not at all.

    Args:
        name: of the data set.
        root: its folder, as published.
        output: folder for labels.csv and truth.csv, and images/ where pictures are not files.
        options: which part of it.
        overwrite: replace an existing output folder.
        progress: told what happens; nobody by default.

    Raises:
        UsageError: as `load_dataset`, or the output exists.
        RunError: the disk is full.
    """
    began = time.monotonic()
    output = Path(output)
    _check_output(output, Path(root), overwrite)
    found = load_dataset(name, root, options)
    labels = pa.table({"file_name": found.file_names, "label": found.given})
    with whole_folder(output, overwrite) as folder:
        write_table(labels, folder / "labels.csv", ".csv")
        truth = truth_table(found.file_names, found.true, found.wrong)
        write_table(truth, folder / "truth.csv", ".csv")
        if found.pixels:
            _write_pictures(found, folder / "images", progress or Silent())
    return DatasetResult(
        output=output,
        root=output / "images" if found.pixels else found.root,
        labels=output / "labels.csv",
        truth=output / "truth.csv",
        rows=len(found),
        classes=len(found.class_names),
        judged=len(found) - found.wrong.null_count,
        wrong=pc.sum(found.wrong).as_py() or 0,
        seconds=time.monotonic() - began,
    )


def _check_output(output: Path, root: Path, overwrite: bool) -> None:
    check_name(output)
    if overwrite and output.is_dir():
        if output.resolve() in (root.resolve(), *root.resolve().parents):
            raise UsageError(f"-o {output} holds the data set itself.", "Choose another -o.")
        why = "is no output of this command; it is not replaced."
        refuse_foreign(output, ("labels.csv", "truth.csv"), why, "Choose another -o.")
        return
    check_output(output, overwrite)


def _write_pictures(found: PublicSet, folder: Path, progress: Progress) -> None:
    from PIL import Image

    folder.mkdir()
    pictures = chain.from_iterable(found.pixels)
    with progress.stage("Writing pictures", len(found)) as advance:
        for name, pixels in zip(found.file_names.to_pylist(), pictures, strict=True):
            Image.fromarray(pixels.transpose(1, 2, 0)).save(folder / name)
            advance(1, "")
