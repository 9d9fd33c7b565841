"""The truth table: the true label of every row, beside a table of given ones."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc


def truth_table(file_names: pa.Array, true: pa.Array, wrong: pa.Array) -> pa.Table:
    """N rows in the order of the labels.

    Args:
        file_names: (N,) strings.
        true: (N,) class names; null where the true label is not known.
        wrong: (N,) bool, the given label is another one; null where that is not known.
    """
    return pa.table({"file_name": file_names, "true_label": true, "wrong": wrong})


def differs(given: pa.Array, true: pa.Array) -> pa.Array:
    """(N,) bool, null where one of the two is."""
    return pc.not_equal(given, true)


def truth_path(labels: Path) -> Path:
    """`noisy.csv` -> `noisy.truth.csv`."""
    return labels.with_suffix(f".truth{labels.suffix}")
