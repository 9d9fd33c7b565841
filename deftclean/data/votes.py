"""Several annotators to one label: the majority, and the share of votes that agree with it.

Of labels with as many votes, the one that was voted first wins. Missing votes do not count.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

AGREEMENT = "agreement"
"""The column with the share of votes for the given label, in (0, 1]; null without votes."""


@dataclass(frozen=True)
class Majority:
    """What n pictures are called by most.

    Attributes:
        rows: (n,) ascending, the first row of each picture.
        labels: (n,) text, null without votes.
        agreement: (n,) float32, as `AGREEMENT`.
        ties: pictures of which the first vote decided.
    """

    rows: NDArray[np.int64]
    labels: pa.Array
    agreement: pa.Array
    ties: int

    def note(self, who: str) -> str:
        """What was done, in a line."""
        mean = pc.mean(self.agreement).as_py() or 0.0
        return (
            f"labels are the majority of {who}; on average {mean:.1%} of the votes agree "
            f"(column {AGREEMENT}); {self.ties:,} ties went to the first vote"
        )


def majority(pictures: NDArray[np.int64], votes: pa.Array) -> Majority:
    """Count votes.

    Args:
        pictures: (V,) which picture a vote is about, by the first row that shows it.
        votes: (V,) text, null or blank for none; of a picture, in the order of voting.
    """
    rows, picture = np.unique(pictures, return_inverse=True)
    coded = pc.utf8_trim_whitespace(votes).dictionary_encode()
    blank = pc.equal(coded.dictionary, "").to_numpy(zero_copy_only=False)
    codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    valid = np.flatnonzero((codes >= 0) & ~np.append(blank, True)[codes])
    width = max(1, len(coded.dictionary))
    pairs, first, counts = np.unique(
        picture[valid] * width + codes[valid], return_index=True, return_counts=True
    )
    of = pairs // width
    # Of each picture: most votes first, then what was voted first.
    order = np.lexsort((first, -counts, of))
    _, begin = np.unique(of[order], return_index=True)
    best = order[begin]
    return _made(rows, of, pairs % width, counts, best, coded.dictionary)


def _made(
    rows: NDArray[np.int64],
    of: NDArray[np.int64],
    labels: NDArray[np.int64],
    counts: NDArray[np.int64],
    best: NDArray[np.int64],
    names: pa.Array,
) -> Majority:
    total = np.bincount(of, weights=counts, minlength=len(rows))
    most = np.zeros(len(rows))
    most[of[best]] = counts[best]
    chosen = np.zeros(len(rows), np.int64)
    chosen[of[best]] = labels[best]
    tied = np.bincount(of[counts == most[of]], minlength=len(rows)) > 1
    none = total == 0
    share = np.divide(most, total, out=np.zeros(len(rows)), where=~none)
    return Majority(
        rows,
        names.take(pa.array(chosen, pa.int64(), mask=none)),
        pa.array(share.astype(np.float32), pa.float32(), mask=none),
        int(tied.sum()),
    )


def of_columns(table: pa.Table, names: list[str]) -> Majority:
    """A column for each annotator: N rows, N pictures."""
    texts = [table[name].cast(pa.string()).combine_chunks() for name in names]
    pictures = np.tile(np.arange(len(table)), len(names))
    return majority(pictures, pa.concat_arrays(texts))


def of_rows(files: pa.Array, votes: pa.Array | pa.ChunkedArray) -> Majority:
    """A row for each annotator of a picture: rows of the same file are about one picture.

    Args:
        files: (N,) file names.
        votes: (N,) labels.
    """
    coded = files.dictionary_encode().indices.to_numpy(zero_copy_only=False)
    _, first, of_row = np.unique(coded, return_index=True, return_inverse=True)
    texts = votes.cast(pa.string())
    texts = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    return majority(first[of_row].astype(np.int64), texts)
