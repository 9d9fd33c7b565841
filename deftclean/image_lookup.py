"""Where the pictures of a score table are: in a folder, or in the table that was scanned.

No torch here, and no picture is opened.
"""

from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from deftclean.errors import InputError
from deftclean.images import FolderImages, RowImages
from deftclean.manifest import ManifestOptions, read_manifest
from deftclean.scores import ScoreTable, image_root
from deftclean.spool import spool_images


def images_of_table(
    scores: ScoreTable, table: Path, data: Path | None, allow_outside: bool, folder: Path
) -> RowImages:
    """The picture of every row.

    Args:
        scores: the table.
        table: its file.
        data: image folder, or the table that holds the images; None for the folder of the scan.
        allow_outside: follow links and names that leave the data folder.
        folder: may be filled with a copy of images that lie in a table.

    Raises:
        InputError: there is no such folder, or the images lay in a table that is not given.
    """
    if data is not None and data.is_file():
        return _in_table(scores, data, folder)
    names = scores.table["file_name"].combine_chunks()
    if data is None and bool(pc.all(pc.match_substring_regex(names, r"#\d+$")).as_py()):
        raise InputError(
            f"{table}: its images lay in the table that was scanned, not in files.",
            "Give that table: --data train.parquet",
        )
    root = image_root(scores.metadata, table) if data is None else data
    if not root.is_dir():
        raise InputError(
            f"The image folder {root} of {table} does not exist.",
            "Give the folder that holds the images now: --data FOLDER",
        )
    coded = pc.fill_null(names, "").dictionary_encode()
    files = coded.dictionary.to_numpy(zero_copy_only=False).astype(object)
    of_row = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return RowImages(FolderImages(root, files, allow_outside), of_row)


def _in_table(scores: ScoreTable, data: Path, folder: Path) -> RowImages:
    manifest = read_manifest(data, None, ManifestOptions(known_labels={}))
    if manifest.images is None:
        raise InputError(
            f"--data {data} holds no images.",
            "Give an image folder, or the table that was scanned.",
        )
    of_row = scores.table["row"].to_numpy().astype(np.int64)
    if len(of_row) and int(of_row.max()) >= len(manifest):
        raise InputError(
            f"--data {data} has {len(manifest):,} rows; the scores name row {of_row.max():,}.",
            "Give the table that was scanned.",
        )
    own = folder / "images-of-table"
    return RowImages(spool_images(manifest.images, own), of_row)
