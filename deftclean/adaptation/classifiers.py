"""What an adaptation trains: modules from pixels (or features) to the logits of K classes.

Each keeps what training changes apart from what it does not, so that a checkpoint holds no more
than it must. Knows nothing of losses, files or data.

Shapes: B images, S side in pixels, W width before the head, D joint size, K classes.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from deftclean.models.backbones import features_of, head_of
from deftclean.models.detector import DualPromptDetector
from deftclean.models.encoder import ImageTower
from deftclean.models.tuners import OwnWeights, VisualTuner

Logits = Callable[[Tensor], Tensor]
"""(B, 3, S, S) uint8 pixels, or (B, W) features, to (B, K) logits."""


class Classifier(nn.Module):
    """Base of what `fine_tune` can train: `forward` is a `Logits`."""

    def fixed(self) -> Logits:
        """The classifier as it is now, in evaluation mode; what no picture changes is done once."""
        self.eval()
        return self

    def tensors(self) -> dict[str, Tensor]:
        """What training changes, by name, on the CPU."""
        return {
            name: _kept(parameter)
            for name, parameter in self.named_parameters()
            if parameter.requires_grad
        }

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what `tensors` gave.

        Raises:
            ValueError: other names or shapes than this classifier has.
        """
        own = self.tensors()
        wrong = own.keys() ^ tensors.keys()
        wrong |= {n for n in own.keys() & tensors.keys() if own[n].shape != tensors[n].shape}
        if wrong:
            raise ValueError(f"tensors that do not fit: {', '.join(sorted(wrong)[:5])}")
        self.load_state_dict(dict(tensors), strict=False)


class FineTuned(Classifier):
    """A timm model, all of it trained (`fft`), or its head on features computed once (`linear`).

    Args:
        model: timm's.
        mean, std: of its input, by colour.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: nn.Module, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.model = model
        for name, values in (("mean", mean), ("std", std)):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, S, S) uint8 -> (B, K)."""
        logits: Tensor = self.model(self._normalised(pixels))
        return logits

    def features(self, pixels: Tensor) -> Tensor:
        """(B, 3, S, S) uint8 -> (B, W), what the head sees."""
        return features_of(self.model, self._normalised(pixels))

    @property
    def width(self) -> int:
        """W."""
        return int(head_of(self.model).in_features)

    def head(self) -> "LinearHead":
        """The head by itself, to be trained on `features`; it shares its weights with the model."""
        return LinearHead(head_of(self.model))

    def tensors(self) -> dict[str, Tensor]:
        """Everything: batch statistics change too, and no parameter does so."""
        return {name: _kept(value) for name, value in self.model.state_dict().items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what `tensors` gave.

        Raises:
            ValueError: other names or shapes than this model has.
        """
        try:
            self.model.load_state_dict(dict(tensors))
        except RuntimeError as error:
            raise ValueError(str(error).splitlines()[0]) from error

    def _normalised(self, pixels: Tensor) -> Tensor:
        return pixels.to(self.mean.dtype).div(255).sub(self.mean).div(self.std)


class LinearHead(Classifier):
    """(B, W) features -> (B, K)."""

    def __init__(self, head: nn.Linear) -> None:
        super().__init__()
        self.head = head

    def forward(self, features: Tensor) -> Tensor:
        """(B, W) -> (B, K)."""
        logits: Tensor = self.head(features)
        return logits


class PromptTuned(Classifier):
    """A frozen CLIP image tower with a visual tuner, and a linear head on its `ln_post` output.

    Args:
        tower: frozen.
        tuner: fresh, or None to train the head alone.
        classes: K.
    """

    def __init__(self, tower: ImageTower, tuner: VisualTuner | None, classes: int) -> None:
        super().__init__()
        self.tower = tower
        self.tuner = tuner
        self.head = nn.Linear(tower.pooled_width, classes, device=tower.mean.device)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        if isinstance(tuner, OwnWeights):  # the head stands where the projection was
            tuner.tower.vit.proj.requires_grad_(False)

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, S, S) uint8 -> (B, K)."""
        pooled = (
            self.tower.pooled(self.tower.tokens(pixels))
            if self.tuner is None
            else self.tuner.pooled(self.tower, pixels)
        )
        logits: Tensor = self.head(pooled)
        return logits


class Aligned(Classifier):
    """Classification by the positive prompts of a detector, fresh (`vlpt`) or learned (`prompts`).

    Args:
        detector: its negative context is left alone.
    """

    def __init__(self, detector: DualPromptDetector) -> None:
        super().__init__()
        self.detector = detector
        detector.prompts.negative.requires_grad_(False)

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, S, S) uint8 -> (B, K), ``s · I · T⁺ᵀ``."""
        return self.detector.positive(self.detector.image_features(pixels))

    def fixed(self) -> Logits:
        """With T⁺ computed once."""
        self.eval()
        with torch.no_grad():
            text = self.detector.positive_features()

        def logits(pixels: Tensor) -> Tensor:
            return self.detector.compare(self.detector.image_features(pixels), text, text).positive

        return logits


def _kept(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().contiguous().clone()
