"""How labels come to be wrong: P(given | true class, picture).

With probability ε_k a picture of class k is given another label, and which one depends on the
classes and on the picture: for j ≠ k

    P(given j | true k, x) = ε_k · Q_kj(x),   Q_kj(x) ∝ m_j · exp(q_kj) · p(j | x)^τ

with m the share of each class among the labels, q what two classes have to do with each other, and
τ ≥ 0 how much mistakes follow resemblance. With τ = 0 it is a noise matrix that does not look at
the picture, as of labels replaced at random. People mistake a picture for what it looks like: then
τ is above 0, and it is the likelihood of the labels that says so.

Where several annotators voted, ε_k is another one for labels that all chose than for those of a
bare majority: ε of a stratum of agreement stands in the place of ε, see `LabelNoise.log_wrong`.

Shapes: B pictures, K classes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class LabelNoise:
    """The noise of K classes, float64.

    Attributes:
        log_wrong: (K,) log ε; or (B, K), of each of B labels that are asked about.
        log_right: of the same shape, log(1 - ε).
        pairs: (K, K) q; None where there are too many classes to learn it.
        log_marginal: (K,) log m.
        resemblance: τ, 0 or more.
    """

    log_wrong: Tensor
    log_right: Tensor
    pairs: Tensor | None
    log_marginal: Tensor
    resemblance: Tensor

    def log_chances(self, log_probs: Tensor, labels: Tensor) -> Tensor:
        """How likely each true class would have made the labels that were given.

        By hand, K = 2: there is but one wrong label, Q = 1, so the chances of label 0 are
        (1 - ε_0, ε_1), whatever the picture.

        Args:
            log_probs: (B, K) log p(k | x).
            labels: (B,) given.

        Returns:
            (B, K) log P(given | true k, x).
        """
        appeal, rest = self._appeal(log_probs)
        own = labels[:, None]
        wrong = self.log_wrong + appeal.gather(1, own) - rest
        if self.pairs is not None:
            wrong = wrong + self.pairs.T[labels]
        of_each = self.log_right.ndim > 1
        right = self.log_right.gather(1, own) if of_each else self.log_right[labels][:, None]
        return wrong.scatter(1, own, right)

    def expected(self, log_probs: Tensor) -> Tensor:
        """How many of some pictures are of each class and were given each label.

        Args:
            log_probs: (B, K) log p(k | x).

        Returns:
            (K, K): Σ_x p(k | x) P(given j | true k, x).
        """
        appeal, rest = self._appeal(log_probs)
        highest = appeal.amax(dim=1, keepdim=True)
        share = (log_probs - (rest - highest)).exp().T @ (appeal - highest).exp()
        wrong = self.log_wrong.exp()[:, None] * share
        if self.pairs is not None:
            wrong = wrong * self.pairs.exp()
        right = self.log_right.exp() * log_probs.exp().sum(dim=0)
        return wrong.diagonal_scatter(right)

    def _appeal(self, log_probs: Tensor) -> tuple[Tensor, Tensor]:
        """(B, K) log m_j p(j|x)^τ, and the logarithm of what it is divided by for each true k."""
        appeal = self.log_marginal + self.resemblance * log_probs
        if self.pairs is None:
            return appeal, _all_but_each(appeal)
        kernel = self.pairs.exp() * ~torch.eye(len(self.pairs), dtype=torch.bool)
        highest = appeal.amax(dim=1, keepdim=True)
        return appeal, ((appeal - highest).exp() @ kernel.T).clamp(min=1e-300).log() + highest


def _all_but_each(appeal: Tensor) -> Tensor:
    """(B, K) log v -> (B, K) log Σ_{j ≠ k} v_j.

    What is left of the sum without its largest term is summed anew: it may be a part of the sum too
    small for a difference to show.
    """
    whole = appeal.logsumexp(dim=1, keepdim=True)
    top = appeal.argmax(dim=1, keepdim=True)
    without = appeal.scatter(1, top, -torch.inf).logsumexp(dim=1, keepdim=True)
    share = (appeal - whole).exp().scatter(1, top, 0.0)  # each at most a half
    return (whole + torch.log1p(-share)).scatter(1, top, without)
