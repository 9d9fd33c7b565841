"""Small pictures of rows, ready for a page. No torch."""

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from deftclean.core.progress import Progress
from deftclean.images.decoding import ImageError
from deftclean.images.stored import Encoded
from deftclean.images.table_images import encoded_images
from deftclean.reports.thumbnails import Thumbnail, thumbnail
from deftclean.table.scores import ScoreTable


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
class Album:
    """Where the pictures of a table are, and who is told how many are done.

    Attributes:
        table: the file that rows come from.
        data: image folder, or the table that holds the images; None for the folder of the scan.
        allow_outside: follow links and names that leave the data folder.
        progress: told.
    """

    table: Path
    data: Path | None
    allow_outside: bool
    progress: Progress

    def pictures(self, chosen: ScoreTable, room: int, stage: str) -> list[Picture | str]:
        """A small picture of each row, or why there is none, in the rows' order.

        Args:
            chosen: rows.
            room: bytes that all of them may take together as text; a picture is never made smaller
                than the smallest size there is.
            stage: what is said to be done.

        Raises:
            InputError: images cannot be found at all; a single one that is missing, unreadable or
                changed is said in its place.
        """
        if not len(chosen):
            return []
        order = np.argsort(chosen.table["row"].to_numpy(), kind="stable")
        ascending = ScoreTable(chosen.table.take(pa.array(order)), chosen.metadata)
        found = encoded_images(ascending, self.table, self.data, self.allow_outside)
        hashes = ascending.table["content_sha256"].to_pylist()
        most = room // len(chosen) * 3 // 4  # three bytes are four characters
        made: dict[int, Picture | str] = {}
        with self.progress.stage(stage, len(chosen)) as advance:
            for place, encoded, sha256 in zip(order.tolist(), found, hashes, strict=True):
                made[place] = _picture(encoded, sha256, most)
                advance(1, "")
        return [made[place] for place in range(len(chosen))]


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
