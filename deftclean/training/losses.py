"""DEFT's losses and clean probability: pure functions, each beside its equation.

`positive` and `negative` are the detector's similarities, (B, K), already scaled by s.
Labels are (B,) int64 in 0..K-1. Every loss is a scalar and lower is better.

Source: Wei et al., NeurIPS 2024, https://arxiv.org/abs/2409.19696; symmetric cross-entropy:
Wang et al., ICCV 2019, https://arxiv.org/abs/1908.06112.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

_MIN_PROBABILITY = 1e-5  # clean probabilities below it count as this in logarithms
_MIN_SOFTMAX = 1e-7
_MIN_TARGET = 1e-4


def clean_probability(positive: Tensor, negative: Tensor) -> Tensor:
    """Eq. 6: ``sigmoid(pos - neg)``, in [0, 1]; higher = the label is more likely correct.

    >>> clean_probability(torch.tensor([2.0, 0.0]), torch.tensor([2.0, 1.0986123]))
    tensor([0.5000, 0.2500])

    Works element by element on any shape; returns the shape it was given.
    """
    return torch.sigmoid(positive - negative)


def at_label(values: Tensor, labels: Tensor) -> Tensor:
    """``values[i, labels[i]]``: (B, K), (B,) -> (B,)."""
    return values.gather(1, labels[:, None]).squeeze(1)


def clean_by_agreement(positive: Tensor, negative: Tensor, labels: Tensor) -> Tensor:
    """Rule `agree`: which samples count as clean, (B,) bool.

    Eq. 5, ``p_clean[i, y_i] > 0.5``, and ``argmax_k p_clean[i, k] = y_i``, the paper's extra
    condition for real-world noise.
    """
    margin = positive - negative
    return (at_label(margin, labels) > 0) & (margin.argmax(dim=1) == labels)


def dual_prompt_loss(
    refined: Tensor, complementary: Tensor, positive_weight: float = 1.0
) -> Tensor:
    """Eq. 7, L_dp: ``mean_i( -w log p_clean[i, ŷ_i] - log(1 - p_clean[i, ȳ_i]) )``.

    By hand, for one sample with p_clean[ŷ] = 1/2 and p_clean[ȳ] = 1/4:
    L_dp = -ln 1/2 - ln 3/4 = 0.980829.

    Args:
        refined: (B,) clean probability of ŷ, the given label or a pseudo-label.
        complementary: (B,) clean probability of ȳ, a random label other than the given one.
        positive_weight: w on the first term; 1 in the paper, 0.25 for severe noise.
    """
    hit = refined.clamp(min=_MIN_PROBABILITY)
    miss = (1 - complementary).clamp(min=_MIN_PROBABILITY)
    return (-positive_weight * hit.log() - miss.log()).mean()


def similarity_loss(positive: Tensor, labels: Tensor, selected: Tensor) -> Tensor:
    """Eq. 8, L_sim: mean cross-entropy of ``softmax_k(pos)`` over the selected samples.

    An empty selection contributes 0, never NaN.

    By hand, pos = (ln 3, 0), y = 0: softmax = (3/4, 1/4), L_sim = -ln 3/4 = 0.287682.

    Args:
        positive: (B, K) similarities.
        labels: (B,) given labels.
        selected: (B,) bool.
    """
    losses = F.cross_entropy(positive, labels, reduction="none")
    return (losses * selected).sum() / selected.sum().clamp(min=1)


def symmetric_cross_entropy(positive: Tensor, labels: Tensor) -> Tensor:
    """CE + RCE over all samples, the warm-up L_sim for real-world noise (α = β = 1).

    ``RCE = -Σ_k p_k log q_k`` with softmax p clamped to at least 1e-7 and the one-hot target q
    clamped to at least 1e-4.

    By hand, pos = (ln 3, 0), y = 0: CE = 0.287682; RCE = -(1/4) ln 1e-4 = 2.302585; sum 2.590267.

    Args:
        positive: (B, K) similarities.
        labels: (B,) given labels.
    """
    return F.cross_entropy(positive, labels) + _reverse_each(positive, labels).mean()


def symmetric_each(logits: Tensor, labels: Tensor) -> Tensor:
    """`symmetric_cross_entropy` sample by sample: (B, K), (B,) -> (B,)."""
    return F.cross_entropy(logits, labels, reduction="none") + _reverse_each(logits, labels)


def generalised_each(logits: Tensor, labels: Tensor, q: float = 0.7) -> Tensor:
    """GCE, ``(1 - p_y^q) / q``: between cross-entropy (q → 0) and mean absolute error (q = 1).

    Zhang & Sabuncu, NeurIPS 2018, https://arxiv.org/abs/1805.07836.

    By hand, logits = (ln 3, 0), y = 0, q = 0.7: p_y = 3/4, p_y^0.7 = 0.817604; GCE = 0.260566.

    Args:
        logits: (B, K).
        labels: (B,) classes.
        q: in (0, 1].

    Returns:
        (B,) in [0, 1 / q].
    """
    log_p = F.log_softmax(logits, dim=1).gather(1, labels[:, None]).squeeze(1)
    # 1 - exp(q log p), exact where p is near 1.
    return -torch.expm1(q * log_p) / q


def _reverse_each(logits: Tensor, labels: Tensor) -> Tensor:
    softmax = logits.softmax(dim=1).clamp(min=_MIN_SOFTMAX)
    one_hot = F.one_hot(labels, logits.shape[1]).to(logits.dtype).clamp(min=_MIN_TARGET)
    return -(softmax * one_hot.log()).sum(dim=1)
