"""Labels as the input writes them, to class names.

Integers need names from elsewhere, since prompts are words.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deftclean.core.errors import InputError
from deftclean.core.files import read_text
from deftclean.core.text import few, lines_of, unambiguous_json

_WHOLE = re.compile(r"[+-]?\d+\.0*")  # an integer that pandas made a float for a gap
_PADDED = re.compile(r"0\d+")
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


@dataclass(frozen=True)
class _CodedTexts:
    """N labels by place among the distinct ones, which are few and can be looked at one by one.

    Attributes:
        places: (N,) int32, null where the row has no label.
        texts: distinct labels in order of appearance, None for what is read as no label; the same
            text may stand there twice.
        rows: how many rows are at each place.
    """

    places: pa.Array
    texts: list[str | None]
    rows: list[int]

    def counts(self) -> Counter[str]:
        """Rows by label, in order of appearance."""
        counts: Counter[str] = Counter()
        for text, rows in zip(self.texts, self.rows, strict=True):
            if text is not None:
                counts[text] += rows
        return counts

    def renamed(self, names: Mapping[str, str | None]) -> "_CodedTexts":
        """Other texts for those in `names`."""
        texts = [text if text is None else names.get(text, text) for text in self.texts]
        return replace(self, texts=texts)

    def decoded(self) -> pa.Array:
        """(N,) strings."""
        return pa.array(self.texts, pa.string()).take(self.places)


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
    coded = _coded_texts(values)
    notes: tuple[str, ...] = ()
    if built_in is not None and (missing := coded.counts()["-1"]):
        # Hugging Face's ClassLabel writes -1 where a row has no label.
        notes = (f"{missing:,} rows have label -1, read as no label",)
        coded = coded.renamed({"-1": None})
    listed = read_class_names(class_names) if class_names else built_in
    used = set(coded.counts())
    as_written = isinstance(listed, dict) and used <= listed.keys()
    if used and not as_written and all(map(_WHOLE.fullmatch, used)):
        coded = coded.renamed({text: text.partition(".")[0] for text in used})
        used = set(coded.counts())
    if listed is None and known is not None:
        return Labels(coded.renamed(known).decoded(), dict(known))
    if listed is None:
        _refuse_integers(used)
        return Labels(coded.decoded(), {name: name for name in sorted(used)})
    numbers = pa.types.is_integer(values.type) or pa.types.is_floating(values.type)
    names = listed if isinstance(listed, dict) else _by_index_or_name(listed, used, numbers)
    if class_names is not None and not isinstance(listed, dict):
        names = _with_zeros(names, used)
    _refuse_foreign(coded.counts(), names)
    return Labels(coded.renamed(names).decoded(), names, notes)


def _with_zeros(names: Mapping[str, str], used: set[str]) -> dict[str, str]:
    """The same names, also for labels with zeros before the number: line 0 names `0` and `00000`.

    Labels as they are written come first, each in the place of its class.
    """
    padded: dict[str, list[str]] = {}
    for label in sorted(used - names.keys()):
        if _PADDED.fullmatch(label):
            padded.setdefault(label.lstrip("0") or "0", []).append(label)
    made: dict[str, str] = {}
    for number, name in names.items():
        alone = number not in padded or number in used
        made |= dict.fromkeys([*padded.get(number, ()), *([number] if alone else [])], name)
    return made


def _refuse_foreign(counts: Counter[str], names: Mapping[str, str]) -> None:
    foreign = Counter({label: rows for label, rows in counts.items() if label not in names})
    if foreign:
        most = ", ".join(f"{label!r} ({count:,} rows)" for label, count in foreign.most_common(5))
        raise InputError(
            f"{len(foreign)} label(s) have no class name: {most}"
            f"{' and more' if len(foreign) > 5 else ''}.",
            f"There are names for {few(list(names), 8)}. Complete the class names.",
        )


def _refuse_integers(used: set[str]) -> None:
    if not used or not all(_INTEGER.fullmatch(label) for label in used):
        return
    labels = sorted(used, key=int)
    written = labels if any(map(_PADDED.fullmatch, labels)) else ["0", "1"]
    pairs = zip(written, ("cat", "dog"), strict=False)
    example = ", ".join(f'"{label}": "{name}"' for label, name in pairs)
    raise InputError(
        f"The labels are integers ({few(labels)}), and prompts need words.",
        "Write the class names into a file, one a line, the name of label 0 first, and give it: "
        f"--class-names names.txt. Or a JSON object: {{{example}}}.",
    )


def _coded_texts(values: pa.Array | pa.ChunkedArray) -> _CodedTexts:
    kind = values.type
    if pa.types.is_floating(kind):
        values = _whole_numbers(values)
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        values = _decoded(values)
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
    texts = values.cast(pa.string())
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    coded = texts.dictionary_encode()
    distinct = [text if text.strip() else None for text in coded.dictionary.to_pylist()]
    rows = np.bincount(coded.indices.drop_null().to_numpy())
    return _CodedTexts(coded.indices, distinct, rows.tolist())


def _decoded(values: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Text that Parquet's older writers do not mark as such."""
    return _cast(values, pa.string(), "The labels are bytes, and not UTF-8 text.")


def _whole_numbers(values: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Integers that a missing value has turned into floating point, as pandas does."""
    values = pc.if_else(pc.is_nan(values), None, values)
    return _cast(values, pa.int64(), "The labels are fractional numbers, not classes.")


def _cast(
    values: pa.Array | pa.ChunkedArray, kind: pa.DataType, otherwise: str
) -> pa.Array | pa.ChunkedArray:
    """The values as another type, or what is wrong with the column."""
    try:
        return values.cast(kind)
    except pa.ArrowInvalid as error:
        hint = "Choose another column: --label-column NAME"
        raise InputError(otherwise, hint) from error


def _by_index_or_name(names: list[str], used: set[str], numbers: bool) -> dict[str, str]:
    """A list names integer labels by place; text labels may be in it themselves."""
    integers = numbers or (bool(used) and all(map(_INTEGER.fullmatch, used)))
    if not integers or (set(used) <= set(names) and not numbers):
        return {name: name for name in names}
    return {str(index): name for index, name in enumerate(names)}


def read_class_names(path: Path) -> list[str] | dict[str, str]:
    """Class names from a text file (a line each), a JSON list, or a JSON object label -> name.

    Raises:
        InputError: the file cannot be read, or names are empty or double.
    """
    try:
        text = read_text(path)
        parsed = unambiguous_json(text) if path.suffix.lower() == ".json" else lines_of(text)
    except (OSError, ValueError, RecursionError) as error:
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
