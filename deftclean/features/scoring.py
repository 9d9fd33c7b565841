"""The final evaluation: every distinct picture compared once, and every readable row judged.

Rows that show the same picture differ in their label alone.
"""

import copy
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from deftclean.core.run import ALONE, Ranks
from deftclean.core.runs import members
from deftclean.core.runtime import Runtime
from deftclean.features.class_texts import ClassTexts
from deftclean.features.columns import RowColumns
from deftclean.images.usable_rows import UsableRows
from deftclean.models.detector import DualPromptDetector
from deftclean.models.encoder import Encoder
from deftclean.training.losses import at_label, clean_probability
from deftclean.training.picture_sets import filled


@dataclass(frozen=True)
class DetectorScores:
    """Scores of n rows.

    Attributes:
        rows: (n,) ascending row indices.
        clean_prob: (n,) p_clean of the label asked about, in [0, 1]; higher = more likely right.
        clean_top: (n,) class with the highest p_clean.
        predicted: (n,) class with the highest positive similarity.
        predicted_prob: (n,) its softmax, in [0, 1].
    """

    rows: NDArray[np.int64]
    clean_prob: NDArray[np.float32]
    clean_top: NDArray[np.int64]
    predicted: NDArray[np.int64]
    predicted_prob: NDArray[np.float32]


@dataclass(frozen=True)
class ZeroShotScores:
    """What the untrained model says.

    Attributes:
        rows: (n,) ascending row indices.
        prob: (n,) softmax of the label asked about, in [0, 1].
        log_prob: (n,) its logarithm, in nats.
        predicted: (n,) most probable class.
        predicted_prob: (n,) its softmax, in [0, 1].
        ahead: (n,) by how much the cosine similarity of the label asked about is above that of the
            best other class, in [-2, 2].
        nearest: (n,) cosine similarity of the most probable class, in [-1, 1].
    """

    rows: NDArray[np.int64]
    prob: NDArray[np.float32]
    log_prob: NDArray[np.float32]
    predicted: NDArray[np.int64]
    predicted_prob: NDArray[np.float32]
    ahead: NDArray[np.float32]
    nearest: NDArray[np.float32]


