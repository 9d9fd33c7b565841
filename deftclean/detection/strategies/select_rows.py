"""Ways of selecting rows that DEFT is compared with, behind one signature.

Each gives every readable row a score in [0, 1], from one final deterministic pass, and says which
rule of the score table turns it into `keep`. docs/strategies.md says what each simplifies.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from deftclean.core.errors import RunError
from deftclean.core.progress import NowAndThen, Progress, Silent
from deftclean.detection.strategies.confident import confident_learning, out_of_sample
from deftclean.detection.strategies.linear_head import (
    Evidence,
    EvidenceCollector,
    HeadedTower,
    fresh_tower,
    smallest,
    train_pass,
)
from deftclean.detection.strategies.neighbours import near_prototypes, vote
from deftclean.detection.strategies.rules import (
    CLASS_SHARE,
    Choice,
    above,
    class_wise,
    forget_rate,
    kept_first,
    margin,
    small_loss,
    uniform,
)
from deftclean.detection.task import Outcome, Task
from deftclean.features.scoring import DetectorScores
from deftclean.settings.strategies import StrategyOptions
from deftclean.training.embeddings import Embeddings
from deftclean.training.mixture import low_component
from deftclean.training.optimiser import Optimiser, learning_rate

_TEMPERATURE = 0.01  # of the zero-shot margin: CLIP's own, whatever another model was trained with
_FIRST_CLASS_SHARE = 0.2
_GENTLER = "Lower --lr (to a tenth of it), or limit gradients with --clip-grad 1."
_LAST_SELECTIONS = 3  # that a row of LongReMix's core set was in, one after the other


def select_rows(options: StrategyOptions, task: Task) -> Outcome:
    """Score every readable row.

    Args:
        options: which strategy; not `deft`, whose detector is trained elsewhere.
        task: the data.

    Raises:
        RunError: training diverged or collapsed, or nothing was left to learn from.
        UsageError: the model cannot take the tuner.
    """
    match options.strategy:
        case "label-match":
            return _label_match(task)
        case "zero-shot-margin":
            return _zero_shot_margin(task)
        case "knn":
            return _neighbours(task)
        case "confident-learning":
            return _confident_learning(task)
        case "small-loss":
            assert options.noise_ratio is not None  # noqa: S101 - checked at the door
            return _small_loss(task, options.noise_ratio)
        case "longremix":
            return _longremix(task)
        case "gmm":
            return _reselecting(task, _by_mixture)
        case "rolt":
            return _reselecting(task, _by_prototypes)
        case "unicon":
            return _reselecting(task, _by_divergence)
        case "promix":
            return _reselecting(task, _by_class)
        case "deft" | "evidence":
            raise ValueError("dual-prompt detectors are no rule over a classifier")


# ---------------------------------------------------------------- without training


def _label_match(task: Task) -> Outcome:
    """Zero-shot's softmax of the given label; kept where zero-shot predicts it."""
    seen = task.zero_shot
    scores = DetectorScores(
        seen.rows, seen.prob, seen.predicted, seen.predicted, seen.predicted_prob
    )
    return Outcome(scores, "agree", 0.0)


def _zero_shot_margin(task: Task) -> Outcome:
    """How far the given label is ahead of the best other, at temperature 0.01."""
    seen = task.zero_shot
    ahead = seen.ahead.astype(np.float64) / _TEMPERATURE
    score = margin(ahead, np.zeros_like(ahead)).score.astype(np.float32)
    scores = DetectorScores(seen.rows, score, seen.predicted, seen.predicted, seen.predicted_prob)
    return Outcome(scores, "threshold", 0.5)


def _neighbours(task: Task) -> Outcome:
    """Agreement of the ten nearest pictures' labels; kept where no class has more votes."""
    pictures = task.pictures
    with task.progress.stage("Comparing pictures", len(pictures.rows.distinct)) as advance:
        found = vote(
            pictures.embeddings,
            pictures.rows,
            pictures.by_picture,
            task.classes,
            pictures.runtime,
            lambda done: advance(done, ""),
        )
    scores = DetectorScores(found.rows, found.score, found.top, found.top, found.top_share)
    return Outcome(scores, "agree", 0.0)


