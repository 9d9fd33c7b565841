"""The features that a table's model has of its pictures, as a file: `export --to embeddings`.

They are those that head, neighbours and near copies looked at, for other tools or for
`--embeddings` of a later scan.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from deftclean.core.arrow import bool_values, whole
from deftclean.core.errors import InputError, UsageError
from deftclean.core.outputs import check_output, detector_folder
from deftclean.core.progress import Progress, Silent
from deftclean.core.results import Shown
from deftclean.core.run import RunOptions
from deftclean.core.switch import whole_file
from deftclean.settings.evidence import NO_MODEL
from deftclean.stores.door import opens_urls
from deftclean.stores.mirror import brought
from deftclean.table.scores import ScoreTable, read_scores
from deftclean.table.ways import detector_of

if TYPE_CHECKING:
    from deftclean.features.pictures import RunPictures
    from deftclean.images.prepared import ImageReader
    from deftclean.images.usable_rows import UsableRows

_COLUMNS = ("row", "file_name", "content_sha256")  # `row` finds images in tables
_BLOCK = 4096  # rows


@dataclass(frozen=True, repr=False)
class EmbeddingsResult(Shown):
    """What was written.

    Attributes:
        output: the file.
        rows: N, of the score table.
        written: files in the output: those whose picture is the one that was scored.
        size: D.
        seconds: wall time.
    """

    output: Path
    rows: int
    written: int
    size: int
    seconds: float

    def facts(self) -> Mapping[str, object]:
        """What a notebook shows."""
        return {
            "output": self.output,
            "rows": self.rows,
            "written": self.written,
            "numbers": self.size,
            "seconds": round(self.seconds, 1),
        }


@opens_urls("table", "data", "run", output="output")
def export_embeddings(
    table: str | Path,
    *,
    output: str | Path,
    data: str | Path | None = None,
    allow_outside: bool = False,
    overwrite: bool = False,
    run: RunOptions | None = None,
    progress: Progress | None = None,
) -> EmbeddingsResult:
    """Write the untuned features of every picture of a score table.

    A line for each file whose picture is there and still the one that was scored: `file_name`,
    and `embedding`, D float32, a unit vector.

    Args:
        table: that `scan`, `score`, `select` or `review` wrote.
        output: Parquet.
        data, allow_outside: as in `export`.
        overwrite: replace an existing output.
        run: device and cache; the model is the table's.
        progress: told what happens.

    Raises:
        UsageError: the output cannot be written, or the table had no model.
        WeightsError: the model is not on this machine.
        RunError: the disk is full.
    """
    from deftclean.core.runtime import choose_runtime
    from deftclean.features.pictures import RunPictures
    from deftclean.features.session import Session
    from deftclean.images.prepared import opened_reader
    from deftclean.images.resizing import Preparation
    from deftclean.models.saved_detector import local_name
    from deftclean.models.weights import preprocess_of

    began = time.monotonic()
    table, output = Path(table), Path(output)
    progress, run = progress or Silent(), run or RunOptions()
    if output.suffix.lower() != ".parquet":
        raise UsageError(
            f"-o {output}: embeddings is written to a file.", "Let its name end in .parquet."
        )
    check_output(output, overwrite, [table])
    scores = read_scores(table, _COLUMNS)
    name = scores.metadata.get("model")
    if name is None or name == NO_MODEL:
        raise InputError(f"{table} was judged without a model: there are no embeddings.")
    home = brought(detector_of(scores.metadata, table) or detector_folder(table), table)
    model, weights = local_name(name, scores.metadata.get("weights"), home)
    decode = scores.metadata.get("config", {}).get("decode", "exact")
    runtime = choose_runtime(run.device, run.precision, run.workers)
    preprocess = preprocess_of(model, weights, run.offline, progress.say)
    preparation = Preparation.of(preprocess, decode, crop=False)
    with opened_reader(preparation, runtime, run, progress) as reader:
        rows = _rows(scores, table, None if data is None else Path(data), allow_outside, reader)
        session = Session.load(model, weights, run.offline, preprocess, runtime, progress)
        pictures = RunPictures(rows, preparation, session, reader.folder, reader.cache)
        pictures.embed(progress, lambda: None)
        size = session.loaded.encoder.text.joint_size
        chosen = _first_of_files(scores, rows.readable)
        with whole_file(output, overwrite) as file:
            _write(scores, rows, chosen, pictures, file)
    return EmbeddingsResult(output, len(scores), len(chosen), size, time.monotonic() - began)


def _rows(
    scores: ScoreTable,
    table: Path,
    data: Path | None,
    allow_outside: bool,
    reader: "ImageReader",
) -> "UsableRows":
    """Rows whose picture is there and was not changed; nobody asks for their labels."""
    from deftclean.images.table_images import images_of_table
    from deftclean.images.usable_rows import UsableRows, distinct_pictures

    images = images_of_table(scores, table, data, allow_outside, reader.folder)
    checks = reader.check(images)
    distinct, of_file = distinct_pictures(images.source, checks)
    now = checks.take(images.of_row)
    same = now.fine & bool_values(pc.equal(now.sha256, whole(scores.table["content_sha256"])))
    if not same.any():
        raise InputError(
            f"{table}: none of its {len(scores):,} pictures is there as it was scored.",
            "Give the folder that holds them: --data FOLDER",
        )
    count = len(scores)
    nothing = np.zeros(count, dtype=np.int64)
    return UsableRows(
        nothing,
        np.zeros(count, dtype=bool),
        np.flatnonzero(same),
        nothing[:0],
        distinct,
        of_file[images.of_row],
    )


def _first_of_files(scores: ScoreTable, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first of some rows of each file."""
    codes = scores.table["file_name"].combine_chunks().dictionary_encode().indices
    _, first = np.unique(codes.to_numpy(zero_copy_only=False)[rows], return_index=True)
    return rows[np.sort(first)]


def _write(
    scores: ScoreTable,
    rows: "UsableRows",
    chosen: NDArray[np.int64],
    pictures: "RunPictures",
    file: Path,
) -> None:
    size = pictures.session.loaded.encoder.text.joint_size
    kind = pa.list_(pa.float32(), size)
    schema = pa.schema([("file_name", pa.string()), ("embedding", kind)])
    names = scores.table["file_name"].combine_chunks()
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for at in range(0, len(chosen), _BLOCK):
            some = chosen[at : at + _BLOCK]
            features = pictures.embeddings.take(rows.pictures[some]).numpy()
            lists = pa.FixedSizeListArray.from_arrays(pa.array(features.ravel()), size)
            writer.write_table(
                pa.Table.from_arrays([names.take(pa.array(some)), lists], schema=schema)
            )
