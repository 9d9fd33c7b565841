"""DEFT's own way of selecting rows: train the dual-prompt detector, then judge every row."""

import functools
import math
from collections.abc import Iterator

from deftclean.core.errors import CollapseError
from deftclean.core.progress import NowAndThen
from deftclean.detection.task import Outcome, Task
from deftclean.detection.train import EpochMetrics, Progressed, StepReport, train_detector
from deftclean.detection.warnings import training_warnings
from deftclean.models.detector import DualPromptDetector
from deftclean.training.checkpoint import Checkpoint
from deftclean.training.collapse import CollapseWatch
from deftclean.training.epochs import ResumableTraining


def detect_rows(
    task: Task, threshold: float, checkpoint: Checkpoint, resume: bool, compiled: bool
) -> Outcome:
    """Train a detector and score every readable row with it.

    Args:
        task: the data.
        threshold: of the keep rule.
        checkpoint: where the state after each epoch is kept.
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
    epochs = _train(task, detector, checkpoint, resume)
    warnings = training_warnings(
        epochs, task.zero_shot, pictures.rows, task.manifest, task.progress
    )
    scores = pictures.score(detector, task.progress)
    return Outcome(scores, config.rule, threshold, detector, epochs, warnings)


def _train(
    task: Task, detector: DualPromptDetector, checkpoint: Checkpoint, resume: bool
) -> list[EpochMetrics]:
    pictures, config = task.pictures, task.config
    watch = CollapseWatch(detector, pictures.probe(config.seed), pictures.runtime)
    feed = pictures.epochs(detector.image_features, config)

    def epochs_after(record: Progressed | None, on_step: NowAndThen) -> Iterator[Progressed]:
        epochs = record.epochs if record is not None else ()
        for trained in train_detector(
            detector,
            feed,
            pictures.labels,
            watch,
            config,
            task.resolved.warmup_is_fixed,
            pictures.runtime,
            lambda report: on_step(functools.partial(_step_text, report)),
            record.state if record is not None else None,
        ):
            epochs = (*epochs, trained.metrics)
            yield Progressed(epochs, trained.state)

    steps = math.ceil(len(pictures.rows.trainable) / config.batch_size)
    training = ResumableTraining(
        "Training", config.epochs, steps, checkpoint, resume, task.progress
    )
    _say_beginning(training)
    try:
        record = training.run(Progressed.of, epochs_after)
    except CollapseError:
        checkpoint.remove()  # going on would end the same way
        raise
    return list(record.epochs) if record is not None else []


def _say_beginning(training: ResumableTraining) -> None:
    """What becomes of a checkpoint that is there, or is not."""
    checkpoint, say = training.checkpoint, training.progress.say
    if training.resume and not checkpoint.exists:
        say(f"nothing to resume in {checkpoint.folder}: beginning with the first epoch")
    if not training.resume and checkpoint.exists:
        say(
            f"{checkpoint.folder} holds an unfinished scan, which this one replaces; --resume "
            "goes on with it"
        )


def _step_text(report: StepReport) -> str:
    flagged = 1 - float(report.clean.float().mean())
    return f"loss {float(report.loss):.3f}, flagged {flagged:.0%}"
