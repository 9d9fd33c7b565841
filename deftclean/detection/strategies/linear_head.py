"""A linear head on the image tower, and what it says of labelled rows: what selection rules use.

Knows neither which rows are chosen nor how; see `deftclean.detection.strategies.rules`.

Shapes: B images, D joint size, K classes, n rows.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from deftclean.core.runtime import Runtime, initial_weights
from deftclean.features.scoring import RowsByPicture
from deftclean.models.encoder import Encoder
from deftclean.models.tuners import VisualTuner, make_tuner
from deftclean.settings.detector import DetectorConfig
from deftclean.training.feeds import Encode, Features
from deftclean.training.losses import at_label
from deftclean.training.optimiser import Optimiser
from deftclean.training.pieces import Again, until_it_fits

Chosen = Callable[[Tensor], Tensor]
"""(B,) losses of a batch -> (B,) bool, which of them are learned from."""


class HeadedTower(nn.Module):
    """The image tower, with or without a tuner, and a linear head that begins at zero.

    The head stands on the unit features that zero-shot compares with texts, times √D, so that they
    have the scale of a normalised layer: features that never change can be computed once.

    Args:
        encoder: frozen CLIP.
        tuner: of its image tower, or None.
        classes: K.
    """

    def __init__(self, encoder: Encoder, tuner: VisualTuner | None, classes: int) -> None:
        super().__init__()
        self.tower = encoder.image
        self.tuner = tuner
        size = encoder.text.joint_size
        self.scale = math.sqrt(size)
        device = encoder.image.mean.device
        self.weight = nn.Parameter(torch.zeros(classes, size, device=device))
        self.bias = nn.Parameter(torch.zeros(classes, device=device))

    def image_features(self, pixels: Tensor) -> Tensor:
        """(B, 3, S, S) uint8 -> (B, D) unit vectors."""
        if self.tuner is None:
            features: Tensor = self.tower(pixels)
            return features
        return self.tuner(self.tower, pixels)  # type: ignore[no-any-return]

    def forward(self, features: Tensor) -> Tensor:
        """(B, D) unit features -> (B, K) logits, float32."""
        with torch.autocast(features.device.type, enabled=False):
            return F.linear(features.float() * self.scale, self.weight, self.bias)

    def watched(self, encode: Encode, pixels: Tensor) -> dict[str, Tensor]:
        """Features that must not become the same for all, by name; as of a detector."""
        return {"image features": encode(pixels)}


def fresh_tower(encoder: Encoder, classes: int, config: DetectorConfig) -> HeadedTower:
    """A tower before training; its start values depend on the seed alone.

    Raises:
        UsageError: the model cannot take the tuner.
    """
    tuner = make_tuner(config, encoder.image, initial_weights(config.seed))
    return HeadedTower(encoder, tuner, classes)


def train_pass(
    model: HeadedTower,
    batches: Features,
    labels: Tensor,
    optimiser: Optimiser,
    runtime: Runtime,
    chosen: Chosen,
    on_step: Callable[[Tensor], None],
    again: Again,
) -> float:
    """One epoch of cross-entropy; the mean loss of all rows seen, in nats.

    Args:
        model: changed in place.
        batches: rows and their features, with gradient where there is a tuner.
        labels: (N,) class of every row, on the CPU.
        optimiser: of the model.
        runtime: device and precision.
        chosen: which rows of a batch are learned from, at least one.
        on_step: called after each step with the batch's mean loss.
        again: the features of the last batch once more, where memory has run out.
    """
    total, count = torch.zeros((), device=runtime.device), 0
    for rows, features in batches:
        given = labels[rows].to(runtime.device, non_blocking=True)
        learn = functools.partial(_gradients, model, optimiser, given, chosen)
        losses = until_it_fits(learn, features, again)
        optimiser.step()
        total += losses.sum()
        count += len(rows)
        on_step(losses.mean())
    return float(total) / max(count, 1)


def _gradients(
    model: HeadedTower, optimiser: Optimiser, given: Tensor, chosen: Chosen, features: Tensor
) -> Tensor:
    """Gradients of a batch, in place of those of the last one; its losses."""
    optimiser.zero_grad()
    losses = F.cross_entropy(model(features), given, reduction="none")
    learned = chosen(losses.detach()).to(losses.dtype)
    # Not `losses[mask]`, for whose length a device would have to be waited for.
    optimiser.backward((losses * learned).sum() / learned.sum())
    return losses.detach()


def smallest(losses: Tensor, noise_ratio: float) -> Tensor:
    """(B,) bool: the int((1 - r)·B) smallest losses, at least one.

    >>> smallest(torch.tensor([3.0, 1.0, 2.0, 4.0]), 0.5)
    tensor([False,  True,  True, False])
    """
    count = max(1, int((1 - noise_ratio) * len(losses)))
    mask = torch.zeros_like(losses, dtype=torch.bool)
    mask[losses.sort(stable=True).indices[:count]] = True
    return mask


@dataclass(frozen=True)
class Evidence:
    """What a classifier says of n rows.

    Attributes:
        rows: (n,) ascending row indices.
        loss: (n,) cross-entropy of the given label, in nats, 0 or more.
        given_prob: (n,) softmax of the given label, in [0, 1].
        divergence: (n,) Jensen-Shannon divergence of softmax and given label, in bits, in [0, 1].
        predicted: (n,) most probable class.
        predicted_prob: (n,) its softmax.
    """

    rows: NDArray[np.int64]
    loss: NDArray[np.float64]
    given_prob: NDArray[np.float64]
    divergence: NDArray[np.float64]
    predicted: NDArray[np.int64]
    predicted_prob: NDArray[np.float32]

    def of(self, chosen: NDArray[np.bool_]) -> "Evidence":
        """Of some of the rows."""
        return Evidence(
            self.rows[chosen],
            self.loss[chosen],
            self.given_prob[chosen],
            self.divergence[chosen],
            self.predicted[chosen],
            self.predicted_prob[chosen],
        )


class EvidenceCollector:
    """Evidence of every row that shows one of the pictures seen.

    Args:
        rows: whose labels are asked about.
    """

    def __init__(self, rows: RowsByPicture) -> None:
        self._rows = rows
        self._columns = rows.columns()

    @torch.inference_mode()
    def add(self, pictures: Tensor, logits: Tensor) -> None:
        """(B,) pictures and their (B, K) logits."""
        # A float32 loss that rounds to zero would tie with others; not every device has float64.
        logits = logits.cpu().double()
        rows, places = self._rows.of(pictures)
        log_given = logits.log_softmax(dim=1)[places, self._rows.labels[rows]]
        given_prob = log_given.exp()
        predicted = logits.argmax(dim=1)
        certainty = at_label(logits.softmax(dim=1), predicted).float()
        divergence = divergence_from(given_prob)
        self._columns.add(
            rows, -log_given, given_prob, divergence, predicted[places], certainty[places]
        )

    def evidence(self) -> Evidence:
        """Of every row added."""
        return Evidence(*self._columns.by_row())


def divergence_from(given_prob: Tensor) -> Tensor:
    """Jensen-Shannon divergence of a distribution and a one-hot label, in bits, in [0, 1].

    With q the probability of the label: ``1 + (q log2 q - (1 + q) log2(1 + q)) / 2``, since outside
    the label the distribution meets nothing.

    By hand: q = 1 gives 0, q = 0 gives 1, q = 1/3 gives
    1 + (-0.528321 - 4/3 · 0.415037) / 2 = 0.459148.

    Args:
        given_prob: (n,) in [0, 1].
    """
    q = given_prob.clamp(0, 1)
    ln2 = math.log(2)
    meeting = torch.special.xlogy(q, q) - (1 + q) * torch.log1p(q)
    divergence: Tensor = (1 + meeting / (2 * ln2)).clamp(0, 1)
    return divergence
