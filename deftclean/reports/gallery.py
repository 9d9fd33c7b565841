"""Rows of a score table, each with a small picture. No torch."""

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from deftclean.core.progress import Progress
from deftclean.images.decoding import ImageError
from deftclean.images.table_images import Encoded, encoded_images
from deftclean.images.thumbnails import Thumbnail, thumbnail
from deftclean.reports.choosing import SHOWN_FOR
from deftclean.table.estimate import WITNESS_COLUMNS, heard
from deftclean.table.kinds import KINDS, REASONS
from deftclean.table.reviewed import AUDIT
from deftclean.table.scores import ScoreTable, keep_flags

_BYTES_OF_PICTURES = 11_000_000  # encoded as text, of all pictures together

_UNLIKELY = 0.2  # probability of the given label below which a witness speaks against it

_COLUMNS = (
    "row", "file_name", "content_sha256", "given_label", "suggested_label", "clean_top_label",
    "clean_prob", "suggested_prob", "quality", "kind", *WITNESS_COLUMNS.values(),
)  # fmt: skip


@dataclass(frozen=True)
class Picture:
    """A small picture, ready for a page.

    Attributes:
        source: a data address.
        width, height: in pixels.
        full: width and height of what it was made from.
    """

    source: str
    width: int
    height: int
    full: tuple[int, int]


@dataclass(frozen=True)
class Exhibit:
    """One row.

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
        shown_for: why it is in the gallery, see `choosing`.
        kind: of the row, or None.
        quality: reasons why its picture is a bad one.
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
    shown_for: str = ""
    kind: str | None = None
    quality: tuple[str, ...] = ()


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
    kept = chosen.table["keep"].to_pylist()
    above = keep_flags(chosen.table, "threshold", threshold).to_pylist()
    more = [name for name in (AUDIT, SHOWN_FOR) if name in chosen.table.column_names]
    names = [*_COLUMNS, *more]
    rows, listened = chosen.table.select(names).to_pylist(), heard(chosen.metadata)
    return tuple(
        _exhibit(
            row, not above[place] and not kept[place], rule == "agree", pictures[place], listened
        )
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
    return Picture(_address(small), small.width, small.height, small.full)


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
        outdone=top if agree and top not in (None, row["given_label"]) else None,
        picture=picture if isinstance(picture, Picture) else None,
        problem=picture if isinstance(picture, str) else "",
        sample=row.get(AUDIT) or "",
        shown_for=row.get(SHOWN_FOR) or "",
        kind=row["kind"] if row["kind"] in KINDS else None,
        quality=tuple(name for name in (row["quality"] or "").split(", ") if name in REASONS),
    )
