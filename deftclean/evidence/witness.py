"""What a witness is: a probability of every class for a picture, not fitted to its own label.

Shapes: B pictures, D joint size, K classes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

WitnessName = Literal["zero_shot", "deft", "head", "neighbours", "own"]
WITNESSES: tuple[WitnessName, ...] = get_args(WitnessName)

_SUREST = 1e-6
"""Least probability of a class in what a user brings: a zero would end every discussion."""

UNTAUGHT: WitnessName = "zero_shot"
"""The one witness that has seen no label of the data set."""

Take = Callable[[NDArray[np.int64]], Tensor]
"""(B,) pictures -> (B, D) features, float32."""


def beside(first: Take, second: Take) -> Take:
    """Features of two kinds as one, (B, D + D')."""

    def both(pictures: NDArray[np.int64]) -> Tensor:
        return torch.cat([first(pictures), second(pictures)], dim=1)

    return both


class Witness(Protocol):
    """Somebody who has an opinion of every picture."""

    @property
    def name(self) -> WitnessName:
        """Who it is."""

    def log_probs(self, pictures: NDArray[np.int64]) -> Tensor:
        """(B,) pictures -> (B, K) logarithms of probabilities, in nats, float32, on the CPU."""


@dataclass(frozen=True)
class Linear:
    """Logits that are linear in features.

    Attributes:
        weight: (K, D).
        bias: (K,).
    """

    weight: Tensor
    bias: Tensor

    def logits(self, features: Tensor) -> Tensor:
        """(B, D) -> (B, K), on the device of the weight."""
        return F.linear(features.to(self.weight.device), self.weight, self.bias)


@dataclass(frozen=True)
class LinearWitness:
    """Linear classifiers, each for the pictures whose labels it has not seen.

    Attributes:
        name: who it is.
        features: of any pictures.
        parts: the classifiers.
        part_of: (U,) the one that judges each picture.
    """

    name: WitnessName
    features: Take
    parts: Sequence[Linear]
    part_of: NDArray[np.int64]

    def log_probs(self, pictures: NDArray[np.int64]) -> Tensor:
        """See `Witness`."""
        features = self.features(pictures)
        judged_by = self.part_of[pictures]
        out = torch.empty(len(pictures), len(self.parts[0].bias))
        for number, part in enumerate(self.parts):
            mine = torch.from_numpy(np.flatnonzero(judged_by == number))
            out[mine] = part.logits(features[mine]).log_softmax(dim=1).float().cpu()
        return out


@dataclass(frozen=True)
class OwnProbabilities:
    """Somebody else's opinion, which the user brought.

    Attributes:
        probabilities: of any pictures, (B, K); rows sum to one.
    """

    probabilities: Take

    @property
    def name(self) -> WitnessName:
        """See `Witness`."""
        return "own"

    def log_probs(self, pictures: NDArray[np.int64]) -> Tensor:
        """See `Witness`; nobody is believed to be surer than `_SUREST`."""
        said = self.probabilities(pictures).double().clamp(min=_SUREST)
        return (said / said.sum(dim=1, keepdim=True)).log().float()


@dataclass(frozen=True)
class Averaged:
    """Witnesses of one name, each with the same right: the mean of their log-probabilities.

    Attributes:
        name: who they are.
        members: one or more.
    """

    name: WitnessName
    members: Sequence[Witness]

    def log_probs(self, pictures: NDArray[np.int64]) -> Tensor:
        """See `Witness`."""
        said = torch.stack([each.log_probs(pictures) for each in self.members])
        return said.mean(dim=0).log_softmax(dim=1)


def zero_shot_witness(features: Take, texts: Tensor, scale: float, count: int) -> LinearWitness:
    """What the untrained model says, at its own temperature (Eq. 1).

    Args:
        features: untuned, of any of the U pictures.
        texts: (K, D) unit features of the classes' prompts.
        scale: of the logits.
        count: U.
    """
    part = Linear(texts * scale, texts.new_zeros(len(texts)))
    return LinearWitness("zero_shot", features, [part], np.zeros(count, dtype=np.int64))
