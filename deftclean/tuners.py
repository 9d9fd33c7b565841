"""Visual prompt tuning (VPT): how the frozen image tower is adapted.

Jia et al. 2022, https://arxiv.org/abs/2203.12119. A tuner is a module with the trained tensors
whose `forward` runs the tower with them. No tuner at all is the plain tower.

Shapes: B images, T tokens of the tower, P visual prompts, L blocks, W visual width, D joint size.
"""

import math

import torch
from torch import Tensor, nn

from deftclean.config import Tuner
from deftclean.encoder import ImageTower, attend
from deftclean.errors import UsageError


class VPTDeep(nn.Module):
    """P fresh prompts before every block, replaced and not carried on.

    What a block computes at a prompt's place is never read, so prompts are keys and values only,
    the same for all images; and of the last block only the pooled token is needed.

    Args:
        tower: sets L, W and the scale of the start values.
        length: P.
        generator: draws the start values, U(-v, v) with v = sqrt(6 / (3 * patch area + W)).
    """

    def __init__(self, tower: ImageTower, length: int, generator: torch.Generator) -> None:
        super().__init__()
        self.prompts = nn.Parameter(_uniform(tower, (len(tower.blocks), length), generator))

    def forward(self, tower: ImageTower, pixels: Tensor) -> Tensor:
        """(B, 3, S, S) uint8 -> (B, D) unit features."""
        return tower.pool(self.tokens(tower, pixels))

    def tokens(self, tower: ImageTower, pixels: Tensor) -> Tensor:
        """(B, 3, S, S) uint8 -> (B, 1 or T, W), as many tokens of the last block as are pooled."""
        x = tower.embed(pixels)
        *early, final = tower.blocks
        for block, prompts in zip(early, self.prompts, strict=False):
            x = attend(block, x, memory=prompts)
        return attend(final, x, memory=self.prompts[-1], outputs=int(tower.pools_class_token))


class VPTShallow(nn.Module):
    """P prompts before the first block; their outputs are carried on as tokens.

    Args:
        tower: sets W and the scale of the start values.
        length: P.
        generator: draws the start values as for `VPTDeep`.
    """

    def __init__(self, tower: ImageTower, length: int, generator: torch.Generator) -> None:
        super().__init__()
        self.prompts = nn.Parameter(_uniform(tower, (length,), generator))

    def forward(self, tower: ImageTower, pixels: Tensor) -> Tensor:
        """(B, 3, S, S) uint8 -> (B, D) unit features."""
        return tower.pool(self.tokens(tower, pixels))

    def tokens(self, tower: ImageTower, pixels: Tensor) -> Tensor:
        """(B, 3, S, S) uint8 -> (B, 1 or T, W), as many tokens of the last block as are pooled."""
        tokens = tower.embed(pixels)
        prompts = self.prompts.to(tokens.dtype).expand(len(tokens), -1, -1)
        x = torch.cat([tokens, prompts], dim=1)
        *early, final = tower.blocks
        for block in early:
            x = attend(block, x)
        return attend(final, x, outputs=1 if tower.pools_class_token else tokens.shape[1])


VisualTuner = VPTDeep | VPTShallow


def make_tuner(
    name: Tuner, tower: ImageTower, length: int, generator: torch.Generator
) -> VisualTuner | None:
    """The tuner called `name`, or None for `none`.

    Raises:
        UsageError: the tower cannot take visual prompts.
    """
    if name == "none":
        return None
    if reason := tower.why_no_prompts():
        raise UsageError(
            f"--tuner {name}: this model cannot take visual prompts: {reason}.",
            "Use --tuner none (text contexts only), or a model with CLIP's ViT.",
        )
    kind: type[VisualTuner] = VPTDeep if name == "vpt-deep" else VPTShallow
    return kind(tower, length, generator)


def _uniform(tower: ImageTower, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    bound = math.sqrt(6 / (3 * tower.patch_area + tower.width))
    values = torch.empty(*shape, tower.width).uniform_(-bound, bound, generator=generator)
    return values.to(tower.mean.device)