class RowsByPicture:
    """Readable rows, grouped by the picture they show.

    Args:
        rows: the run's rows; `labels` of a row without a label means nothing, and neither does
            what is said of it.
    """

    def __init__(self, rows: UsableRows) -> None:
        shown = rows.pictures[rows.readable]
        order = np.argsort(shown, kind="stable")
        self.labels = torch.from_numpy(rows.labels)
        self._labelled = torch.from_numpy(rows.labelled)
        self._rows = rows.readable[order]
        self._ranks = ALONE
        self._starts = np.searchsorted(shown[order], np.arange(len(rows.distinct) + 1))

    def of(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """All rows that show one of (B,) pictures, and at which place in the batch it stands."""
        chosen = pictures.numpy()
        starts, counts = self._starts[chosen], self._starts[chosen + 1] - self._starts[chosen]
        places, at = members(starts, counts)
        return torch.from_numpy(self._rows[at]), torch.from_numpy(places)

    def divided(self, ranks: Ranks) -> "RowsByPicture":
        """The same, where each of several processes sees some of the pictures.

        What all of them have put into `columns` is there in each of them at the end.
        """
        same = copy.copy(self)
        same._ranks = ranks
        return same

    def columns(self) -> RowColumns:
        """Empty columns for all of the rows."""
        return RowColumns(len(self._rows), self._ranks)

    def labelled_of(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Those of `of` that have a label."""
        rows, places = self.of(pictures)
        kept = self._labelled[rows]
        return rows[kept], places[kept]


class DetectorScorer:
    """Judges rows by tuned image features and the learned prompts.

    Args:
        detector: trained.
        rows: whose labels are asked about.
        runtime: device and precision.
        columns: where scores go; None for columns of its own. Detectors that each judge other
            pictures may share them.
    """

    @torch.inference_mode()
    def __init__(
        self,
        detector: DualPromptDetector,
        rows: RowsByPicture,
        runtime: Runtime,
        columns: RowColumns | None = None,
    ) -> None:
        self._detector = detector
        self._rows = rows
        with runtime.autocast():
            self._texts = detector.text_features()
        self._columns = rows.columns() if columns is None else columns

    @torch.inference_mode()
    def add(self, pictures: Tensor, image: Tensor) -> None:
        """Score (B,) pictures by their (B, D) tuned features."""
        output = self._detector.compare(filled(image), *self._texts)
        probability = clean_probability(*output)
        predicted = output.positive.argmax(dim=1)
        # The margin decides where probabilities have saturated at 1.
        top = (output.positive - output.negative).argmax(dim=1)
        certainty = at_label(output.positive.softmax(dim=1), predicted)
        rows, places = self._rows.of(pictures)
        at = places.to(image.device)
        clean = probability[at, self._rows.labels[rows].to(image.device)]
        self._columns.add(
            rows, clean, top.cpu()[places], predicted.cpu()[places], certainty.cpu()[places]
        )

    def scores(self) -> DetectorScores:
        """Of every row added, whoever added it to the columns."""
        return DetectorScores(*self._columns.by_row())


@torch.inference_mode()
def zero_shot_texts(encoder: Encoder, texts: ClassTexts, runtime: Runtime) -> Tensor:
    """(K, D) unit features, of several texts their mean, on the run's device."""
    with runtime.autocast():
        features = encoder.text.encode([text for each in texts for text in each]).float()
    counts = torch.tensor([len(each) for each in texts], device=features.device)
    if len(features) == len(texts):
        return features
    of_class = torch.arange(len(texts), device=features.device).repeat_interleave(counts)
    total = features.new_zeros(len(texts), features.shape[1]).index_add_(0, of_class, features)
    return F.normalize(total, dim=1)


class ZeroShotScorer:
    """Classifies untuned image features with the texts of the classes (Eq. 1).

    Args:
        encoder: frozen CLIP.
        texts: of the K classes.
        rows: whose labels are asked about.
        runtime: device and precision.
    """

    @torch.inference_mode()
    def __init__(
        self, encoder: Encoder, texts: ClassTexts, rows: RowsByPicture, runtime: Runtime
    ) -> None:
        self._text = zero_shot_texts(encoder, texts, runtime)
        self._scale = encoder.logit_scale
        self._rows = rows
        self._columns = rows.columns()

    @torch.inference_mode()
    def add(self, pictures: Tensor, image: Tensor) -> None:
        """Score (B,) pictures by their (B, D) untuned features."""
        similar = filled(image.float()) @ self._text.T
        logits = self._scale * similar
        rows, places = self._rows.of(pictures)
        at = places.to(image.device)
        given = self._rows.labels[rows].to(image.device)
        log_softmax = F.log_softmax(logits, dim=1)
        log_prob = log_softmax[at, given]
        highest = log_softmax.max(dim=1)
        ahead, nearest = _ahead(similar, at, given), similar.amax(dim=1)
        self._columns.add(
            rows,
            log_prob.exp(),
            log_prob,
            highest.indices.cpu()[places],
            highest.values.exp().cpu()[places],
            ahead,
            nearest.cpu()[places],
        )

    def scores(self) -> ZeroShotScores:
        """Of every row added."""
        return ZeroShotScores(*self._columns.by_row())


def _ahead(similar: Tensor, at: Tensor, given: Tensor) -> Tensor:
    """Similarity with a class less the highest with another: (B, K), (n,), (n,) -> (n,)."""
    two = similar.topk(2, dim=1)
    own = similar[at, given]
    best = two.indices[at, 0] == given
    return own - torch.where(best, two.values[at, 1], two.values[at, 0])
