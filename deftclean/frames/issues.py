"""`find_label_issues`, whole: data as Python holds it to a DataFrame, as cleanlab answers."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from deftclean.core.errors import InputError, UsageError
from deftclean.core.progress import Progress
from deftclean.core.run import RunOptions
from deftclean.core.text import few
from deftclean.data.options import ManifestOptions
from deftclean.detection.result import ScanResult
from deftclean.detection.scan import scan
from deftclean.frames.inputs import (
    Rows,
    is_frame,
    is_hugging,
    is_pictures,
    named,
    rows_of_folder,
    rows_of_frame,
    rows_of_list,
    rows_of_samples,
)
from deftclean.frames.pictures import AT_ONCE, PICTURES, write_pictures
from deftclean.images.row_images import work_folder
from deftclean.settings.detector import Noise
from deftclean.settings.evidence import EvidenceOptions
from deftclean.settings.strategies import Strategy

if TYPE_CHECKING:
    import pandas as pd


def find_label_issues(
    data: Any,
    labels: Any = None,
    *,
    class_names: Sequence[str] | None = None,
    path_column: str | None = None,
    embeddings: Any = None,
    pred_probs: Any = None,
    noise: Noise = "real",
    strategy: Strategy = "evidence",
    noise_ratio: float | None = None,
    threshold: float | None = None,
    settings: Mapping[str, Any] | None = None,
    run: RunOptions | None = None,
    progress: Progress | None = None,
) -> "pd.DataFrame":
    """Scan data that Python holds, and say which labels are wrong. No file is left behind.

    What `data` may be:

    - a folder or a table, as in `scan`; `labels` then is None, a table, or a mapping or pandas
      Series from file name within the folder to label;
    - a list of (path, label), or a list of paths with `labels`, as many;
    - a pandas DataFrame with a column of paths; `labels` is the name of a column, or labels;
    - a data set with `samples`, pairs of path and class, such as torchvision's ImageFolder: its
      files are read, without its transform;
    - another data set of torch or torchvision that gives (PIL image, label) by index, such as
      CIFAR10: its pictures are first written to a temporary file;
    - a `Dataset` of Hugging Face's library: it is first written to a temporary file; `labels` is
      the name of its column, or None to recognise it.

    Args:
        data: N rows.
        labels: text or whole numbers; None or NaN where there is none.
        class_names: the name of label 0 first, which whole numbers need; None for those of the data
            set, where it has some, else labels name themselves.
        path_column: of a DataFrame; None to recognise it.
        embeddings: (N, D) features of your own, or a file as `--embeddings` takes it.
        pred_probs: (N, K) out-of-sample probabilities of the classes in their order (of names,
            that of `class_names`; of text, sorted), or a file as `--pred-probs` takes it. With
            `run=RunOptions(model="none")` no model is loaded, and these judge alone.
        noise, strategy, noise_ratio, threshold, settings, run, progress: as in `scan`.

    Returns:
        N rows in the order of `data`, with the index of the DataFrame or Series, else 0 to N - 1;
        of a folder or table, file names. Columns: `is_label_issue` (bool; false where a row could
        not be scored), `label_score` (probability that the given label is right, in [0, 1], NaN
        where not scored), `given_label` and `predicted_label` (the suggestion), as class names; a
        gap is None. `attrs` holds `warnings` and `noise_rate`.

    Raises:
        UsageError, RunError: as in `scan`, or `data` is nothing that is known.
    """
    if isinstance(labels, str | os.PathLike) and isinstance(data, str | os.PathLike):
        labels = Path(labels)
    with work_folder() as folder:
        asked = _asked(data, labels, class_names, path_column, folder)
        result = scan(
            asked.where, asked.table, output=folder / "clean.parquet", noise=noise,
            strategy=strategy, noise_ratio=noise_ratio, threshold=threshold, settings=settings,
            reading=asked.reading,
            evidence=_brought(embeddings, pred_probs, folder), run=run, progress=progress,
        )  # fmt: skip
    return _answer(result, asked)


@dataclass(frozen=True)
class _Asked:
    """What `scan` reads.

    Attributes:
        where, table, reading: as in `scan`.
        by_name: whether the answer's index are the file names.
        index: of the answer else; None for 0 to N - 1.
    """

    where: Path
    table: Path | None
    reading: ManifestOptions
    by_name: bool = False
    index: Any = None


def _asked(
    data: Any,
    labels: Any,
    class_names: Sequence[str] | None,
    path_column: str | None,
    folder: Path,
) -> _Asked:
    if hasattr(data, "column_names") and hasattr(data, "items") and not is_frame(data):
        raise InputError(
            f"A {type(data).__name__} is several data sets: {few(list(data))}.",
            f"Give one of them: data[{next(iter(data), 'train')!r}].",
        )
    if is_hugging(data):
        return _of_hugging(data, labels, class_names, path_column, folder)
    if _as_scan_takes(data, labels):
        if path_column is not None or class_names is not None:
            raise UsageError(
                "path_column and class_names go with data that Python holds; for folders and "
                "tables they are options of scan.",
                "deftclean.scan(..., reading=deftclean.ManifestOptions(...))",
            )
        return _Asked(Path(data), labels, ManifestOptions(), by_name=True)
    rows = _rows(data, labels, path_column, folder)
    known = named(rows.labels, rows.names if class_names is None else class_names)
    where, table = _written(rows, known, folder)
    # Whoever names files one by one means them, wherever links lead.
    reading = ManifestOptions(allow_outside=rows.paths is not None)
    return _Asked(where, table, reading, index=rows.index)


def _of_hugging(
    data: Any,
    labels: Any,
    class_names: Sequence[str] | None,
    path_column: str | None,
    folder: Path,
) -> _Asked:
    """A data set of Hugging Face's library, as the table that it writes itself."""
    if labels is not None and not isinstance(labels, str):
        raise UsageError("labels is the name of the data set's column.", "labels='label'")
    names = None
    if class_names is not None:
        names = folder / "names.json"
        names.write_text(json.dumps(list(class_names)), encoding="utf-8")
    data.to_parquet(str(folder / PICTURES))
    reading = ManifestOptions(
        label_column=labels, path_column=path_column, class_names=names, allow_outside=True
    )
    return _Asked(folder / PICTURES, None, reading)


