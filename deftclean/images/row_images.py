"""The encoded image of every row, wherever the manifest says that it lies. No torch here."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deftclean.data.manifest import Manifest
from deftclean.data.options import ManifestOptions
from deftclean.images.sources import FolderImages, RowImages
from deftclean.images.spool import spool_images


@contextmanager
def work_folder() -> Iterator[Path]:
    """A private folder for what only this run needs; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="deftclean-") as name:
        yield Path(name)


def row_images(manifest: Manifest, reading: ManifestOptions, folder: Path) -> RowImages:
    """Where the bytes of each row's image come from; `folder` may be filled with a copy."""
    if manifest.images is not None:
        return RowImages(spool_images(manifest.images, folder / "images"), np.arange(len(manifest)))
    names = pc.if_else(pa.array(manifest.named), manifest.file_names, "").dictionary_encode()
    files = names.dictionary.to_numpy(zero_copy_only=False).astype(object)
    of_row = names.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return RowImages(FolderImages(manifest.root, files, reading.allow_outside), of_row)
