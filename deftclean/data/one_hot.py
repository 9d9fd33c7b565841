"""A column of zeros and ones for each class, as Roboflow and Kaggle write them, to one label."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.core.errors import InputError
from deftclean.core.text import few

_ONES = ("1", "1.0", "1.", "true", "True")
_ZEROS = ("0", "0.0", "0.", "false", "False")


@dataclass(frozen=True)
class OneHot:
    """K columns, of which one at most is 1 in most rows.

    Attributes:
        columns: their names.
        ones: (N, K) bool.
    """

    columns: tuple[str, ...]
    ones: NDArray[np.bool_]

    def labels(self, path: Path) -> pa.Array:
        """(N,) the class of each row, null where none is 1.

        Args:
            path: the table, for messages.

        Raises:
            InputError: rows have several labels.
        """
        counts = self.ones.sum(axis=1)
        several = np.flatnonzero(counts > 1)
        if len(several):
            first = [self.columns[at].strip() for at in np.flatnonzero(self.ones[several[0]])]
            raise InputError(
                f"{path}: {len(several):,} of {len(counts):,} rows have several labels in its "
                f"{len(self.columns):,} columns of 0 and 1, as row {several[0]:,}: {few(first)}.",
                "One class per picture is needed: leave these rows out, or name a column of "
                "labels: --label-column NAME",
            )
        names = pa.array([name.strip() for name in self.columns], pa.string())
        return names.take(pa.array(self.ones.argmax(axis=1), pa.int64(), mask=counts == 0))

    @property
    def note(self) -> str:
        """What was recognised."""
        names = [name.strip() for name in self.columns]
        return f"labels are {len(self.columns):,} columns of 0 and 1: {few(names)}"


def one_hot(table: pa.Table, names: list[str]) -> OneHot | None:
    """The columns among `names` that say the class of each row; None where there are none."""
    found = {name: ones for name in names if (ones := _ones(table[name])) is not None}
    if len(found) < 2:
        return None
    ones = np.column_stack(list(found.values()))
    usual = 2 * (ones.sum(axis=1) == 1).sum() > len(table)
    return OneHot(tuple(found), ones) if usual else None


def _ones(values: pa.ChunkedArray) -> NDArray[np.bool_] | None:
    """(N,) where a column of nothing but 0 and 1 is 1; None of another column."""
    kind = values.type
    plain = pa.types.is_string(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind)
    if not (plain or pa.types.is_boolean(kind)):
        return None
    texts = pc.utf8_trim_whitespace(values.cast(pa.string()))
    distinct = pc.unique(texts).to_pylist()
    if len(distinct) > len(_ONES) + len(_ZEROS) or not {*distinct} <= {*_ONES, *_ZEROS}:
        return None
    ones: NDArray[np.bool_] = pc.is_in(texts, value_set=pa.array(_ONES)).to_numpy()
    return ones
