"""Rows and their pictures: which rows can be read, and what each can be used for.

Settled once, before anything is trained; later passes read only rows that can be read.
"""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.core.errors import InputError
from deftclean.data.manifest import Manifest
from deftclean.images.first_pass import ImageChecks, first_alike
from deftclean.images.sources import DistinctPictures, ImageSource, RowImages


@dataclass(frozen=True)
class UsableRows:
    """Which rows of the manifest can be used for what.

    Attributes:
        labels: (N,) int64 class; 0 where there is none.
        labelled: (N,) bool, the label is one of the K classes.
        readable: rows whose image can be read, ascending.
        trainable: readable and labelled rows, ascending.
        distinct: the U readable pictures with content of their own, in the order in which rows
            first show them.
        pictures: (N,) int64 index in `distinct`; 0 where the row is not readable.
    """

    labels: NDArray[np.int64]
    labelled: NDArray[np.bool_]
    readable: NDArray[np.int64]
    trainable: NDArray[np.int64]
    distinct: DistinctPictures
    pictures: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        manifest: Manifest,
        images: RowImages,
        checks: ImageChecks,
        class_names: tuple[str, ...],
    ) -> "UsableRows":
        """Sort rows by what was found about their image and whether they have a known label.

        Args:
            manifest: N rows.
            images: of the rows.
            checks: of the F images.
            class_names: the K classes.
        """
        indices = manifest.label_indices(class_names)
        labelled = ~np.ma.getmaskarray(indices)
        fine = checks.fine[images.of_row]
        distinct, of_file = distinct_pictures(images.source, checks)
        return cls(
            indices.filled(0),
            labelled,
            np.flatnonzero(fine),
            np.flatnonzero(fine & labelled),
            distinct,
            of_file[images.of_row],
        )

    @property
    def first_rows(self) -> NDArray[np.int64]:
        """(U,) the first row that shows each picture."""
        first = np.unique(self.pictures[self.readable], return_index=True)[1]
        return self.readable[first]

    def apart(self) -> tuple["UsableRows", NDArray[np.int64]]:
        """The same as if every readable row showed a picture of its own.

        Returns:
            The rows; and for each of their pictures which one of these it is.
        """
        picture_of = self.pictures[self.readable]
        pictures = np.zeros_like(self.pictures)
        pictures[self.readable] = np.arange(len(self.readable))
        return replace(self, distinct=self.distinct.of(picture_of), pictures=pictures), picture_of

    def first_row(self, picture: int) -> int:
        """The first row that shows a picture."""
        return int(self.readable[self.pictures[self.readable] == picture][0])


def distinct_pictures(
    source: ImageSource, checks: ImageChecks
) -> tuple[DistinctPictures, NDArray[np.int64]]:
    """Pictures by content, and which one each of the F images shows."""
    files = np.flatnonzero(checks.fine)
    first = first_alike(checks.digests, files)
    new = first == np.arange(len(files))
    of_file = np.zeros(len(source), dtype=np.int64)
    of_file[files] = (np.cumsum(new) - 1)[first]
    chosen = files[new]
    return DistinctPictures(source, chosen, checks.digests[chosen]), of_file


def refuse_unreadable(manifest: Manifest, of_rows: ImageChecks, rows: UsableRows) -> None:
    """Stop before anything is trained where there is nothing to look at.

    Args:
        manifest: N rows.
        of_rows: (N,) findings.
        rows: none of which may be readable.

    Raises:
        InputError: not a single image can be read.
    """
    if len(rows.readable):
        return
    found = pc.value_counts(of_rows.status).to_pylist()
    counts: dict[str, int] = {entry["values"]: entry["counts"] for entry in found}
    listed = ", ".join(f"{count:,} {status}" for status, count in sorted(counts.items()))
    first = of_rows.error.drop_null()[0].as_py()
    misplaced = counts.get("missing", 0) + counts.get("outside", 0)
    raise InputError(
        f"{manifest.source}: none of its {len(manifest):,} images can be read ({listed}). Row 0, "
        f"{manifest.file_names[0].as_py()}: {first}.",
        "File names are relative to the data folder; give the folder that holds them: "
        "deftclean scan data/ labels.csv"
        if misplaced
        else "Are these images? Open one by hand.",
    )


def refuse_one_class(manifest: Manifest, rows: UsableRows) -> None:
    """Stop before anything is trained where there is nothing to tell apart.

    Raises:
        InputError: nothing labelled, or one class only.
    """
    present = np.unique(rows.labels[rows.trainable])
    if len(present) >= 2:
        return
    if not len(present):
        raise InputError(
            f"{manifest.source}: none of the {len(rows.readable):,} readable images has a label.",
            "Put images into class folders, or fill the label column.",
        )
    raise InputError(
        f"{manifest.source}: all readable images have the label "
        f"{manifest.class_names[int(present[0])]!r}.",
        "Wrong labels can be told only among two or more classes.",
    )
