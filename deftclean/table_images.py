"""Where the pictures of a score table are, and which of them still are what they were."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.checking import ImageChecks
from deftclean.errors import InputError
from deftclean.images import FolderImages
from deftclean.kept import TrainingRows
from deftclean.manifest import ManifestOptions, read_manifest
from deftclean.row_images import RowImages
from deftclean.rows import UsableRows, distinct_pictures
from deftclean.scores import ScoreTable, image_root
from deftclean.spool import spool_images

_EXAMPLES = 3


@dataclass(frozen=True)
class Verified:
    """Rows that can be trained on, and what became of the others.

    Attributes:
        rows: `trainable` are those that are wanted and whose picture has not changed.
        problems: how many rows, by kind: `changed`, or a status of `scores.Status`.
        examples: (kind, file name) of the first few.
    """

    rows: UsableRows
    problems: dict[str, int]
    examples: tuple[tuple[str, str], ...]


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


def verified_rows(
    scores: ScoreTable, images: RowImages, checks: ImageChecks, wanted: TrainingRows
) -> Verified:
    """Sort the wanted rows by whether their picture can be read and is the one that was scored.

    Args:
        scores: N rows.
        images: of the rows.
        checks: of the images.
        wanted: which rows, and their labels.

    Raises:
        InputError: nothing is left.
    """
    found = checks.take(images.of_row[wanted.chosen])
    recorded = scores.table["content_sha256"].take(pa.array(wanted.chosen))
    same = pc.fill_null(pc.equal(found.sha256, recorded.combine_chunks()), False)
    kinds = pc.if_else(
        pc.and_(pc.equal(found.status, "ok"), pc.invert(same)), "changed", found.status
    )
    fine = pc.equal(kinds, "ok").to_numpy(zero_copy_only=False)
    problems, examples = _problems(scores, wanted.chosen[~fine], kinds.filter(pa.array(~fine)))
    chosen = wanted.chosen[fine]
    if not len(chosen):
        listed = ", ".join(f"{count:,} {kind}" for kind, count in sorted(problems.items()))
        raise InputError(
            f"None of the {len(wanted.chosen):,} pictures to learn from is what it was when it was "
            f"scored: {listed}.",
            "Give the folder that holds them (--data FOLDER), or scan again.",
        )
    labelled = np.zeros(len(scores), dtype=bool)
    labelled[chosen] = True
    distinct, of_file = distinct_pictures(images.source, checks)
    return Verified(
        UsableRows(wanted.labels, labelled, chosen, chosen, distinct, of_file[images.of_row]),
        problems,
        examples,
    )


def _problems(
    scores: ScoreTable, rows: NDArray[np.int64], kinds: pa.Array
) -> tuple[dict[str, int], tuple[tuple[str, str], ...]]:
    counted = pc.value_counts(kinds).to_pylist()
    names = scores.table["file_name"].take(pa.array(rows[:_EXAMPLES])).to_pylist()
    first = kinds[:_EXAMPLES].to_pylist()
    return (
        {entry["values"]: entry["counts"] for entry in counted},
        tuple(zip(first, names, strict=True)),
    )
