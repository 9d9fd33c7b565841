"""Frozen CLIP towers that accept injected prompts.

open_clip builds the model and owns every weight; this file looks inside its two transformers.
It does not know what the prompts mean, nor where the weights come from (`weights.py`).

Shapes: B images, T tokens, W visual width, K classes, D joint embedding size.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from open_clip import CLIP, CustomTextCLIP
from open_clip.tokenizer import SimpleTokenizer
from open_clip.transformer import ResidualAttentionBlock, TextTransformer, VisionTransformer
from torch import Tensor, nn

from deftclean.core.errors import UsageError
from deftclean.models.blocks import NOTHING, Added, attend

_TEXTS_AT_ONCE = 512  # whole texts, so that memory does not grow with K


def wide(x: Tensor) -> Tensor:
    """At least float32; float64 stays, for tests against exact numbers."""
    return x if x.dtype == torch.float64 else x.float()


class FrozenTower(nn.Module):
    """A module without gradients, unless a tuner has a copy of its own, and always in evaluation
    mode."""

    def freeze(self) -> None:
        """Stop gradients to the weights and leave training mode for good."""
        self.requires_grad_(False)
        super().train(False)

    def train(self, mode: bool = True) -> "FrozenTower":  # noqa: ARG002
        """Stay in evaluation mode: dropout or batch statistics would make scores random."""
        return self


class ImageTower(FrozenTower):
    """CLIP's image encoder: (B, 3, S, S) uint8 pixels to (B, D) unit vectors.

    Pixels travel as uint8 and are normalised here, on the device of the weights: a quarter of
    the bytes through worker queues and to an accelerator, and the same numbers.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, visual: nn.Module, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.visual = visual
        device = next(visual.parameters()).device
        for name, values in (("mean", mean), ("std", std)):
            constant = torch.tensor(values, device=device).view(3, 1, 1)
            self.register_buffer(name, constant, persistent=False)
        self.freeze()

    def normalise(self, pixels: Tensor) -> Tensor:
        """uint8 pixels to the model's input: (x / 255 - mean) / std."""
        return pixels.to(self.mean.dtype).div(255).sub(self.mean).div(self.std)

    def forward(self, pixels: Tensor) -> Tensor:
        """Untuned features, (B, D); any architecture open_clip can build."""
        return F.normalize(self.visual(self.normalise(pixels)), dim=-1)

    def why_no_additions(self) -> str:
        """Why nothing can be added within its blocks; empty where something can."""
        if not isinstance(self.visual, VisionTransformer):
            return f"its image tower is {type(self.visual).__name__}, not open_clip's ViT"
        return _unusual_block(self.visual.transformer.resblocks)

    @property
    def vit(self) -> VisionTransformer:
        """The vision transformer; ask `why_no_additions` first."""
        return self.visual

    @property
    def blocks(self) -> list[ResidualAttentionBlock]:
        """The L transformer blocks, first to last."""
        return list(self.vit.transformer.resblocks)

    @property
    def width(self) -> int:
        """W."""
        return int(self.vit.conv1.out_channels)

    @property
    def pooled_width(self) -> int:
        """Width of what `pooled` gives: W, unless attention pools."""
        return int(self.vit.ln_post.normalized_shape[0])

    @property
    def patch_area(self) -> int:
        """Pixels in a patch."""
        height, width = self.vit.patch_size
        return int(height * width)

    @property
    def pools_class_token(self) -> bool:
        """Whether the features come from the first token alone."""
        return self.vit.attn_pool is None and self.vit.pool_type == "tok"

    def embed(self, pixels: Tensor) -> Tensor:
        """Class token and patches after `ln_pre`: (B, T, W)."""
        tokens: Tensor = self.vit._embeds(self.normalise(pixels))
        return tokens

    def tokens(self, pixels: Tensor, added: Sequence[Added] | None = None) -> Tensor:
        """Through the blocks, the last of which computes no more tokens than are pooled.

        Args:
            pixels: (B, 3, S, S) uint8.
            added: to each of the L blocks; None for the plain tower.

        Returns:
            (B, 1 or T, W)
        """
        blocks = self.blocks
        x = self.embed(pixels)
        *early, (final, last) = zip(blocks, added or [NOTHING] * len(blocks), strict=True)
        for block, each in early:
            x = attend(block, x, each)
        return attend(final, x, last, outputs=int(self.pools_class_token))

    def pooled(self, tokens: Tensor) -> Tensor:
        """Tokens of the last block to what `ln_post` gives for the image: (B, T, W) -> (B, W)."""
        pooled: Tensor = self.vit._pool(tokens)[0]
        return pooled

    def pool(self, tokens: Tensor) -> Tensor:
        """Tokens of the last block to unit features: (B, T, W) -> (B, D)."""
        return self.projected(self.pooled(tokens))

    def projected(self, pooled: Tensor) -> Tensor:
        """What `pooled` gave to unit features: (B, W) -> (B, D), float32 in any precision.

        The last product in half precision would be most of the rounding in a similarity.
        """
        with torch.autocast(pooled.device.type, enabled=False):
            return F.normalize(wide(pooled) @ wide(self.vit.proj), dim=-1)


