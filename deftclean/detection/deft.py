"""DEFT's own way of selecting rows: train the dual-prompt detector, then judge every row."""

import functools
import math

from deftclean.core.errors import CollapseError
from deftclean.core.progress import NowAndThen
from deftclean.detection.task import Judged, Task
from deftclean.detection.train import EpochMetrics, Progressed, StepReport, train_detector
from deftclean.detection.warnings import training_warnings
from deftclean.models.detector import DualPromptDetector
from deftclean.training.checkpoint import Checkpoint
from deftclean.training.collapse import CollapseWatch


def detect_rows(
    task: Task,
    warmup_is_fixed: bool,
    threshold: float,
    unfinished: Checkpoint,
    resume: bool,
    compiled: bool,
) -> Judged:
    """Train a detector and score every readable row with it.

    Args:
        task: the data.
        warmup_is_fixed: do not prolong warm-up where separation is low.
        threshold: of the keep rule.
        unfinished: where the state after each epoch is kept.
        resume: go on with what lies there.
        compiled: translate the tuned image tower with `torch.compile`.

    Raises:
        CollapseError: training collapsed.
        UsageError: what lies there belongs to another run.
    """
    pictures, config = task.pictures, task.config
    detector = pictures.session.detector_for(task.manifest.class_names, config)
    if compiled:
        detector.compile_images()
    epochs = _train(task, detector, warmup_is_fixed, unfinished, resume)
    warnings = training_warnings(
        epochs, task.zero_shot, pictures.rows, task.manifest, task.progress
    )
    scores = pictures.score(detector, task.progress)
    return Judged(scores, config.rule, threshold, detector, epochs, warnings)


def _train(
    task: Task,
    detector: DualPromptDetector,
    warmup_is_fixed: bool,
    unfinished: Checkpoint,
    resume: bool,
) -> list[EpochMetrics]:
    pictures, config, progress = task.pictures, task.config, task.progress
    watch = CollapseWatch(detector, pictures.probe(config.seed), pictures.runtime)
    earlier = unfinished.load(Progressed.of) if resume else None
    epochs = list(earlier.epochs) if earlier is not None else []
    if note := _beginning(unfinished, resume, len(epochs), config.epochs):
        progress.say(note)
    steps = math.ceil(len(pictures.rows.trainable) / config.batch_size)
    try:
        with progress.stage("Training", steps * config.epochs) as advance:
            advance(steps * len(epochs), "")
            steps_done = NowAndThen(advance)
            for trained in train_detector(
                detector,
                pictures.epochs(detector.image_features, config),
                pictures.labels,
                watch,
                config,
                warmup_is_fixed,
                pictures.runtime,
                lambda report: steps_done(functools.partial(_step_text, report)),
                earlier.state if earlier is not None else None,
            ):
                epochs.append(trained.metrics)
                done = Progressed(tuple(epochs), trained.state)
                unfinished.save(done.values(), done.tensors())
                progress.say(_epoch_line(trained.metrics, config.epochs))
    except CollapseError:
        unfinished.remove()  # going on would end the same way
        raise
    except (KeyboardInterrupt, SystemExit):
        if epochs:
            progress.say(
                f"stopped after {len(epochs)} of {config.epochs} epochs, which are kept in "
                f"{unfinished.folder}: the same command with --resume goes on from there"
            )
        raise
    return epochs


def _beginning(unfinished: Checkpoint, resume: bool, done: int, epochs: int) -> str:
    if done:
        return f"going on after {done} of {epochs} epochs"
    if resume:
        return f"nothing to resume in {unfinished.folder}: beginning with the first epoch"
    if unfinished.folder.exists():
        return (
            f"{unfinished.folder} holds an unfinished scan, which this one replaces; --resume "
            "goes on with it"
        )
    return ""


def _step_text(report: StepReport) -> str:
    flagged = 1 - float(report.clean.float().mean())
    return f"loss {float(report.loss):.3f}, flagged {flagged:.0%}"


def _epoch_line(metrics: EpochMetrics, epochs: int) -> str:
    more = " · separation is low, warm-up goes on" if metrics.prolonged else ""
    kind = "warm-up" if metrics.warmup else "clean rows"
    return (
        f"epoch {metrics.epoch}/{epochs} ({kind}): loss {metrics.loss:.3f}, flagged "
        f"{metrics.noise_rate:.1%}, separation {metrics.separation:.3f}{more}"
    )
