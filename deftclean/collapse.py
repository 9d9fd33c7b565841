"""Prompt training can collapse: features become constant, and every probability noise.

Judged on the features themselves, not on the loss: a loss that stays at ln K may also mean that
the labels have nothing to do with the pictures, which is a finding and no failure.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from deftclean.detector import DualPromptDetector
from deftclean.errors import CollapseError
from deftclean.runtime import Runtime

COLLAPSED_SHARE = 0.01
"""Spread, as a share of its value before the first step, below which features have collapsed."""


@dataclass(frozen=True)
class Spread:
    """Root mean square distance of unit features from their mean, in [0, 1]; 0 = all the same."""

    image: float
    text: float


def spread_of(features: Tensor) -> Tensor:
    """``sqrt(mean_i ||f_i - mean f||²)`` of (n, D) features.

    >>> spread_of(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    tensor(0.7071)
    """
    features = features.float()
    return (features - features.mean(dim=0)).square().sum(dim=1).mean().sqrt()


class CollapseWatch:
    """Compares the spread of features with what it was before training.

    Args:
        detector: untrained when the watch is made.
        probe: (n, 3, S, S) uint8 pictures looked at each time.
        runtime: device and precision.
    """

    def __init__(self, detector: DualPromptDetector, probe: Tensor, runtime: Runtime) -> None:
        self._detector = detector
        self._probe = probe.to(runtime.device)
        self._runtime = runtime
        self._start = self._measure()

    def check(self, when: str) -> None:
        """Raise if image features or positive text features have collapsed.

        Raises:
            CollapseError: the spread is below 1 % of its first value, or not finite.
        """
        now = self._measure()
        names = {
            "image features": (now.image, self._start.image),
            "positive text features": (now.text, self._start.text),
        }
        # Written so that a spread that is not a number counts as collapsed.
        lost = [
            f"{name} (spread {value:.2g}, {start:.2g} before training)"
            for name, (value, start) in names.items()
            if not value >= COLLAPSED_SHARE * start
        ]
        if lost:
            raise CollapseError(
                f"Training collapsed {when}: all {' and all '.join(lost)} are the same now, so "
                "every clean probability would be noise. No table was written.",
                "Train more gently: --clip-grad 1, or a lower --lr (a tenth of it).",
            )

    @torch.no_grad()
    def _measure(self) -> Spread:
        with self._runtime.autocast():
            image = self._detector.image_features(self._probe)
            positive = self._detector.positive_features()
        return Spread(float(spread_of(image)), float(spread_of(positive)))
