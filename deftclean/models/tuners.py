"""Visual tuners: how the frozen image tower is adapted by few weights of its own kind, or by all.

A tuner is a module with the trained tensors. It runs the tower with them and never changes the
tower's own weights, so that several tuners may stand around one tower. No tuner at all is the
plain tower. All but visual prompts begin as the plain tower.

Shapes: B images, P visual prompts, r rank or bottleneck, L blocks, W visual width, D joint size.
"""

import abc
import copy
import math
from functools import partial
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deftclean.core.errors import UsageError
from deftclean.models.blocks import Added, attend
from deftclean.models.encoder import ImageTower
from deftclean.settings.training import Tuner


class VisualTuner(nn.Module, abc.ABC):
    """Base of all tuners."""

    @abc.abstractmethod
    def pooled(self, tower: ImageTower, pixels: Tensor) -> Tensor:
        """(B, 3, S, S) uint8 -> what the tuned tower has before its projection, (B, W)."""

    def forward(self, tower: ImageTower, pixels: Tensor) -> Tensor:
        """(B, 3, S, S) uint8 -> (B, D) unit features."""
        return tower.projected(self.pooled(tower, pixels))


class VPTDeep(VisualTuner):
    """P fresh prompts before every block, replaced and not carried on.

    Jia et al. 2022, https://arxiv.org/abs/2203.12119. What a block computes at a prompt's place is
    never read, so prompts are keys and values only, the same for all images.

    Args:
        tower: sets L, W and the scale of the start values.
        length: P.
        generator: draws the start values, U(-v, v) with v = sqrt(6 / (3 * patch area + W)).
    """

    def __init__(self, tower: ImageTower, length: int, generator: torch.Generator) -> None:
        super().__init__()
        self.prompts = _prompts(tower, (len(tower.blocks), length), generator)

    def pooled(self, tower: ImageTower, pixels: Tensor) -> Tensor:
        """(B, 3, S, S) uint8 -> (B, W)."""
        added = [Added(memory=prompts) for prompts in self.prompts]
        return tower.pooled(tower.tokens(pixels, added))


class VPTShallow(VisualTuner):
    """P prompts before the first block; their outputs are carried on as tokens.

    Args:
        tower: sets W and the scale of the start values.
        length: P.
        generator: draws the start values as for `VPTDeep`.
    """

    def __init__(self, tower: ImageTower, length: int, generator: torch.Generator) -> None:
        super().__init__()
        self.prompts = _prompts(tower, (length,), generator)

    def pooled(self, tower: ImageTower, pixels: Tensor) -> Tensor:
        """(B, 3, S, S) uint8 -> (B, W)."""
        tokens = tower.embed(pixels)
        prompts = self.prompts.to(tokens.dtype).expand(len(tokens), -1, -1)
        x = torch.cat([tokens, prompts], dim=1)
        *early, final = tower.blocks
        for block in early:
            x = attend(block, x)
        outputs = 1 if tower.pools_class_token else tokens.shape[1]
        return tower.pooled(attend(final, x, outputs=outputs))


