"""The final evaluation: every distinct picture compared once, and every readable row judged.

Rows that show the same picture differ in their label alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from deftclean.core.runs import members
from deftclean.core.runtime import Runtime
from deftclean.images.usable_rows import UsableRows
from deftclean.models.detector import DualPromptDetector
from deftclean.models.encoder import Encoder
from deftclean.models.prompts import readable_name
from deftclean.training.losses import at_label, clean_probability

ZERO_SHOT_PROMPT = "a photo of a {}"


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
        self._starts = np.searchsorted(shown[order], np.arange(len(rows.distinct) + 1))

    def of(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """All rows that show one of (B,) pictures, and at which place in the batch it stands."""
        chosen = pictures.numpy()
        starts, counts = self._starts[chosen], self._starts[chosen + 1] - self._starts[chosen]
        places, at = members(starts, counts)
        return torch.from_numpy(self._rows[at]), torch.from_numpy(places)

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
    """

    @torch.inference_mode()
    def __init__(self, detector: DualPromptDetector, rows: RowsByPicture, runtime: Runtime) -> None:
        self._detector = detector
        self._rows = rows
        with runtime.autocast():
            self._texts = detector.text_features()
        self._columns: list[tuple[Tensor, ...]] = []

    @torch.inference_mode()
    def add(self, pictures: Tensor, image: Tensor) -> None:
        """Score (B,) pictures by their (B, D) tuned features."""
        output = self._detector.compare(image, *self._texts)
        probability = clean_probability(*output)
        predicted = output.positive.argmax(dim=1)
        # The margin decides where probabilities have saturated at 1.
        top = (output.positive - output.negative).argmax(dim=1)
        certainty = at_label(output.positive.softmax(dim=1), predicted)
        rows, places = self._rows.of(pictures)
        at = places.to(image.device)
        clean = probability[at, self._rows.labels[rows].to(image.device)]
        self._columns.append(
            (rows, clean.cpu(), top.cpu()[places], predicted.cpu()[places], certainty.cpu()[places])
        )

    @property
    def columns(self) -> list[tuple[Tensor, ...]]:
        """Of every row added, batch by batch; see `scores_of_all`."""
        return self._columns

    def scores(self) -> DetectorScores:
        """Of every row added."""
        return scores_of_all([self])


def scores_of_all(scorers: Iterable[DetectorScorer]) -> DetectorScores:
    """Of every row that was added to one of the scorers."""
    return DetectorScores(*joined([part for each in scorers for part in each.columns]))


@torch.inference_mode()
def zero_shot_texts(encoder: Encoder, names: tuple[str, ...], runtime: Runtime) -> Tensor:
    """(K, D) unit features of "a photo of a {name}", on the run's device."""
    texts = [ZERO_SHOT_PROMPT.format(readable_name(name)) for name in names]
    with runtime.autocast():
        return encoder.text.encode(texts).float()


class ZeroShotScorer:
    """Classifies untuned image features with "a photo of a {name}" (Eq. 1).

    Args:
        encoder: frozen CLIP.
        names: K class names.
        rows: whose labels are asked about.
        runtime: device and precision.
    """

    @torch.inference_mode()
    def __init__(
        self, encoder: Encoder, names: tuple[str, ...], rows: RowsByPicture, runtime: Runtime
    ) -> None:
        self._text = zero_shot_texts(encoder, names, runtime)
        self._scale = encoder.logit_scale
        self._rows = rows
        self._columns: list[tuple[Tensor, ...]] = []

    @torch.inference_mode()
    def add(self, pictures: Tensor, image: Tensor) -> None:
        """Score (B,) pictures by their (B, D) untuned features."""
        similar = image.float() @ self._text.T
        logits = self._scale * similar
        rows, places = self._rows.of(pictures)
        at = places.to(image.device)
        given = self._rows.labels[rows].to(image.device)
        log_softmax = F.log_softmax(logits, dim=1)
        log_prob = log_softmax[at, given]
        highest = log_softmax.max(dim=1)
        ahead, nearest = _ahead(similar, at, given), similar.amax(dim=1)
        self._columns.append(
            (
                rows,
                log_prob.exp().cpu(),
                log_prob.cpu(),
                highest.indices.cpu()[places],
                highest.values.exp().cpu()[places],
                ahead.cpu(),
                nearest.cpu()[places],
            )
        )

    def scores(self) -> ZeroShotScores:
        """Of every row added."""
        return ZeroShotScores(*joined(self._columns))


def _ahead(similar: Tensor, at: Tensor, given: Tensor) -> Tensor:
    """Similarity with a class less the highest with another: (B, K), (n,), (n,) -> (n,)."""
    two = similar.topk(2, dim=1)
    own = similar[at, given]
    best = two.indices[at, 0] == given
    return own - torch.where(best, two.values[at, 1], two.values[at, 0])


def joined(columns: list[tuple[Tensor, ...]]) -> list[Any]:
    """Batches of columns to whole columns, by ascending row."""
    joined = [torch.cat(parts).numpy() for parts in zip(*columns, strict=True)]
    order = np.argsort(joined[0])
    return [column[order] for column in joined]