class TextTower(FrozenTower):
    """CLIP's text encoder, entered at the token embeddings.

    Args:
        text: the module that holds the transformer: a CLIP model itself, or the `text` part of
            a CustomTextCLIP.
        tokenizer: the BPE tokenizer of that transformer.
    """

    token_embedding: nn.Embedding
    positional_embedding: Tensor
    transformer: Any
    ln_final: nn.Module
    text_projection: nn.Linear | Tensor | None
    attn_mask: Tensor

    def __init__(self, text: Any, tokenizer: SimpleTokenizer, pool_type: str) -> None:
        super().__init__()
        self.token_embedding = text.token_embedding
        self.positional_embedding = text.positional_embedding
        self.transformer = text.transformer
        self.ln_final = text.ln_final
        self.text_projection = text.text_projection
        self.register_buffer("attn_mask", text.attn_mask, persistent=False)
        self.tokenizer = tokenizer
        self.context_length = int(text.context_length)
        self.pool_type = pool_type
        self.freeze()

    @property
    def device(self) -> torch.device:
        """Where prompts have to be."""
        return self.token_embedding.weight.device

    @property
    def width(self) -> int:
        """Size of a token embedding."""
        return int(self.token_embedding.weight.shape[1])

    def tokens(self, text: str) -> list[int]:
        """BPE tokens of `text` without start and end marks, never cut."""
        return list(self.tokenizer.encode(text))

    def framed(self, tokens: list[int]) -> list[int]:
        """`tokens` between the start and end marks."""
        return [self.tokenizer.sot_token_id, *tokens, self.tokenizer.eot_token_id]

    @property
    def blocks(self) -> list[ResidualAttentionBlock]:
        """The transformer blocks, first to last; ask `why_whole_prompts` first."""
        return list(self.transformer.resblocks)

    def why_whole_prompts(self) -> str:
        """Why prompts have to be encoded whole; empty where a shared beginning can be too."""
        return _unusual_block(self.transformer.resblocks)

    def forward(self, embeddings: Tensor, last: Tensor) -> Tensor:
        """Encode whole prompts.

        The causal mask keeps what follows the end mark from influencing it, so prompts are cut
        at the longest one.

        Args:
            embeddings: (K, T, W_text) token embeddings with positions, T <= context length.
            last: (K,) index of each prompt's end mark.

        Returns:
            (K, D) unit features.
        """
        length = embeddings.shape[1]
        x = self.transformer(embeddings, attn_mask=self.attn_mask[:length, :length])
        return self.pool(x[torch.arange(len(x), device=x.device), last])

    @property
    def joint_size(self) -> int:
        """D, of the features that images and texts share."""
        projection = self.text_projection
        if isinstance(projection, nn.Linear):
            return projection.out_features
        return self.width if projection is None else projection.shape[1]

    def pool(self, ends: Tensor) -> Tensor:
        """The last block's output at the end marks to unit features: (n, W_text) -> (n, D).

        Float32 in any precision, as those of images.
        """
        with torch.autocast(ends.device.type, enabled=False):
            x: Tensor = self.ln_final(wide(ends))
            projection = self.text_projection
            if isinstance(projection, nn.Linear):
                x = projection(x)
            elif projection is not None:
                x = x @ projection
            return F.normalize(x, dim=-1)

    def encode(self, texts: list[str]) -> Tensor:
        """Unit features of plain texts, (len(texts), D): zero-shot classification's prompts."""
        rows = [self.framed(self.tokens(text)) for text in texts]
        longest = max(map(len, rows))
        if longest > self.context_length:
            worst = texts[[len(row) for row in rows].index(longest)]
            raise UsageError(
                f"The text {worst!r} has {longest} tokens; the model reads {self.context_length}.",
                "Shorten the class name (--class-names FILE gives classes other names).",
            )
        device = self.device
        ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows], device=device)
        last = torch.tensor([len(row) - 1 for row in rows], device=device)
        features = [
            self(self.token_embedding(part) + self.positional_embedding[:longest], ends)
            for part, ends in zip(
                ids.split(_TEXTS_AT_ONCE), last.split(_TEXTS_AT_ONCE), strict=True
            )
        ]
        return torch.cat(features)


