"""What a classifier learns from and what it is tested on: rows of pictures."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deftclean.adaptation.classifiers import Classifier
from deftclean.adaptation.evaluation import Evaluation, evaluate
from deftclean.adaptation.fine_tuning import Batches
from deftclean.adaptation.inputs import Inputs
from deftclean.training.picture_sets import SCORING_BATCH, PictureSet


@dataclass(frozen=True)
class TrainSet:
    """Rows to learn from.

    Attributes:
        pictures: of the rows.
        rows: (n,) which of them, ascending.
        weights: (N,) float32 of the loss.
    """

    pictures: PictureSet
    rows: NDArray[np.int64]
    weights: NDArray[np.float32]

    def without(self, rows: NDArray[np.int64]) -> "TrainSet":
        """All but some rows."""
        return replace(self, rows=np.setdiff1d(self.rows, rows))


@dataclass(frozen=True)
class TestSet:
    """Rows whose labels are believed, for measuring.

    Attributes:
        pictures: of the rows.
        rows: (m,) which of them.
    """

    pictures: PictureSet
    rows: NDArray[np.int64]

    @property
    def shown(self) -> NDArray[np.int64]:
        """Distinct pictures of the rows, ascending."""
        return np.unique(self.pictures.rows.pictures[self.rows])

    def evaluate(self, classifier: Classifier, inputs: Inputs, classes: int) -> Evaluation:
        """Accuracy and the like of a classifier as it is now."""
        shown, of_row = self.shown, self.pictures.rows.pictures[self.rows]
        runtime = self.pictures.runtime
        own = shown[runtime.ranks.part(len(shown), SCORING_BATCH)]
        part = probabilities(classifier, inputs.in_order(own), classes, runtime.autocast)
        found = np.concatenate(runtime.ranks.every(part.numpy()))
        labels = self.pictures.rows.labels[self.rows]
        return evaluate(found[np.searchsorted(shown, of_row)], labels)


def probabilities(
    classifier: Classifier,
    batches: Batches,
    classes: int,
    autocast: Callable[[], contextlib.AbstractContextManager[object]],
) -> Tensor:
    """Softmax of every picture in turn, (U, K) float32 on the CPU.

    Args:
        classifier: on the device of the inputs.
        batches: of (pictures, inputs).
        classes: K.
        autocast: of the run.
    """
    found = [each for _, each in probability_batches(classifier, batches, autocast)]
    return torch.cat(found) if found else torch.empty(0, classes)


def probability_batches(
    classifier: Classifier,
    batches: Batches,
    autocast: Callable[[], contextlib.AbstractContextManager[object]],
) -> Iterator[tuple[Tensor, Tensor]]:
    """(B,) pictures and their softmax, (B, K) float32 on the CPU, batch by batch."""
    with torch.inference_mode():
        logits = classifier.fixed()
        for pictures, inputs in batches:
            with autocast():
                out = logits(inputs)
            yield pictures, out.float().softmax(dim=1).cpu()
