"""The losses of an adaptation behind one signature; one of them remembers what it has seen."""

from collections.abc import Callable, Mapping
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from deftclean.core.run import Ranks
from deftclean.training.losses import generalised_each, symmetric_each

_KEPT = 0.3  # share of a target that stays at each visit
_STRENGTH = 5.0
_MIN_SOFTMAX = 1e-4


class FitLoss(Protocol):
    """Per-sample losses of labelled logits."""

    def __call__(self, rows: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
        """Losses of one batch.

        Args:
            rows: (B,) int64 place of each sample among the n that are trained on, on the CPU.
            logits: (B, K) float32.
            labels: (B,) int64 classes.

        Returns:
            (B,), lower is better.
        """

    def share(self, ranks: Ranks) -> None:
        """After an epoch of several processes: every one remembers what all have seen."""

    def state(self) -> dict[str, Tensor]:
        """What it remembers, on the CPU."""

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Put back what `state` gave."""


class Stateless:
    """A loss that looks at one batch alone."""

    def __init__(self, each: Callable[[Tensor, Tensor], Tensor]) -> None:
        self._each = each

    def __call__(self, rows: Tensor, logits: Tensor, labels: Tensor) -> Tensor:  # noqa: ARG002
        """(B,) losses."""
        return self._each(logits, labels)

    def share(self, ranks: Ranks) -> None:
        """Nothing to do."""

    def state(self) -> dict[str, Tensor]:
        """Nothing."""
        return {}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Nothing to do."""


class EarlyLearning:
    """ELR: keep to what was predicted early, before wrong labels are learned by heart.

    Liu et al., NeurIPS 2020, https://arxiv.org/abs/2007.00151. With p the softmax clamped to
    [1e-4, 1 - 1e-4] and a target t for each sample, zero at first: at each visit

    ``t ← 0.3 t + 0.7 p / Σ_k p_k``, without gradient, then ``L = CE + 5 log(1 - ⟨t, p⟩)``.

    By hand, first visit, logits (ln 3, 0), y = 0: p = (3/4, 1/4), t = (0.525, 0.175),
    ⟨t, p⟩ = 0.4375, L = 0.287682 + 5 ln 0.5625 = -2.589140.

    Args:
        rows: n.
        classes: K.
        device: of the logits; n · K numbers of 4 bytes are kept there.
    """

    def __init__(self, rows: int, classes: int, device: torch.device) -> None:
        self._targets = torch.zeros(rows, classes, device=device)
        self._seen = torch.zeros(rows, 1, device=device)

    def __call__(self, rows: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
        """(B,) losses; the targets of the samples move."""
        p = logits.softmax(dim=1).clamp(_MIN_SOFTMAX, 1 - _MIN_SOFTMAX)
        seen = p.detach()
        places = rows.to(self._targets.device)
        before = self._targets[places]
        targets = _KEPT * before + (1 - _KEPT) * seen / seen.sum(dim=1, keepdim=True)
        self._targets[places] = targets
        self._seen[places] = 1
        # ⟨t, p⟩ < 1 holds but for rounding.
        apart = (1 - (targets * p).sum(dim=1)).clamp(min=_MIN_SOFTMAX)
        return F.cross_entropy(logits, labels, reduction="none") + _STRENGTH * apart.log()

    def share(self, ranks: Ranks) -> None:
        """Each sample has moved in one process; where it has in several, by the same step."""
        if ranks.size > 1:
            moved, times = ranks.total(self._targets * self._seen), ranks.total(self._seen)
            self._targets = torch.where(times > 0, moved / times.clamp(min=1), self._targets)
        self._seen.zero_()

    def state(self) -> dict[str, Tensor]:
        """The targets."""
        return {"targets": self._targets.cpu().clone()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Put back what `state` gave."""
        self._targets.copy_(state["targets"])


def make_loss(
    name: Literal["ce", "sce", "elr", "gce"], rows: int, classes: int, device: torch.device
) -> FitLoss:
    """The loss called `name`.

    Args:
        name: cross-entropy, symmetric, early-learning or generalised cross-entropy.
        rows: n samples that are trained on.
        classes: K.
        device: of the logits.
    """
    match name:
        case "ce":
            return Stateless(_cross_entropy_each)
        case "sce":
            return Stateless(symmetric_each)
        case "gce":
            return Stateless(generalised_each)
        case "elr":
            return EarlyLearning(rows, classes, device)


def _cross_entropy_each(logits: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(logits, labels, reduction="none")
