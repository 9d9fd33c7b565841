"""Prompts that begin alike, encoded without encoding the beginning twice.

Under a causal mask the shared beginning of all prompts (the stem: start mark and context) is the
same for every class, so its keys and values are computed once. What follows it (a branch: class
name, full stop, end mark) is computed for each class, packed end to end without padding: branches
of one length lie side by side and are attended to as one group. On a CUDA device they are padded to
one length and are one group: about a third of the kernels. Of the last block only the end
marks are computed. Nothing here but rounding differs from whole prompts in one batch.

Shapes: p stem tokens, T packed branch tokens, n branches, h heads, W text width, D joint size;
rows are n · queries.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from open_clip.transformer import ResidualAttentionBlock
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from deftclean.models.blocks import add_block_output, project_heads
from deftclean.models.encoder import TextTower

MOST_TOKENS = 8192
"""Branch tokens whose activations are kept for the gradient. With CLIP ViT-B/16 they hold about
2 GB. Where there are more, all are computed again on the way back, piece by piece."""

FEW_TOKENS = 1024
"""Branch tokens of a piece, and of what is encoded at once without gradient: enough to keep the
cores busy."""

TOKENS_ON_CUDA = 32_768
"""Branch tokens of a piece on a CUDA device, padded to one length. Launching a kernel costs there
what thousands of tokens do, so that one large batch is better than groups without padding."""

Memory = tuple[Tensor, Tensor]
"""Keys and values of the stem in one block, each (..., h, p, W / h)."""


Groups = tuple[tuple[int, int], ...]
"""(number of branches, rows of each), in the order in which they are packed."""


@dataclass(frozen=True)
class Piece:
    """Branches that are encoded together.

    Attributes:
        groups: (number of branches, tokens of each).
        ends: (n,) place of every branch's end mark among the piece's tokens. What stands behind
            it in its branch is padding and changes nothing.
    """

    groups: Groups
    ends: Tensor

    @property
    def tokens(self) -> int:
        """T of this piece."""
        return sum(count * length for count, length in self.groups)


def pack(lengths: Sequence[int], most: int, device: torch.device) -> list[Piece]:
    """Pieces of at most `most` tokens for unpadded branches whose lengths ascend.

    A branch that is longer is a piece of its own.
    """
    pieces = []
    start = 0
    while start < len(lengths):
        stop, total = start, 0
        while stop < len(lengths) and (stop == start or total + lengths[stop] <= most):
            total += lengths[stop]
            stop += 1
        pieces.append(_piece(lengths[start:stop], device))
        start = stop
    return pieces


def _piece(lengths: Sequence[int], device: torch.device) -> Piece:
    counts: dict[int, int] = {}
    for length in lengths:
        counts[length] = counts.get(length, 0) + 1
    ends = torch.tensor(lengths, device=device).cumsum(0) - 1
    return Piece(tuple((count, length) for length, count in counts.items()), ends)


def pad(last: Tensor, length: int) -> list[Piece]:
    """Pieces for branches padded to one length; `last` is (n,), each end mark's place in its own.

    Sizes do not depend on the values of `last`, so that an accelerator need not be waited for.
    """
    return [
        Piece(((len(part), length),), part + torch.arange(len(part), device=part.device) * length)
        for part in last.split(at_once(len(last), length, last.device))
    ]


def at_once(count: int, length: int, device: torch.device) -> int:
    """How many of `count` prompts of one length go into a piece."""
    if device.type == "cuda":
        return min(count, max(1, TOKENS_ON_CUDA // length))
    return count if count * length <= MOST_TOKENS else max(1, FEW_TOKENS // length)


def encode(tower: TextTower, stem: Tensor, tokens: Tensor, pieces: list[Piece]) -> Tensor:
    """Features of stem + branch for every branch.

    Args:
        tower: `tower.why_whole_prompts()` must be empty.
        stem: (..., p, W) embeddings with positions; several stems are encoded side by side.
        tokens: (..., T, W) packed embeddings with positions.
        pieces: how `tokens` fall into branches.

    Returns:
        (..., n, D) unit features, in the order of packing.
    """
    memories = _stem_memories(tower, stem)

    def some(part: Tensor, piece: Piece) -> Tensor:
        return _encode(tower, memories, part, piece)

    parts = tokens.split([piece.tokens for piece in pieces], dim=-2)
    return in_pieces(some, list(zip(parts, pieces, strict=True)))


def in_pieces(function: Callable[..., Tensor], pieces: list[tuple[Any, ...]]) -> Tensor:
    """Results of `function` on each piece, one after the other.

    Where gradients of several pieces are needed, activations are not kept but computed again.
    """
    if len(pieces) == 1 or not torch.is_grad_enabled():
        return torch.cat([function(*piece) for piece in pieces], dim=-2)
    # The towers draw no random numbers, so no generator state has to be put back.
    return torch.cat(
        [
            checkpoint(function, *piece, use_reentrant=False, preserve_rng_state=False)
            for piece in pieces
        ],
        dim=-2,
    )


def _stem_memories(tower: TextTower, x: Tensor) -> list[Memory]:
    memories = []
    *early, final = tower.blocks
    for block in early:
        query, key, value = project_heads(block, block.ln_1(x))
        memories.append((key, value))
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = add_block_output(block, x, mixed)
    key, value = project_heads(final, final.ln_1(x), first=1)
    return [*memories, (key, value)]


def _encode(tower: TextTower, memories: list[Memory], x: Tensor, piece: Piece) -> Tensor:
    *early, final = tower.blocks
    later = [_after_each(length, x.device) for _, length in piece.groups]
    for block, memory in zip(early, memories, strict=False):
        query, key, value = project_heads(block, block.ln_1(x))
        mixed = _mix(query, key, value, memory, piece.groups, piece.groups, later)
        x = add_block_output(block, x, mixed)
    return tower.pool(_last_block(final, memories[-1], x, piece))


def _last_block(block: ResidualAttentionBlock, memory: Memory, x: Tensor, piece: Piece) -> Tensor:
    """The end marks' output only: (..., T, W) -> (..., n, W)."""
    normed = block.ln_1(x)
    (query,) = project_heads(block, normed.index_select(-2, piece.ends), last=1)
    key, value = project_heads(block, normed, first=1)
    one_each = tuple((count, 1) for count, _ in piece.groups)
    mixed = _mix(query, key, value, memory, one_each, piece.groups, _after_end(piece))
    return add_block_output(block, x.index_select(-2, piece.ends), mixed)


