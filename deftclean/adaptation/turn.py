"""TURN: which rows a linear probe believes, before anything else is trained.

Ahn et al. 2023, "Fine-tuning pre-trained models for robustness under noisy labels",
https://arxiv.org/abs/2310.17668. Knows neither files nor backbones: features in, rows out.
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from deftclean.adaptation.classifiers import Classifier
from deftclean.adaptation.fine_tuning import Batches, Targets, fine_tune
from deftclean.adaptation.losses import make_loss
from deftclean.core.errors import RunError
from deftclean.core.runtime import Runtime
from deftclean.settings.adaptation import AdaptConfig
from deftclean.training.mixture import low_component

_CLEAN = 0.5  # posterior of the low losses above which a row is believed
_WAY_OUT = "Use --method fft, or linear, which leave no row out."


def train_probe(
    head: Classifier,
    feed: Callable[[int], Batches],
    targets: Targets,
    rows: int,
    classes: int,
    config: AdaptConfig,
    runtime: Runtime,
    on_step: Callable[[Tensor], None],
    say: Callable[[str], None],
) -> None:
    """Train the head alone; it is changed in place.

    Args:
        head: (B, W) features -> (B, K), on the run's device.
        feed: epoch from 0 -> batches of (rows, features).
        targets: labels and weights of the rows.
        rows: n, that are trained on.
        classes: K.
        config: see `deftclean.settings.adaptation.probe_of`.
        runtime: device and precision.
        on_step: called after each step with its mean loss.
        say: told when a batch does not fit into memory.

    Raises:
        RunError: as `fine_tune`.
    """
    loss = make_loss(config.loss, rows, classes, runtime.device)
    for _ in fine_tune(head, feed, targets, loss, config, runtime, on_step, say):
        pass


def row_losses(
    head: Classifier, batches: Batches, labels: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Cross-entropy of each row by the head as it is now.

    By hand, logits (ln 3, 0): 0.287682 for label 0, 1.386294 for label 1.

    Args:
        head: on the device of the features.
        batches: of features, un-augmented, row after row.
        labels: (n,) classes of the same rows.

    Returns:
        (n,), lower = the label fits better.
    """
    found: list[Tensor] = []
    at = 0
    with torch.inference_mode():
        logits = head.fixed()
        for shown, features in batches:
            given = torch.from_numpy(labels[at : at + len(shown)]).to(features.device)
            each = F.cross_entropy(logits(features).float(), given, reduction="none")
            found.append(each.cpu())
            at += len(shown)
    losses: NDArray[np.float64] = torch.cat(found).numpy().astype(np.float64)
    return losses


def believed(
    losses: NDArray[np.float64],
    rows: NDArray[np.int64],
    labels: NDArray[np.int64],
    seed: int,
) -> NDArray[np.int64]:
    """Rows whose loss more likely belongs to the low heap than to the high one.

    Args:
        losses: (n,) of the rows, finite; lower = the label fits better.
        rows: (n,) ascending.
        labels: (n,) classes of the rows.
        seed: of the mixture.

    Returns:
        (m,) of the rows, ascending.

    Raises:
        RunError: losses that are not finite, or too little left to learn from.
    """
    clean = low_component(losses, seed) > _CLEAN
    classes = len(np.unique(labels[clean]))
    if classes >= 2:
        return rows[clean]
    left = "no row" if not classes else f"{int(clean.sum()):,} rows, all of one class"
    raise RunError(
        f"--method turn: of {len(rows):,} rows the probe believes {left}; a classifier needs two "
        "or more classes.",
        _WAY_OUT,
    )


def classes_left_out(
    offered: NDArray[np.int64], selected: NDArray[np.int64], class_names: tuple[str, ...]
) -> tuple[str, ...]:
    """Names of classes of which rows were offered and none was selected.

    Args:
        offered: (n,) classes of the rows before the selection.
        selected: (m,) after it.
        class_names: K.
    """
    return tuple(class_names[index] for index in np.setdiff1d(offered, selected))
