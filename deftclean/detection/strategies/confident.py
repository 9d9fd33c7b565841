"""Confident learning on features that nothing was trained on, by cleanlab.

Northcutt et al. 2021, https://arxiv.org/abs/1911.00068. cleanlab is an extra: it is looked for when
the strategy is asked for.
"""

import importlib.util
import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deftclean.core.errors import UsageError
from deftclean.detection.strategies.rules import Choice, kept_first

FOLDS = 5


def require_cleanlab() -> None:
    """Refuse before any work where cleanlab is not installed.

    Raises:
        UsageError: how to install it.
    """
    if importlib.util.find_spec("cleanlab") is None:
        raise UsageError(
            "--strategy confident-learning needs cleanlab, which is not installed.",
            "pip install 'deftclean[cleanlab]'",
        )


def out_of_sample(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    classes: int,
    seed: int,
) -> NDArray[np.float64]:
    """(n, K) probabilities of every row by a logistic regression that has not seen its picture.

    Five stratified folds, fewer where no class has five rows; a class that a fold's training rows
    lack has probability 0 there.

    Args:
        features: (n, D) unit features; the regression sees them times √D.
        labels: (n,) given class.
        groups: (n,) picture, so that rows with the same one stay in the same fold.
        classes: K.
        seed: of the folds.

    Raises:
        UsageError: fewer than two pictures, or no class with two rows.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold

    folds = min(FOLDS, len(np.unique(groups)), int(np.bincount(labels).max()))
    if folds < 2:
        raise UsageError(
            "--strategy confident-learning needs at least two different pictures, and a class with "
            "two of them."
        )
    scaled = features * np.float32(math.sqrt(features.shape[1]))
    found = np.zeros((len(labels), classes))
    state = int(np.random.SeedSequence(seed).generate_state(1)[0])  # scikit-learn takes 32 bits
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=state)
    with warnings.catch_warnings():
        # A class with fewer rows than folds, and a regression that is good enough.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        warnings.filterwarnings("ignore", category=ConvergenceWarning)
        for train, test in splitter.split(scaled, labels, groups):
            seen = np.unique(labels[train])
            if len(seen) == 1:
                found[np.ix_(test, seen)] = 1.0
                continue
            model = LogisticRegression(max_iter=200).fit(scaled[train], labels[train])
            found[np.ix_(test, model.classes_)] = model.predict_proba(scaled[test])
    return found


def confident_learning(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> Choice:
    """cleanlab's label issues (pruned by noise rate); score: its self-confidence, `kept_first`.

    Args:
        labels: (n,) given class.
        probabilities: (n, K), each row sums to 1.
    """
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    # cleanlab wants classes without gaps.
    present, compact = np.unique(labels, return_inverse=True)
    own = probabilities[:, present]
    own = own / np.maximum(own.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    with warnings.catch_warnings():
        # So few rows of a class that none of them is called an issue.
        warnings.filterwarnings("ignore", message="May not flag all label issues")
        issues: Any = find_label_issues(compact, own, n_jobs=1)
    quality: Any = get_label_quality_scores(compact, own, method="self_confidence")
    return kept_first(np.clip(np.asarray(quality, float), 0, 1), ~np.asarray(issues, bool))
