"""DEFT as its authors wrote it, with no saving: what the fast code has to agree with.

open_clip's own blocks read prompts of full length, those of both contexts in one call; visual
prompts are tokens like any other; every negative feature has a gradient; losses are sums over
(B, K) matrices. Of deftclean it takes the settings and the values of the trained tensors only.

Shapes: B images, K classes, M context vectors, P visual prompts, L blocks, T tokens, W width of
a tower, D joint embedding size.
"""

from typing import Any

import torch
import torch.nn.functional as F
from open_clip import CustomTextCLIP
from open_clip.tokenizer import SimpleTokenizer
from open_clip.transformer import text_global_pool
from torch import Tensor, nn

from deftclean.settings.detector import ClassPosition, DetectorConfig


class PlainText:
    """Both contexts around the class names, through the whole text tower.

    Args:
        model: an open_clip CLIP or CustomTextCLIP, frozen.
        tokenizer: its tokenizer.
        names: K class names.
        positive, negative: the contexts, (M, W) or for every class its own, (K, M, W).
        position: where the name stands.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: SimpleTokenizer,
        names: tuple[str, ...],
        positive: Tensor,
        negative: Tensor,
        position: ClassPosition,
    ) -> None:
        own = isinstance(model, CustomTextCLIP)
        self.text = model.text if own else model
        self.pool_type = model.text.pool_type if own else model.text_pool_type
        self.end_mark = model.text.eos_id if own else model.text_eos_id
        self.positive, self.negative = positive, negative

        length = positive.shape[-2]
        self.before = {"end": length, "middle": length // 2, "front": 0}[position]
        words = [name.replace("_", " ") for name in names]
        self.name_lengths = [len(tokenizer.encode(name)) for name in words]
        # Placeholders of one token each are written where the context goes, as CoOp does.
        first, second = ["X"] * self.before, ["X"] * (length - self.before)
        texts = [" ".join([*first, name, *second]) + "." for name in words]
        device = positive.device
        self.ids = tokenizer(texts, context_length=self.text.context_length).to(device)
        with torch.no_grad():
            self.words = self.text.token_embedding(self.ids)

    def prompts(self, context: Tensor, classes: slice) -> Tensor:
        """Token embeddings of the prompts of some classes, (K, context length, W)."""
        words, length = self.words[classes], context.shape[-2]
        own = context[classes] if context.ndim == 3 else context.expand(len(words), -1, -1)
        if self.before == length:
            return torch.cat([words[:, :1], own, words[:, 1 + length :]], dim=1)
        names = self.name_lengths[classes]
        return torch.stack([self._around(*one) for one in zip(words, own, names, strict=True)])

    def _around(self, words: Tensor, context: Tensor, name_length: int) -> Tensor:
        start, end = 1 + self.before, 1 + self.before + name_length
        first, second = context[: self.before], context[self.before :]
        parts = [words[:1], first, words[start:end], second, words[end + len(second) :]]
        return torch.cat(parts)

    def features(self, classes: slice = slice(None)) -> tuple[Tensor, Tensor]:
        """T⁺ and T⁻ of some classes, each (K, D) unit vectors, from one call of the tower."""
        contexts = (self.positive, self.negative)
        x = torch.cat([self.prompts(context, classes) for context in contexts])
        x = x + self.text.positional_embedding
        x = self.text.transformer(x, attn_mask=self.text.attn_mask)
        ids = self.ids[classes].repeat(2, 1)
        x = text_global_pool(self.text.ln_final(x), ids, self.pool_type, self.end_mark)
        projection = self.text.text_projection
        if isinstance(projection, nn.Linear):
            x = projection(x)
        elif projection is not None:
            x = x @ projection
        positive, negative = F.normalize(x, dim=-1).chunk(2)
        return positive, negative


class PlainImage:
    """The image tower with visual prompts as tokens after the patches.

    Args:
        model: an open_clip model, frozen.
        mean, std: of the pixels, by channel.
        prompts: (L, P, W), fresh before every block (VPT-Deep); (P, W), carried on from the first
            (VPT-Shallow); or None for the tower alone.
    """

    def __init__(
        self, model: Any, mean: tuple[float, ...], std: tuple[float, ...], prompts: Tensor | None
    ) -> None:
        self.visual = model.visual
        self.prompts = prompts
        like = next(model.parameters())
        self.mean = torch.tensor(mean, dtype=like.dtype, device=like.device).view(3, 1, 1)
        self.std = torch.tensor(std, dtype=like.dtype, device=like.device).view(3, 1, 1)

    def normalised(self, pixels: Tensor) -> Tensor:
        """uint8 pixels to the tower's input."""
        return (pixels.to(self.mean.dtype) / 255 - self.mean) / self.std

    def features(self, pixels: Tensor) -> Tensor:
        """I: (B, 3, S, S) uint8 -> (B, D) unit vectors."""
        pixels = self.normalised(pixels)
        if self.prompts is None:
            return F.normalize(self.visual(pixels), dim=-1)
        x = self.visual._embeds(pixels)
        count, blocks = x.shape[1], self.visual.transformer.resblocks
        deep = self.prompts.ndim == 3
        for layer, block in enumerate(blocks):
            if deep or layer == 0:
                fresh = self.prompts[layer] if deep else self.prompts
                x = torch.cat([x[:, :count], fresh.expand(len(x), -1, -1)], dim=1)
            x = block(x)
        pooled, _ = self.visual._pool(x[:, :count])
        return F.normalize(pooled @ self.visual.proj, dim=-1)


