"""Distinct pictures are compared once; every row gets what it would get alone."""

import gc
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from deftclean.core.runtime import choose_runtime
from deftclean.features.class_texts import plain_texts
from deftclean.features.scoring import DetectorScorer, RowsByPicture, ZeroShotScorer
from deftclean.models.encoder import Encoder
from deftclean.models.saved_detector import build_detector
from deftclean.settings.detector import DetectorConfig
from deftclean.training.losses import at_label, clean_probability

NAMES = ("cat", "ship", "tree")
RUNTIME = choose_runtime("cpu", "fp32", 0)


def rows_of(pictures: list[int], readable: list[int], labels: list[int]) -> Any:
    return SimpleNamespace(
        pictures=np.array(pictures),
        readable=np.array(readable),
        labels=np.array(labels),
        labelled=np.arange(len(labels)) != 6,
        distinct=range(1 + max(pictures)),
    )


ROWS = rows_of([0, 1, 0, 0, 2, 1, 2, 2, 3], [0, 1, 3, 4, 5, 6, 7, 8], [0, 1, 2, 2, 1, 0, 0, 1, 2])


def test_rows_are_found_by_picture() -> None:
    rows, places = RowsByPicture(ROWS).of(torch.tensor([2, 0, 3]))
    assert rows.tolist() == [4, 6, 7, 0, 3, 8]
    assert places.tolist() == [0, 0, 0, 1, 1, 2]
    none, places = RowsByPicture(ROWS).of(torch.tensor([], dtype=torch.int64))
    assert len(none) == len(places) == 0


def test_rows_with_a_label_are_found_by_picture() -> None:
    rows, places = RowsByPicture(ROWS).labelled_of(torch.tensor([2, 0, 3]))
    assert rows.tolist() == [4, 7, 0, 3, 8]
    assert places.tolist() == [0, 0, 1, 1, 2]


@pytest.mark.parametrize("batch", [1, 2, 4])
def test_rows_that_share_a_picture_get_their_own_labels_score(encoder: Encoder, batch: int) -> None:
    detector = build_detector(encoder, NAMES, DetectorConfig(tuner="none", context_length=4))
    generator = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        size = encoder.text.encode(["a"]).shape[1]
        image = torch.nn.functional.normalize(torch.randn(4, size, generator=generator), dim=1)
        output = detector.compare(image, *detector.text_features())
    by_picture = RowsByPicture(ROWS)
    tuned = DetectorScorer(detector, by_picture, RUNTIME)
    untuned = ZeroShotScorer(encoder, plain_texts(NAMES), by_picture, RUNTIME)
    for at in range(0, 4, batch):
        pictures = torch.arange(at, at + batch)
        tuned.add(pictures, image[at : at + batch])
        untuned.add(pictures, image[at : at + batch])

    shown = torch.from_numpy(ROWS.pictures[ROWS.readable])
    labels = torch.from_numpy(ROWS.labels[ROWS.readable])
    scores, zero_shot = tuned.scores(), untuned.scores()
    assert scores.rows.tolist() == zero_shot.rows.tolist() == ROWS.readable.tolist()
    wanted = at_label(clean_probability(*output)[shown], labels)
    torch.testing.assert_close(torch.from_numpy(scores.clean_prob), wanted)
    assert scores.predicted.tolist() == output.positive.argmax(dim=1)[shown].tolist()
    certainty = output.positive.softmax(dim=1).amax(dim=1)[shown]
    torch.testing.assert_close(torch.from_numpy(scores.predicted_prob), certainty)
    margin = (output.positive - output.negative).argmax(dim=1)
    assert scores.clean_top.tolist() == margin[shown].tolist()
    np.testing.assert_allclose(np.log(zero_shot.prob), zero_shot.log_prob, atol=1e-5)


def live_tensors() -> int:
    return sum(type(each) is torch.Tensor for each in gc.get_objects())


def test_what_is_said_of_a_batch_is_copied_and_no_tensor_of_it_is_kept(encoder: Encoder) -> None:
    """Small tensors that stay among large ones that go make memory grow with rows times classes."""
    count = 64
    by_picture = RowsByPicture(rows_of(list(range(count)), list(range(count)), [0] * count))
    detector = build_detector(encoder, NAMES, DetectorConfig(tuner="none", context_length=4))
    size = encoder.text.encode(["a"]).shape[1]
    scorers = (
        DetectorScorer(detector, by_picture, RUNTIME),
        ZeroShotScorer(encoder, NAMES, by_picture, RUNTIME),
    )
    seen = []
    for at in range(0, count, 4):
        for scorer in scorers:
            scorer.add(torch.arange(at, at + 4), torch.ones(4, size) / size**0.5)
        if at in (4, count - 4):  # looking takes long
            seen.append(live_tensors())
    assert seen[1] <= seen[0]
