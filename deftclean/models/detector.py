"""The dual-prompt detector: frozen towers, a visual tuner and the two textual contexts."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from deftclean.models.averaged_prompts import AveragedPrompts
from deftclean.models.encoder import Encoder, wide
from deftclean.models.prompts import DualPrompts

Prompts = DualPrompts | AveragedPrompts
"""Around the names of the classes, or around several texts of each."""


class DetectorOutput(NamedTuple):
    """Scaled cosine similarities, float32.

    Attributes:
        positive: (B, K), ``s · I · T⁺ᵀ``.
        negative: (B, K), ``s · stopgrad(I) · T⁻ᵀ``: the learned threshold of each class.
    """

    positive: Tensor
    negative: Tensor


class DualPromptDetector(nn.Module):
    """Images to positive and negative similarities with every class.

    Args:
        encoder: frozen CLIP.
        tuner: of the image tower, or None for the plain tower.
        prompts: positive and negative contexts around what stands for the K classes.
    """

    def __init__(self, encoder: Encoder, tuner: nn.Module | None, prompts: Prompts) -> None:
        super().__init__()
        self.encoder = encoder
        self.tuner = tuner
        self.prompts = prompts

    def image_features(self, pixels: Tensor) -> Tensor:
        """I: (B, 3, S, S) uint8 -> (B, D) unit vectors."""
        tower = self.encoder.image
        features: Tensor = tower(pixels) if self.tuner is None else self.tuner(tower, pixels)
        return features

    def positive_features(self) -> Tensor:
        """T⁺: (K, D) unit vectors."""
        return self.prompts.features(self.encoder.text, self.prompts.positive)

    def watched(self, encode: Callable[[Tensor], Tensor], pixels: Tensor) -> dict[str, Tensor]:
        """Features that must not become the same for all, by name; those that training changes.

        Args:
            encode: `image_features`, or what gives the same in another way.
            pixels: (n, 3, S, S) uint8.
        """
        found = {"positive text features": self.positive_features()}
        if self.tuner is None:
            return found
        return {"image features": encode(pixels), **found}

    def negative_features(self) -> Tensor:
        """T⁻: (K, D) unit vectors."""
        return self.prompts.features(self.encoder.text, self.prompts.negative)

    def text_features(self) -> tuple[Tensor, Tensor]:
        """T⁺ and T⁻, each (K, D) unit vectors."""
        return self.prompts.features_of_both(self.encoder.text)

    def positive(self, image: Tensor) -> Tensor:
        """(B, D) image features -> ``s · I · T⁺ᵀ``, (B, K) float32."""
        return self._scaled(image, self.positive_features())

    def negative(self, image: Tensor) -> Tensor:
        """(B, D) image features -> ``s · stopgrad(I) · T⁻ᵀ``, (B, K) float32."""
        return self._scaled(image.detach(), self.negative_features())

    def both(self, image: Tensor) -> DetectorOutput:
        """`positive` and `negative`, encoding both contexts at once."""
        return self.compare(image, *self.text_features())

    def negative_at(self, image: Tensor, labels: Tensor) -> Tensor:
        """Of `negative` only what is at some labels, encoding no other prompt.

        Args:
            image: (B, D) image features.
            labels: (n, B), n classes for each image.

        Returns:
            (n, B) float32, ``s · stopgrad(I_i) · T⁻[labels[j, i]]``.
        """
        features = self.prompts.features_of(
            self.encoder.text, self.prompts.negative, labels.flatten()
        )
        features = wide(features).unflatten(0, labels.shape)
        similar: Tensor = (wide(image.detach()) * features).sum(dim=-1)
        return self.encoder.logit_scale * similar

    def compare(self, image: Tensor, positive: Tensor, negative: Tensor) -> DetectorOutput:
        """Similarities of (B, D) image features with two (K, D) sets of text features."""
        return DetectorOutput(self._scaled(image, positive), self._scaled(image.detach(), negative))

    def _scaled(self, image: Tensor, text: Tensor) -> Tensor:
        # Logits reach s = 100; half precision would round them to steps of 1/16 or worse.
        with torch.autocast(image.device.type, enabled=False):
            return (self.encoder.logit_scale * wide(image)) @ wide(text).T

    def forward(self, pixels: Tensor) -> DetectorOutput:
        """(B, 3, S, S) uint8 pixels -> similarities, each (B, K)."""
        return self.both(self.image_features(pixels))

    def compile_images(self) -> None:
        """Have `torch.compile` translate the tuner, if there is one, at its first use."""
        if self.tuner is not None:
            self.tuner.compile()

    def trained_tensors(self) -> dict[str, Tensor]:
        """What training changes, by name, detached and on the CPU: all a detector has to keep."""
        return {
            name: parameter.detach().cpu().contiguous()
            for name, parameter in self.named_parameters()
            if parameter.requires_grad
        }

    def load_trained(self, tensors: dict[str, Tensor]) -> None:
        """Put back what `trained_tensors` gave.

        Raises:
            ValueError: a tensor is missing, unknown, or of another shape.
        """
        own = {n: p for n, p in self.named_parameters() if p.requires_grad}
        wanted = {name: tuple(parameter.shape) for name, parameter in own.items()}
        given = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        if wanted != given:
            raise ValueError(f"expected tensors {wanted}, found {given}")
        with torch.no_grad():
            for name, parameter in own.items():
                parameter.copy_(tensors[name])
