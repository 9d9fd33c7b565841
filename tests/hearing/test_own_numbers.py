"""Own numbers by picture: unit vectors, checked probabilities, and rows that are told of."""

from pathlib import Path

import numpy as np
import pytest

from deftclean.core.errors import InputError
from deftclean.features.class_texts import plain_texts
from deftclean.hearing.brought import Brought
from deftclean.hearing.own_numbers import OwnNumbers, own_numbers, own_warnings
from deftclean.images.sources import DistinctPictures
from deftclean.images.usable_rows import UsableRows
from deftclean.table.own_files import OwnFile

# Five rows: row 1 cannot be read, and row 4 shows the picture of row 0.
PICTURES = np.array([0, 0, 1, 2, 0])
READABLE = np.array([0, 2, 3, 4])
LABELS = np.array([0, 0, 1, 0, 0])


def rows() -> UsableRows:
    digests = np.zeros((3, 32), dtype=np.uint8)
    distinct = DistinctPictures(None, np.arange(3), digests)  # type: ignore[arg-type]
    labelled = np.array([True, True, True, False, True])
    return UsableRows(LABELS, labelled, READABLE, np.array([0, 2, 4]), distinct, PICTURES)


def brought(values, option: str = "--embeddings", lines=None) -> Brought:
    array = np.asarray(values, dtype=np.float32)
    file = OwnFile(
        option, Path("x.npy"), array, np.arange(5) if lines is None else np.array(lines), None
    )
    embeddings, probabilities = (file, None) if option == "--embeddings" else (None, file)
    return Brought(embeddings, probabilities, None, plain_texts(("a", "b")), False, False)


def numbers(*arguments, **options) -> OwnNumbers:
    folder = options.pop("folder")
    return own_numbers(brought(*arguments, **options), rows(), folder, None)


def test_a_picture_has_the_numbers_of_the_first_row_that_shows_it(tmp_path: Path) -> None:
    """(3, 4) has length 5: the unit vector is (0.6, 0.8), however large the numbers are."""
    own = numbers([[3, 4], [np.nan, 0], [1e-30, 0], [0, -2e38], [9, 9]], folder=tmp_path)
    assert own.features is not None
    found = own.features(np.array([0, 1, 2])).numpy()
    np.testing.assert_allclose(found, [[0.6, 0.8], [1, 0], [0, -1]], rtol=1e-6)
    assert own.card == {"features": {"from": "--embeddings", "size": 2}}


def test_numbers_that_mean_nothing_are_told_of_together(tmp_path: Path) -> None:
    with pytest.raises(
        InputError,
        match=r"NaN or infinity in 1 rows \(row 2\); nothing but zeros in 1 rows \(row 3\)",
    ):
        numbers([[3, 4], [0, 0], [np.inf, 0], [0, 0], [1, 1]], folder=tmp_path)


def test_a_readable_row_without_numbers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"says nothing of 2 of 4 rows: row 2, 4"):
        numbers([[3, 4]], lines=[0, -1, -1, 0, -1], folder=tmp_path)


def test_probabilities_are_a_witness(tmp_path: Path) -> None:
    own = numbers(
        [[0.25, 0.75], [9, 9], [1, 0], [0.5, 0.5], [0, 1]], "--pred-probs", folder=tmp_path
    )
    assert own.witness is not None
    assert own.features is None
    assert own.card == {}
    said = own.witness.log_probs(np.array([0, 1, 2])).exp().numpy()
    np.testing.assert_allclose(said, [[0.25, 0.75], [1, 1e-6], [0.5, 0.5]], atol=2e-6)
    assert own.witness.name == "own"


def test_what_is_no_probability_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        numbers([[-1, 2], [9, 9], [0.5, 0.4], [np.nan, 1], [0, 1]], "--pred-probs", folder=tmp_path)
    assert caught.value.message == (
        "--pred-probs x.npy: NaN or infinity in 1 rows (row 3); numbers that are no probabilities "
        "(logits?) in 1 rows (row 0); a sum that is not one in 1 rows (row 2)."
    )


def test_probabilities_that_repeat_the_labels_are_warned_of(tmp_path: Path) -> None:
    repeats = numbers(
        [[0.9, 0.1], [0, 1], [0.2, 0.8], [1, 0], [1, 0]], "--pred-probs", folder=tmp_path
    )
    (text,) = own_warnings(repeats.witness, rows())
    assert "the given label in 100.0% of the rows" in text
    (tmp_path / "b").mkdir()
    differs = numbers(
        [[0.9, 0.1], [0, 1], [0.8, 0.2], [1, 0], [1, 0]], "--pred-probs", folder=tmp_path / "b"
    )
    assert own_warnings(differs.witness, rows()) == []
    assert own_warnings(None, rows()) == []
