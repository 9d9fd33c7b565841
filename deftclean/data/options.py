"""What the user may say about the input where the usual names do not say it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from deftclean.core.errors import UsageError
from deftclean.core.fields import setting

Folders = Literal["classes", "splits"]
"""What the folders of a data set may be said to be."""

LEAVE_FOLDER = "Follow links and names that leave the data folder."
"""Help text of `allow_outside`."""


@dataclass(frozen=True)
class ManifestOptions:
    """How to read a manifest where the usual names do not say it.

    Attributes:
        path_column: column with the file names (or the images).
        label_column: column with the labels.
        annotator: columns with the labels of an annotator each.
        merge_rows: rows of the same picture are votes.
        class_names: file with class names: a line each, a JSON list, or a JSON object from label
            to name.
        delimiter: of a CSV file, where it is not a comma (a tab for .tsv).
        split: splits that are read; None for all.
        folders: what the sub-folders are; None to recognise it.
        header: the first line of a CSV or TSV file names the columns.
        encoding: of a text table; None for UTF-8.
        strip_prefix: beginnings of file names that are left out.
        suffix: the ending of files that a table names without one; None to look which they have.
        rename: input columns to be carried on under another name, old -> new.
        allow_outside: follow links and names that leave the data folder.
        exact_names: file names lead to files as they are written; nobody looks for other ways.
        known_labels: class name by label of a saved detector, for input that names no classes
            itself; labels that are not in it stay as they are.

    Raises:
        UsageError: the delimiter is not one character, or there is no such encoding.
    """

    path_column: str | None = setting(
        None, "Column with file names (or image bytes).", panel="Input"
    )
    label_column: str | None = setting(None, "Column with labels.", panel="Input")
    annotator: Sequence[str] | None = setting(
        None,
        "Column with the labels of one of several annotators: their majority is the label, with a "
        "column agreement. Repeatable.",
        panel="Input",
    )
    merge_rows: bool = setting(
        False,
        "Rows of the same picture are votes of several annotators: one row for each picture.",
        panel="Input",
    )
    class_names: Path | None = setting(
        None,
        "Class names for integer (or coded) labels: a text file with a name a line, the name of "
        "label 0 first, or a JSON list, or a JSON object from label to name.",
        panel="Input",
    )
    delimiter: str | None = setting(
        None, "Separator of a CSV (default: comma) or TSV file (tab).", panel="Input"
    )
    header: bool = setting(
        True,
        "The first line of a CSV or TSV file is a row, and its columns are column_1, column_2 ...",
        option="no_header",
        panel="Input",
    )
    encoding: str | None = setting(
        None, "Of a text table, as cp1252 or utf-16. Default: UTF-8.", panel="Input"
    )
    strip_prefix: Sequence[str] | None = setting(
        None,
        r"Leave this beginning of file names out, as /other/root/ or C:\data\. Repeatable.",
        panel="Input",
    )
    suffix: str | None = setting(
        None,
        "Ending of the files of names written without one, as .jpg. Default: looked up.",
        panel="Input",
    )
    split: Sequence[str] | None = setting(
        None,
        "Read this split alone: of split folders (train/cat/...), or of a column split. "
        "Repeatable. Default: all.",
        panel="Input",
    )
    folders: Folders | None = setting(
        None,
        "What the sub-folders are. Default: recognised; splits are folders called like train or "
        "test with class folders in them.",
        panel="Input",
    )
    rename: Mapping[str, str] | None = setting(
        None,
        "OLD=NEW: carry an input column on under another name. Repeatable.",
        panel="Input",
    )
    allow_outside: bool = setting(False, LEAVE_FOLDER, panel="Input")
    exact_names: bool = False
    known_labels: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        if self.delimiter == "\\t":  # as one types it
            object.__setattr__(self, "delimiter", "\t")
        if self.delimiter is not None and len(self.delimiter) != 1:
            raise UsageError(f"--delimiter {self.delimiter!r} is not one character.")
        if self.encoding is not None and not _is_encoding(self.encoding):
            raise UsageError(
                f"--encoding {self.encoding!r} is none that Python knows.",
                "As cp1252, cp1251, gb18030, shift_jis, utf-16.",
            )
        for name in ("strip_prefix", "split", "annotator"):
            if isinstance(value := getattr(self, name), str):
                object.__setattr__(self, name, (value,))
        if self.annotator and self.label_column is not None:
            raise UsageError(
                "--annotator and --label-column exclude each other.",
                "Leave --label-column out.",
            )


def _is_encoding(name: str) -> bool:
    """Whether text can be written so; Python has other codecs too."""
    try:
        "a".encode(name)
    except (LookupError, ValueError):
        return False
    return True


def input_files(
    data: str | Path, labels: str | Path | None, reading: ManifestOptions | None
) -> list[Path | None]:
    """The files that are read before any picture, which no output may replace.

    Args:
        data: a folder, or a table.
        labels: a table, or None.
        reading: with which they are read.
    """
    names = None if reading is None else reading.class_names
    return [Path(data), None if labels is None else Path(labels), names]