def _confident_learning(task: Task) -> Outcome:
    """cleanlab's issues on cross-validated features; zero-shot predicts rows without a label."""
    rows, seen = task.pictures.rows, task.zero_shot
    shown = rows.pictures[rows.trainable]
    features = task.pictures.embeddings.take(shown).numpy()
    with task.progress.stage("Cross-validating", 1) as advance:
        probabilities = out_of_sample(features, task.labels, shown, task.classes, task.config.seed)
        advance(1, "")
    choice = confident_learning(task.labels, probabilities)
    predicted, certainty = seen.predicted.copy(), seen.predicted_prob.copy()
    labelled = task.labelled(seen.rows)
    predicted[labelled] = probabilities.argmax(axis=1)
    certainty[labelled] = probabilities.max(axis=1)
    score = _spread(choice.score, labelled)
    return Outcome(
        DetectorScores(seen.rows, score, predicted, predicted, certainty), "threshold", 0.5
    )


# ---------------------------------------------------------------- with a linear head


@dataclass(frozen=True)
class FullPass:
    """What a classifier sees in one un-augmented pass over all pictures.

    Attributes:
        features: of every distinct picture.
        evidence: of every readable row.
        labelled: of those with a label, n.
    """

    features: Embeddings
    evidence: Evidence
    labelled: Evidence


Rules = Callable[[Task, FullPass, int], Choice]
"""The data, a full pass, the number of finished epochs -> what is kept of the n labelled rows."""


def _small_loss(task: Task, noise_ratio: float) -> Outcome:
    """Learn from the smallest losses of every batch; keep the (1 - r)·n smallest of all."""
    model = fresh_tower(task.pictures.session.loaded.encoder, task.classes, task.config)
    trainable = task.pictures.rows.trainable

    def chosen(losses: torch.Tensor, epoch: int) -> torch.Tensor:
        return smallest(losses, forget_rate(epoch, task.config.warmup, noise_ratio))

    _train(task, model, lambda _: trainable, chosen)
    full = _look(task, model, task.progress)
    choice = small_loss(full.labelled.loss, noise_ratio)
    return _selected(task, full.evidence, choice, noise_ratio)


def _reselecting(task: Task, rules: Rules) -> Outcome:
    """Before every epoch after warm-up, choose anew the rows to learn from."""
    model = fresh_tower(task.pictures.session.loaded.encoder, task.classes, task.config)
    _train_reselecting(task, model, rules, task.pictures.rows.trainable)
    full = _look(task, model, task.progress)
    return _selected(task, full.evidence, rules(task, full, task.config.epochs), 0.5)


def _longremix(task: Task) -> Outcome:
    """Find the rows that stay clean, and begin anew with those.

    Cordeiro et al. 2023, https://arxiv.org/abs/2103.04173.
    """
    encoder = task.pictures.session.loaded.encoder
    seen = deque[NDArray[np.bool_]](maxlen=_LAST_SELECTIONS)

    def remembering(task: Task, full: FullPass, done: int) -> Choice:
        choice = _by_mixture(task, full, done)
        seen.append(choice.keep)
        return choice

    first = fresh_tower(encoder, task.classes, task.config)
    _train_reselecting(task, first, remembering, task.pictures.rows.trainable)
    remembering(task, _look(task, first, Silent()), task.config.epochs)
    del first  # with `--tuner fft` a whole tower
    core = np.logical_and.reduce(seen)

    def with_core(task: Task, full: FullPass, done: int) -> Choice:
        choice = _by_mixture(task, full, done)
        return kept_first(choice.score, choice.keep | core)

    second = fresh_tower(encoder, task.classes, task.config)
    trusted = _some(task.pictures.rows.trainable[core], "longremix's core set")
    _train_reselecting(task, second, with_core, trusted)
    full = _look(task, second, task.progress)
    return _selected(task, full.evidence, with_core(task, full, task.config.epochs), 0.5)


def _by_mixture(task: Task, full: FullPass, done: int) -> Choice:  # noqa: ARG001
    """GMM: posterior of the lower of two heaps of losses, above 1/2."""
    return above(low_component(full.labelled.loss, task.config.seed), 0.5)


def _by_prototypes(task: Task, full: FullPass, done: int) -> Choice:  # noqa: ARG001
    """RoLT: posterior of the nearer of two heaps around the class mean, above 1/2."""
    return above(near_prototypes(full.features, task.pictures, task.classes), 0.5)


def _by_divergence(task: Task, full: FullPass, done: int) -> Choice:  # noqa: ARG001
    """UNICON: as many rows of every class, by divergence."""
    return uniform(full.labelled.divergence, task.labels)


def _by_class(task: Task, full: FullPass, done: int) -> Choice:
    """ProMix: class-wise small losses, a growing share, and matched high confidence."""
    grown = min(1.0, done / task.config.epochs)
    share = _FIRST_CLASS_SHARE + (CLASS_SHARE - _FIRST_CLASS_SHARE) * grown
    return class_wise(full.labelled.given_prob, task.labels, share)


