"""Whether table, detector and pictures are still those that were judged: by their hashes."""

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.core.outputs import detector_folder
from deftclean.core.progress import Progress
from deftclean.core.text import few, visible
from deftclean.stores.mirror import brought
from deftclean.table.parts import parts_hold
from deftclean.table.scores import ScoreTable
from deftclean.table.seal import folder_digest, seal_holds
from deftclean.table.ways import detector_of

if TYPE_CHECKING:
    from deftclean.images.sources import ImageSource

_STEP = 64  # pictures that a thread is given at once
_THREADS = 8  # disks answer several at a time, and hashing holds no lock


@dataclass(frozen=True)
class Verified:
    """Compares what is there with what a table says was there. Each is looked at once, when asked.

    Attributes:
        scores: the table; of its columns `row`, `file_name` and `content_sha256` are looked at,
            and read again where it is a slim one.
        path: its file.
        data: image folder, or the table that holds the images; None for the folder of the scan.
        allow_outside: follow links and names that leave the data folder.
        progress: told what happens.
    """

    scores: ScoreTable
    path: Path
    data: Path | None
    allow_outside: bool
    progress: Progress

    @cached_property
    def table(self) -> int | None:
        """1 if file or parts are not as they were written, 0 if they are; None without a seal.

        Raises:
            OSError: it cannot be read.
        """
        holds = parts_hold(self.path) if self.path.is_dir() else seal_holds(self.path)
        return None if holds is None else int(not holds)

    @cached_property
    def detector(self) -> int | None:
        """1 if the detector is gone or changed, 0 if not or if none was trained; None if unknown.

        Raises:
            OSError: it cannot be read.
        """
        if "detector_sha256" not in self.scores.metadata:  # written by an older deftclean
            return None
        named = detector_of(self.scores.metadata, self.path)
        if named is None:
            return 0
        folder = brought(named, self.path)
        expected = self.scores.metadata["detector_sha256"]
        return int(not folder.is_dir() or folder_digest(folder) != expected)

    @cached_property
    def pictures(self) -> NDArray[np.bool_]:
        """(N,) bool, the picture of a row is another one, gone, or there where it was not.

        Raises:
            InputError: there is no data folder, or the images lay in a table that is not given.
        """
        from deftclean.images.row_images import work_folder
        from deftclean.images.table_images import images_of_table

        every = np.arange(len(self.scores))
        table = self.scores.rows(("row", "file_name", "content_sha256"), every)
        scores = ScoreTable(table, self.scores.metadata)
        with work_folder() as folder:
            images = images_of_table(scores, self.path, self.data, self.allow_outside, folder)
            now = self._hashes(images.source).take(pa.array(images.of_row))
        before = table["content_sha256"].combine_chunks()
        changed = pc.not_equal(pc.fill_null(now, ""), pc.fill_null(before, ""))
        return changed.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]

    def _hashes(self, source: "ImageSource") -> pa.Array:
        """(F,) hexadecimal strings, null where there is nothing to read."""
        parts = [pa.array([], pa.string())]
        starts = range(0, len(source), _STEP)
        with (
            self.progress.stage("Comparing pictures", len(source)) as advance,
            ThreadPoolExecutor(_THREADS) as threads,
        ):
            for part in threads.map(lambda start: _hashes_of(source, start), starts):
                parts.append(part)
                advance(len(part), "")
        return pa.concat_arrays(parts)

    def count(self, metric: str, chosen: NDArray[np.bool_] | None) -> int | None:
        """The value of one of `expressions.ALTERED`; None where there is nothing to compare with.

        Args:
            metric: its name.
            chosen: (N,) bool, rows whose pictures count; None for all.

        Raises:
            OSError, InputError: what is compared cannot be read.
        """
        match metric:
            case "altered_table":
                return self.table
            case "altered_detector":
                return self.detector
            case _:
                changed = self.pictures
                return int(np.count_nonzero(changed if chosen is None else changed & chosen))

    def notes(self) -> tuple[str, ...]:
        """What was found by what has been asked, by name."""
        found, looked_at = [], vars(self)  # what was never asked is not there
        if looked_at.get("table"):
            found.append(f"{self.path} is not as deftclean has written it")
        if looked_at.get("detector"):
            way = self.scores.metadata["detector"]
            folder = self.path.parent / way if way else detector_folder(self.path)
            found.append(f"the detector {folder} is gone or is not the one that judged")
        changed = looked_at.get("pictures")
        if changed is not None and changed.any():
            found.append(self._named(np.flatnonzero(changed)))
        return tuple(found)

    def _named(self, rows: NDArray[np.int64]) -> str:
        names = self.scores.rows(["file_name"], rows[:6])["file_name"].to_pylist()
        names += [""] * (len(rows) - len(names))
        listed = few([visible(str(name)) for name in names])
        return f"{len(rows):,} pictures are gone or are not those that were judged: {listed}"


REASONS: Mapping[str, str] = {
    "altered_table": "the table has no seal: an older deftclean, or other software, has written it",
    "altered_detector": "the table does not name its detector: an older deftclean has written it",
}
"""Why there is nothing to compare with."""


def _hashes_of(source: "ImageSource", start: int) -> pa.Array:
    from deftclean.images.stored import encoded

    pictures = encoded(source, range(start, min(start + _STEP, len(source))))
    found = [
        hashlib.sha256(data).hexdigest() if isinstance(data, bytes) else None for data in pictures
    ]
    return pa.array(found, pa.string())
