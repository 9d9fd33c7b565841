"""A score table as a folder of parts, as `score --part` leaves it, made without a scan."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from deftclean.table.parts import COMMIT, COMMIT_VERSION, Commit, Part, digest_of
from deftclean.table.scores import ScoreTable, put_scores
from deftclean.table.ways import placed


def write_parts(scores: ScoreTable, folder: Path, root: Path, ends: Sequence[int]) -> Path:
    """A folder whose parts end before the given rows, the last of them before the table's end."""
    (folder / "parts").mkdir(parents=True)
    parts = []
    for first, end in pairwise([0, *ends]):
        name = f"parts/{first:012d}-{end:012d}.parquet"
        path = folder / name
        piece = ScoreTable(scores.table.slice(first, end - first), scores.metadata)
        put_scores(piece, path, path, root, None, None)
        parts.append(Part(name, end - first, path.stat().st_size, digest_of(path)))
    facts = placed(scores.metadata, folder, root, None, None)
    commit = Commit(COMMIT_VERSION, "0" * 64, len(scores), tuple(parts), facts)
    (folder / COMMIT).write_bytes(commit.text)
    return folder