# ---------------------------------------------------------------- training and looking


def _train_reselecting(
    task: Task, model: HeadedTower, rules: Rules, trusted: NDArray[np.int64]
) -> None:
    trainable = task.pictures.rows.trainable

    def rows_of(epoch: int) -> NDArray[np.int64]:
        if epoch <= task.config.warmup:
            return trusted
        return _some(
            trainable[rules(task, _look(task, model, Silent()), epoch - 1).keep],
            f"the selection before epoch {epoch}",
        )

    _train(task, model, rows_of, lambda losses, _: torch.ones_like(losses, dtype=torch.bool))


def _some(rows: NDArray[np.int64], what: str) -> NDArray[np.int64]:
    if len(rows):
        return rows
    raise RunError(
        f"{what[0].upper()}{what[1:]} is empty: there is nothing left to learn from.",
        "Try another --strategy, more --warmup epochs, or a lower --lr.",
    )


def _train(
    task: Task,
    model: HeadedTower,
    rows_of: Callable[[int], NDArray[np.int64]],
    chosen: Callable[[torch.Tensor, int], torch.Tensor],
) -> None:
    """Train a head, and the tuner where there is one.

    Args:
        task: the data.
        model: changed in place.
        rows_of: epoch from 1 -> rows to learn from.
        chosen: losses of a batch, epoch -> which of them count.
    """
    pictures, config = task.pictures, task.config
    optimiser = Optimiser(model, "sgd", config, pictures.runtime)
    watch = pictures.watch(model, config.seed) if model.tuner is not None else None
    feed = pictures.epochs_of_chosen(model.image_features, config)
    steps = math.ceil(len(pictures.rows.trainable) / config.batch_size)
    with task.progress.stage("Training", steps * config.epochs) as advance:
        for epoch in range(1, config.epochs + 1):
            rows = rows_of(epoch)
            optimiser.set_lr(learning_rate(config, epoch))
            step = NowAndThen(advance)
            loss = train_pass(
                model,
                feed(epoch - 1, rows),
                pictures.labels,
                optimiser,
                pictures.runtime,
                lambda losses, epoch=epoch: chosen(losses, epoch),  # type: ignore[misc]
                lambda mean, step=step: step(lambda: f"loss {float(mean):.3f}"),  # type: ignore[misc]
                feed.again,
            )
            advance(steps - math.ceil(len(rows) / config.batch_size), "")
            _check_loss(loss, epoch)
            if watch is not None:
                watch.check(f"in epoch {epoch}")
            task.progress.epoch(
                f"epoch {epoch}/{config.epochs}: loss {loss:.3f}, learned from {len(rows):,} rows"
            )


def _check_loss(loss: float, epoch: int) -> None:
    if not math.isfinite(loss):
        raise RunError(
            f"The loss is {loss} in epoch {epoch}: training has diverged. No table was written.",
            _GENTLER,
        )


def _look(task: Task, model: HeadedTower, progress: Progress) -> FullPass:
    """One deterministic pass over all pictures, each encoded once."""
    count = len(task.pictures.rows.distinct)
    with progress.stage("Scoring", count) as advance, torch.inference_mode():
        features = task.pictures.spool(model.image_features, lambda done: advance(done, ""))
        collector = EvidenceCollector(task.pictures.by_own_picture)
        for pictures, image in task.pictures.of(features):
            collector.add(pictures, model(image))
    evidence = collector.evidence()
    if wrong := int((~np.isfinite(evidence.loss)).sum()):
        raise RunError(
            f"{wrong:,} of {len(evidence.loss):,} losses are not finite: training has diverged. No "
            "table was written.",
            _GENTLER,
        )
    return FullPass(features, evidence, evidence.of(task.labelled(evidence.rows)))


def _selected(task: Task, evidence: Evidence, choice: Choice, threshold: float) -> Outcome:
    score = _spread(choice.score, task.labelled(evidence.rows))
    predicted, certainty = evidence.predicted, evidence.predicted_prob
    scores = DetectorScores(evidence.rows, score, predicted, predicted, certainty)
    return Outcome(scores, "threshold", threshold)


def _spread(score: NDArray[np.float64], labelled: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Scores of the labelled rows among all readable ones; 0 for the others."""
    full = np.zeros(len(labelled), dtype=np.float32)
    full[labelled] = score
    return full
