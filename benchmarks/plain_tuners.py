"""Visual tuners as their papers write them, with no saving: what the fast code has to agree with.

open_clip's own modules read every token; LoRA is added to the weights themselves, and trained
copies of weights take the place of the model's. Of deftclean it takes the names and values of the
trained tensors only.

Shapes: B images, L blocks, W width, r rank or bottleneck, D joint size.
"""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.plain import PlainImage
from deftclean.settings.training import Tuner


def plain_image(
    model: Any,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    tuner: Tuner,
    tensors: Mapping[str, Tensor],
) -> PlainImage:
    """The image tower with a tuner.

    Args:
        model: an open_clip model, frozen.
        mean, std: of the pixels, by channel.
        tuner: its name.
        tensors: its trained tensors by name.
    """
    if tuner in ("vpt-deep", "vpt-shallow", "none"):
        return PlainImage(model, mean, std, tensors.get("prompts"))
    if tuner == "adaptformer":
        return PlainAdaptFormer(model, mean, std, tensors)
    if tuner == "lora":
        return PlainOtherWeights(model, mean, std, _with_lora(model.visual, tensors))
    own = {name.removeprefix("tower.visual."): tensor for name, tensor in tensors.items()}
    return PlainOtherWeights(model, mean, std, own)


class PlainOtherWeights(PlainImage):
    """The image tower with other values for some of its weights.

    Args:
        weights: by name.
    """

    def __init__(
        self,
        model: Any,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        weights: Mapping[str, Tensor],
    ) -> None:
        super().__init__(model, mean, std, None)
        self.weights = dict(weights)

    def features(self, pixels: Tensor) -> Tensor:
        """I: (B, 3, S, S) uint8 -> (B, D) unit vectors."""
        normalised = self.normalised(pixels)
        out: Tensor = torch.func.functional_call(self.visual, self.weights, (normalised,))
        return F.normalize(out, dim=-1)


class PlainAdaptFormer(PlainImage):
    """The image tower with a bottleneck beside every MLP.

    Args:
        tensors: stacked over the L blocks.
    """

    def __init__(
        self,
        model: Any,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        tensors: Mapping[str, Tensor],
    ) -> None:
        super().__init__(model, mean, std, None)
        self.tensors = tensors

    def features(self, pixels: Tensor) -> Tensor:
        """I: (B, 3, S, S) uint8 -> (B, D) unit vectors."""
        x = self.visual._embeds(self.normalised(pixels))
        for layer, block in enumerate(self.visual.transformer.resblocks):
            x = x + block.ls_1(block.attention(block.ln_1(x)))
            x = x + block.ls_2(block.mlp(block.ln_2(x))) + self._bottleneck(layer, x)
        pooled, _ = self.visual._pool(x)
        return F.normalize(pooled @ self.visual.proj, dim=-1)

    def _bottleneck(self, layer: int, x: Tensor) -> Tensor:
        own = {name: tensor[layer] for name, tensor in self.tensors.items()}
        centred = x - x.mean(dim=-1, keepdim=True)
        normal = centred / (centred.square().mean(dim=-1, keepdim=True) + 1e-5).sqrt()
        hidden = (normal * own["norm_weight"] + own["norm_bias"]) @ own["down"].T
        hidden = (hidden + own["down_bias"]).clamp(min=0)
        return own["scale"] * (hidden @ own["up"].T + own["up_bias"])


def _with_lora(visual: Any, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``W + B A / r`` for queries and values, packed with the keys' own weights."""
    query = tensors["query_b"] @ tensors["query_a"]
    value = tensors["value_b"] @ tensors["value_a"]
    rank = tensors["query_a"].shape[1]
    return {
        f"transformer.resblocks.{layer}.attn.in_proj_weight": block.attn.in_proj_weight
        + torch.cat([query[layer], torch.zeros_like(query[layer]), value[layer]]) / rank
        for layer, block in enumerate(visual.transformer.resblocks)
    }
