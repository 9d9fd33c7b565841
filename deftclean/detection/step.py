"""What one training step reads of the similarities: the labels' own, and no others.

Positive similarities enter a softmax, so all K are needed. Negative ones are thresholds: the losses
read them at three labels of each sample, so only those prompts are encoded with a graph. Rule
`agree` also compares the thresholds of all classes, without gradient.

Shapes: B samples, K classes, D joint size.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from deftclean.models.detector import DualPromptDetector
from deftclean.training.losses import at_label, clean_by_agreement, clean_probability


class Judgement(NamedTuple):
    """A batch in the eyes of the detector.

    Attributes:
        positive: (B, K) similarities, with gradient to images and positive context.
        clean: (B,) bool, judged clean.
        given: (B,) clean probability of the given label y, in [0, 1].
        refined: (B,) of ŷ: y, or after the pseudo-labels' start the likeliest class where y was
            judged wrong.
        complementary: (B,) of ȳ.

    The three probabilities train the negative context only.
    """

    positive: Tensor
    clean: Tensor
    given: Tensor
    refined: Tensor
    complementary: Tensor


def judge(
    detector: DualPromptDetector,
    image: Tensor,
    given: Tensor,
    complementary: Tensor,
    agree: bool,
    pseudo: bool,
    batch: int | None = None,
) -> Judgement:
    """Judge a batch, or what one process has of it.

    Args:
        detector: its prompts are encoded here.
        image: (B, D) image features.
        given: y, (B,) int64.
        complementary: ȳ, (B,) int64.
        agree: the rule, `agree` or `threshold`.
        pseudo: whether ŷ differs from y where y is judged wrong.
        batch: rows of the whole batch, of all processes; None for B.
    """
    # Where few thresholds are read, only those are encoded with a graph: in all processes alike.
    asked = (batch or len(given)) * (4 if agree else 3 if pseudo else 2)
    few = detector.prompts.few(asked)
    positive, negative = (detector.positive(image), None) if few else detector.both(image)
    likely = positive.argmax(dim=1) if pseudo else None
    by_rule = _by_agreement if agree else _by_threshold
    return by_rule(detector, image, positive, negative, given, likely, complementary)


def _by_threshold(
    detector: DualPromptDetector,
    image: Tensor,
    positive: Tensor,
    negative: Tensor | None,
    given: Tensor,
    likely: Tensor | None,
    complementary: Tensor,
) -> Judgement:
    asked = torch.stack(
        [complementary, given] if likely is None else [complementary, given, likely]
    )
    chosen = detector.negative_at(image, asked) if negative is None else _at(negative, asked)
    fixed = _at(positive.detach(), asked)
    probability = clean_probability(fixed, chosen)
    clean = fixed[1] > chosen[1]
    refined = torch.where(clean, probability[1], probability[-1])
    return Judgement(positive, clean, probability[1], refined, probability[0])


def _by_agreement(
    detector: DualPromptDetector,
    image: Tensor,
    positive: Tensor,
    negative: Tensor | None,
    given: Tensor,
    likely: Tensor | None,
    complementary: Tensor,
) -> Judgement:
    fixed = positive.detach()
    every = negative
    if every is None:  # all thresholds are compared, but few of them are learned from
        with torch.no_grad():
            every = detector.negative(image)
    clean = clean_by_agreement(fixed, every, given)
    refined = given if likely is None else torch.where(clean, given, likely)
    asked = torch.stack([refined, complementary])
    chosen = detector.negative_at(image, asked) if negative is None else _at(negative, asked)
    of_refined, of_other = clean_probability(_at(fixed, asked), chosen)
    return Judgement(
        positive,
        clean,
        clean_probability(at_label(fixed, given), at_label(every, given)),
        of_refined,
        of_other,
    )


def _at(values: Tensor, labels: Tensor) -> Tensor:
    """``values[i, labels[j, i]]``: (B, K), (n, B) -> (n, B)."""
    return values.gather(1, labels.T).T
