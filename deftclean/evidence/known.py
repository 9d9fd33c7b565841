"""What people know: the right class of some pictures, and classes that others are not of.

A decision about a row is one about its picture, whichever other rows show it. Decisions that cannot
all be true say nothing, as if nobody had looked.

Shapes: U distinct pictures, B a block of them, P pairs of a picture and a label, K classes.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deftclean.core.runs import members
from deftclean.evidence.given_labels import GivenLabels

Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]
"""(n,) pictures and (n,) classes."""


@dataclass(frozen=True)
class Known:
    """Pictures that people have decided about.

    Attributes:
        settled: pictures, ascending, and the right class of each.
        excluded: other pictures, ascending, and a class that each is not of; a picture may be there
            several times.
        classes: K.
        contradicted: pictures about which decisions contradict each other.
    """

    settled: Pairs
    excluded: Pairs
    classes: int
    contradicted: int

    @classmethod
    def of(cls, right: Pairs, wrong: Pairs, classes: int) -> "Known":
        """From what was decided row by row, in any order.

        Args:
            right: pictures, and the class that a person gave or confirmed.
            wrong: pictures, and the class that a person found wrong.
            classes: K.
        """
        said = np.unique(right[0] * classes + right[1])
        denied = np.unique(wrong[0] * classes + wrong[1])
        pictures = np.unique(np.concatenate([said, denied]) // classes)
        of_said = np.searchsorted(pictures, said // classes)
        of_denied = np.searchsorted(pictures, denied // classes)
        often = np.bincount(of_said, minlength=len(pictures))
        bad = (often > 1) | (np.bincount(of_denied, minlength=len(pictures)) >= classes)
        bad[of_said[np.isin(said, denied)]] = True
        settled = said[~bad[of_said]]
        excluded = denied[~bad[of_denied] & (often[of_denied] == 0)]
        return cls(
            (settled // classes, settled % classes),
            (excluded // classes, excluded % classes),
            classes,
            int(bad.sum()),
        )

    @classmethod
    def nothing(cls, classes: int) -> "Known":
        """Nobody has decided about anything."""
        none = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        return cls(none, none, classes, 0)

    def __len__(self) -> int:
        return len(self.settled[0]) + len(np.unique(self.excluded[0]))

    def impossible(self, pictures: NDArray[np.int64]) -> Tensor | None:
        """What to add to log-probabilities of pictures: (B, K), 0 or -inf; None where all is 0.

        Args:
            pictures: (B,) ascending; one may be there several times.
        """
        if not len(self.settled[0]) and not len(self.excluded[0]):
            return None
        barred = torch.zeros(len(pictures), self.classes, dtype=torch.float64)
        for known, pairs in ((True, self.settled), (False, self.excluded)):
            first = np.searchsorted(pictures, pairs[0], side="left")
            last = np.searchsorted(pictures, pairs[0], side="right")
            pair, places = map(torch.from_numpy, members(first, last - first))
            if known:
                barred[places] = -torch.inf
            barred[places, torch.from_numpy(pairs[1])[pair]] = 0.0 if known else -torch.inf
        return barred if (barred < 0).any() else None

    def decided(self, given: GivenLabels) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Which of P given labels people have decided about, (n,) places, and which are wrong."""
        denied = self._denies(given.pictures, given.labels)
        settled = np.isin(given.pictures, self.settled[0])
        right, _ = self.of_rows(given.pictures, given.labels)
        at = np.flatnonzero(denied | settled)
        return at, (denied | (right != given.labels))[at]

    def leaves_open(self, pictures: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(n,) whether nobody has decided about a picture; (n,) pictures in any order."""
        open_ones: NDArray[np.bool_] = ~np.isin(
            pictures, np.concatenate([self.settled[0], self.excluded[0]])
        )
        return open_ones

    def _denies(self, pictures: NDArray[np.int64], labels: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(n,) whether a picture is known not to be of a class."""
        excluded = self.excluded[0] * self.classes + self.excluded[1]
        denied: NDArray[np.bool_] = np.isin(pictures * self.classes + labels, excluded)
        return denied

    def of_rows(
        self, pictures: NDArray[np.int64], labels: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """What to learn from rows: the right label where it is known, and none where it is wrong.

        Args:
            pictures, labels: (n,) of the rows, in any order.

        Returns:
            (n,) labels, and (n,) whether there is anything to learn.
        """
        settled, right = self.settled
        places = np.searchsorted(settled, pictures).clip(max=max(len(settled) - 1, 0))
        is_settled = np.isin(pictures, settled)
        learned = np.where(is_settled, right[places] if len(right) else labels, labels)
        return learned, ~self._denies(pictures, labels)

    def corrected(self, given: GivenLabels) -> GivenLabels:
        """The labels with what is known in place of what was given; a label found wrong is gone."""
        settled, labels = self.settled
        stays = ~np.isin(given.pictures, settled) & ~self._denies(given.pictures, given.labels)
        pictures = np.concatenate([given.pictures[stays], settled])
        all_labels = np.concatenate([given.labels[stays], labels])
        sure = np.concatenate([given.sure[stays], np.ones(len(settled), dtype=bool)])
        order = np.lexsort((all_labels, pictures))
        return GivenLabels(
            pictures[order], all_labels[order], given.count, given.classes, sure[order]
        )
