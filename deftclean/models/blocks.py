"""One block of a CLIP transformer, with what is never read left out, and what may be added to it.

Weights and modules are open_clip's. Knows neither towers nor what is added.

Shapes: B images or prompts, T tokens, P tokens of memory, W width, h heads.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from open_clip.transformer import ResidualAttentionBlock
from torch import Tensor

Change = Callable[[Tensor], Tensor]
"""(..., T, W) -> (..., T, W), to be added to what the block computes from the same tokens."""


class Added(NamedTuple):
    """What a tuner adds to a block, whose own weights it leaves alone.

    Attributes:
        memory: (P, W) tokens that every query may attend to but that are not carried on; they
            are the same for all images, so their keys and values are computed once.
        query: from what `ln_1` gave, to the projected queries.
        value: likewise to the values.
        mlp: from the tokens after attention, to the block's output.
    """

    memory: Tensor | None = None
    query: Change | None = None
    value: Change | None = None
    mlp: Change | None = None


NOTHING = Added()
"""The plain block."""


def project_heads(
    block: ResidualAttentionBlock, normed: Tensor, first: int = 0, last: int = 3
) -> tuple[Tensor, ...]:
    """Queries, keys and values (parts 0, 1, 2) of a block's attention, `first` to before `last`.

    Args:
        block: its attention is `torch.nn.MultiheadAttention` with packed projections.
        normed: (..., T, W), what `ln_1` gave.

    Returns:
        last - first tensors, each (..., h, T, W / h) for h heads.
    """
    width, heads = block.attn.embed_dim, block.attn.num_heads
    rows = slice(first * width, last * width)
    projected = F.linear(normed, block.attn.in_proj_weight[rows], block.attn.in_proj_bias[rows])
    split = projected.unflatten(-1, (last - first, heads, -1))
    parts: tuple[Tensor, ...] = split.movedim(-3, 0).transpose(-3, -2).unbind(0)
    return parts


def add_block_output(
    block: ResidualAttentionBlock, x: Tensor, mixed: Tensor, beside_mlp: Change | None = None
) -> Tensor:
    """What a block does after attention: (..., T, W) tokens and (..., h, T, W / h) mixed values."""
    x = x + block.ls_1(block.attn.out_proj(mixed.transpose(-3, -2).flatten(-2)))
    out: Tensor = x + block.ls_2(block.mlp(block.ln_2(x)))
    return out if beside_mlp is None else out + beside_mlp(x)


def attend(
    block: ResidualAttentionBlock, x: Tensor, added: Added = NOTHING, outputs: int = 0
) -> Tensor:
    """One pre-norm transformer block without a mask, with what is never read left out.

    With neither option this is open_clip's own block.

    Args:
        block: weights.
        x: (B, T, W) tokens.
        added: to what the block computes.
        outputs: how many leading tokens the caller reads; 0 for all T.

    Returns:
        (B, outputs or T, W)
    """
    normed = block.ln_1(x)
    kept = slice(outputs) if outputs else slice(None)
    # Apart from keys and values, which are copied below: else the graph would keep both.
    (query,) = project_heads(block, normed[:, kept], last=1)
    query = _changed(block, query, added.query, normed[:, kept])
    key, value = _keys_and_values(block, normed, added)
    if added.memory is not None:
        shared = _keys_and_values(block, block.ln_1(added.memory), added)
        key, value = (
            torch.cat([own, more.expand(len(x), -1, -1, -1)], dim=2)
            for own, more in zip((key, value), shared, strict=True)
        )
    mixed = F.scaled_dot_product_attention(query, key, value)
    return add_block_output(block, x[:, kept], mixed, added.mlp)


def _keys_and_values(
    block: ResidualAttentionBlock, normed: Tensor, added: Added
) -> tuple[Tensor, Tensor]:
    key, value = project_heads(block, normed, first=1)
    return key, _changed(block, value, added.value, normed)


def _changed(
    block: ResidualAttentionBlock, part: Tensor, change: Change | None, normed: Tensor
) -> Tensor:
    """(..., h, T, W / h) queries or values, and what is added to them."""
    if change is None:
        return part
    heads: Tensor = change(normed).unflatten(-1, (block.attn.num_heads, -1)).transpose(-3, -2)
    return part + heads
