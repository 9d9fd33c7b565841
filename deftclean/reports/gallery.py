"""The most suspicious rows of a score table, each with a small picture. No torch."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deftclean.core.errors import UsageError
from deftclean.core.progress import Progress
from deftclean.core.text import few
from deftclean.images.decoding import ImageError
from deftclean.images.table_images import Encoded, encoded_images
from deftclean.images.thumbnails import Thumbnail, thumbnail
from deftclean.table.audit import Sample
from deftclean.table.estimate import WITNESS_COLUMNS, heard
from deftclean.table.reviewed import AUDIT, review_of, unreviewed
from deftclean.table.scores import ScoreTable, keep_flags

MOST_IMAGES = 2000
"""More would make the file larger than a browser likes."""

_BYTES_OF_PICTURES = 12_000_000  # encoded as text, of all pictures together

_UNLIKELY = 0.2  # probability of the given label below which a witness speaks against it

_COLUMNS = (
    "row", "file_name", "content_sha256", "given_label", "suggested_label", "clean_top_label",
    "clean_prob", "suggested_prob", *WITNESS_COLUMNS.values(),
)  # fmt: skip


@dataclass(frozen=True)
class Picture:
    """A small picture, ready for a page: a data address, and its size in pixels."""

    source: str
    width: int
    height: int


@dataclass(frozen=True)
class Exhibit:
    """One suspicious row.

    Attributes:
        row, file_name, content_sha256, given_label: of the table.
        suggested: the class that fits best, or None.
        clean_prob, suggested_prob: in [0, 1].
        said: name and probability of the given label, of each witness that spoke.
        against: those of them that were heard and called the given label unlikely.
        below: flagged because `clean_prob` is not above the threshold.
        outdone: flagged because another class has a higher clean probability: that class.
        picture: None where there is none to show.
        problem: why not.
        sample: the random sample that it was drawn in; empty where it was not.
    """

    row: int
    file_name: str
    content_sha256: str
    given_label: str
    suggested: str | None
    clean_prob: float
    suggested_prob: float | None
    said: tuple[tuple[str, float], ...]
    against: tuple[str, ...]
    below: bool
    outdone: str | None
    picture: Picture | None
    problem: str
    sample: str = ""


def suspicious_rows(scores: ScoreTable, count: int, classes: Sequence[str]) -> ScoreTable:
    """Flagged rows that nobody has decided about, the lowest `clean_prob` first.

    Args:
        scores: the table.
        count: at most so many.
        classes: given labels; empty for all.

    Raises:
        UsageError: there are no rows with such a label.
    """
    table = scores.table
    given = pc.unique(table["given_label"]).to_pylist()
    if unknown := [name for name in classes if name not in given]:
        raise UsageError(
            f"--class: no row has the label {few([repr(name) for name in unknown])}.",
            f"Given labels are {few(sorted(name for name in given if name), 8)}.",
        )
    wanted = _waiting(scores)
    if classes:
        wanted = pc.and_(wanted, pc.is_in(table["given_label"], value_set=pa.array(classes)))
    places = pa.array(np.flatnonzero(wanted.to_numpy()))
    keys = table.select(["clean_prob", "row"]).take(places)
    order = [("clean_prob", "ascending"), ("row", "ascending")]
    chosen = places.take(pc.select_k_unstable(keys, min(count, len(places)), order))
    return ScoreTable(table.take(chosen), scores.metadata)


def sampled_rows(scores: ScoreTable, sample: Sample) -> ScoreTable:
    """Rows of a random sample that nobody has decided about as such, in its order.

    Their column `audit_sample` says which stratum each was drawn from.
    """
    done = review_of(scores)[AUDIT].take(pa.array(sample.places))
    waiting = np.flatnonzero(pc.is_null(done).to_numpy())
    table = scores.table
    if AUDIT in table.column_names:
        table = table.drop_columns([AUDIT])
    chosen = table.take(pa.array(sample.places[waiting]))
    marks = pa.array([sample.marks[place] for place in waiting], pa.string())
    return ScoreTable(chosen.append_column(AUDIT, marks), scores.metadata)


def waiting_rows(scores: ScoreTable) -> int:
    """How many flagged rows nobody has decided about."""
    return pc.sum(_waiting(scores)).as_py() or 0


def _waiting(scores: ScoreTable) -> pa.ChunkedArray:
    table = scores.table
    scored = pc.invert(pc.is_null(table["clean_prob"], nan_is_null=True))
    return pc.and_(pc.and_(scored, pc.invert(table["keep"])), unreviewed(scores))


def exhibits(
    chosen: ScoreTable, table: Path, data: Path | None, allow_outside: bool, progress: Progress
) -> tuple[Exhibit, ...]:
    """The rows with their pictures, in the same order.

    Args:
        chosen: a few rows.
        table: the file they come from.
        data: image folder, or the table that holds the images; None for the folder of the scan.
        allow_outside: follow links and names that leave the data folder.
        progress: told how many pictures are done.

    Raises:
        InputError: images cannot be found at all; a single one that is missing, unreadable or
            changed is said in its place.
    """
    if not len(chosen):
        return ()
    order = np.argsort(chosen.table["row"].to_numpy(), kind="stable")
    ascending = ScoreTable(chosen.table.take(pa.array(order)), chosen.metadata)
    found = encoded_images(ascending, table, data, allow_outside)
    hashes = ascending.table["content_sha256"].to_pylist()
    most = _BYTES_OF_PICTURES // len(chosen) * 3 // 4  # three bytes are four characters
    pictures: dict[int, Picture | str] = {}
    with progress.stage("Pictures", len(chosen)) as advance:
        for place, encoded, sha256 in zip(order.tolist(), found, hashes, strict=True):
            pictures[place] = _picture(encoded, sha256, most)
            advance(1, "")
    rule, threshold = chosen.metadata["rule"], float(chosen.metadata["threshold"])
    above = keep_flags(chosen.table, "threshold", threshold).to_pylist()
    names = [*_COLUMNS, *(name for name in (AUDIT,) if name in chosen.table.column_names)]
    rows, listened = chosen.table.select(names).to_pylist(), heard(chosen.metadata)
    return tuple(
        _exhibit(row, not above[place], rule == "agree", pictures[place], listened)
        for place, row in enumerate(rows)
    )


def _picture(encoded: Encoded, sha256: str, most: int) -> Picture | str:
    """The small picture, or why there is none."""
    if isinstance(encoded, ImageError):
        return f"{encoded.status}: {encoded.reason}"
    if hashlib.sha256(encoded).hexdigest() != sha256:
        return "changed: the file is not the one that was scored"
    try:
        small = thumbnail(encoded, most)
    except ImageError as error:
        return f"{error.status}: {error.reason}"
    return Picture(_address(small), small.width, small.height)


def _address(small: Thumbnail) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(small.data).decode()}"


def _exhibit(
    row: dict[str, Any],
    below: bool,
    agree: bool,
    picture: Picture | str,
    listened: tuple[str, ...],
) -> Exhibit:
    top = row["clean_top_label"]
    spoken = {name: row[name] for name in WITNESS_COLUMNS.values()}
    said = {name: prob for name, prob in spoken.items() if prob is not None}
    return Exhibit(
        row=row["row"],
        file_name=row["file_name"],
        content_sha256=row["content_sha256"],
        given_label=row["given_label"],
        suggested=row["suggested_label"],
        clean_prob=row["clean_prob"],
        suggested_prob=row["suggested_prob"],
        said=tuple(said.items()),
        against=tuple(name for name in listened if said.get(name, 1.0) < _UNLIKELY),
        below=below,
        outdone=top if agree and top != row["given_label"] else None,
        picture=picture if isinstance(picture, Picture) else None,
        problem=picture if isinstance(picture, str) else "",
        sample=row.get(AUDIT) or "",
    )
