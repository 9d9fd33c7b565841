"""The command `report`, whole: a score table to one HTML file. No torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from deftclean.core.errors import InputError, UsageError
from deftclean.core.outputs import check_output
from deftclean.core.progress import Progress, Silent
from deftclean.core.results import Shown
from deftclean.core.switch import whole_file
from deftclean.reports.choosing import (
    MOST_IMAGES,
    SHOWN_FOR,
    gallery_rows,
    sampled_rows,
    waiting_rows,
)
from deftclean.reports.gallery import exhibits
from deftclean.reports.map import MOST_POINTS, places
from deftclean.reports.overview import Overview, overview
from deftclean.reports.page import Contents, Map, page
from deftclean.reports.pictures import Album
from deftclean.reports.review_file import known_labels
from deftclean.stores.door import opens_urls
from deftclean.table.audit import Sample, draw
from deftclean.table.estimate import WITNESS_COLUMNS
from deftclean.table.fingerprints import Fingerprints
from deftclean.table.own_files import OwnFile, read_own
from deftclean.table.parts import digest_of
from deftclean.table.reviewed import AUDIT, KNOWN, REVIEW_COLUMNS, refuse_foreign_columns
from deftclean.table.scores import ScoreTable, opened_scores
from deftclean.table.slim import SlimTable, read_slim
from deftclean.table.summary import summed_columns

DEFAULT_IMAGES = 200
DEFAULT_REPORT = Path("report.html")

# Bytes of pictures, encoded as text, of all of them together.
_ROOM_OF_GALLERY = 11_000_000
_ROOM_OF_MAP = 3_000_000

_NAMES = ("file_name", "filename", "path")  # of a column with file names, in a file of embeddings


@dataclass(frozen=True, repr=False)
class ReportResult(Shown):
    """What `report` made.

    Attributes:
        output: the page.
        overview: the figures in it.
        size: of the file, in bytes.
        images: rows in the gallery.
        flagged: those of them that are flagged, where the gallery is no audit.
        mapped: rows on the map; None where there is none.
        waiting: flagged rows that nobody has decided about.
        problems: pictures that could not be shown, by kind.
        drawn: rows of the audit's sample; None where the gallery is no audit.
    """

    output: Path
    overview: Overview
    size: int
    images: int
    flagged: int
    waiting: int
    problems: dict[str, int]
    drawn: int | None = None
    mapped: int | None = None

    def facts(self) -> Mapping[str, object]:
        """What a notebook shows."""
        return {
            "page": self.output,
            "MB": self.size / 1e6,
            "pictures": self.images,
            "on the map": self.mapped,
            "waiting": self.waiting,
            "not shown": self.problems or None,
        }


@opens_urls("table", "data", "embeddings", output="output")
def report(
    table: str | Path,
    *,
    output: str | Path = DEFAULT_REPORT,
    overwrite: bool = False,
    images: int = DEFAULT_IMAGES,
    audit: int | None = None,
    kept: int = 0,
    classes: Sequence[str] = (),
    data: str | Path | None = None,
    embeddings: str | Path | None = None,
    allow_outside: bool = False,
    progress: Progress | None = None,
) -> ReportResult:
    """Write a page that shows a score table, and in which people can review it.

    The page is one file of less than 15 MB that loads nothing. The gallery holds the flagged rows
    with the lowest `clean_prob` that nobody has decided about yet, so that the report of a reviewed
    table goes on where the last one ended; and kept rows whose `kind` asks for a look.

    Args:
        table: a score table.
        output: the page.
        overwrite: replace an existing output.
        images: rows in the gallery, 0 to 2,000.
        audit: show a random sample of so many rows instead, 2 to 2,000, half of them flagged and
            half kept; without what was said of them, and without those of it that people have
            decided about. What is decided of it proves how many labels are wrong: see `check`.
        kept: show so many kept rows too, drawn at random by the seed of the scan, 0 to 2,000.
        classes: given labels that the gallery is limited to; none for all.
        data: image folder, or the table that holds the images; None for the folder of the scan.
        embeddings: features of the pictures, as `export --to embeddings` writes them or your own
            (by row or file name); the page then has a map of up to 2,000 rows. None for no map.
        allow_outside: follow links and names that leave the data folder.
        progress: told what happens; nobody by default.

    Raises:
        UsageError: options or table are wrong; nothing was written.
        RunError: the file cannot be written, or would be too large.
    """
    table, output = Path(table), Path(output)
    inputs = [table, *(Path(each) for each in (data, embeddings) if each is not None)]
    check_output(output, overwrite, inputs)
    if not 0 <= images <= MOST_IMAGES:
        raise UsageError(f"--images is {images}; it lies between 0 and {MOST_IMAGES:,}.")
    _check_kept(kept, audit)
    _check_map(embeddings, audit)
    scores = _read(table)
    numbers = _embeddings(embeddings, scores)
    sample = _sample(scores, str(table), audit, classes)
    if sample is None:
        chosen = gallery_rows(scores, images, kept, classes)
    else:
        chosen = sampled_rows(scores, sample)
    folder = Path(data) if data is not None else None
    album = Album(table, folder, allow_outside, progress or Silent())
    mapped = None if numbers is None else _map(scores, numbers, album)
    room = _ROOM_OF_GALLERY - (0 if mapped is None else _ROOM_OF_MAP)
    gallery = exhibits(chosen, album.pictures(chosen, room, "Pictures"))
    figures = overview(scores)
    waiting = waiting_rows(scores)
    contents = Contents(
        name=table.name,
        identity=digest_of(table),  # two tables never share what a browser keeps
        facts=scores.metadata,
        overview=figures,
        exhibits=gallery,
        waiting=waiting,
        class_filter=tuple(classes),
        labels=tuple(known_labels(scores)),
        sample=sample,
        map=mapped,
    )
    made = page(contents)
    with whole_file(output, overwrite) as temporary:
        temporary.write_bytes(made)
    return ReportResult(
        output=output,
        overview=figures,
        size=len(made),
        images=len(gallery),
        flagged=0 if sample is not None else _count_of(chosen, "flagged"),
        waiting=waiting,
        problems=_problems([exhibit.problem for exhibit in gallery]),
        drawn=None if sample is None else len(sample.places),
        mapped=None if mapped is None else len(mapped.places.points),
    )


def _read(path: Path) -> SlimTable:
    """What is counted of every row; what is shown of a few is read again."""
    with opened_scores(path) as (rows, _):
        names = summed_columns(rows.schema.names)
    columns = (*names, "clean_top_label", *WITNESS_COLUMNS.values(), AUDIT, KNOWN)
    return read_slim(path, columns, Fingerprints())


def _count_of(chosen: ScoreTable, reason: str) -> int:
    """How many of the chosen rows are shown for a reason."""
    return int(pc.sum(pc.equal(chosen.table[SHOWN_FOR], reason)).as_py() or 0)


def _check_map(embeddings: str | Path | None, audit: int | None) -> None:
    if embeddings is not None and audit is not None:
        raise UsageError(
            "--embeddings and --audit exclude each other: a map shows what was said of rows.",
            "Leave one of them out.",
        )


def _embeddings(path: str | Path | None, scores: ScoreTable) -> OwnFile | None:
    """Numbers of the table's rows; None where none were given.

    All file names are held meanwhile, for files that name their lines.
    """
    if path is None:
        return None
    names = scores.rows(["file_name"], np.arange(len(scores)))["file_name"]
    return read_own("--embeddings", Path(path), names, _NAMES)


def _map(scores: ScoreTable, numbers: OwnFile, album: Album) -> Map:
    album.progress.say(f"Map: at most {MOST_POINTS:,} rows, by t-SNE of {numbers.path}")
    made = places(scores, numbers)
    return Map(made, album.pictures(made.rows, _ROOM_OF_MAP, "Pictures of the map"))


def _check_kept(kept: int, audit: int | None) -> None:
    if not 0 <= kept <= MOST_IMAGES:
        raise UsageError(f"--kept is {kept}; it lies between 0 and {MOST_IMAGES:,}.")
    if kept and audit is not None:
        raise UsageError(
            "--kept and --audit exclude each other: half of an audit's rows are kept ones.",
            "Leave one of them out.",
        )


def _sample(
    scores: ScoreTable, name: str, count: int | None, classes: Sequence[str]
) -> Sample | None:
    """The rows of an audit; None where none was asked for."""
    if count is None:
        return None
    if classes:
        raise UsageError("--audit is a sample of all classes.", "Leave --class out.")
    if not 2 <= count <= MOST_IMAGES:
        raise UsageError(f"--audit is {count}; it lies between 2 and {MOST_IMAGES:,}.")
    nothing = scores.rows(REVIEW_COLUMNS, np.zeros(0, np.int64))
    refuse_foreign_columns(ScoreTable(nothing, scores.metadata), name)
    sample = draw(scores, count)
    if not sample.strata:
        raise InputError(f"{name} holds no scored row that nobody has decided about.")
    return sample


def _problems(said: Sequence[str]) -> dict[str, int]:
    kinds = [text.partition(":")[0] for text in said if text]
    return {kind: kinds.count(kind) for kind in sorted(set(kinds))}