def _mix(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    memory: Memory,
    asked: Groups,
    groups: Groups,
    hidden: list[Tensor],
) -> Tensor:
    """Attention to the stem and to the own branch, group by group: (..., h, queries, W / h).

    Args:
        query: (..., h, queries, W / h).
        key, value: (..., h, T, W / h).
        memory: of the stem.
        asked: (number of branches, queries of each).
        groups: (number of branches, tokens of each).
        hidden: for each group what its queries must not see, broadcastable to
            (branches, queries of each, tokens of each).
    """
    mixed = [
        _mix_group(q, k, v, memory, mask)
        for q, k, v, mask in zip(
            _by_group(query, asked),
            _by_group(key, groups),
            _by_group(value, groups),
            hidden,
            strict=True,
        )
    ]
    return torch.cat(mixed, dim=-2)


def _mix_group(query: Tensor, key: Tensor, value: Tensor, memory: Memory, hidden: Tensor) -> Tensor:
    """(..., h, n, queries, W / h) and twice (..., h, n, tokens, W / h) -> (..., h, rows, W / h).

    The stem is the same for all branches, so all their queries meet it in one product; one softmax
    spans stem and branch.
    """
    stem_key, stem_value = memory
    # Scaled here, where the product is laid out for both matrix products and kept only once.
    query = query * query.shape[-1] ** -0.5
    to_branch = (query @ key.transpose(-1, -2)).masked_fill(hidden, -torch.inf)
    to_stem = query.flatten(-3, -2) @ stem_key.transpose(-1, -2)
    scores = torch.cat([to_stem, to_branch.flatten(-3, -2)], dim=-1)
    stem, branch = scores.softmax(dim=-1).split([stem_key.shape[-2], key.shape[-2]], dim=-1)
    from_branch = branch.unflatten(-2, query.shape[-3:-1]) @ value
    mixed: Tensor = stem @ stem_value + from_branch.flatten(-3, -2)
    return mixed


def _by_group(x: Tensor, groups: Groups) -> list[Tensor]:
    """(..., rows, width) -> for each group (..., branches, rows of each, width)."""
    parts = x.split([count * each for count, each in groups], dim=-2)
    return [part.unflatten(-2, group) for part, group in zip(parts, groups, strict=True)]


def _after_each(length: int, device: torch.device) -> Tensor:
    """(length, length): what comes after each token of a branch."""
    return torch.ones(length, length, dtype=torch.bool, device=device).triu(1)


def _after_end(piece: Piece) -> list[Tensor]:
    """For each group (branches, 1, tokens of each): what comes after the end mark."""
    hidden, start = [], 0
    for (count, length), ends in zip(
        piece.groups, piece.ends.split([count for count, _ in piece.groups]), strict=True
    ):
        places = start + torch.arange(count * length, device=ends.device).view(count, 1, length)
        hidden.append(places > ends.view(count, 1, 1))
        start += count * length
    return hidden
