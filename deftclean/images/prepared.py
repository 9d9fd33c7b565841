"""How every command begins with its pictures: each is looked at once, and its rows are sorted.

Knows no model, only how its pictures are resized.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deftclean.core.progress import Progress
from deftclean.core.run import RunOptions
from deftclean.core.runtime import Runtime, reproducible
from deftclean.data.manifest import Manifest
from deftclean.data.options import ManifestOptions
from deftclean.images.cache import Cache, open_run_cache
from deftclean.images.first_pass import ImageChecks, Onlooker, check_images
from deftclean.images.quality import Quality, quality_of
from deftclean.images.resizing import Preparation
from deftclean.images.row_images import row_images, work_folder
from deftclean.images.sources import RowImages
from deftclean.images.usable_rows import UsableRows, refuse_unreadable
from deftclean.images.workers import say_workers


@dataclass(frozen=True)
class PreparedRows:
    """The rows of a data set, and what was found about their pictures.

    Attributes:
        manifest: N rows.
        found: (N,) findings about the image of each row.
        rows: which of them can be used for what.
    """

    manifest: Manifest
    found: ImageChecks
    rows: UsableRows

    @property
    def readable(self) -> NDArray[np.bool_]:
        """(N,) whether the image of a row can be read."""
        return self.found.fine

    @cached_property
    def quality(self) -> Quality:
        """Why the picture of a row is a bad one, of N rows."""
        return quality_of(self.found.looks, self.rows.first_rows)

    def say_usual(self, progress: Progress) -> None:
        """Tell which faults are not named, since most pictures have them."""
        for reason in self.quality.usual:
            progress.say(f"{reason}: so are most of the pictures, which is therefore no fault here")


@dataclass(frozen=True)
class ImageReader:
    """How one command reads pictures, and what all its data sets share.

    Attributes:
        preparation: how pictures are decoded and resized.
        cache: of pictures, or None.
        runtime: device and workers.
        folder: of the run's own files.
        progress: told what happens.
    """

    preparation: Preparation
    cache: Cache | None
    runtime: Runtime
    folder: Path
    progress: Progress

    def check(self, images: RowImages, onlooker: Onlooker | None = None) -> ImageChecks:
        """Read, hash and decode each of F images once: F findings.

        Args:
            images: of the rows.
            onlooker: shown what had to be decoded, meanwhile.

        Raises:
            UsageError: of several processes, one has other images than the others.
        """
        self.runtime.ranks.refuse_other(
            {"number of rows": len(images.of_row), "number of images": len(images.source)}
        )
        return check_images(
            images.source, self.preparation, self.cache, self.runtime, self.progress, onlooker
        )

    def prepare(
        self,
        manifest: Manifest,
        reading: ManifestOptions,
        class_names: tuple[str, ...],
        onlooker: Onlooker | None = None,
    ) -> PreparedRows:
        """Look at the picture of every row.

        Args:
            manifest: N rows.
            reading: with which it was read.
            class_names: the K classes.
            onlooker: shown what had to be decoded, meanwhile.

        Raises:
            InputError: none of the pictures can be read.
        """
        prepared = self.look_at(manifest, reading, class_names, self.folder, onlooker)
        refuse_unreadable(manifest, prepared.found, prepared.rows)
        return prepared

    def look_at(
        self,
        manifest: Manifest,
        reading: ManifestOptions,
        class_names: tuple[str, ...],
        folder: Path,
        onlooker: Onlooker | None = None,
    ) -> PreparedRows:
        """The same, though none of the pictures can be read.

        Args:
            manifest, reading, class_names, onlooker: as `prepare`.
            folder: for files of these rows.
        """
        images = row_images(manifest, reading, folder)
        checks = self.check(images, onlooker)
        rows = UsableRows.of(manifest, images, checks, class_names)
        found = checks.take(images.of_row)
        return PreparedRows(_with_review_of_these(manifest, found, self.progress), found, rows)

    def say_cache(self) -> None:
        """What the cache holds at the end of a command, where there is one."""
        if self.cache is not None:
            self.cache.say(self.progress)


def _with_review_of_these(manifest: Manifest, found: ImageChecks, progress: Progress) -> Manifest:
    """The manifest without decisions about pictures that have changed since."""
    if manifest.review is None:
        return manifest
    review = manifest.review.of_same_pictures(found.sha256)
    changed = manifest.review.rows - review.rows
    if changed:
        progress.warn(
            f"{changed:,} decisions of the review in {manifest.source} are left out: their "
            "pictures have changed or are gone"
        )
    return replace(manifest, review=review)


@contextmanager
def opened_reader(
    preparation: Preparation, runtime: Runtime, run: RunOptions, progress: Progress
) -> Iterator[ImageReader]:
    """A reader and its folder, for as long as one command works; arithmetic is reproducible.

    Args:
        preparation, runtime: of the command.
        run: its cache.
        progress: told what happens.

    Raises:
        UsageError: the cache has no size.
    """
    say_workers(run.workers, progress)
    cache = open_run_cache(run, progress)
    with work_folder() as folder, reproducible():
        yield ImageReader(preparation, cache, runtime, folder, progress)
