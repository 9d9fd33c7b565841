"""From what is believed to what is kept: one threshold for all rows.

A row is flagged where it is more likely wrong than half the F1 that flagging can be expected to
reach: the threshold that makes the expected F1 of the wrong labels highest (Lipton, Elkan &
Naryanaswamy 2014, "Optimal Thresholding of Classifiers to Maximize F1 Measure", Theorem 1).
"""

import numpy as np
from numpy.typing import NDArray

_LEAST_DOUBT = 0.25  # nothing is flagged that is more than three times as likely right
_UNINFORMED = 0.75  # where the witnesses know nothing, only what is three times as likely wrong


def keep_threshold(clean_prob: NDArray[np.float64], informed: float) -> float:
    """The `clean_prob` above which a row is kept.

    By hand: clean probabilities 0, 0, 1, 1, that is two rows surely wrong: flagging both is
    expected to reach F1 = 2·2/(2 + 2) = 1, and the threshold is 1 - 1/2 = 0.5.

    Args:
        clean_prob: (n,) of labelled rows, in [0, 1].
        informed: how much it is believed that the witnesses know something, in [0, 1].
    """
    if informed < 0.5:
        return 1 - _UNINFORMED
    wrong = np.sort(1 - clean_prob)[::-1]
    if not len(wrong) or wrong[0] <= 0:
        return 0.5
    flagged = np.arange(1, len(wrong) + 1)
    reached = (2 * np.cumsum(wrong) / (flagged + wrong.sum())).max()
    return float(1 - max(reached / 2, _LEAST_DOUBT))
