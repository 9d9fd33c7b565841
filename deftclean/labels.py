"""Labels as the input writes them, to class names.

Integers need names from elsewhere, since prompts are words.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from deftclean.errors import InputError

_WHOLE = re.compile(r"[+-]?\d+\.0*")  # an integer that pandas made a float for a gap
_INTEGER = re.compile(r"[+-]?\d+")


@dataclass(frozen=True)
class Labels:
    """Labels that have become classes.

    Attributes:
        given: (N,) class names, null where the row has no label.
        names: class name by label as the input writes it, in the order of the K classes.
        notes: what a user should know about how labels were read.
    """

    given: pa.Array
    names: dict[str, str]
    notes: tuple[str, ...] = ()


def name_labels(
    values: pa.Array | pa.ChunkedArray,
    class_names: Path | None,
    built_in: list[str] | None,
    known: Mapping[str, str] | None,
) -> Labels:
    """Labels as class names.

    Args:
        values: (N,) the label column.
        class_names: file with names, or None.
        built_in: names that the table itself brings, by place.
        known: class name by label of a saved detector, for input that names no classes itself;
            labels that are not in it stay as they are.

    Raises:
        InputError: labels that are no classes, or have no names; all of them together.
    """
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    texts = _label_texts(values)
    notes: tuple[str, ...] = ()
    if built_in is not None and "-1" in texts:
        # Hugging Face's ClassLabel writes -1 where a row has no label.
        notes = (f"{texts.count('-1'):,} rows have label -1, read as no label",)
        texts = [None if text == "-1" else text for text in texts]
    used = {text for text in texts if text is not None}
    if used and all(map(_WHOLE.fullmatch, used)):
        texts = [None if text is None else text.partition(".")[0] for text in texts]
        used = {text for text in texts if text is not None}

    listed = read_class_names(class_names) if class_names else built_in
    if listed is None and known is not None:
        known = known
        return Labels(_renamed_texts(texts, {**{u: u for u in used}, **known}), dict(known), notes)
    if listed is None:
        _refuse_integers(used)
        return Labels(pa.array(texts, pa.string()), {name: name for name in sorted(used)}, notes)
    numbers = not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type))
    names = listed if isinstance(listed, dict) else _by_index_or_name(listed, used, numbers)
    foreign = Counter(text for text in texts if text is not None and text not in names)
    if foreign:
        most = ", ".join(f"{label!r} ({count:,} rows)" for label, count in foreign.most_common(5))
        raise InputError(
            f"{len(foreign)} label(s) have no class name: {most}"
            f"{' and more' if len(foreign) > 5 else ''}.",
            f"There are names for {few(list(names), 8)}. Complete the class names.",
        )
    return Labels(_renamed_texts(texts, names), names, notes)


def _renamed_texts(texts: list[str | None], names: Mapping[str, str]) -> pa.Array:
    return pa.array([None if text is None else names[text] for text in texts], pa.string())


def _refuse_integers(used: set[str]) -> None:
    if not used or not all(_INTEGER.fullmatch(label) for label in used):
        return
    raise InputError(
        f"The labels are integers ({few(sorted(used, key=int))}), and prompts need words.",
        "Write the class names into a file, one a line, the name of label 0 first, and give it: "
        '--class-names names.txt. Or a JSON object: {"0": "cat", "1": "dog"}.',
    )


def _label_texts(values: pa.Array | pa.ChunkedArray) -> list[str | None]:
    kind = values.type
    if pa.types.is_floating(kind):
        values = _whole_numbers(values)
    elif not (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_null(kind)
    ):
        raise InputError(
            f"The labels are of type {kind}; one class per image is needed.",
            "Choose another column: --label-column NAME",
        )
    texts = values.cast(pa.string()).to_pylist()
    return [text if text is not None and text.strip() else None for text in texts]


def _whole_numbers(values: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Integers that a missing value has turned into floating point, as pandas does."""
    values = pc.if_else(pc.is_nan(values), None, values)
    try:
        return values.cast(pa.int64())
    except pa.ArrowInvalid as error:
        raise InputError(
            "The labels are fractional numbers, not classes.",
            "Choose another column: --label-column NAME",
        ) from error


def _by_index_or_name(names: list[str], used: set[str], numbers: bool) -> dict[str, str]:
    """A list names integer labels by place; text labels may be in it themselves."""
    integers = numbers or (bool(used) and all(map(_INTEGER.fullmatch, used)))
    if not integers or (used <= set(names) and not numbers):
        return {name: name for name in names}
    return {str(index): name for index, name in enumerate(names)}


def read_class_names(path: Path) -> list[str] | dict[str, str]:
    """Class names from a text file (a line each), a JSON list, or a JSON object label -> name.

    Raises:
        InputError: the file cannot be read, or names are empty or double.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        parsed = json.loads(text) if path.suffix.lower() == ".json" else text.splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"--class-names {path} cannot be read: {error}.") from error
    if isinstance(parsed, list) and all(isinstance(name, str) for name in parsed):
        names = [name.strip() for name in parsed]
        while names and not names[-1] and path.suffix.lower() != ".json":
            names.pop()
        _check_names(path, names)
        return names
    if isinstance(parsed, dict) and all(isinstance(name, str) for name in parsed.values()):
        mapping = {str(label): name.strip() for label, name in parsed.items()}
        _check_names(path, list(mapping.values()))
        return mapping
    raise InputError(
        f"--class-names {path} is neither a list of names nor an object from label to name."
    )


def _check_names(path: Path, names: list[str]) -> None:
    empty = [str(index) for index, name in enumerate(names) if not name]
    double = [name for name, count in Counter(names).items() if count > 1 and name]
    problems = []
    if not names:
        problems.append("it is empty")
    if empty:
        problems.append(f"the names number {few(empty)} (from 0) are empty")
    if double:
        problems.append(f"{few(double)} stand there twice")
    if problems:
        raise InputError(
            f"--class-names {path}: {'; '.join(problems)}.",
            "Every class needs a name of its own.",
        )


def few(items: Sequence[str], limit: int = 5) -> str:
    """The first of `items`, and how many more."""
    more = f" and {len(items) - limit} more" if len(items) > limit else ""
    return ", ".join(items[:limit]) + more
