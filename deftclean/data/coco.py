"""COCO's JSON: images, annotations, categories; read where every image is of one category."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from deftclean.core.errors import InputError
from deftclean.core.text import few

Found = tuple[pa.Table, str | None, str | None, tuple[str, ...]]


def coco_table(path: Path, parsed: Mapping[str, Any]) -> Found | None:
    """A row for each image: `file_name`, `label`, `image_id`; None where it is another format.

    Args:
        path: the file, for messages.
        parsed: what is in it.

    Raises:
        InputError: images of several categories, or references that lead nowhere.
    """
    images, annotations = _objects(parsed, "images"), _objects(parsed, "annotations")
    if images is None or annotations is None:
        return None
    categories = _objects(parsed, "categories") or []
    names = {_key(each, "id"): each.get("name") for each in categories}
    files = [each.get("file_name") or each.get("path") for each in images]
    ids = [each.get("id") for each in images]
    _refuse_broken(path, ids, files, annotations, names)
    found: defaultdict[Any, dict[str, None]] = defaultdict(dict)
    for each in annotations:
        found[each["image_id"]][str(names[each["category_id"]])] = None
    several = [at for at, image in enumerate(ids) if len(found[image]) > 1]
    if several:
        first = several[0]
        raise InputError(
            f"{path}: {len(several):,} of {len(ids):,} images have annotations of several "
            f"categories, as {files[first]!r}: {few(list(found[ids[first]]))}.",
            "One class per picture is needed: leave these images out, or cut the boxes out and "
            "give each picture its class.",
        )
    labels = [next(iter(found[image]), None) for image in ids]
    table = pa.table(
        {
            "file_name": pa.array(files, pa.string()),
            "label": pa.array(labels, pa.string()),
            "image_id": pa.array([str(each) for each in ids], pa.string()),
        }
    )
    return table, "file_name", "label", (_note(labels, len(annotations)),)


def _objects(parsed: Mapping[str, Any], name: str) -> list[dict[str, Any]] | None:
    value = parsed.get(name)
    fine = isinstance(value, list) and all(isinstance(each, dict) for each in value)
    return value if fine else None


def _note(labels: list[str | None], annotations: int) -> str:
    bare = labels.count(None)
    said = f"COCO: {len(labels):,} images, {annotations:,} annotations"
    return f"{said}; {bare:,} images without one have no label" if bare else said


def _refuse_broken(
    path: Path,
    ids: list[Any],
    files: list[Any],
    annotations: list[dict[str, Any]],
    names: Mapping[Any, Any],
) -> None:
    known = {each for each in ids if isinstance(each, str | int)}
    problems = []
    if bad := sum(not isinstance(each, str) for each in files):
        problems.append(f"{bad:,} images have no file_name")
    if bad := len(ids) - len(known):
        problems.append(f"{bad:,} images have no id of their own")
    if bad := sum(_key(each, "image_id") not in known for each in annotations):
        problems.append(f"{bad:,} annotations are of no image")
    if bad := sum(
        not isinstance(names.get(_key(each, "category_id")), str) for each in annotations
    ):
        problems.append(f"{bad:,} annotations are of no category with a name")
    if problems:
        raise InputError(f"{path}: {'; '.join(problems)}.", "Is the COCO file whole?")


def _key(annotation: Mapping[str, Any], name: str) -> Any:
    value = annotation.get(name)
    return value if isinstance(value, str | int) else None
