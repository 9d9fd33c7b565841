"""What the loaders of public data sets share: their result, and reading their lists. No torch."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deftclean.core.errors import InputError, UsageError
from deftclean.core.files import read_text
from deftclean.core.text import few, lines_of
from deftclean.datasets.options import Split

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class PublicSet:
    """N rows of a public data set.

    Attributes:
        root: the folder that file names are relative to, where pictures are files.
        file_names: (N,) strings, POSIX.
        given: (N,) strings, class names as prompts need them.
        true: (N,) strings; null where the true label is not public.
        wrong: (N,) bool, the given label is not the true one; null where that is not public.
        class_names: the K classes, in the data set's order.
        pixels: parts of (n, 3, h, w) pictures, in the order of the rows, where pictures are not
            files; empty where they are.
    """

    root: Path
    file_names: pa.Array
    given: pa.Array
    true: pa.Array
    wrong: pa.Array
    class_names: tuple[str, ...]
    pixels: tuple[Pixels, ...] = ()

    def __len__(self) -> int:
        return len(self.file_names)


@dataclass(frozen=True)
class Source:
    """Where a data set is published, and what its folder holds.

    Attributes:
        name: of the data set.
        page: its project page, in words.
        layout: what has to lie in the folder.
    """

    name: str
    page: str
    layout: str

    def refusal(self, message: str) -> InputError:
        """An error about this data set that says what to put where."""
        return InputError(
            f"{self.name}: {message}.", f"Needed: {self.layout}. Published: {self.page}."
        )

    def check_split(self, split: Split, known: Sequence[Split]) -> None:
        """Refuse a split that the data set does not have, or whose labels are not public.

        Raises:
            UsageError: which there are.
        """
        if split not in known:
            raise UsageError(f"{self.name} has no --split {split}.", f"It has {', '.join(known)}.")

    def folder(self, root: Path, markers: Sequence[str], inner: Sequence[str] = ()) -> Path:
        """The folder with the files `markers`: `root`, or one of its sub-folders `inner`.

        Raises:
            InputError: none has them all.
        """
        for folder in (root, *(root / name for name in inner)):
            if all((folder / name).exists() for name in markers):
                return folder
        missing = [name for name in markers if not (root / name).exists()]
        raise self.refusal(f"{root} lacks {few(missing)}")

    def lines(self, path: Path) -> list[str]:
        """The lines of a text file that are not empty.

        Raises:
            InputError: it cannot be read.
        """
        try:
            text = read_text(path)
        except (OSError, ValueError) as error:
            raise self.refusal(f"{path} cannot be read: {error}") from error
        return [line.strip() for line in lines_of(text) if line.strip()]

    def columns(self, path: Path, names: Mapping[str, pa.DataType], delimiter: str) -> pa.Table:
        """A list of a million lines: columns without a heading.

        Raises:
            InputError: it cannot be read, or its lines are not of that form.
        """
        import pyarrow.csv as pv

        try:
            return pv.read_csv(
                path,
                read_options=pv.ReadOptions(column_names=list(names)),
                parse_options=pv.ParseOptions(delimiter=delimiter, quote_char=False),
                convert_options=pv.ConvertOptions(column_types=dict(names)),
            )
        except (pa.ArrowException, OSError) as error:
            raise self.refusal(f"{path} cannot be read: {str(error).splitlines()[0]}") from error

    def named(self, classes: pa.Array, names: Sequence[str], where: Path) -> pa.Array:
        """(N,) class names for class numbers from 0.

        Raises:
            InputError: a number has no name.
        """
        import pyarrow.compute as pc

        outside = pc.sum(pc.or_(pc.less(classes, 0), pc.greater_equal(classes, len(names)))).as_py()
        if outside:
            raise self.refusal(f"{where}: {outside:,} labels are none of the {len(names)} classes")
        return pa.array(names, pa.string()).take(classes)


def plain(name: str) -> str:
    """A name as a caption would write it: underscores are spaces."""
    return " ".join(name.replace("_", " ").split())


# Two ids of ImageNet have one name each, and it is the same.
_CRANES = {"n02012849": "crane bird", "n03126707": "construction crane"}


def first_lemmas(
    synsets: Mapping[str, str], better: Mapping[str, str] | None = None
) -> dict[str, str]:
    """WordNet id -> its first name; all of its names where two ids would share the first.

    Args:
        synsets: WordNet id -> names, separated by commas.
        better: WordNet id -> a name in place of the first, of some ids.
    """
    known = {**_CRANES, **(better or {})}
    firsts = {key: known.get(key, names.split(",")[0].strip()) for key, names in synsets.items()}
    shared = {name for name, count in Counter(firsts.values()).items() if count > 1}
    return {
        key: plain(synsets[key].replace(",", " ") if name in shared else name)
        for key, name in firsts.items()
    }


def clean_set(
    root: Path, file_names: pa.Array, given: pa.Array, class_names: Sequence[str]
) -> PublicSet:
    """A data set whose labels are taken to be true."""
    right = pa.array(np.zeros(len(file_names), bool))
    return PublicSet(root, file_names, given, given, right, tuple(class_names))