def similarities(
    scale: Tensor, image: Tensor, positive: Tensor, negative: Tensor
) -> tuple[Tensor, Tensor]:
    """pos = s·I·T⁺ᵀ and neg = s·stopgrad(I)·T⁻ᵀ, each (B, K)."""
    return scale * image @ positive.T, scale * image.detach() @ negative.T


def step_loss(
    positive: Tensor,
    negative: Tensor,
    given: Tensor,
    complementary: Tensor,
    config: DetectorConfig,
    warmup: bool,
    pseudo: bool,
) -> Tensor:
    """L = L_dp + L_sim of one batch (Eq. 5 to 8).

    Args:
        positive, negative: (B, K) similarities.
        given: y, (B,).
        complementary: ȳ, (B,).
        config: rule, weight on the first term of L_dp, and loss of the warm-up.
        warmup: every given label is trusted in L_sim.
        pseudo: samples not judged clean get ŷ = argmax_k pos in L_dp.
    """
    classes = positive.shape[1]
    clean = _judged_clean(positive, negative, given, config.rule == "agree")
    refined = torch.where(clean, given, positive.argmax(dim=1)) if pseudo else given
    y, y_refined, y_complementary = (
        F.one_hot(labels, classes).to(positive.dtype) for labels in (given, refined, complementary)
    )
    loss = _dual_prompt(positive, negative, y_refined, y_complementary, config.positive_weight)
    if warmup and config.warmup_loss == "sce":
        return loss + _cross_entropy(positive, y).mean() + _reverse(positive, y).mean()
    selected = torch.ones_like(clean) if warmup else clean
    if not selected.any():
        return loss
    return loss + _cross_entropy(positive, y)[selected].mean()


def _judged_clean(positive: Tensor, negative: Tensor, given: Tensor, agree: bool) -> Tensor:
    """Eq. 5, (B,) bool; the sigmoid rises with the margin, so both have their maximum together."""
    rows = torch.arange(len(given), device=given.device)
    clean = torch.sigmoid(positive - negative)[rows, given] > 0.5
    return clean & ((positive - negative).argmax(dim=1) == given) if agree else clean


def _dual_prompt(
    positive: Tensor, negative: Tensor, refined: Tensor, complementary: Tensor, weight: float
) -> Tensor:
    """Eq. 7, with one-hot ŷ and ȳ, (B, K)."""
    clean = torch.sigmoid(positive.detach() - negative)
    hit = clean.clamp(1e-5, 1).log()
    miss = (1 - clean).clamp(1e-5, 1).log()
    return -(weight * refined * hit + complementary * miss).sum(dim=1).mean()


def _cross_entropy(positive: Tensor, given: Tensor) -> Tensor:
    """-Σ_k y_k log softmax_k(pos), (B,)."""
    return -(given * positive.log_softmax(dim=1)).sum(dim=1)


def _reverse(positive: Tensor, given: Tensor) -> Tensor:
    """-Σ_k softmax_k(pos) log y_k, (B,), both clamped."""
    return -(positive.softmax(dim=1).clamp(1e-7, 1) * given.clamp(1e-4, 1).log()).sum(dim=1)
