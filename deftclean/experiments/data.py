"""The rows of a cell: pictures, labels with their noise, the truth, and rows to test on.

Made once for each choice of data, noise, ratio and seed, whole or not at all, and kept in a folder.
No torch, except to read CIFAR-N's labels.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from deftclean.core.errors import DeftcleanError, InputError, UsageError
from deftclean.core.progress import Progress
from deftclean.core.samples import stratified_sample
from deftclean.core.switch import recover, whole_folder
from deftclean.core.tables import read_table, write_table
from deftclean.data.folders import walk_images
from deftclean.datasets.corrupt import corrupt
from deftclean.datasets.dataset import dataset, load_dataset
from deftclean.datasets.options import DatasetName, DatasetOptions, NoiseOptions, Split
from deftclean.datasets.truth import differs, truth_table
from deftclean.experiments.cells import LabelledData
from deftclean.experiments.own_data import OwnData, own_rows, test_rows_of

_CARD = "rows.json"

_TESTS: dict[DatasetName, tuple[DatasetName, Split]] = {
    "cifar10": ("cifar10", "test"),
    "cifar100": ("cifar100", "test"),
    "cifar10n": ("cifar10", "test"),  # people labelled the training images alone
    "cifar100n": ("cifar100", "test"),
    "tiny-imagenet": ("tiny-imagenet", "val"),
    "stanford-cars": ("stanford-cars", "test"),
    "cub-200-2011": ("cub-200-2011", "test"),
    "clothing1m": ("clothing1m", "test"),
    "webvision": ("webvision", "val"),
    "animal-10n": ("animal-10n", "test"),
}
"""Of each public data set, what an adaptation is tested on."""


@dataclass(frozen=True)
class CellRows:
    """N rows as files.

    Attributes:
        images: folder of the pictures.
        labels: table of `file_name` and `label`.
        truth: table of `file_name`, `true_label` and `wrong`, as many rows in the same order.
    """

    images: Path
    labels: Path
    truth: Path

    def wrong(self) -> pa.Array:
        """(N,) bool, whether the label is wrong; null where that is not known."""
        return read_wrong(self.truth)

    def labelled(self) -> pa.Array:
        """(N,) bool, whether there is a label."""
        return _texts(read_table(self.labels, None, None)["label"]).is_valid()


@dataclass(frozen=True)
class CellData:
    """Where data come from, and the folder in which prepared rows are kept.

    Attributes:
        folder: of the prepared rows.
        root: with a folder for each public data set, by its name; None where there is none.
        own: data sets of the user's own, by name.
        limit_rows: of every data set a sample of so many rows, as many of each class as its share;
            None for all.
        all_rows: of Clothing1M all rows, not a balanced sample.
        progress: told what happens.
    """

    folder: Path
    root: Path | None
    own: Mapping[str, OwnData]
    limit_rows: int | None
    all_rows: bool
    progress: Progress
    _digests: dict[str, str] = field(default_factory=dict)

    # ------------------------------------------------------------ what is there

    def missing(self, names: Iterable[str], tested: Iterable[str]) -> dict[str, str]:
        """Data sets that are not there, and what to put where.

        Args:
            names: of data sets that are trained on.
            tested: of those that are tested on too.
        """
        tested, found = set(tested), {}
        for name in dict.fromkeys(names):
            problem = self._problem(name, name in tested)
            if problem:
                found[name] = problem
        return found

    def _problem(self, name: str, tested: bool) -> str | None:
        if name in self.own:
            absent = [str(path) for path in self.own[name].files if not path.exists()]
            verb = "does" if len(absent) == 1 else "do"
            return f"{', '.join(absent)} {verb} not exist" if absent else None
        if self.root is None:
            return f"give --data ROOT, with the data set in ROOT/{name}"
        try:
            options = self._options(name, 0)
            load_dataset(cast("DatasetName", name), self.root / name, options)  # nosec B615
            if tested:
                source, split = self._public_test(name)
                home = self._home(name, source)
                load_dataset(source, home, DatasetOptions(split))  # nosec B615
        except DeftcleanError as error:
            return f"{error.message} {error.hint}".strip()
        return None

    # ------------------------------------------------------------ rows

    def rows(self, data: LabelledData, seed: int) -> CellRows:
        """Training rows, made now where they are not there yet.

        Raises:
            InputError, UsageError: data are missing, damaged, or cannot be given this noise.
            RunError: the disk is full.
        """
        if data.noise == "given":
            return self._base(data.name, seed, true=False)
        base = self._base(data.name, seed, true=True)
        home = self.folder / f"{base.labels.parent.name}.{data.noise}-{data.ratio!r}.seed-{seed}"
        noise = NoiseOptions(data.noise, data.ratio, seed)

        def make(folder: Path) -> None:
            labels = folder / "labels.csv"
            made = corrupt(
                base.images, base.labels, output=labels, options=noise, progress=self.progress
            )
            made.truth.rename(folder / "truth.csv")
            self._write_card(folder, home, base.images)

        return self._once(home, make)

    def test_rows(self, name: str) -> CellRows:
        """Rows to test an adaptation on; their labels are believed.

        Raises:
            InputError, UsageError, RunError: as `rows`.
        """
        home = self.folder / f"{self._own_part(name)}.test{self._limit_part}"

        def make(folder: Path) -> None:
            if name in self.own:
                rows = test_rows_of(self.own[name])
                self._write(folder, home, rows.root, rows.file_names, rows.given, rows.true)
            else:
                source, split = self._public_test(name)
                root = self._home(name, source)
                self._write_public(folder, home, source, root, DatasetOptions(split), False)

        return self._once(home, make)

    def identity(self, data: LabelledData, seed: int) -> dict[str, Any]:
        """All that decides the training rows, as plain values; reads files of labels."""
        drawn = data.noise != "given" or (data.name == "clothing1m" and not self.all_rows)
        return {
            "data": data.name,
            "own": self._digest(data.name),
            "noise": data.noise,
            "ratio": data.ratio,
            "seed": seed if drawn else None,
            "limit_rows": self.limit_rows,
            "all_rows": self.all_rows and data.name == "clothing1m",
        }

    # ------------------------------------------------------------ making them

    def _base(self, name: str, seed: int, true: bool) -> CellRows:
        """Rows without added noise: with their given labels, or with their true ones."""
        options = self._options(name, seed)
        parts = [self._own_part(name), "true" if true else "given"]
        parts += [f"balanced-{seed}"] if options.balanced else []
        home = self.folder / f"{'.'.join(parts)}{self._limit_part}"

        def make(folder: Path) -> None:
            if name in self.own:
                rows = own_rows(self.own[name])
                given = rows.true if true else rows.given
                _refuse_unknown(name, given, true)
                self._write(folder, home, rows.root, rows.file_names, given, rows.true)
            else:
                source = cast("DatasetName", name)
                self._write_public(folder, home, source, self._home(name, source), options, true)

        return self._once(home, make)

    def _once(self, home: Path, make: Callable[[Path], None]) -> CellRows:
        """Rows in their folder, made now where they are not there yet.

        Args:
            home: the folder.
            make: fills it under another name.
        """
        recover(home)  # a killed run may have been about to move them to their place
        card = home / _CARD
        if not card.is_file():
            try:
                with whole_folder(home, overwrite=False) as folder:
                    make(folder)
            except DeftcleanError:
                if not card.is_file():
                    raise
                # Another command has made the same rows meanwhile: the name says what they are.
        return self._read(home)

    def _write_public(
        self,
        folder: Path,
        home: Path,
        name: DatasetName,
        root: Path,
        options: DatasetOptions,
        true: bool,
    ) -> None:
        made = dataset(name, root, output=folder / "set", options=options, progress=self.progress)
        if true and (made.judged < made.rows or made.wrong):
            raise UsageError(
                f"{name} has wrong labels of its own; noise is put into true ones.",
                "Take the data set with labels as published: noise given.",
            )
        inside = made.root.is_relative_to(folder)
        images = home / made.root.relative_to(folder) if inside else made.root
        labels = read_table(made.labels, None, None)
        truth = read_table(made.truth, None, None)
        names, given = _texts(labels["file_name"]), _texts(labels["label"])
        true_labels, wrong = _texts(truth["true_label"]), read_wrong(made.truth)
        self._write(folder, home, images, names, given, true_labels, wrong)

    def _write(
        self,
        folder: Path,
        home: Path,
        images: Path,
        names: pa.Array,
        given: pa.Array,
        true: pa.Array,
        wrong: pa.Array | None = None,
    ) -> None:
        wrong = differs(given, true) if wrong is None else wrong
        if self.limit_rows is not None:
            # Rows without a label are one more class.
            classes = pc.fill_null(given, "").dictionary_encode().indices.to_numpy()
            chosen = pa.array(stratified_sample(classes, self.limit_rows, 0))
            names, given, true, wrong = (each.take(chosen) for each in (names, given, true, wrong))
        write_table(pa.table({"file_name": names, "label": given}), folder / "labels.csv", ".csv")
        write_table(truth_table(names, true, wrong), folder / "truth.csv", ".csv")
        self._write_card(folder, home, images)

    def _write_card(self, folder: Path, home: Path, images: Path) -> None:
        # The way to the pictures and not their place: both folders may be moved together.
        way = Path(os.path.relpath(images.resolve(), home.resolve())).as_posix()
        (folder / _CARD).write_text(json.dumps({"images": way}), encoding="utf-8")

    def _read(self, home: Path) -> CellRows:
        card = json.loads((home / _CARD).read_text(encoding="utf-8"))
        images = Path(os.path.normpath(home.resolve() / card["images"]))
        return CellRows(images, home / "labels.csv", home / "truth.csv")

    # ------------------------------------------------------------ names and places

    def _options(self, name: str, seed: int) -> DatasetOptions:
        if name == "clothing1m" and not self.all_rows:
            return DatasetOptions(balanced=True, seed=seed)
        return DatasetOptions()

    def _public_test(self, name: str) -> tuple[DatasetName, Split]:
        test = _TESTS.get(cast("DatasetName", name))
        if test is None:
            raise InputError(f"{name} has no public test rows, which an adaptation is measured on.")
        return test

    def _home(self, name: str, source: DatasetName) -> Path:
        """Folder of a data set: ROOT/NAME, or that of the one it was made from."""
        if self.root is None:
            raise InputError(f"There is no folder with {name}.", f"Give --data ROOT (ROOT/{name}).")
        own, other = self.root / name, self.root / source
        if source != name and other.is_dir():
            return other
        return own

    def _own_part(self, name: str) -> str:
        """The name, and what tells the present state or place of the data."""
        return f"{name}-{self._digest(name)[:8]}"

    @property
    def _limit_part(self) -> str:
        return "" if self.limit_rows is None else f".{self.limit_rows}-rows"

    def _digest(self, name: str) -> str:
        """Of a data set of the user's own its declaration, its tables, and the names in class
        folders; of a public one the way to its folder, since both may be moved together."""
        if name not in self._digests:
            own = self.own.get(name)
            self._digests[name] = self._way() if own is None else _state(own)
        return self._digests[name]

    def _way(self) -> str:
        if self.root is None:
            return ""
        way = Path(os.path.relpath(self.root.resolve(), self.folder.resolve())).as_posix()
        return hashlib.sha256(way.encode()).hexdigest()


def _state(own: OwnData) -> str:
    found = hashlib.sha256(json.dumps(own.as_dict(), sort_keys=True).encode())
    for path in own.files:
        found.update(path.read_bytes() if path.is_file() else b"\0")
    for folder in own.class_folders:
        if folder.is_dir():
            names, _ = walk_images(folder, follow=False)
            found.update(json.dumps(names).encode())
    return found.hexdigest()


def read_wrong(truth: Path) -> pa.Array:
    """(N,) bool, null where nothing is known, from a truth table of text."""
    texts = _texts(read_table(truth, None, None)["wrong"])
    return pc.equal(texts, "true")


def _texts(column: pa.ChunkedArray) -> pa.Array:
    """A column of strings; an empty cell is a null."""
    texts = column.cast(pa.string()).combine_chunks()
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)


def _refuse_unknown(name: str, labels: pa.Array, true: bool) -> None:
    if true and labels.null_count:
        raise InputError(
            f"[data.{name}]: the true label of {labels.null_count:,} of {len(labels):,} rows is "
            "not known; noise is put into true labels.",
            "Complete the truth, or take the labels as given.",
        )
