"""Prompt training can collapse: features become constant, and every probability noise.

Judged on the features themselves, not on the loss: a loss that stays at ln K may also mean that
the labels have nothing to do with the pictures, which is a finding and no failure.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from deftclean.core.errors import CollapseError
from deftclean.core.runtime import Runtime
from deftclean.training.feeds import Encode
from deftclean.training.pieces import Pieces

COLLAPSED_SHARE = 0.01
"""Spread, as a share of its value before the first step, below which features have collapsed."""


class Watched(Protocol):
    """A model that can collapse."""

    @property
    def image_features(self) -> Encode:
        """(n, 3, S, S) uint8 pictures to unit features, (n, D)."""

    @property
    def watched(self) -> Callable[[Encode, Tensor], dict[str, Tensor]]:
        """Unit features, (m, D), by name, of n pictures and what encodes them."""


def spread_of(features: Tensor) -> Tensor:
    """Root mean square distance of unit features from their mean, in [0, 1]; 0 = all the same.

    ``sqrt(mean_i ||f_i - mean f||²)`` of (n, D) features.

    >>> spread_of(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    tensor(0.7071)
    """
    features = features.float()
    return (features - features.mean(dim=0)).square().sum(dim=1).mean().sqrt()


class CollapseWatch:
    """Compares the spread of features with what it was before training.

    Args:
        model: untrained when the watch is made.
        probe: (n, 3, S, S) uint8 pictures looked at each time.
        runtime: device and precision.
        pieces: in which the pictures go through the model.
    """

    def __init__(self, model: Watched, probe: Tensor, runtime: Runtime, pieces: Pieces) -> None:
        self._model = model
        self._encode = pieces.of(model.image_features)
        self._probe = probe.to(runtime.device)
        self._runtime = runtime
        self._start = self._measure()

    def check(self, when: str) -> None:
        """Raise if features have collapsed.

        Raises:
            CollapseError: the spread is below 1 % of its first value, or not finite.
        """
        now = self._measure()
        if lost := self._runtime.ranks.of_first(lambda: self._lost(now)):
            raise CollapseError(
                f"Training collapsed {when}: all {' and all '.join(lost)} are the same now, so "
                "every clean probability would be noise. No table was written.",
                "Train more gently: --clip-grad 1, or a lower --lr (a tenth of it).",
            )

    def _lost(self, now: dict[str, float]) -> list[str]:
        # Written so that a spread that is not a number counts as collapsed.
        return [
            f"{name} (spread {now[name]:.2g}, {start:.2g} before training)"
            for name, start in self._start.items()
            if not now[name] >= COLLAPSED_SHARE * start
        ]

    @torch.no_grad()
    def _measure(self) -> dict[str, float]:
        with self._runtime.autocast():
            watched = self._model.watched(self._encode, self._probe)
        return {name: float(spread_of(features)) for name, features in watched.items()}
