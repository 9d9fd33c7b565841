"""The command `export`, whole: a score table into the formats of other tools. No torch.

A typed result out; nothing is printed.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pyarrow.compute as pc

from deftclean import __version__
from deftclean.core.errors import InputError, UsageError
from deftclean.core.outputs import (
    check_output,
    check_output_folder,
    is_empty_folder,
    refuse_foreign,
)
from deftclean.core.progress import Progress, Silent
from deftclean.core.results import Shown
from deftclean.core.switch import together, whole_folder
from deftclean.exports.changes import (
    CHANGES,
    is_changes,
    log_beside,
    refuse_log,
    write_changes,
)
from deftclean.exports.corrected import corrected
from deftclean.exports.formats import (
    ABOVE,
    FORMATS,
    Correction,
    Link,
    RowChoice,
    Target,
    check_apply,
    check_name,
)
from deftclean.exports.pieces import deciding, put_rows
from deftclean.exports.rows import ChosenRows, Written, choose_rows
from deftclean.stores.door import opens_urls
from deftclean.stores.urls import shown_place
from deftclean.table.scores import ScoreTable, read_scores
from deftclean.table.ways import image_root

MARK = ".deftclean-export.json"
"""In every folder that export writes: only such a folder is replaced. Hidden, so that no reader
takes it for data."""

_LOCAL_FILES = "/data/local-files/?d="  # where Label Studio serves files of its own machine

Fill = Callable[[Path], Written]
"""Fills a new folder and says what got into it."""


@dataclass(frozen=True, repr=False)
class ExportResult(Shown):
    """What `export` made.

    Attributes:
        output: the file or folder.
        to: its format.
        rows: N, of the score table.
        written: rows in the output.
        left_out: the others, by what they are: `kept`, `flagged`, `without label`, a status of
            `scores.Status`, or `changed` where a picture is no longer the one that was scored.
        reviewed: labels come from the column `final_label`, else from `given_label`.
        corrected: rows in the output whose label is a suggestion that nobody has looked at.
        changes: the log of these; None where no suggestions were applied.
        seconds: wall time.
    """

    output: Path
    to: Target
    rows: int
    written: int
    left_out: Mapping[str, int]
    reviewed: bool
    corrected: int
    changes: Path | None
    seconds: float

    def facts(self) -> Mapping[str, object]:
        """What a notebook shows."""
        return {
            "output": self.output,
            "format": self.to,
            "rows": self.rows,
            "written": self.written,
            "left out": self.left_out,
            "labels": "final_label" if self.reviewed else "given_label",
            "corrected": None if self.changes is None else self.corrected,
            "changes": self.changes,
            "seconds": round(self.seconds, 1),
        }


@dataclass(frozen=True)
class _Wish:
    """The options of one export, settled."""

    to: Target
    output: Path
    scores: bool
    link: Link
    data: Path | None
    allow_outside: bool
    skip_changed: bool
    image_url: str | None
    apply: Correction | None
    overwrite: bool

    @property
    def log(self) -> Path:
        """Where corrected labels are listed."""
        return log_beside(self.output) if FORMATS[self.to].suffixes else self.output / CHANGES


@opens_urls("table", "data", output="output")
def export(
    table: str | Path,
    *,
    to: Target,
    output: str | Path,
    rows: RowChoice | None = None,
    scores: bool | None = None,
    link: Link = "copy",
    data: str | Path | None = None,
    allow_outside: bool = False,
    skip_changed: bool = False,
    image_url: str | None = None,
    apply: Correction | None = None,
    above: float | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> ExportResult:
    """Write a score table in the format of another tool.

    Args:
        table: written by `scan`, `score`, `select` or `review`.
        to: `csv`, `parquet`, `folder`, `imagefolder`, `cleanlab`, `fiftyone` or `label-studio`.
        output: a file for `csv`, `parquet` and `cleanlab`, else a folder.
        rows: `kept`, `flagged` or `all`; None for the format's own: `all` for `cleanlab` and
            `fiftyone`, `flagged` for `label-studio`, else `kept`.
        scores: with the columns that deftclean has added, in `csv`, `parquet` and `imagefolder`;
            None to have them wherever rows are more than the kept ones.
        link: how pictures get into a folder: `copy`, `hard` or `symlink`.
        data: image folder, or the table that holds the images; None for the folder of the scan.
        allow_outside: follow links and names that leave the data folder.
        skip_changed: leave rows out whose picture is missing or no longer the one that was
            scored, instead of writing nothing.
        image_url: with `label-studio`, what stands before a picture's name in its address; None
            for the local files that Label Studio serves.
        apply: `suggested`: flagged rows whose `suggested_prob` is above a limit take
            `suggested_label` and are kept; what people decided stays. With a log of the changes:
            `changes.csv` in a folder, `NAME.changes.csv` beside a file. None to correct nothing.
        above: with `apply`, that limit, in (0, 1]; None for 0.95.
        overwrite: replace an existing output.
        progress: told what happens; nobody by default.

    Raises:
        UsageError: options or table are wrong, or pictures have changed; nothing was written.
        RunError: the output cannot be written.
    """
    began = time.monotonic()
    table, output, progress = Path(table), Path(output), progress or Silent()
    check_name(to, output)
    target = FORMATS[to]
    wrong = check_apply(apply, above, to, rows)
    rows = rows or target.rows
    wish = _Wish(
        to, output, rows != "kept" if scores is None else scores, link,
        None if data is None else Path(data), allow_outside, skip_changed, image_url, apply,
        overwrite,
    )  # fmt: skip
    _check_options(wish, scores, wrong)
    if target.suffixes:
        check_output(output, overwrite, [table, wish.data])
        if apply is not None:
            refuse_log(wish.log, overwrite)
    else:
        _check_folder(output, overwrite)
    read = read_scores(table, deciding(apply is not None) if target.suffixes else None)
    limit = ABOVE if above is None else above
    corrections = None if apply is None else corrected(read, table, limit)
    chosen = choose_rows(read, rows, target, corrections)
    if not len(chosen):
        raise InputError(
            f"{table}: no row is left to export ({_counted(chosen.left_out)}).",
            "Choose others: --rows all",
        )
    if target.suffixes:
        made = _write_file(table, chosen, wish)
    else:
        made = _write_folder(read, table, chosen, wish, progress)
    return ExportResult(
        output=output,
        to=to,
        rows=len(read),
        written=len(chosen) - sum(made.left_out.values()),
        left_out=_summed(chosen.left_out, made.left_out),
        reviewed=chosen.reviewed,
        corrected=made.corrected,
        changes=None if apply is None else wish.log,
        seconds=time.monotonic() - began,
    )


def _summed(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    """Counts of both, by name."""
    return {name: one.get(name, 0) + other.get(name, 0) for name in sorted({*one, *other})}


def _write_file(table: Path, chosen: ChosenRows, wish: _Wish) -> Written:
    """The rows and the log of its changes, together or not at all."""
    corrected = 0
    with together(wish.output, wish.overwrite) as outputs:
        temporary = outputs.file(wish.output)
        changed = put_rows(table, chosen, wish.to, wish.scores, temporary, wish.output)
        if wish.apply is not None:
            corrected = write_changes(changed, outputs.file(wish.log))
        elif wish.overwrite and is_changes(wish.log):
            outputs.remove(wish.log)  # it is about the file that is replaced
    return Written({}, corrected)


def _write_folder(
    scores: ScoreTable, table: Path, chosen: ChosenRows, wish: _Wish, progress: Progress
) -> Written:
    """Whole or not at all."""
    from deftclean.images.row_images import work_folder

    with work_folder() as unpacked:
        fill = (
            _of_pictures(scores, table, chosen, wish, unpacked, progress)
            if wish.to in ("folder", "imagefolder")
            else _of_tasks(scores, table, chosen, wish)
        )
        with whole_folder(wish.output, wish.overwrite) as folder:
            made = fill(folder)
            facts = {"format": wish.to, "table": table.name, "tool_version": __version__}
            (folder / MARK).write_text(f"{json.dumps(facts, ensure_ascii=False)}\n", "utf-8")
    return made


def _of_pictures(
    scores: ScoreTable,
    table: Path,
    chosen: ChosenRows,
    wish: _Wish,
    unpacked: Path,
    progress: Progress,
) -> Fill:
    from deftclean.exports.folders import ChosenPictures, fill_class_folders, fill_image_folder
    from deftclean.images.table_images import images_of_table

    images = images_of_table(scores, table, wish.data, wish.allow_outside, unpacked)
    _refuse_around(wish.output, (table, wish.data or image_root(scores.metadata, table)))
    pictures = ChosenPictures(chosen, images, wish.link, wish.skip_changed, wish.output, progress)
    if wish.to == "folder":
        return lambda folder: fill_class_folders(pictures, folder)
    return lambda folder: fill_image_folder(pictures, wish.scores, folder)


def _of_tasks(scores: ScoreTable, table: Path, chosen: ChosenRows, wish: _Wish) -> Fill:
    from deftclean.exports.tasks import fill_fiftyone, fill_label_studio

    if wish.data is None and _all_in_a_table(chosen):
        raise InputError(
            f"{table}: its images lay in the table that was scanned, and {wish.to} needs files.",
            "Export the pictures first: --to imagefolder --rows all --data train.parquet",
        )
    root = wish.data or image_root(scores.metadata, table)
    if wish.to == "fiftyone" and shown_place(root) is not None:
        raise InputError(
            f"{table}: its images lie behind a URL, and fiftyone needs files.",
            "Export the pictures first: --to imagefolder --rows all",
        )
    _refuse_around(wish.output, (table, root))

    def fiftyone(folder: Path) -> Written:
        fill_fiftyone(chosen, scores.metadata, root, wish.output, folder)
        return Written({})

    def label_studio(folder: Path) -> Written:
        name = quote(root.resolve().name)
        before = f"{_LOCAL_FILES}{name}/" if wish.image_url is None else wish.image_url
        fill_label_studio(chosen, scores.metadata, before, folder)
        return Written({})

    return fiftyone if wish.to == "fiftyone" else label_studio


def _all_in_a_table(chosen: ChosenRows) -> bool:
    names = chosen.table["file_name"]
    return bool(pc.all(pc.match_substring_regex(names, r"#\d+$")).as_py())


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items()) or "the table is empty"


# ---------------------------------------------------------------- checks before the work


def _check_options(wish: _Wish, scores: bool | None, problems: list[str]) -> None:
    if wish.link != "copy" and wish.to not in ("folder", "imagefolder"):
        problems.append("--link goes with --to folder and imagefolder")
    if wish.skip_changed and wish.to not in ("folder", "imagefolder"):
        problems.append("--skip-changed goes with --to folder and imagefolder")
    if wish.image_url is not None and wish.to != "label-studio":
        problems.append("--image-url goes with --to label-studio")
    if scores is not None and wish.to not in ("csv", "parquet", "imagefolder"):
        problems.append("--scores goes with --to csv, parquet and imagefolder")
    if problems:
        raise UsageError(f"{'; '.join(problems)}.")


def _check_folder(output: Path, overwrite: bool) -> None:
    """Refuse to replace a folder that export has not written.

    Raises:
        UsageError: it exists and may not be replaced, or cannot be made.
    """
    check_output_folder(output, overwrite)
    if not is_empty_folder(output):
        why = "is not a folder of deftclean export, so --overwrite leaves it alone."
        refuse_foreign(output, (MARK,), why)


def _refuse_around(output: Path, inputs: tuple[Path, ...]) -> None:
    """Refuse an output that holds what it is made from.

    Raises:
        UsageError: which of the inputs.
    """
    for path in inputs:
        if path.resolve().is_relative_to(output.resolve()):
            raise UsageError(f"-o {output} holds {path}, which is read.", "Choose another -o.")