class LoRA(VisualTuner):
    """Low-rank changes of the projections to queries and values: ``x Wᵀ + (x Aᵀ) Bᵀ / r``.

    Hu et al. 2021, https://arxiv.org/abs/2106.09685.

    Args:
        tower: sets L and W.
        rank: r.
        generator: draws A, (L, r, W), from U(-v, v) with v = 1 / sqrt(r): Kaiming-uniform as DEFT's
            authors have it, who store A as (W, r), so that its fan-in is the rank. B, (L, W, r),
            is zero.
    """

    def __init__(self, tower: ImageTower, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        layers, width, device = len(tower.blocks), tower.width, tower.mean.device
        self.rank = rank
        self.query_a = _uniform((layers, rank, width), rank**-0.5, generator, device)
        self.query_b = nn.Parameter(torch.zeros(layers, width, rank, device=device))
        self.value_a = _uniform((layers, rank, width), rank**-0.5, generator, device)
        self.value_b = nn.Parameter(torch.zeros(layers, width, rank, device=device))

    def pooled(self, tower: ImageTower, pixels: Tensor) -> Tensor:
        """(B, 3, S, S) uint8 -> (B, W)."""
        queries = zip(self.query_a, self.query_b, strict=True)
        values = zip(self.value_a, self.value_b, strict=True)
        added = [
            Added(query=partial(self._change, *query), value=partial(self._change, *value))
            for query, value in zip(queries, values, strict=True)
        ]
        return tower.pooled(tower.tokens(pixels, added))

    def _change(self, a: Tensor, b: Tensor, x: Tensor) -> Tensor:
        return F.linear(F.linear(x, a), b) / self.rank


class AdaptFormer(VisualTuner):
    """A bottleneck beside every MLP: ``MLP(x) + scale * up(relu(down(norm(x))))``.

    Chen et al. 2022, https://arxiv.org/abs/2205.13535.

    Args:
        tower: sets L and W.
        bottleneck: r.
        generator: draws the weights of `down`, (L, r, W), Kaiming-uniform: U(-v, v) with
            v = 1 / sqrt(W). `up` and biases are zero, the norm is a plain one, and the scale of
            each layer, which is learned, begins at 1.
    """

    def __init__(self, tower: ImageTower, bottleneck: int, generator: torch.Generator) -> None:
        super().__init__()
        layers, width, device = len(tower.blocks), tower.width, tower.mean.device

        def zeros(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.zeros(layers, *shape, device=device))

        self.norm_weight = nn.Parameter(torch.ones(layers, width, device=device))
        self.norm_bias = zeros(width)
        self.down = _uniform((layers, bottleneck, width), width**-0.5, generator, device)
        self.down_bias = zeros(bottleneck)
        self.up = zeros(width, bottleneck)
        self.up_bias = zeros(width)
        self.scale = nn.Parameter(torch.ones(layers, device=device))

    def pooled(self, tower: ImageTower, pixels: Tensor) -> Tensor:
        """(B, 3, S, S) uint8 -> (B, W)."""
        layers = zip(
            zip(self.norm_weight, self.norm_bias, strict=True),
            zip(self.down, self.down_bias, strict=True),
            zip(self.up, self.up_bias, strict=True),
            self.scale,
            strict=True,
        )
        added = [Added(mlp=partial(_beside_mlp, *layer)) for layer in layers]
        return tower.pooled(tower.tokens(pixels, added))


class OwnWeights(VisualTuner):
    """Some of the tower's own weights, trained in a copy of it that shares all the others.

    Works on any image tower; normalisation keeps the statistics that it came with.

    Args:
        tower: left as it is.
        ending: weights whose names end so are trained: `bias` is BitFit (Ben Zaken et al. 2022,
            https://arxiv.org/abs/2106.10199); an empty one trains all of them.
    """

    def __init__(self, tower: ImageTower, ending: str) -> None:
        super().__init__()
        own = {
            id(p): nn.Parameter(p.detach().clone()) if name.endswith(ending) else p
            for name, p in tower.named_parameters()
        }
        # What is in the memo counts as copied already: no tensor is copied but those above.
        self.tower = copy.deepcopy(tower, {**own, **{id(b): b for b in tower.buffers()}})

    # It has a tower of its own, but is called as all others are.
    def pooled(self, tower: ImageTower, pixels: Tensor) -> Tensor:  # noqa: ARG002
        """(B, 3, S, S) uint8 -> (B, W); of a ViT only."""
        return self.tower.pooled(self.tower.tokens(pixels))

    def forward(self, tower: ImageTower, pixels: Tensor) -> Tensor:
        """(B, 3, S, S) uint8 -> (B, D) unit features."""
        if self.tower.why_no_additions():
            features: Tensor = self.tower(pixels)
            return features
        return self.tower.projected(self.pooled(tower, pixels))


class TunerSettings(Protocol):
    """What a tuner asks of a configuration."""

    @property
    def tuner(self) -> Tuner:
        """Its name."""

    @property
    def prompt_length(self) -> int:
        """P of visual prompts."""

    @property
    def rank(self) -> int:
        """Of LoRA."""

    @property
    def bottleneck(self) -> int:
        """Of AdaptFormer."""


def make_tuner(
    settings: TunerSettings, tower: ImageTower, generator: torch.Generator
) -> VisualTuner | None:
    """The tuner that is asked for, or None for `none`.

    Raises:
        UsageError: the tower cannot take it.
    """
    name = settings.tuner
    if name == "none":
        return None
    if name in ("bitfit", "fft"):
        return OwnWeights(tower, "bias" if name == "bitfit" else "")
    if reason := tower.why_no_additions():
        raise UsageError(
            f"--tuner {name}: nothing can be put between the layers of this model: {reason}.",
            "Use --tuner bitfit (trains its biases) or --tuner none (text contexts only), or a "
            "model with CLIP's ViT.",
        )
    if name == "lora":
        return LoRA(tower, settings.rank, generator)
    if name == "adaptformer":
        return AdaptFormer(tower, settings.bottleneck, generator)
    kind: type[VPTDeep | VPTShallow] = VPTDeep if name == "vpt-deep" else VPTShallow
    return kind(tower, settings.prompt_length, generator)


def _beside_mlp(
    norm: tuple[Tensor, Tensor],
    down: tuple[Tensor, Tensor],
    up: tuple[Tensor, Tensor],
    scale: Tensor,
    x: Tensor,
) -> Tensor:
    """What one layer of AdaptFormer adds: weights and biases, (B, T, W) -> (B, T, W)."""
    hidden = F.relu(F.linear(F.layer_norm(x, x.shape[-1:], *norm), *down))
    return F.linear(hidden, *up) * scale


def _prompts(tower: ImageTower, shape: tuple[int, ...], generator: torch.Generator) -> nn.Parameter:
    bound = math.sqrt(6 / (3 * tower.patch_area + tower.width))
    return _uniform((*shape, tower.width), bound, generator, tower.mean.device)


def _uniform(
    shape: tuple[int, ...], bound: float, generator: torch.Generator, device: torch.device
) -> nn.Parameter:
    values = torch.empty(shape).uniform_(-bound, bound, generator=generator)
    return nn.Parameter(values.to(device))