class Encoder(nn.Module):
    """Both towers and CLIP's learned inverse temperature s, all frozen.

    Args:
        model: an open_clip model with its weights loaded.
        tokenizer: what `open_clip.get_tokenizer` gives for it.
        preprocess: the model's `preprocess_cfg` (size, mean, std, interpolation, resize mode).

    Raises:
        UsageError: the text tower cannot take prompts; the message says why.
    """

    logit_scale: Tensor

    def __init__(self, model: nn.Module, tokenizer: object, preprocess: Mapping[str, Any]) -> None:
        super().__init__()
        text, pool_type = _promptable_text(model, tokenizer)
        assert isinstance(tokenizer, SimpleTokenizer)  # noqa: S101 - narrowed by the line above
        self.preprocess = dict(preprocess)
        self.image = ImageTower(
            model.get_submodule("visual"), tuple(preprocess["mean"]), tuple(preprocess["std"])
        )
        self.text = TextTower(text, tokenizer, pool_type)
        scale = model.get_parameter("logit_scale").detach().exp().reshape(())
        self.register_buffer("logit_scale", scale, persistent=False)


def _promptable_text(model: nn.Module, tokenizer: object) -> tuple[nn.Module, str]:
    """The module that holds the text transformer, and how it pools."""
    reason = ""
    text: nn.Module = model
    if isinstance(model, CLIP):
        pool_type = str(model.text_pool_type)
    elif isinstance(model, CustomTextCLIP) and isinstance(model.text, TextTransformer):
        text, pool_type = model.text, str(model.text.pool_type)
        if model.text.cls_emb is not None:
            reason = "its text tower appends a class token to the prompt"
    else:
        pool_type, reason = "", f"{type(model).__name__} has no open_clip text transformer"
    if not reason and pool_type not in ("argmax", "eos"):
        reason = f"its text tower pools the token {pool_type!r}, not the end mark"
    if not reason and getattr(text, "attn_mask", None) is None:
        reason = "its text tower is not causal"
    if not reason and not isinstance(tokenizer, SimpleTokenizer):
        reason = f"its tokenizer is {type(tokenizer).__name__}, not CLIP's byte-pair encoding"
    if reason:
        raise unpromptable(reason)
    return text, pool_type


def unpromptable(reason: str) -> UsageError:
    """That a model cannot take text prompts."""
    return UsageError(
        f"This model cannot take text prompts: {reason}.",
        "Choose a model of CLIP's own architecture, such as ViT-B-16 or ViT-L-14.",
    )


def _unusual_block(blocks: nn.ModuleList) -> str:
    for block in blocks:
        if not isinstance(block, ResidualAttentionBlock):
            return f"its blocks are {type(block).__name__}, not CLIP's"
    return ""
