"""The command `predict`, whole, and the classifier of a run folder for use in Python."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from deftclean import __version__
from deftclean.adaptation.run_card import read_card
from deftclean.core.files import whole_file
from deftclean.core.progress import Progress, Silent
from deftclean.core.results import Shown, percent
from deftclean.core.run import RunOptions
from deftclean.data.manifest import Manifest, ManifestOptions, read_manifest
from deftclean.table.scores import METADATA_KEY, check_table_output

if TYPE_CHECKING:
    from torch import nn

    from deftclean.images.first_pass import ImageChecks
    from deftclean.images.sources import RowImages

PREDICTION_SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("file_name", pa.string()),
        ("given_label", pa.string()),
        ("predicted_label", pa.string()),
        ("predicted_prob", pa.float32()),
        ("given_prob", pa.float32()),
        ("status", pa.string()),
        ("error", pa.string()),
        ("content_sha256", pa.string()),
    ]
)
"""`given_label` and `given_prob` are null where the input has no label, or one that is no class."""


@dataclass(frozen=True, repr=False)
class PredictResult(Shown):
    """What `predict` made.

    Attributes:
        output: the table.
        table: input columns, then those of `PREDICTION_SCHEMA`; N rows in input order.
        rows: N.
        predicted: rows whose picture could be read.
        accuracy: of rows with a known label, in [0, 1]; None where there is none.
        seconds: wall time.
    """

    output: Path
    table: pa.Table
    rows: int
    predicted: int
    accuracy: float | None
    seconds: float

    def facts(self) -> Mapping[str, object]:
        """What a notebook shows."""
        return {
            "rows": self.rows,
            "predicted": self.predicted,
            "accuracy": percent(self.accuracy),
            "table": self.output,
            "seconds": round(self.seconds, 1),
        }


def load_classifier(folder: str | Path, *, offline: bool = False) -> "nn.Module":
    """The classifier of a run folder: (B, 3, S, S) uint8 pixels -> (B, K) logits, on the CPU.

    Args:
        folder: written by `adapt`.
        offline: never fetch the CLIP that some methods need.

    Raises:
        InputError: the folder is no run folder, or damaged.
        WeightsError: its CLIP cannot be had.
    """
    from deftclean.adaptation.saved_classifier import load_adapted

    card = read_card(Path(folder))
    return load_adapted(Path(folder), card, offline, lambda _text: None).eval()


def predict(
    folder: str | Path,
    data: str | Path,
    labels: str | Path | None = None,
    *,
    output: str | Path = Path("predictions.parquet"),
    overwrite: bool = False,
    reading: ManifestOptions | None = None,
    run: RunOptions | None = None,
    progress: Progress | None = None,
) -> PredictResult:
    """Classify pictures with what `adapt` has trained.

    Args:
        folder: written by `adapt`.
        data: image folder, or a table.
        labels: table that names files; None where `data` says it all.
        output: the table of predictions.
        overwrite: replace an existing output.
        reading: columns of a table.
        run: device, workers, cache.
        progress: told what happens; nobody by default.

    Raises:
        UsageError: options or input are wrong; nothing was written.
        RunError: weights cannot be had, or the disk is full.
    """
    began = time.monotonic()
    progress, run = progress or Silent(), run or RunOptions()
    folder, output = Path(folder), Path(output)
    check_table_output(output, overwrite)

    card = read_card(folder)
    known = {name: name for name in card.class_names}
    reading = _knowing(reading or ManifestOptions(), known)
    manifest = read_manifest(Path(data), Path(labels) if labels is not None else None, reading)
    from deftclean.adaptation.saved_classifier import load_adapted
    from deftclean.adaptation.sets import predict as probabilities_of
    from deftclean.core.runtime import choose_runtime, reproducible
    from deftclean.images.cache import open_run_cache
    from deftclean.images.first_pass import check_images
    from deftclean.images.resizing import Preparation
    from deftclean.images.row_images import row_images, work_folder
    from deftclean.images.usable_rows import UsableRows, nothing_readable
    from deftclean.training.picture_sets import PictureSet

    runtime = choose_runtime(run.device, run.precision, run.workers)
    preparation = Preparation.of(card.preprocess, card.config.decode, crop=False)
    cache = open_run_cache(run, progress)
    with work_folder() as work, reproducible():
        images = row_images(manifest, reading, work)
        checks = check_images(images.source, preparation, cache, runtime, progress)
        rows = UsableRows.of(manifest, images, checks, card.class_names)
        if not len(rows.readable):
            raise nothing_readable(manifest, images, checks)
        classifier = load_adapted(folder, card, run.offline, progress.say).to(runtime.device)
        pictures = PictureSet(rows, preparation, cache, runtime)
        with progress.stage("Predicting", len(rows.distinct)) as advance:
            found = probabilities_of(
                classifier,
                _counted(pictures.in_order(), advance),
                len(card.class_names),
                runtime.autocast,
            ).numpy()
        table = _table(manifest, images, checks, rows, found, card.class_names)
        facts = {"tool_version": __version__, "command": "predict", "run": folder.name}
        _write(table, facts, output, overwrite)
    return PredictResult(
        output,
        table,
        len(table),
        len(rows.readable),
        _accuracy(rows, found),
        time.monotonic() - began,
    )


def _knowing(reading: ManifestOptions, known: dict[str, str]) -> ManifestOptions:
    from dataclasses import replace

    return replace(reading, known_labels=known)


def _counted(batches: Any, advance: Any) -> Any:
    for pictures, pixels in batches:
        yield pictures, pixels
        advance(len(pictures), "")


def _accuracy(rows: Any, probabilities: Any) -> float | None:
    if not len(rows.trainable):
        return None
    predicted = probabilities.argmax(axis=1)[rows.pictures[rows.trainable]]
    return float((predicted == rows.labels[rows.trainable]).mean())


def _table(
    manifest: Manifest,
    images: "RowImages",
    checks: "ImageChecks",
    rows: Any,
    probabilities: Any,
    class_names: tuple[str, ...],
) -> pa.Table:
    count = len(manifest)
    readable = np.zeros(count, dtype=bool)
    readable[rows.readable] = True
    of_row = probabilities[rows.pictures]
    best = of_row.argmax(axis=1)
    found = checks.take(images.of_row)
    places = np.arange(count)

    def shares(classes: Any, where: Any) -> pa.Array:
        return pa.array(of_row[places, classes].astype(np.float32), pa.float32(), mask=~where)

    columns = {
        "row": pa.array(places, pa.int64()),
        "file_name": manifest.file_names,
        "given_label": manifest.given_labels,
        "predicted_label": pa.array(class_names, pa.string()).take(
            pa.array(best, pa.int64(), mask=~readable)
        ),
        "predicted_prob": shares(best, readable),
        "given_prob": shares(rows.labels, readable & rows.labelled),
        "status": found.status,
        "error": found.error,
        "content_sha256": found.sha256,
    }
    own = manifest.columns
    kept = [name for name in own.column_names if name not in PREDICTION_SCHEMA.names]
    arrays = [*(own[name] for name in kept), *columns.values()]
    schema = pa.schema([*(own.schema.field(name) for name in kept), *PREDICTION_SCHEMA])
    return pa.Table.from_arrays(arrays, schema=schema)


def _write(table: pa.Table, facts: dict[str, Any], output: Path, overwrite: bool) -> None:
    key = METADATA_KEY + b"-predictions"  # not the key of a score table, which it is none
    text = json.dumps(facts, sort_keys=True).encode()
    with whole_file(output, overwrite) as temporary:
        pq.write_table(table.replace_schema_metadata({key: text}), temporary, compression="zstd")