def _brought(embeddings: Any, pred_probs: Any, folder: Path) -> EvidenceOptions:
    """Arrays as files."""
    files = []
    for name, values in (("embeddings", embeddings), ("pred_probs", pred_probs)):
        if values is None or isinstance(values, str | os.PathLike):
            files.append(None if values is None else Path(values))
            continue
        array = np.asarray(values)
        if array.dtype.kind not in "fiu":
            raise InputError(f"{name} holds {array.dtype}, not numbers.")
        files.append(folder / f"{name}.npy")
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
    return EvidenceOptions(embeddings=files[0], pred_probs=files[1])


def _as_scan_takes(data: Any, labels: Any) -> bool:
    return isinstance(data, str | os.PathLike) and (labels is None or isinstance(labels, Path))


def _rows(data: Any, labels: Any, path_column: str | None, folder: Path) -> Rows:
    if path_column is not None and not is_frame(data):
        raise UsageError("path_column goes with a DataFrame.")
    if isinstance(data, str | os.PathLike):
        if not hasattr(labels, "items"):
            raise InputError(
                "Which picture of the folder each label is of cannot be known from a list.",
                "Give a mapping from file name to label, or [(path, label), ...].",
            )
        return _filled(rows_of_folder(Path(data), labels))
    if is_frame(data):
        return _filled(rows_of_frame(data, labels, path_column))
    if hasattr(data, "samples") or is_pictures(data):
        return _filled(_of_data_set(data, labels, folder))
    if not hasattr(data, "__iter__"):
        raise InputError(
            f"A {type(data).__name__} is no data that is known.",
            "Give a folder, [(path, label), ...], a DataFrame or a data set.",
        )
    return _filled(rows_of_list(data, labels))


def _of_data_set(data: Any, labels: Any, folder: Path) -> Rows:
    if labels is not None:
        raise UsageError("The data set has its own labels.", "Leave labels out.")
    if hasattr(data, "samples"):
        return rows_of_samples(data)
    return write_pictures(data, folder / PICTURES)


def _filled(rows: Rows) -> Rows:
    if not len(rows.labels):
        raise InputError("The data has no row.", "Give pictures and labels.")
    return rows


def _written(rows: Rows, known: Mapping[Any, str], folder: Path) -> tuple[Path, Path | None]:
    """What `scan` reads: a folder and a table of names and labels, or a table with pictures."""
    texts = [None if label is None else known[label] for label in rows.labels]
    labels, table = pa.array(texts, pa.string()), folder / "labels.parquet"
    if rows.paths is None:
        _join_labels(folder / PICTURES, labels, table)
        return table, None
    here = Path.cwd()
    paths = [None if path is None else os.path.normpath(here / path) for path in rows.paths]
    parents = {str(Path(path).parent) for path in paths if path is not None}
    root = os.path.commonpath(parents) if parents else str(here)
    names = [path and Path(path).relative_to(root).as_posix() for path in paths]
    pq.write_table(pa.table({"file_name": pa.array(names, pa.string()), "label": labels}), table)
    return Path(root), table


def _join_labels(pictures: Path, labels: pa.Array, table: Path) -> None:
    """Pictures and labels in one table, some hundred rows in memory at a time."""
    with pq.ParquetFile(pictures) as file:
        schema = file.schema_arrow.append(pa.field("label", pa.string()))
        with pq.ParquetWriter(table, schema) as writer:
            at = 0
            for batch in file.iter_batches(AT_ONCE):
                of_batch = labels.slice(at, len(batch))
                writer.write_batch(pa.RecordBatch.from_arrays([*batch, of_batch], schema=schema))
                at += len(batch)


def _answer(result: ScanResult, asked: _Asked) -> "pd.DataFrame":
    """The columns of the answer."""
    import pandas as pd

    table = result.scores.table
    score = table["clean_prob"].to_pandas().astype("float64").to_numpy()
    keep = table["keep"].to_pandas().to_numpy(bool)
    frame = pd.DataFrame(
        {
            "is_label_issue": ~np.isnan(score) & ~keep,
            "label_score": score,
            "given_label": table["given_label"].to_pylist(),
            "predicted_label": table["suggested_label"].to_pylist(),
        },
        index=table["file_name"].to_pylist() if asked.by_name else asked.index,
    )
    frame.attrs.update(warnings=list(result.warnings), noise_rate=result.summary.noise_rate)
    return frame
