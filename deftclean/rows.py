"""The first pass: which rows can be read, and what each can be used for.

Settled once, before any weights are loaded; later passes read only rows that can be read.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deftclean.errors import InputError
from deftclean.images import FolderImages, ImageCheck, ImageSource, check_images
from deftclean.manifest import Manifest, ManifestOptions
from deftclean.progress import Progress
from deftclean.runtime import Runtime
from deftclean.spool import spool_images


@contextmanager
def work_folder() -> Iterator[Path]:
    """A private folder for what only this run needs; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="deftclean-") as name:
        yield Path(name)


def image_source(manifest: Manifest, reading: ManifestOptions, folder: Path) -> ImageSource:
    """Where the bytes of each row's image come from; `folder` may be filled with a copy."""
    if manifest.images is not None:
        return spool_images(manifest.images, folder / "images")
    names = manifest.file_names.to_numpy(zero_copy_only=False).astype(object)
    names[~manifest.named] = ""
    return FolderImages(manifest.root, names, reading.allow_outside)


def check_all(
    source: ImageSource, count: int, runtime: Runtime, progress: Progress
) -> list[ImageCheck]:
    """Read, hash and decode every image once: N findings, in order."""
    checks: list[ImageCheck] = []
    with progress.stage("Checking images", count) as advance:
        for batch in check_images(source, count, runtime.workers):
            checks += batch
            advance(len(batch), "")
    return checks


@dataclass(frozen=True)
class UsableRows:
    """Which rows of the manifest can be used for what.

    Attributes:
        labels: (N,) int64 class; 0 where there is none.
        labelled: (N,) bool, the label is one of the K classes.
        readable: rows whose image can be read, ascending.
        trainable: readable and labelled rows, ascending.
    """

    labels: NDArray[np.int64]
    labelled: NDArray[np.bool_]
    readable: NDArray[np.int64]
    trainable: NDArray[np.int64]

    @classmethod
    def of(
        cls, manifest: Manifest, checks: list[ImageCheck], class_names: tuple[str, ...]
    ) -> "UsableRows":
        """Sort rows by what was found about their image and whether they have a known label."""
        indices = manifest.label_indices(class_names)
        labelled = ~np.ma.getmaskarray(indices)
        fine = np.array([check.status == "ok" for check in checks], dtype=bool)
        return cls(
            indices.filled(0), labelled, np.flatnonzero(fine), np.flatnonzero(fine & labelled)
        )


def refuse_hopeless(manifest: Manifest, checks: list[ImageCheck], rows: UsableRows) -> None:
    """Stop before weights are loaded where nothing can come of it.

    Raises:
        InputError: nothing readable, nothing labelled, or one class only.
    """
    if not len(rows.readable):
        raise nothing_readable(manifest, checks)
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


def nothing_readable(manifest: Manifest, checks: list[ImageCheck]) -> InputError:
    """The error for a data set without a single readable image."""
    counts: dict[str, int] = {}
    for check in checks:
        counts[check.status] = counts.get(check.status, 0) + 1
    listed = ", ".join(f"{count:,} {status}" for status, count in sorted(counts.items()))
    first = next((check.error for check in checks if check.error), "")
    misplaced = counts.get("missing", 0) + counts.get("outside", 0)
    return InputError(
        f"{manifest.source}: none of its {len(manifest):,} images can be read ({listed}). Row 0, "
        f"{manifest.file_names[0].as_py()}: {first}.",
        "File names are relative to the data folder; give the folder that holds them: "
        "deftclean scan data/ labels.csv"
        if misplaced
        else "Are these images? Open one by hand.",
    )
