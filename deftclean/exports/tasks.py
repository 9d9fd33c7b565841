"""Exports for reviewing elsewhere: FiftyOne samples, and Label Studio tasks with predictions.

The pictures stay where they are; the files name them.
"""

import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.compute as pc

from deftclean.core.errors import InputError
from deftclean.core.text import few
from deftclean.exports.rows import ChosenRows
from deftclean.table.reviewed import FINAL

SAMPLES, METADATA = "samples.json", "metadata.json"
TASKS, LABELING = "tasks.json", "labeling.xml"

_AT_ONCE = 8192  # rows that are Python objects at the same time
_COLUMNS = (
    "row", "file_name", "given_label", "clean_prob", "keep", "suggested_label", "suggested_prob",
    "status", "content_sha256",
)  # fmt: skip


def fill_fiftyone(
    rows: ChosenRows, facts: Mapping[str, Any], root: Path, output: Path, folder: Path
) -> None:
    """A data set of FiftyOne's type `FiftyOneDataset`: one sample for each row.

    `mistakenness` is 1 - `clean_prob`, in [0, 1]; higher = more likely wrong. File names lead from
    the folder to the pictures, so that both may move together.

    Args:
        rows: n rows.
        facts: metadata of the score table.
        root: the data folder.
        output: where the folder will stand.
        folder: exists and is empty.
    """
    way = Path(os.path.relpath(root.resolve(), output.resolve())).as_posix()
    info = {
        "classes": facts.get("class_names", []),
        "source": "deftclean",
        **{name: facts.get(name) for name in ("rule", "threshold", "noise_rate")},
    }
    # Without a version: FiftyOne then reads plain samples and works their fields out itself.
    text = json.dumps({"media_type": "image", "info": info}, indent=2, ensure_ascii=False)
    (folder / METADATA).write_text(f"{text}\n", encoding="utf-8")
    samples = (_sample(row, way, rows.reviewed) for row in _rows(rows))
    _write_list(folder / SAMPLES, '{"samples": [', samples, "]}")


def fill_label_studio(
    rows: ChosenRows, facts: Mapping[str, Any], images: str, folder: Path
) -> None:
    """Tasks with the suggested label as prediction, lowest `clean_prob` first, and the interface.

    Args:
        rows: n rows.
        facts: metadata of the score table.
        images: what stands before a file name in a picture's address.
        folder: exists and is empty.

    Raises:
        InputError: class names hold characters that XML cannot.
    """
    labels = _choices(rows, facts)
    (folder / LABELING).write_text(_interface(labels), encoding="utf-8")
    order = pc.sort_indices(
        rows.table.select(["clean_prob", "row"]),
        sort_keys=[("clean_prob", "ascending"), ("row", "ascending")],
    )
    ordered = rows.table.take(order)
    tasks = (_task(row, images, rows.reviewed) for row in _rows_of(ordered, rows.reviewed))
    _write_list(folder / TASKS, "[", tasks, "]")


def _sample(row: Mapping[str, Any], way: str, reviewed: bool) -> dict[str, Any]:
    flagged = row["clean_prob"] is not None and not row["keep"]
    clean = _rounded(row["clean_prob"])
    sample = {
        "filepath": f"{way}/{row['file_name']}",
        "tags": ["flagged"] if flagged else [],
        "metadata": None,
        "ground_truth": _classification(row["given_label"], None),
        "predictions": _classification(row["suggested_label"], _rounded(row["suggested_prob"])),
        "mistakenness": None if clean is None else _rounded(1 - clean),
        "clean_prob": clean,
        "keep": row["keep"],
        "status": row["status"],
        "row": row["row"],
        # By these, `review` knows what comes back.
        "file_name": row["file_name"],
        "given_label": row["given_label"],
        "content_sha256": row["content_sha256"],
    }
    return {**sample, FINAL: _classification(row[FINAL], None)} if reviewed else sample


def _classification(label: str | None, confidence: float | None) -> dict[str, Any] | None:
    if label is None:
        return None
    return {"_cls": "Classification", "tags": [], "label": label, "confidence": confidence}


def _task(row: Mapping[str, Any], images: str, reviewed: bool) -> dict[str, Any]:
    data = {
        "image": f"{images}{quote(row['file_name'])}",
        "file_name": row["file_name"],
        "row": row["row"],
        "given_label": row["given_label"],
        "clean_prob": _rounded(row["clean_prob"]),
        "status": row["status"],
        "content_sha256": row["content_sha256"],
    }
    if reviewed:
        data[FINAL] = row[FINAL]
    if row["suggested_label"] is None:
        return {"data": data, "predictions": []}
    result = {
        "id": f"row-{row['row']}",
        "from_name": "label",
        "to_name": "image",
        "type": "choices",
        "value": {"choices": [row["suggested_label"]]},
    }
    prediction = {
        "model_version": "deftclean",
        "score": _rounded(row["suggested_prob"]),
        "result": [result],
    }
    return {"data": data, "predictions": [prediction]}


def _choices(rows: ChosenRows, facts: Mapping[str, Any]) -> list[str]:
    """The classes of the scan, then whatever else stands in the rows as a label."""
    columns = ["given_label", "suggested_label", *([FINAL] if rows.reviewed else [])]
    used = {
        label
        for name in columns
        for label in pc.unique(rows.table[name].cast(pa.string())).to_pylist()
        if label is not None
    }
    known = list(facts.get("class_names", []))
    labels = [*known, *sorted(used - set(known))]
    bad = [ascii(label) for label in labels if any(_forbidden(c) for c in label)]
    if bad:
        raise InputError(
            f"{len(bad)} class name(s) hold characters that Label Studio's XML cannot: {few(bad)}.",
            "Give other names: --class-names in a new scan.",
        )
    return labels


def _forbidden(character: str) -> bool:
    code = ord(character)
    return (code < 32 and character not in "\t\n\r") or code in (0xFFFE, 0xFFFF)


def _interface(labels: list[str]) -> str:
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Header", value="Given label: $given_label")
    ElementTree.SubElement(view, "Image", name="image", value="$image", zoom="true")
    ElementTree.SubElement(view, "Filter", name="filter", toName="label", minlength="0")
    choices = ElementTree.SubElement(
        view, "Choices", name="label", toName="image", choice="single", showInline="true"
    )
    for label in labels:
        ElementTree.SubElement(choices, "Choice", value=label)
    drop = ElementTree.SubElement(view, "Choices", name="drop", toName="image")
    ElementTree.SubElement(drop, "Choice", value="Leave this picture out")
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode") + "\n"


def _rows(rows: ChosenRows) -> Iterator[dict[str, Any]]:
    return _rows_of(rows.table, rows.reviewed)


def _rows_of(table: pa.Table, reviewed: bool) -> Iterator[dict[str, Any]]:
    table = table.select([*_COLUMNS, *([FINAL] if reviewed else [])])
    for batch in table.to_batches(max_chunksize=_AT_ONCE):
        yield from batch.to_pylist()


def _rounded(value: float | None) -> float | None:
    """Six digits: more is the noise of float32."""
    return None if value is None or not math.isfinite(value) else round(value, 6)


def _write_list(path: Path, start: str, items: Iterator[dict[str, Any]], end: str) -> None:
    """A JSON list, an item a line, never held in memory whole."""
    with path.open("w", encoding="utf-8") as file:
        file.write(start)
        for index, item in enumerate(items):
            file.write(",\n" if index else "\n")
            file.write(json.dumps(item, ensure_ascii=False))
        file.write(f"\n{end}\n")
