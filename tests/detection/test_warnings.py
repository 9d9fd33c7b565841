"""What is said of data before anything is trained."""

import numpy as np
import pyarrow as pa
import pytest

from deftclean.core.progress import Silent
from deftclean.detection.warnings import data_warnings
from deftclean.images.sources import DistinctPictures, FolderImages
from deftclean.images.usable_rows import UsableRows


def said(*counts: int) -> list[str]:
    """Of classes a, b, ... with so many rows, and one row more of each that is not trained on."""
    labels = np.concatenate([np.repeat(np.arange(len(counts)), counts), np.arange(len(counts))])
    chosen = np.arange(sum(counts))
    files = pa.array([], pa.string())
    nothing = DistinctPictures(
        FolderImages(None, files), chosen, np.zeros((0, 32), np.uint8)  # type: ignore[arg-type]
    )  # fmt: skip
    rows = UsableRows(labels, np.ones(len(labels), bool), chosen, chosen, nothing, chosen)
    return data_warnings(rows, "abcdefgh"[: len(counts)], Silent())


@pytest.mark.parametrize("counts", [(10, 10), (12, 8), (45, 5), (200, 300, 100)])
def test_usual_data_are_not_warned_of(counts):
    assert said(*counts) == []


def test_too_few_rows_for_the_classes():
    (text,) = said(9, 10)
    assert text.startswith("19 rows of 2 classes, 9.5 for each: too few")


def test_rare_classes_are_named():
    (text,) = said(50, 4, 40, 0)
    assert "2 of 4 classes have fewer than 5 rows" in text
    assert "'b' (4), 'd' (0)" in text


def test_one_class_with_nearly_all_rows():
    (text,) = said(6, 190, 5)
    assert "'b' has 190 of 201 rows (95%)" in text
