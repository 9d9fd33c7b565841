"""Data of the user's own, as a grid file declares them: which files, and their rows. No torch."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from deftclean.core.errors import InputError, UsageError
from deftclean.core.text import few
from deftclean.data.manifest import Manifest, read_manifest
from deftclean.data.options import ManifestOptions


@dataclass(frozen=True)
class OwnData:
    """What a grid file says of one data set.

    Attributes:
        name: under which grids ask for it.
        images: folder of the pictures.
        labels: table of given labels; None where sub-folders are classes.
        label_column: of `labels`; None to recognise it.
        truth: table of true labels; None where they are not known, or are the sub-folders.
        truth_column: of `truth`.
        class_names: file of names for coded labels, of all tables.
        test: folder with class sub-folders, or table, whose labels are believed; for adaptation.
        test_images: folder of the pictures of `test`, where it is a table.
        test_column: of `test`; None to recognise it.
    """

    name: str
    images: Path
    labels: Path | None = None
    label_column: str | None = None
    truth: Path | None = None
    truth_column: str = "true_label"
    class_names: Path | None = None
    test: Path | None = None
    test_images: Path | None = None
    test_column: str | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """Files and folders that must be there."""
        named = (self.images, self.labels, self.truth, self.class_names)
        return tuple(path for path in (*named, self.test, self.test_images) if path is not None)

    @property
    def class_folders(self) -> tuple[Path, ...]:
        """Folders whose sub-folders' names are labels."""
        test = self.test if self.test_images is None else None
        folders = (self.images if self.labels is None else None, test)
        return tuple(folder for folder in folders if folder is not None)

    @property
    def truth_is_known(self) -> bool:
        """Whether the true label of rows is known."""
        return self.truth is not None or self.labels is None

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        named = {key: value for key, value in asdict(self).items() if value is not None}
        return {k: str(v.resolve()) if isinstance(v, Path) else v for k, v in named.items()}


@dataclass(frozen=True)
class OwnRows:
    """N rows.

    Attributes:
        root: the folder that file names are relative to.
        file_names: (N,) strings.
        given: (N,) strings, class names; null where there is no label.
        true: (N,) strings; null where the true label is not known.
    """

    root: Path
    file_names: pa.Array
    given: pa.Array
    true: pa.Array


def own_rows(data: OwnData) -> OwnRows:
    """Training rows with their given and true labels.

    Raises:
        InputError: a file cannot be read, or the truth names a file twice.
    """
    reading = ManifestOptions(label_column=data.label_column, class_names=data.class_names)
    if data.labels is None:  # a folder has no columns
        reading = ManifestOptions(class_names=data.class_names)
    manifest = _read(data, "label_column", data.images, data.labels, reading)
    return OwnRows(manifest.root, manifest.file_names, manifest.given_labels, _true(data, manifest))


def test_rows_of(data: OwnData) -> OwnRows:
    """Test rows, whose labels are believed.

    Raises:
        InputError: there are none, or they cannot be read.
    """
    if data.test is None:
        raise InputError(
            f"[data.{data.name}] has no test rows, which an adaptation is measured on.",
            'Give test = "folder with class sub-folders", or a table and test_images.',
        )
    reading = ManifestOptions(label_column=data.test_column, class_names=data.class_names)
    table = data.test if data.test_images is not None else None
    found = _read(data, "test_column", data.test_images or data.test, table, reading)
    return OwnRows(found.root, found.file_names, found.given_labels, found.given_labels)


def _read(
    data: OwnData, key: str, images: Path, table: Path | None, reading: ManifestOptions
) -> Manifest:
    """Rows of one table; what is wrong with it is told by the key of the grid file.

    Raises:
        InputError, UsageError: it cannot be read.
    """
    try:
        return read_manifest(images, table, reading)
    except UsageError as error:  # of which InputError is one
        message = error.message.replace("--label-column", f"{key} of [data.{data.name}]")
        hint = error.hint.replace("--label-column", key)
        raise type(error)(message, hint) from error


def _true(data: OwnData, manifest: Manifest) -> pa.Array:
    if data.truth is None:
        if data.labels is None:
            return manifest.given_labels
        return pa.nulls(len(manifest), pa.string())
    reading = ManifestOptions(label_column=data.truth_column, class_names=data.class_names)
    truth = _read(data, "truth_column", data.images, data.truth, reading)
    counts = pc.value_counts(truth.file_names)
    twice = counts.field("values").filter(pc.greater(counts.field("counts"), 1)).to_pylist()
    if twice:
        raise InputError(
            f"{data.truth} names {len(twice):,} files more than once: {few(twice)}.",
            "The truth has one row for each file.",
        )
    return truth.given_labels.take(pc.index_in(manifest.file_names, value_set=truth.file_names))
