"""Dual contexts around several texts of each class, in place of its name; a class is their mean.

``T_k = m_k / |m_k|, m_k = 1/J_k · Σ_j f(V, text_kj)``, with one context V for all texts, once
positive and once negative. With one text a class, its name, these are the prompts of `prompts`.

Shapes: K classes, J the most texts of one, L different texts in all, D joint size.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deftclean.core.errors import UsageError
from deftclean.core.run import Ranks
from deftclean.core.text import few
from deftclean.models.encoder import TextTower, wide
from deftclean.models.prompts import DualPrompts

SHORTER = "Shorten the texts or tell them apart, or leave --prompt-texts out."
"""What to do about texts that cannot be prompts."""


class AveragedPrompts(nn.Module):
    """Prompts of L texts, seen from outside as those of K classes.

    Args:
        each: of all texts; its contexts are shared.
        texts: of each of the K classes, which texts it has; at least one.
    """

    places: Tensor  # (K, J) which texts are a class's; its first one where it has fewer
    shares: Tensor  # (K, J, 1) of each in the mean; 0 where it has fewer

    def __init__(self, each: DualPrompts, texts: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.each = each
        most = max(map(len, texts))
        places = [[*own, *([own[0]] * (most - len(own)))] for own in texts]
        shares = [[1 / len(own)] * len(own) + [0.0] * (most - len(own)) for own in texts]
        device = each.last.device
        self.register_buffer("places", torch.tensor(places, device=device), persistent=False)
        shared = torch.tensor(shares, device=device)[:, :, None]
        self.register_buffer("shares", shared, persistent=False)

    @property
    def positive(self) -> nn.Parameter:
        """The positive context of all texts."""
        return self.each.positive

    @property
    def negative(self) -> nn.Parameter:
        """The negative context of all texts."""
        return self.each.negative

    @property
    def classes(self) -> int:
        """K."""
        return len(self.places)

    def divide(self, ranks: Ranks, device: torch.device) -> None:
        """As `DualPrompts.divide`, of texts."""
        self.each.divide(ranks, device)

    def few(self, count: int) -> bool:
        """Whether `count` features cost less with `features_of` than all K with `features`."""
        return self.each.few(count * self.places.shape[1])

    def features(self, tower: TextTower, context: Tensor) -> Tensor:
        """Unit features of all classes, (K, D), with the positive or the negative context."""
        return self._mean(self.each.features(tower, context)[self.places], self.shares)

    def features_of_both(self, tower: TextTower) -> tuple[Tensor, Tensor]:
        """`features` with the positive and the negative context."""
        positive, negative = self.each.features_of_both(tower)
        return (
            self._mean(positive[self.places], self.shares),
            self._mean(negative[self.places], self.shares),
        )

    def features_of(self, tower: TextTower, context: Tensor, classes: Tensor) -> Tensor:
        """Unit features of some classes, (n,) -> (n, D), repeated where they are."""
        places = self.places[classes]
        features = self.each.features_of(tower, context, places.flatten())
        return self._mean(features.unflatten(0, places.shape), self.shares[classes])

    @staticmethod
    def _mean(features: Tensor, shares: Tensor) -> Tensor:
        """(n, J, D) and the share of each -> (n, D) unit vectors, at least float32."""
        return F.normalize((wide(features) * shares).sum(dim=1), dim=1)


def numbered(
    tower: TextTower, texts: Sequence[Sequence[str]]
) -> tuple[tuple[str, ...], list[list[int]]]:
    """The different texts of all classes, and which of them each class has.

    Args:
        tower: whose tokens tell texts apart.
        texts: of each of the K classes, one or more.

    Returns:
        L texts, without a full stop at the end; and K lists of places among them.

    Raises:
        UsageError: two classes have the same texts.
    """
    known: dict[tuple[int, ...], int] = {}
    every: list[str] = []
    places = []
    for own in texts:
        of_class = []
        for text in (each.rstrip(" .") for each in own):
            tokens = tuple(tower.tokens(text))
            if tokens not in known:
                known[tokens] = len(every)
                every.append(text)
            of_class.append(known[tokens])
        places.append(sorted(set(of_class)))
    same = {tuple(one): own for one, own in zip(places, texts, strict=True)}
    if len(same) < len(places):
        twice = [own[0] for one, own in zip(places, texts, strict=True) if places.count(one) > 1]
        raise UsageError(
            f"Texts that cannot be prompts: {few(twice)} are all that is said of several classes.",
            SHORTER,
        )
    return tuple(every), places
