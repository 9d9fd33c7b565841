"""The labels that pictures were given: what all evidence is weighed against.

Rows that show the same picture with the same label say it once: copies of a row are no further
evidence. Rows that show it with another label contradict each other, and both count.

Shapes: U distinct pictures, P pairs, K classes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deftclean.evidence.agreement import strata_of


@dataclass(frozen=True)
class GivenLabels:
    """P different pairs of a picture and a label.

    Attributes:
        pictures: (P,) int64, ascending; a picture with two labels is there twice.
        labels: (P,) int64 class.
        count: U, labelled or not.
        classes: K.
        sure: (P,) bool, the label is known to be right.
        strata: (P,) how far the annotators agreed, see `agreement.strata_of`; None where there is
            nothing to know of it.
    """

    pictures: NDArray[np.int64]
    labels: NDArray[np.int64]
    count: int
    classes: int
    sure: NDArray[np.bool_]
    strata: NDArray[np.int64] | None = None

    @classmethod
    def of(
        cls,
        pictures: NDArray[np.int64],
        labels: NDArray[np.int64],
        count: int,
        classes: int,
        agreement: NDArray[np.float64] | None = None,
    ) -> "GivenLabels":
        """From the picture and the label of every labelled row, in any order; none is sure.

        Args:
            pictures, labels: (n,) of the rows.
            count: U.
            classes: K.
            agreement: (n,) share of votes for each label, of which a pair has the mean; NaN where
                it is unknown, None where it always is.
        """
        pairs, of_row = np.unique(pictures * classes + labels, return_inverse=True)
        sure, strata = np.zeros(len(pairs), dtype=bool), None
        if agreement is not None:
            total = np.bincount(of_row, weights=agreement, minlength=len(pairs))
            strata = strata_of(total / np.bincount(of_row, minlength=len(pairs)))
        return cls(pairs // classes, pairs % classes, count, classes, sure, strata)

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def marginal(self) -> NDArray[np.float64]:
        """(K,) share of each class among the labels, with one more of each."""
        counts = np.bincount(self.labels, minlength=self.classes) + 1.0
        shares: NDArray[np.float64] = counts / counts.sum()
        return shares

    def some(self, most: int, generator: np.random.Generator) -> "GivenLabels":
        """At most so many of them, drawn at random; all of them where there are no more."""
        if len(self) <= most:
            return self
        chosen = np.sort(generator.choice(len(self), most, replace=False))
        return GivenLabels(
            self.pictures[chosen],
            self.labels[chosen],
            self.count,
            self.classes,
            self.sure[chosen],
            None if self.strata is None else self.strata[chosen],
        )

    def folds(self, parts: int, generator: np.random.Generator) -> NDArray[np.int64]:
        """(U,) part, from 0, that each picture is held out with.

        Labelled pictures are dealt out class by class (of their first label), so that parts have as
        many of each class as of any other, give or take one.
        """
        labelled, first = np.unique(self.pictures, return_index=True)
        shuffled = generator.permutation(len(labelled))
        dealt = shuffled[np.argsort(self.labels[first][shuffled], kind="stable")]
        folds = generator.permutation(self.count) % parts
        folds[labelled[dealt]] = np.arange(len(labelled)) % parts
        return folds
