"""The command `predict`, whole, and the classifier of a run folder for use in Python."""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from deftclean import __version__
from deftclean.adaptation.run_card import AdaptedCard, read_card
from deftclean.core.arrow_types import refuse_nan
from deftclean.core.progress import Advance, Progress, Silent
from deftclean.core.results import Shown, percent
from deftclean.core.run import RunOptions
from deftclean.core.switch import whole_file
from deftclean.data.manifest import read_manifest
from deftclean.data.options import ManifestOptions, input_files
from deftclean.stores.door import opens_urls
from deftclean.table.scores import METADATA_KEY, check_table_output

if TYPE_CHECKING:
    from torch import nn

    from deftclean.adaptation.fine_tuning import Batches
    from deftclean.images.prepared import ImageReader, PreparedRows
    from deftclean.images.usable_rows import UsableRows

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


@opens_urls("folder")
def load_classifier(folder: str | Path, *, offline: bool = False) -> "nn.Module":
    """The classifier of a run folder: (B, 3, S, S) uint8 pixels -> (B, K) logits, on the CPU.

    Args:
        folder: written by `adapt`.
        offline: as everywhere; the CLIP that some methods need is never fetched.

    Raises:
        InputError: the folder is no run folder, or damaged.
        WeightsError: its CLIP cannot be had.
    """
    from deftclean.adaptation.saved_classifier import load_adapted

    card = read_card(Path(folder))
    return load_adapted(Path(folder), card, offline, lambda _text: None).eval()


@opens_urls("folder", "data", "labels", "reading", "run", output="output")
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
        run: device, workers, cache; its model is the CLIP that some methods need, where the user
            names it.
        progress: told what happens; nobody by default.

    Raises:
        UsageError: options or input are wrong; nothing was written.
        RunError: weights cannot be had, or the disk is full.
    """
    began = time.monotonic()
    progress, run = progress or Silent(), run or RunOptions()
    folder, output = Path(folder), Path(output)
    check_table_output(output, overwrite, input_files(data, labels, reading))

    card = read_card(folder)
    reading = replace(
        reading or ManifestOptions(), known_labels={name: name for name in card.class_names}
    )
    manifest = read_manifest(Path(data), Path(labels) if labels is not None else None, reading)
    for note in manifest.notes:
        progress.say(note)

    from deftclean.core.runtime import choose_runtime
    from deftclean.images.prepared import opened_reader
    from deftclean.images.resizing import Preparation

    runtime = choose_runtime(run.device, run.precision, run.workers)
    preparation = Preparation.of(card.preprocess, card.config.decode, crop=False)
    with opened_reader(preparation, runtime, run, progress) as reader:
        prepared = reader.prepare(manifest, reading, card.class_names)
        found = _predictions(folder, card, prepared.rows, reader, run)
        table = _table(prepared, found, card.class_names)
        facts = {"tool_version": __version__, "command": "predict", "run": folder.name}
        _write(table, facts, output, overwrite)
    return PredictResult(
        output,
        table,
        len(table),
        len(prepared.rows.readable),
        _accuracy(prepared.rows, found),
        time.monotonic() - began,
    )


@dataclass(frozen=True)
class _Predictions:
    """What is written of N rows; of those that cannot be read anything.

    Attributes:
        best: (N,) int64 most probable class.
        best_prob, given_prob: (N,) float32 softmax of it, and of the given label.
    """

    best: NDArray[np.int64]
    best_prob: NDArray[np.float32]
    given_prob: NDArray[np.float32]

    @classmethod
    def of(cls, rows: "UsableRows", batches: Iterable[tuple[Any, Any]]) -> "_Predictions":
        """Batch by batch, so that memory does not grow with rows times classes.

        Args:
            rows: N.
            batches: of pictures in ascending order, (B,), and their softmax, (B, K).
        """
        count = len(rows.labels)
        made = cls(np.zeros(count, np.int64), *(np.zeros(count, np.float32) for _ in range(2)))
        by_picture = rows.readable[np.argsort(rows.pictures[rows.readable], kind="stable")]
        shown = rows.pictures[by_picture]
        for pictures, shares in batches:
            numbers = shares.numpy()
            first, last = int(pictures[0]), int(pictures[-1])
            some = by_picture[shown.searchsorted(first) : shown.searchsorted(last, side="right")]
            local = rows.pictures[some] - first
            best = numbers.argmax(axis=1)
            made.best[some] = best[local]
            made.best_prob[some] = numbers[local, best[local]]
            made.given_prob[some] = numbers[local, rows.labels[some]]
        return made


def _predictions(
    folder: Path, card: AdaptedCard, rows: "UsableRows", reader: "ImageReader", run: RunOptions
) -> _Predictions:
    from deftclean.adaptation.saved_classifier import load_adapted
    from deftclean.adaptation.sets import probability_batches
    from deftclean.training.picture_sets import PictureSet

    runtime, progress = reader.runtime, reader.progress
    same = run.weights is None and run.model == card.model
    named = None if run.model is None else (run.model, card.weights if same else run.weights)
    classifier = load_adapted(folder, card, run.offline, progress.say, named)
    runtime.place(classifier)
    pictures = PictureSet(rows, reader.preparation, reader.cache, runtime)
    with progress.stage("Predicting", len(rows.distinct)) as advance:
        batches = _counted(pictures.in_order(doing="predicting"), advance)
        return _Predictions.of(rows, probability_batches(classifier, batches, runtime.autocast))


def _counted(batches: "Batches", advance: Advance) -> "Batches":
    for pictures, pixels in batches:
        yield pictures, pixels
        advance(len(pictures), "")


def _accuracy(rows: "UsableRows", predictions: _Predictions) -> float | None:
    if not len(rows.trainable):
        return None
    predicted = predictions.best[rows.trainable]
    return float((predicted == rows.labels[rows.trainable]).mean())


def _table(
    prepared: "PreparedRows", predictions: _Predictions, class_names: tuple[str, ...]
) -> pa.Table:
    manifest, found, rows = prepared.manifest, prepared.found, prepared.rows
    readable, places = prepared.readable, np.arange(len(manifest))

    def shares(values: NDArray[np.float32], where: Any) -> pa.Array:
        return pa.array(values, pa.float32(), mask=~where)

    columns = {
        "row": pa.array(places, pa.int64()),
        "file_name": manifest.file_names,
        "given_label": manifest.given_labels,
        "predicted_label": pa.array(class_names, pa.string()).take(
            pa.array(predictions.best, pa.int64(), mask=~readable)
        ),
        "predicted_prob": shares(predictions.best_prob, readable),
        "given_prob": shares(predictions.given_prob, readable & rows.labelled),
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
    refuse_nan(table, PREDICTION_SCHEMA.names)
    with whole_file(output, overwrite) as temporary:
        pq.write_table(table.replace_schema_metadata({key: text}), temporary, compression="zstd")
