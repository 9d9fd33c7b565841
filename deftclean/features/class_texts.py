"""The texts that stand for the classes where the untrained model compares. No torch."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from deftclean.core.errors import InputError
from deftclean.core.files import read_text
from deftclean.core.tables import SUFFIXES, read_table
from deftclean.core.text import few, parsed_json, readable_name

PLAIN = "a photo of a {}"
"""CLIP's own prompt for classification."""

ClassTexts = tuple[tuple[str, ...], ...]
"""One text or more for each of the K classes."""

_LABEL, _TEXT = "label", "text"


def plain_texts(class_names: Sequence[str]) -> ClassTexts:
    """ "a photo of a {name}" alone."""
    return class_texts(class_names, None, None)


def class_texts(
    class_names: Sequence[str],
    templates: Sequence[str] | None,
    descriptions: Mapping[str, Sequence[str]] | None,
) -> ClassTexts:
    """Templates with the class name in them, then the descriptions of the class.

    Args:
        class_names: K.
        templates: with `{}` for the name; None for `PLAIN`, or for none beside descriptions.
        descriptions: of each class, one or more.
    """
    used = templates or (() if descriptions else (PLAIN,))
    return tuple(
        (
            *(text.replace("{}", readable_name(name)) for text in used),
            *(descriptions[name] if descriptions else ()),
        )
        for name in class_names
    )


def read_descriptions(
    path: Path, class_names: Sequence[str]
) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """Texts by class, and what there is to say of the file.

    Args:
        path: JSON, an object from class to a text or a list of texts; or a table with columns
            `label` and `text`.
        class_names: K.

    Raises:
        InputError: it cannot be read, or says nothing of some of the classes.
    """
    found = _of_json(path) if path.suffix.lower() == ".json" else _of_table(path)
    kept = {name: tuple(text for text in texts if text.strip()) for name, texts in found.items()}
    missing = [name for name in class_names if not kept.get(name)]
    if missing:
        raise InputError(
            f"--descriptions {path} says nothing of {len(missing):,} of {len(class_names):,} "
            f"classes: {few(missing)}.",
            "Give one text or more for every class, by its name as deftclean shows it.",
        )
    others = [name for name in kept if name not in class_names]
    notes = (f"descriptions of {few(others)}: no class is called so",) if others else ()
    return {name: kept[name] for name in class_names}, notes


def _of_json(path: Path) -> dict[str, list[str]]:
    try:
        values = parsed_json(read_text(path))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"--descriptions {path} cannot be read: {error}") from error
    if isinstance(values, dict):
        made = {name: [text] if isinstance(text, str) else text for name, text in values.items()}
        if all(isinstance(t, list) and all(isinstance(e, str) for e in t) for t in made.values()):
            return made
    raise InputError(
        f"--descriptions {path} is no object from class to texts.",
        'Write it as {"cat": ["a small cat", "a cat indoors"], "dog": ["..."]}.',
    )


def _of_table(path: Path) -> dict[str, list[str]]:
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"--descriptions {path}: it must end in .json, {', '.join(SUFFIXES)}.")
    table = read_table(path, None, None)
    if not {_LABEL, _TEXT} <= set(table.column_names):
        raise InputError(
            f"--descriptions {path} has the columns {few(table.column_names, 12)}.",
            "A line for each text, with columns label and text.",
        )
    found: dict[str, list[str]] = {}
    pairs = zip(
        table[_LABEL].cast(pa.string()).to_pylist(),
        table[_TEXT].cast(pa.string()).to_pylist(),
        strict=True,
    )
    for label, text in pairs:
        found.setdefault(label or "", []).append(text or "")
    return found
